"""From a committed decision with victims to its binds: who leaves when, and what their own records become."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec

from scheduler.core.explain import Reason, terms_of
from scheduler.core.leaving.evictor import Evictor
from scheduler.model import effects as ef
from scheduler.model import events as ev
from scheduler.model.plan import MOVE, Decision, Loss, Taken, TierScore
from scheduler.model.policy import Policy, Taking
from scheduler.model.relations import LabelSet
from scheduler.model.running import Guard
from scheduler.model.selector import Requirement
from scheduler.model.work import (
    Cost,
    GangKey,
    Grant,
    MemberSpec,
    Move,
    NodeCount,
    Place,
    Pod,
    PodGroup,
    Victim,
    group_key,
    single_key,
)
from tests.unit.core.world import TALKATIVE, Bench, group, node, pod, shape

LOW, HIGH = group_key("team", "low"), group_key("team", "high")


def victims(*names: str) -> tuple[Victim, ...]:
    return tuple(Victim(f"uid-{name}", "team", name) for name in names)


def gang(name: str, count: int, *, minimum: int | None = None, **facts: object) -> list[Pod | PodGroup]:
    pods = [pod(f"{name}-{number}", group=name, **facts) for number in range(count)]  # type: ignore[arg-type]
    return [group(name, count if minimum is None else minimum), *pods]


def member_of(bench: Bench, name: str) -> str:
    """The name under which the engine knows the only member of a gang without declared members."""
    (member,) = bench.engine.snapshot().gangs[0].members
    assert bench.engine.snapshot().gangs[0].key == group_key("team", name)
    return member.name


def take(bench: Bench, places: dict[str, int], *names: str, moves: tuple[Move, ...] = (), **facts: object) -> None:
    """The gang `high` is to get these places, and these pods leave for it."""
    member = member_of(bench, "high")
    nodes = tuple(NodeCount(name, count) for name, count in places.items())
    bench.chosen[HIGH] = Decision(HIGH, (Place(member, nodes),), victims(*names), moves, **facts)  # type: ignore[arg-type]
    bench.tell(ev.NamespaceSeen("team", "", (("seen", str(bench.versions)),)))  # something new to decide on
    bench.tick()


def full(count: int = 4, minimum: int | None = None, **facts: object) -> Bench:
    """One node of 4, all of it taken by the gang `low`; the gang `high` of 2 waits."""
    bench = Bench(node("n1", 4))
    bench.see(*gang("low", count, minimum=minimum, **facts))
    assert bench.phase("low") == "Running"
    bench.see(*gang("high", 2))
    assert bench.nodes_of("high-0") == [""]
    return bench


def order(bench: Bench) -> list[str]:
    """What was done since everything runs, in order and in short."""
    return [f"{type(each).__name__} {getattr(each, 'name', '')}" for each in bench.done]


def free_gpus(bench: Bench) -> int:
    store = bench.engine.store
    return int(store.free_on("n1")[store.columns.names.index("nvidia.com/gpu")]) // 1000


def test_victims_are_told_why_and_evicted_after_both_records_and_awaited_before_the_binds() -> None:
    bench = full()
    bench.done.clear()
    take(bench, {"n1": 2}, "low-0", "low-1", "low-2", "low-3")
    done = order(bench)
    assert done.index("Commit high") < done.index("Release low") < done.index("MarkEvicted low-0")
    assert done.index("MarkEvicted low-0") < done.index("Evict low-0")
    assert Counter(bench.evicted()) == Counter({f"low-{number}": 1 for number in range(4)})
    assert not bench.performed(ef.Bind)
    bench.go("low-0", "low-1", "low-2")
    assert not bench.performed(ef.Bind), "one victim is still there"
    bench.go("low-3")
    assert bench.nodes_of("high-0", "high-1") == ["n1", "n1"]
    assert bench.phase("high") == "Running"


def test_a_gang_evicted_as_a_whole_waits_again_with_its_age_and_says_so() -> None:
    bench = full()
    take(bench, {"n1": 2}, "low-0", "low-1", "low-2", "low-3")
    low = bench.groups["low"]
    assert (low.assignment, low.evictions) == (None, 1)
    bench.go("low-0", "low-1", "low-2", "low-3")
    again = [pod(f"low-{number}", group="low", version="9") for number in (4, 5, 6, 7)]
    bench.see(*again)
    bench.tick()
    assert bench.phase("low") == "Queued"
    assert LOW in bench.engine._gangs.states.pending
    bench.tell(ev.NodeSeen(node("n2", 4)))
    bench.tick()
    assert set(bench.nodes_of("low-4", "low-5", "low-6", "low-7")) == {"n2"}


def test_surplus_goes_and_the_rest_of_its_gang_runs_on_by_a_shorter_record() -> None:
    bench = full(minimum=2)
    take(bench, {"n1": 2}, "low-2", "low-3")
    record = bench.groups["low"].assignment
    assert record is not None
    assert sum(each.count for place in record.places for each in place.nodes) == 2
    assert {victim.name for victim in record.victims} == {"low-2", "low-3"}
    bench.go("low-2", "low-3")
    assert bench.nodes_of("high-0", "high-1") == ["n1", "n1"]
    bench.tick()
    assert (bench.phase("low"), bench.groups["low"].evictions) == ("Running", 0)
    assert set(bench.evicted()) == {"low-2", "low-3"}


def test_room_is_counted_once_from_the_moment_of_the_decision() -> None:
    bench = full(minimum=2)
    take(bench, {"n1": 2}, "low-2", "low-3")
    assert free_gpus(bench) == -2, "two leave, and their room is promised"
    bench.go("low-2", "low-3")
    assert free_gpus(bench) == 0


def test_the_surplus_that_comes_back_waits_for_other_room() -> None:
    bench = full(minimum=2)
    take(bench, {"n1": 2}, "low-2", "low-3")
    bench.see(pod("low-4", group="low"), pod("low-5", group="low"))
    bench.go("low-2", "low-3")
    assert bench.nodes_of("low-4", "low-5", "high-0", "high-1") == ["", "", "n1", "n1"]
    bench.tell(ev.NodeSeen(node("n2", 2)))
    bench.tick()
    assert bench.nodes_of("low-4", "low-5") == ["n2", "n2"]


def moving() -> Bench:
    """`low` of 2 stands on n1 and `wall` of 2 on n2; `high` of 4 wants one node for itself: `low` is to move to n2."""
    bench = Bench(node("n1", 4), policy=msgspec.structs.replace(TALKATIVE, taking=Taking(moves=False)))
    bench.see(*gang("low", 2))
    bench.tell(ev.NodeSeen(node("n1", 4, unschedulable=True)), ev.NodeSeen(node("n2", 4)))
    bench.see(*gang("wall", 2))
    bench.tell(ev.NodeSeen(node("n1", 4)))
    bench.see(group("high", 4, required="host"), *(pod(f"high-{number}", group="high") for number in range(4)))
    record = bench.groups["low"].assignment
    assert record is not None
    (place,) = record.places
    leaving = victims("low-0", "low-1")
    take(bench, {"n1": 4}, moves=(Move(LOW, (Place(place.member, (NodeCount("n2", 2),)),), leaving),))
    return bench


def test_a_moved_gang_comes_back_on_the_places_that_are_kept_for_it() -> None:
    bench = moving()
    record = bench.groups["low"].assignment
    assert record is not None
    assert [(each.node, each.count) for place in record.places for each in place.nodes] == [("n2", 2)]
    assert (set(bench.evicted()), bench.groups["low"].evictions) == ({"low-0", "low-1"}, 0)
    bench.see(pod("late-0"), pod("late-1"))
    bench.go("low-0", "low-1")
    assert set(bench.nodes_of("high-0", "high-1", "high-2", "high-3")) == {"n1"}
    bench.see(pod("low-a", group="low"), pod("low-b", group="low"))
    assert bench.nodes_of("low-a", "low-b", "late-0", "late-1") == ["n2", "n2", "", ""]
    assert bench.phase("low") == "Running"


def test_places_of_a_moved_gang_that_never_comes_back_are_given_back() -> None:
    bench = moving()
    bench.tick(120)
    assert bench.groups["low"].assignment is not None, "its pods are still leaving"
    bench.go("low-0", "low-1")
    bench.tick(59)
    assert bench.groups["low"].assignment is not None
    bench.tick(2)
    assert bench.groups["low"].assignment is None


def guard(bench: Bench, allowed: int = 1) -> None:
    """A budget over the pods of role `main`."""
    bench.tell(ev.GuardSeen(Guard("team", "keep", (Requirement("role", "In", ("main",)),), allowed)))


def guarded() -> Bench:
    bench = full()
    main = LabelSet("team", (("role", "main"),))
    bench.see(msgspec.structs.replace(bench.pods["uid-low-3"], label_set=main, version="77"))
    guard(bench)
    return bench


def test_pods_under_a_budget_are_asked_first() -> None:
    bench = guarded()
    bench.done.clear()
    take(bench, {"n1": 2}, "low-0", "low-1", "low-2", "low-3")
    assert bench.evicted()[0] == "low-3"
    done = order(bench)
    assert done.index("Evict low-3") < done.index("Release low") < done.index("Evict low-0")


def test_a_refusal_by_a_budget_costs_nothing_and_is_said() -> None:
    bench = guarded()
    bench.guarded["uid-low-3"] = "Cannot evict pod as it would violate the pod's disruption budget."
    take(bench, {"n1": 2}, "low-0", "low-1", "low-2", "low-3")
    assert bench.evicted() == []
    low, high = bench.groups["low"], bench.groups["high"]
    assert (bench.phase("low"), low.assignment is not None, low.evictions) == ("Running", True, 0)
    assert high.assignment is None
    bench.tick()
    status = bench.performed(ef.WriteStatus)[-1].status
    assert status.verdict_cause == "Backoff"
    assert (
        "pod team/low-3 may not be evicted: its PodDisruptionBudget team/keep does not allow it now"
        in status.verdict_message
    )
    assert [each.name for each in bench.performed(ef.Spare)] == ["low-3"], "it was told that it leaves, and stays"
    assert not bench.pods["uid-low-3"].marked_evicted
    commits = len(bench.performed(ef.Commit))
    bench.tick(8)
    assert len(bench.performed(ef.Spare)) == 1
    assert len(bench.performed(ef.Commit)) == commits, "it waits before it is decided on again"
    bench.guarded.clear()
    bench.tick(2)
    assert set(bench.evicted()) == {f"low-{number}" for number in range(4)}


def test_a_busy_server_is_no_budget() -> None:
    bench = guarded()
    bench.guarded["uid-low-3"] = "Too many requests, please try again later."
    take(bench, {"n1": 2}, "low-0", "low-1", "low-2", "low-3")
    assert bench.groups["high"].assignment is not None
    bench.guarded.clear()
    bench.tick(2)
    assert set(bench.evicted()) == {f"low-{number}" for number in range(4)}


def test_lost_requests_are_sent_again() -> None:
    bench = full()
    bench.lose = [ef.Evict]
    take(bench, {"n1": 2}, "low-0", "low-1", "low-2", "low-3")
    assert len(bench.held) == 4
    lost, bench.held = bench.held, []
    bench.lose = []
    bench.tell(*(ev.Failed(each, 0, "no answer") for each in lost))
    assert bench.evicted() == []
    bench.tick(2)
    assert len(bench.evicted()) == 4


def test_a_victim_that_never_goes_is_waited_for_no_longer_than_the_policy_says() -> None:
    bench = full()
    take(bench, {"n1": 2}, "low-0", "low-1", "low-2", "low-3")
    bench.go("low-0", "low-1", "low-2")
    bench.tick(30 + 299)
    assert bench.groups["high"].assignment is not None
    bench.tick(2)
    assert bench.groups["high"].assignment is None
    bench.tick()
    assert "pod team/low-3" in bench.performed(ef.WriteStatus)[-1].status.verdict_message
    assert free_gpus(bench) == 3


def test_a_successor_goes_on_from_the_record() -> None:
    bench = full()
    bench.lose = [ef.Release]
    take(bench, {"n1": 2}, "low-0", "low-1", "low-2", "low-3")
    assert (bench.evicted(), bench.groups["low"].assignment is None) == ([], False)
    successor = Bench(node("n1", 4))
    successor.see(*bench.groups.values(), *bench.pods.values())
    assert set(successor.evicted()) == {f"low-{number}" for number in range(4)}
    assert successor.groups["low"].evictions == 1
    successor.go(*(f"low-{number}" for number in range(4)))
    assert successor.nodes_of("high-0", "high-1") == ["n1", "n1"]


def test_a_successor_binds_nobody_in_a_place_that_was_given_away() -> None:
    bench = full(minimum=2)
    bench.lose = [ef.MarkEvicted]
    take(bench, {"n1": 2}, "low-2", "low-3")
    bench.lose = []
    successor = Bench(node("n1", 4))
    successor.see(*bench.groups.values(), *bench.pods.values(), pod("low-9", group="low"))
    successor.go("low-2", "low-3")
    assert successor.nodes_of("low-9", "high-0", "high-1") == ["", "n1", "n1"]


def test_the_words_say_who_for_whom_under_which_permission_and_at_what_price() -> None:
    bench = full()
    loss = Loss(LOW, "default", "OwnQueue", 4, whole=True)
    costs = (TierScore("highest-priority", 0, 0), TierScore("pods-evicted", -4, -4))
    take(bench, {"n1": 2}, "low-0", "low-1", "low-2", "low-3", taken=Taken((loss,), costs, proven=True))
    (mark, *_) = bench.performed(ef.MarkEvicted)
    assert (mark.reason, mark.gang) == ("Preempted", GangKey("team/high"))
    assert mark.message == (
        "gives its place to team/high, by priority in their queue default "
        "(costs: pods-evicted 4; no cheaper choice exists)"
    )


def test_a_successor_knows_from_the_record_on_what_terms_they_leave() -> None:
    bench = full()
    bench.lose = [ef.MarkEvicted]
    loss = Loss(LOW, "default", "OwnQueue", 4, whole=True)
    costs = (TierScore("pods-evicted", -4, -4),)
    take(bench, {"n1": 2}, "low-0", "low-1", "low-2", "low-3", taken=Taken((loss,), costs, proven=True))
    successor = Bench(node("n1", 4))
    successor.see(*bench.groups.values(), *bench.pods.values())
    (mark, *_) = successor.performed(ef.MarkEvicted)
    assert mark.message.endswith(
        ", by priority in their queue default (costs: pods-evicted 4; no cheaper choice exists)"
    )


def test_a_record_names_the_permission_of_each_queue_and_for_whom_another_one_holds() -> None:
    losses = (
        Loss(GangKey("team/one"), "a", "FairShare", 1),
        Loss(GangKey("team/two"), "a", "Guarantee", 5),
        Loss(GangKey("team/two"), "a", MOVE, 9),
        Loss(GangKey("team/more"), "b", "FairShare", 2),
    )
    terms = terms_of(
        Taken(losses, (TierScore("pods-evicted", -8), TierScore("pods-moved", 0, 0))), [Grant("OwnQueue", "c")]
    )
    assert terms.grants == (
        Grant("Guarantee", "a"),
        Grant("FairShare", "b"),
        Grant("FairShare", "a", "team/one"),
        Grant("OwnQueue", "c"),
    )
    assert [terms.right_over("a", name) for name in ("team/one", "team/two")] == ["FairShare", "Guarantee"]
    assert (terms.costs, terms.proven) == ((Cost("pods-evicted", 8),), False)


def test_the_pod_its_gang_and_its_queue_are_told() -> None:
    bench = full(minimum=2)
    take(bench, {"n1": 2}, "low-2", "low-3")
    told = {(each.kind, each.name): (each.reason, each.message) for each in bench.performed(ef.Tell)}
    why = "gives its place to team/high, by priority in their queue default (a cheaper choice may exist)"
    assert told["Pod", "low-2"] == ("Preempted", why)
    give = why.replace("gives its place", "give their places")
    assert told["PodGroup", "low"] == ("Preempted", f"2 pods {give}")
    assert told["Queue", "default"] == ("Preempted", f"2 pods of team/low {give}")


def test_a_pod_that_is_gone_before_the_answer_comes_is_told_all_the_same() -> None:
    bench = full(minimum=2)
    evictor = Evictor(bench.engine.store, Policy().patience)
    (mark,) = evictor.ask(bench.pods["uid-low-2"], HIGH, Reason("Preempted", "gives its place"), 100.0)
    assert isinstance(mark, ef.MarkEvicted)
    evictor.done(mark)
    (evict,) = evictor.take()
    assert isinstance(evict, ef.Evict)
    bench.tell(ev.PodGone("uid-low-2"))
    evictor.done(evict)
    (told,) = evictor.take()
    assert isinstance(told, ef.Tell)
    assert (told.kind, told.name, told.reason) == ("Pod", "low-2", "Preempted")


def test_who_is_called_off_while_being_told_is_not_evicted() -> None:
    bench = full(minimum=2)
    evictor = Evictor(bench.engine.store, Policy().patience)
    (mark,) = evictor.ask(bench.pods["uid-low-2"], HIGH, Reason("Preempted", "gives its place"), 100.0)
    assert isinstance(mark, ef.MarkEvicted)
    evictor.forget("uid-low-2")
    evictor.done(mark)
    assert evictor.take() == []


def test_a_long_wait_is_said_with_the_number_of_those_who_have_to_leave() -> None:
    bench = full(minimum=2)
    take(bench, {"n1": 2}, "low-2", "low-3")
    bench.tick(4)
    status = bench.performed(ef.WriteStatus)[-1].status
    assert (status.phase, status.conditions[1].message) == ("Preparing", "2 pods have to leave first")


def test_how_many_are_left_to_leave_is_not_said_anew_with_each_that_does() -> None:
    bench = full(minimum=2)
    take(bench, {"n1": 2}, "low-2", "low-3")
    bench.tick(4)

    def said() -> list[str]:
        written = [each.status for each in bench.performed(ef.WriteStatus) if each.name == "high"]
        return [each.conditions[1].message for each in written if each.phase == "Preparing"]

    assert said() == ["2 pods have to leave first"]
    bench.tell(ev.PodGone("uid-low-2"))
    bench.tick()
    assert said() == ["2 pods have to leave first"]
    bench.tick(10)
    assert said() == ["2 pods have to leave first", "1 pod has to leave first"]


def test_a_gang_with_places_says_that_a_pod_of_it_is_missing() -> None:
    bench = full(minimum=2)
    take(bench, {"n1": 2}, "low-2", "low-3")
    bench.tick(4)
    bench.tell(ev.PodGone("uid-high-1"))
    bench.go("low-2", "low-3")

    def said() -> list[tuple[str, str, str]]:
        written = [each.status for each in bench.performed(ef.WriteStatus) if each.name == "high"]
        return [(each.phase, each.conditions[1].reason, each.conditions[1].message) for each in written]

    bench.tick()
    assert said()[-1][0] == "Preparing", "it has not waited for long"
    bench.tick(4)
    message = "1 of the 2 pods that it needs is not there, or gated; its places are kept"
    assert said()[-1] == ("Binding", "PodsMissing", message)
    assert bench.nodes_of("high-0") == [""]
    bench.see(pod("high-2", group="high"))
    bench.tick()
    assert said()[-1][:2] == ("Running", "Placed")


def test_a_withdrawn_decision_leaves_its_victims_where_they_are() -> None:
    bench = full(minimum=2)
    bench.lose = [ef.MarkEvicted]
    take(bench, {"n1": 2}, "low-2", "low-3")
    bench.chosen.clear()
    bench.lose = []
    for number in range(2):
        bench.tell(ev.PodGone(f"uid-high-{number}"))
    bench.tell(ev.PodGroupGone("team", "high"))
    bench.tick(2)
    assert bench.evicted() == []
    record = bench.groups["low"].assignment
    assert record is not None
    assert sum(each.count for place in record.places for each in place.nodes) == 4
    assert free_gpus(bench) == 0


def test_a_moved_pod_that_ends_meanwhile_gets_no_new_place_and_its_record_comes_to_rest() -> None:
    bench = Bench(node("n1", 4), node("n2", 2))
    bench.see(*gang("low", 2, minimum=1), pod("fill", gpus=2))
    bench.see(*gang("high", 4))
    record = bench.groups["low"].assignment
    assert record is not None
    (place,) = record.places
    ended = msgspec.structs.replace(bench.pods["uid-low-0"], finished=True, succeeded=True, version="90001")
    bench.lose = [ef.Commit]
    move = Move(LOW, (Place(place.member, (NodeCount("n1", 2),)),), victims("low-0", "low-1"))
    take(bench, {"n1": 2, "n2": 2}, "fill", moves=(move,))
    bench.lose = []
    (commit,) = [each for each in bench.held if isinstance(each, ef.Commit)]
    bench.tell(*bench._perform(commit), ev.PodSeen(ended))
    written = len(bench.performed(ef.Commit))
    for _ in range(5):
        bench.tick()
    assert len(bench.performed(ef.Commit)) == written
    assert free_gpus(bench) >= -2, "no more is promised than one new place too many"


def test_who_waits_for_a_record_that_is_not_written_yet_is_decided_on_again() -> None:
    """Were its own record written first, and the other one never, it would evict whom it has no right to take."""
    bench = full()
    bench.see(*gang("more", 2))
    member = member_of(bench, "high")
    third = group_key("team", "more")
    everybody = victims("low-0", "low-1", "low-2", "low-3")
    bench.chosen[third] = Decision(third, (Place(member, (NodeCount("n1", 2),)),), everybody, taken=Taken(()))
    bench.lose = [ef.Commit]
    take(bench, {"n1": 2}, "low-0", "low-1", "low-2", "low-3")
    assert [each.name for each in bench.held if isinstance(each, ef.Commit)] == ["high"]
    bench.lose = []
    held, bench.held = bench.held, []
    bench.tell(*(answer for each in held for answer in bench._perform(each)))
    bench.tick()
    assert [each.name for each in bench.performed(ef.Commit)][-2:] == ["high", "more"]


def test_what_is_left_to_a_gang_that_gives_surplus_is_no_written_record() -> None:
    """It names those who leave too, as soon as the other decision is accepted."""
    bench = full(minimum=1)
    bench.see(*gang("more", 1))
    member, third = member_of(bench, "high"), group_key("team", "more")
    going = ("low-1", "low-2", "low-3")
    places = (Place(member, (NodeCount("n1", 1),)),)
    bench.chosen[third] = Decision(third, places, victims(*going), taken=Taken(()))
    bench.lose = [ef.Commit]
    take(bench, {"n1": 2}, *going, taken=Taken((Loss(LOW, "default", "OwnQueue", 3, True),)))
    assert [each.name for each in bench.held if isinstance(each, ef.Commit)] == ["high"]


def test_who_waits_for_pods_that_nobody_takes_is_refused() -> None:
    bench = full()
    take(bench, {"n1": 2}, "low-0", "low-1", "low-2", "low-3", taken=Taken(()))
    assert not [each for each in bench.performed(ef.Commit) if each.name == "high"]
    assert not bench.evicted()


def test_a_place_whose_pod_succeeded_and_was_deleted_leaves_the_record() -> None:
    bench = full(minimum=1)
    record = bench.groups["low"].assignment
    assert record is not None
    bench.see(msgspec.structs.replace(bench.pods["uid-low-0"], finished=True, succeeded=True, version="90001"))
    assert bench.groups["low"].assignment == record, "a pod that has succeeded keeps its place"
    bench.go("low-0")
    after = bench.groups["low"].assignment
    assert after is not None
    assert sum(each.count for place in after.places for each in place.nodes) == 3


def test_room_that_is_short_because_others_still_leave_takes_nobodys_place() -> None:
    """`low` is moved to n2; `next` gets n2 as well, by a newer record whose own victim is gone first."""
    bench = Bench(node("n2", 7))
    bench.see(pod("wide", gpus=4), pod("thin", gpus=3))
    bench.tell(ev.NodeSeen(node("n1", 3)))
    bench.see(*gang("low", 3))
    assert bench.nodes_of("low-0", "wide", "thin") == ["n1", "n2", "n2"]
    bench.see(*gang("high", 3))
    record = bench.groups["low"].assignment
    assert record is not None
    (place,) = record.places
    move = Move(LOW, (Place(place.member, (NodeCount("n2", 3),)),), victims("low-0", "low-1", "low-2"))
    take(bench, {"n1": 3}, "wide", moves=(move,))
    key = group_key("team", "next")
    bench.see(*gang("next", 3))
    pods = victims("thin")
    right = Taken((Loss(single_key("uid-thin"), "default", "OwnQueue", 1, True),))
    bench.chosen[key] = Decision(key, (Place(place.member, (NodeCount("n2", 3),)),), pods, taken=right)
    bench.tell(ev.NamespaceSeen("team", "", (("seen", "again"),)))
    bench.tick()
    assert "thin" in bench.evicted()
    bench.go("thin")
    bench.tick()
    after = bench.groups["low"].assignment
    assert after is not None
    assert [(each.node, each.count) for place in after.places for each in place.nodes] == [("n2", 3)]


def deleted(bench: Bench, name: str, *pods: str, group_too: bool) -> None:
    """As by their owner; the pods take their time."""
    for each in pods:
        found = bench.pods[f"uid-{each}"]
        bench.see(msgspec.structs.replace(found, leaving=True, leaves_seconds=bench.now + 30, version="90001"))
    if group_too:
        bench.see(msgspec.structs.replace(bench.groups[name], leaving=True, version="90002"))


def test_the_room_of_a_gang_that_is_being_deleted_is_awaited() -> None:
    """Its pods have no successors, so nobody else needs to leave; a gang that stays gets its pods anew."""
    for group_too, evicted in ((True, set()), (False, {"low-0", "low-1"})):
        bench = Bench(node("n1", 2))
        bench.see(*gang("low", 2, priority=1))
        bench.tell(ev.NodeSeen(node("n2", 2)))
        bench.see(*gang("old", 2, priority=9))
        assert bench.nodes_of("low-0", "old-0") == ["n1", "n2"]
        deleted(bench, "old", "old-0", "old-1", group_too=group_too)
        bench.see(*gang("high", 2, priority=9))
        bench.tick()
        assert set(bench.evicted()) == evicted
        if group_too:
            told = [each.name for each in bench.performed(ef.Tell) if each.action == "Evicting"]
            assert (bench.groups["old"].evictions, told) == (0, []), "it goes for its owner's sake"
            bench.go("old-0", "old-1")
            assert bench.nodes_of("high-0", "high-1") == ["n2", "n2"]


def test_who_gives_way_takes_from_nobody_until_its_own_pods_have_left() -> None:
    """At one moment deciding again changes nothing, though `middle` may take from `low` later."""
    bench = Bench(node("n1", 2))
    promised, *pods = gang("middle", 2, priority=5)
    bench.see(msgspec.structs.replace(promised, members=(MemberSpec("worker", 2, shape=shape(1)),)), *pods)
    bench.tell(ev.NodeSeen(node("n2", 2)))
    bench.see(*gang("low", 2, priority=1))
    assert bench.nodes_of("middle-0", "low-0") == ["n1", "n2"]
    only = msgspec.structs.replace(shape(1), node_selector=(("kubernetes.io/hostname", "n1"),))
    stays, *pods = gang("high", 2, priority=9, shape=only)
    bench.see(msgspec.structs.replace(stays, movable=False), *pods)
    for _ in range(3):
        bench.tick()
    assert set(bench.evicted()) == {"middle-0", "middle-1"}
    bench.go("middle-0", "middle-1")
    bench.see(pod("middle-2", group="middle", priority=5), pod("middle-3", group="middle", priority=5))
    bench.tick()
    assert set(bench.evicted()) == {"middle-0", "middle-1", "low-0", "low-1"}


def committing(bench: Bench, between: Callable[[], None]) -> None:
    """The record of `high` over pods of `low` is on its way while something happens."""
    bench.lose = [ef.Commit]
    take(bench, {"n1": 2}, "low-2", "low-3")
    (commit,) = bench.held
    between()
    bench.lose = []
    bench.tell(*bench._perform(commit))


def test_pods_that_end_before_they_are_let_go_keep_the_record_of_their_gang() -> None:
    bench = full(minimum=2)
    bench.done.clear()

    def end() -> None:
        for name in ("low-2", "low-3"):
            ended = msgspec.structs.replace(bench.pods[f"uid-{name}"], finished=True, succeeded=True, version="90001")
            bench.see(ended)

    committing(bench, end)
    bench.tick()
    assert bench.nodes_of("high-0", "high-1") == ["n1", "n1"]
    assert (bench.evicted(), bench.phase("low")) == ([], "Running")
    assert {each.name for each in bench.performed(ef.Commit)} == {"high"}, "nothing is to be changed about it"
    for name in ("low-0", "low-1"):
        bench.see(msgspec.structs.replace(bench.pods[f"uid-{name}"], finished=True, succeeded=True, version="90002"))
    assert (bench.phase("low"), bench.groups["low"].assignment) == ("Done", None)


def test_who_succeeds_in_his_last_moments_is_no_part_of_the_next_start() -> None:
    """A container that ends well when it is told to: its pod is evicted, and says that it succeeded."""
    bench = full()
    take(bench, {"n1": 2}, "low-0", "low-1", "low-2", "low-3")
    said = [
        msgspec.structs.replace(bench.pods[f"uid-low-{number}"], finished=True, succeeded=True) for number in (0, 1)
    ]
    bench.see(msgspec.structs.replace(said[0], version="90001"))
    bench.tell(ev.NodeSeen(node("n2", 4)))
    bench.see(*(pod(f"again-{number}", group="low", version="9") for number in range(3)))
    assert bench.nodes_of("again-0") == [""], "three and one that is done with are not four"
    bench.see(pod("again-3", group="low", version="9"))
    bench.see(msgspec.structs.replace(said[1], version="90002"))
    bench.tick()
    record = bench.groups["low"].assignment
    assert record is not None
    assert [(each.node, each.count) for place in record.places for each in place.nodes] == [("n2", 4)]
    bench.go("low-0", "low-1", "low-2", "low-3")
    assert set(bench.nodes_of("again-0", "again-1", "again-2", "again-3")) == {"n2"}


def test_a_gang_by_template_whose_evicted_pods_all_succeed_keeps_its_next_places() -> None:
    """Its record is there before its next pods; those of the last start that end well are no reason to call it done."""
    bench = Bench(node("n1", 4))
    promised, *pods = gang("low", 4)
    bench.see(msgspec.structs.replace(promised, members=(MemberSpec("worker", 4, shape=shape(1)),)), *pods)
    bench.see(*gang("high", 2))
    take(bench, {"n1": 2}, "low-0", "low-1", "low-2", "low-3")
    for number in range(4):
        each = bench.pods[f"uid-low-{number}"]
        bench.see(msgspec.structs.replace(each, finished=True, succeeded=True, version="90001"))
    bench.tell(ev.NodeSeen(node("n2", 4)))
    bench.tick()
    record = bench.groups["low"].assignment
    assert record is not None
    assert [(each.node, each.count) for place in record.places for each in place.nodes] == [("n2", 4)]


def test_who_ended_before_he_was_deleted_has_been_of_use() -> None:
    """A Job that is done is taken away with its pods, which finalizers keep for a while."""
    bench = Bench(node("n1", 4))
    bench.see(*gang("job", 4))
    names = [f"uid-job-{number}" for number in range(4)]
    bench.see(
        *(msgspec.structs.replace(bench.pods[uid], finished=True, succeeded=True, version="90001") for uid in names)
    )
    assert bench.phase("job") == "Done"
    bench.see(*(msgspec.structs.replace(bench.pods[uid], leaving=True, version="90002") for uid in names))
    bench.tick()
    assert bench.phase("job") == "Done"


def test_pods_that_go_by_themselves_before_they_are_let_go_give_their_places_up() -> None:
    bench = full(minimum=2)
    committing(bench, lambda: bench.go("low-2", "low-3"))
    bench.tick()
    assert bench.nodes_of("high-0", "high-1") == ["n1", "n1"]
    record = bench.groups["low"].assignment
    assert record is not None
    assert [(each.node, each.count) for place in record.places for each in place.nodes] == [("n1", 2)]


def test_nobody_gives_places_up_before_the_record_that_takes_them_is_written() -> None:
    bench = Bench(node("n1", 4))
    bench.see(*gang("low", 4, minimum=1))
    bench.see(*gang("high", 2, minimum=1))
    take(bench, {"n1": 1}, "low-0")
    bench.go("low-0")
    assert bench.nodes_of("high-0") == ["n1"], "its first record has all of its room"
    bench.lose = [ef.Commit]
    take(bench, {"n1": 1}, "low-1")
    assert [getattr(each, "name", "") for each in bench.held] == ["high"]
    bench.go("low-1")
    bench.tick()
    assert [getattr(each, "name", "") for each in bench.held] == ["high"], "nor when its pod goes by itself meanwhile"
    bench.lose = []
    bench.tell(*bench._perform(bench.held[0]))
    bench.tick()
    assert [each.name for each in bench.performed(ef.Commit)][-2:] == ["high", "low"]


def test_of_two_records_only_the_written_one_makes_pods_leave() -> None:
    bench = Bench(node("n1", 4))
    bench.see(*gang("low", 4, minimum=1))
    bench.see(*gang("high", 1))
    bench.lose = [ef.Commit]
    take(bench, {"n1": 1}, "low-0")
    (lost,) = bench.held
    bench.lose = []
    key = group_key("team", "next")
    (place,) = bench.chosen[HIGH].places
    bench.chosen[key] = Decision(key, (Place(place.member, (NodeCount("n1", 1),)),), victims("low-1"))
    bench.see(*gang("next", 1))
    bench.tick()
    assert bench.evicted() == ["low-1"]
    record = bench.groups["low"].assignment
    assert record is not None
    assert [each.name for each in record.victims] == ["low-1"]
    bench.tell(*bench._perform(lost))
    bench.tick()
    assert bench.evicted() == ["low-1", "low-0"]


def test_work_that_has_just_begun_is_looked_at_for_those_who_wait() -> None:
    bench = Bench(node("n1", 4), policy=msgspec.structs.replace(TALKATIVE, taking=Taking(moves=False)))
    bench.tell(ev.PriorityClassSeen("urgent", 100))
    bench.lose = [ef.Bind]
    bench.see(*gang("low", 4))
    bench.see(group("high", 2, priority_class="urgent"), pod("high-0", group="high"), pod("high-1", group="high"))
    bench.tick()
    assert bench.evicted() == []
    bench.lose = []
    bench.tell(*(answer for bind in bench.held for answer in bench._perform(bind)))
    bench.tick()
    assert len(bench.evicted()) == 4


def test_who_waits_for_others_on_the_same_node_does_not_cost_a_record_its_room() -> None:
    bench = Bench(node("n1", 4))
    bench.see(*gang("low", 2), *gang("slow", 2))
    bench.see(*gang("high", 2))
    take(bench, {"n1": 2}, "low-0", "low-1")
    bench.see(*gang("late", 2))
    late = group_key("team", "late")
    leaving = victims("slow-0", "slow-1", "low-0", "low-1")
    taken = Taken((Loss(group_key("team", "slow"), "default", "OwnQueue", 2, whole=True),))
    bench.chosen[late] = msgspec.structs.replace(bench.chosen[HIGH], gang=late, victims=leaving, taken=taken)
    bench.tell(ev.NamespaceSeen("team", "", (("seen", "late"),)))
    bench.tick()
    assert free_gpus(bench) == -4
    bench.go("low-0", "low-1")
    bench.tick()
    assert bench.groups["high"].assignment is not None
    bench.go("slow-0", "slow-1")
    bench.tick()
    assert bench.nodes_of("high-0", "high-1", "late-0", "late-1") == ["n1"] * 4


def test_what_is_left_over_of_leaving_pods_is_awaited_with_all_whose_room_is_promised_already() -> None:
    bench = Bench(node("n1", 4), policy=msgspec.structs.replace(TALKATIVE, taking=Taking(moves=False)))
    bench.see(*gang("low", 4))
    bench.see(*gang("high", 2))
    take(bench, {"n1": 2}, "low-0", "low-1", "low-2", "low-3")
    bench.see(*gang("late", 2))
    bench.tick()
    record = bench.groups["late"].assignment
    assert record is not None
    assert {victim.name for victim in record.victims} == {"low-0", "low-1", "low-2", "low-3"}
    bench.go("low-0", "low-1", "low-2", "low-3")
    assert bench.nodes_of("high-0", "high-1", "late-0", "late-1") == ["n1"] * 4
