"""How a decision unfolds: what it hands out early, and when it asks a solver for what."""

from __future__ import annotations

import msgspec

from scheduler.core.decide import decide
from scheduler.core.drive import greedy_only, parts, run
from scheduler.core.engine import Engine
from scheduler.model import events as ev
from scheduler.model.cluster import GPU_MODEL_LABEL, Node, Snapshot
from scheduler.model.plan import Cause, Plan
from scheduler.model.policy import Policy, SolverBudget
from scheduler.model.queue import Queue, Quota
from scheduler.model.shape import Shape
from scheduler.model.work import GangKey, Pod, PodGroup, group_key
from scheduler.solver.problem import SolveRequest, SolveResult
from tests.unit.core.world import RACKS, group, node, pod, shape
from tests.unit.solver.small import solved, unproven

POLICY = Policy()


def snapshot(*objects: Node | Pod | PodGroup, queues: tuple[Queue, ...] = (Queue("default"),)) -> Snapshot:
    engine = Engine(POLICY)
    events: list[ev.Event] = [*(ev.QueueSeen(each) for each in queues), ev.TopologySeen(RACKS)]
    for each in objects:
        match each:
            case Node():
                events.append(ev.NodeSeen(each))
            case Pod():
                events.append(ev.PodSeen(each))
            case PodGroup():
                events.append(ev.PodGroupSeen(each))
    engine.handle([*events, ev.Leading(1), ev.Synced()], 0.0)
    return engine.snapshot()


def gang(name: str, *gpus: int, model: str = "", **facts: object) -> list[PodGroup | Pod]:
    """A gang of one pod per number of GPUs."""
    asked = [Shape(shape(each).requests, gpu_models=(model,) if model else ()) for each in gpus]
    pods = [pod(f"{name}-{index}", group=name, shape=each) for index, each in enumerate(asked)]
    return [group(name, len(gpus), **facts), *pods]  # type: ignore[arg-type]


def of_model(name: str, model: str, gpus: int = 8) -> Node:
    plain = node(name, gpus)
    return msgspec.structs.replace(plain, labels={**plain.labels, GPU_MODEL_LABEL: model})


def key(name: str) -> GangKey:
    return group_key("team", name)


def placed(plan: Plan) -> list[str]:
    return [str(decision.gang).removeprefix("team/") for decision in plan.decisions]


def deciding(seen: Snapshot) -> list[Plan]:
    return parts(decide(seen, POLICY, 0.0, POLICY.budget), greedy_only)


def test_what_nobody_contests_is_handed_out_before_the_solve() -> None:
    seen = snapshot(
        of_model("h", "h100"),
        of_model("a", "a100"),
        *gang("first", 5, model="h100", created_seconds=1.0),
        *gang("second", 5, model="h100", created_seconds=2.0),
        *gang("third", 5, model="a100", created_seconds=3.0),
    )
    early, last = deciding(seen)
    assert (placed(early), early.final) == (["third"], False)
    assert (placed(last), last.final) == (["first"], True)
    assert last.verdicts[key("second")].by == (key("first"),)
    assert last.verdicts[key("third")].cause is Cause.PLACED


def test_whoever_could_make_way_is_contested_too() -> None:
    """`either` stands where `second` could, and could go to where `third` stands."""
    seen = snapshot(
        of_model("h", "h100"),
        of_model("a", "a100"),
        *gang("either", 8, created_seconds=1.0),
        *gang("second", 8, model="a100", created_seconds=2.0),
        *gang("third", 8, model="h100", created_seconds=3.0),
    )
    (only,) = deciding(seen)
    assert len(placed(only)) == 2


def test_a_queue_that_binds_ties_its_gangs_together() -> None:
    limited = Queue("default", quotas=(Quota("nvidia.com/gpu", limit=9000),))
    objects = (
        of_model("h", "h100"),
        of_model("a", "a100"),
        *gang("first", 5, model="h100", created_seconds=1.0),
        *gang("second", 5, model="a100", created_seconds=2.0),
    )
    (only,) = deciding(snapshot(*objects, queues=(limited,)))
    assert placed(only) == ["first"]
    (whole,) = deciding(snapshot(*objects))
    assert placed(whole) == ["first", "second"]


def test_a_gang_that_fits_nowhere_for_sure_makes_nobody_wait_for_the_solver() -> None:
    """The joint solve is not asked for: only the gang of unlike pods is, alone."""
    seen = snapshot(node("a", 5), node("b", 5), *gang("unlike", 4, 3, 3), *gang("small", 1, created_seconds=1.0))
    asked: list[SolveRequest] = []

    def answer(request: SolveRequest) -> SolveResult:
        asked.append(request)
        return solved(request)

    plan = run(decide(seen, POLICY, 0.0, POLICY.budget), answer)
    assert placed(plan) == ["small"]
    assert {len(request.problem.gangs) for request in asked} == {1}
    assert all(request.wall_seconds <= POLICY.limits.proof_seconds for request in asked)
    assert plan.verdicts[key("unlike")].proven


def test_places_never_wait_for_a_reason() -> None:
    """`large` would fit alone, so the solver is asked; what is placed is handed out before `unlike` is looked at."""
    seen = snapshot(
        node("a", 5),
        node("b", 5),
        *gang("small", 1, created_seconds=1.0),
        *gang("large", 5, 5, created_seconds=2.0),
        *gang("unlike", 4, 3, 3, created_seconds=3.0),
    )
    early, last = deciding(seen)
    assert (placed(early), early.final) == (["small"], False)
    assert placed(last) == []
    assert last.verdicts[key("large")].cause is Cause.OUTRANKED
    assert last.verdicts[key("unlike")].cause is Cause.BLOCKED
    assert not last.verdicts[key("unlike")].proven


CROWDED = (
    node("a"),
    node("b"),
    *gang("first", 8, created_seconds=1.0),
    *gang("small", 5, created_seconds=2.0),
    *gang("large", 8, created_seconds=3.0),
)
"""Greedy serves by age and leaves the large gang out; the better plan leaves out the small one."""


def unfolded(budget: SolverBudget) -> tuple[list[Plan], list[SolveRequest]]:
    """The parts of the plan when the solver never says that it is done, and what it was asked."""
    asked: list[SolveRequest] = []

    def answer(request: SolveRequest) -> SolveResult:
        asked.append(request)
        return unproven(solved(request))

    return parts(decide(snapshot(*CROWDED), POLICY, 0.0, budget), answer), asked


def test_what_both_plans_agree_on_is_handed_out_and_the_rest_goes_on() -> None:
    plans, asked = unfolded(SolverBudget(wall_seconds=2.0, first_seconds=0.5))
    assert [(placed(plan), plan.final) for plan in plans] == [(["first"], False), (["large"], True)]
    first, later = asked
    assert (first.wall_seconds, first.patient) == (0.5, False)
    assert (later.wall_seconds, later.patient) == (1.5, True)
    assert [ask.pods for ask in later.problem.gangs] == [1, 1]
    assert sum(put.count for put in later.start.puts) == 1
    assert later.problem.class_free[:, later.problem.resources.index("nvidia.com/gpu")].tolist() == [8000]
    assert plans[-1].verdicts[key("small")].by == (key("large"),)


def test_where_nothing_better_was_found_the_older_half_is_handed_out() -> None:
    asked: list[SolveRequest] = []

    def fruitless(request: SolveRequest) -> SolveResult:
        asked.append(request)
        return SolveResult(None, "feasible")

    work = [each for number in range(5) for each in gang(f"g{number}", 2, created_seconds=float(number))]
    seen = snapshot(node("a"), *work)
    plans = parts(decide(seen, POLICY, 0.0, POLICY.budget), fruitless)
    assert [placed(plan) for plan in plans] == [["g0", "g1"], ["g2", "g3"]]
    assert [len(request.problem.gangs) for request in asked] == [5, 3]
    assert [request.patient for request in asked] == [False, True]


def test_a_plan_that_is_proven_to_serve_the_most_is_handed_out_at_once() -> None:
    """Though other goals may still gain."""

    def answer(request: SolveRequest) -> SolveResult:
        return msgspec.structs.replace(solved(request), end="feasible")

    (plan,) = parts(decide(snapshot(*CROWDED), POLICY, 0.0, POLICY.budget), answer)
    assert placed(plan) == ["first", "large"]


def test_an_answer_that_must_not_depend_on_time_comes_in_one_piece() -> None:
    (plan,), (request,) = unfolded(SolverBudget(work=1.0))
    assert placed(plan) == ["first", "large"]
    assert request.wall_seconds == SolverBudget().wall_seconds
