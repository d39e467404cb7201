"""Whether waiting would help at all is part of a verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.beyond import Beyond, is_in_vain
from scheduler.core.decide import decide
from scheduler.core.drive import greedy_only, run
from scheduler.core.explain import message
from scheduler.model.plan import Cause, Refusal, Verdict
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import GPU
from scheduler.model.topology import TopologyAsk
from scheduler.model.work import Branch, Gang, GangKey, Member
from tests.unit.core.world import TALKATIVE, Bench, group, node, pod, shape


def verdict(
    pods: int, *, limit: int | None, required: str = "", running: bool = True, racks: int = 1, gpus: int = 8
) -> Verdict:
    """Of a gang of pods of ``gpus`` each on two full nodes of 8 GPUs (or empty ones), below a queue with this limit."""
    quotas = () if limit is None else (Quota(GPU, limit=limit * 1000),)
    queues = [Queue("top", quotas=quotas), Queue("leaf", parent="top")]
    bench = Bench(node("n1", rack="r0"), node("n2", rack=f"r{racks - 1}"), queues=queues)
    if running:
        bench.see(group("old", 2, queue="leaf"), *(pod(f"old-{n}", group="old", gpus=8) for n in range(2)))
    members = (pod(f"new-{n}", group="new", gpus=gpus) for n in range(pods))
    bench.see(group("new", pods, queue="leaf", required=required), *members)
    plan = run(decide(bench.engine.snapshot(), TALKATIVE, bench.now, TALKATIVE.budget), greedy_only)
    (found,) = (each for key, each in plan.verdicts.items() if key == "team/new")
    return found


def test_more_than_the_limit_of_a_queue_is_said_to_be_that() -> None:
    said = message(verdict(3, limit=16))
    assert said.startswith("needs 24 GPUs; queue top has a limit of 16 in all")
    assert "more within its limit" not in said
    assert "take" not in said, "who could give way does not matter"


def test_what_the_limit_holds_waits_for_its_turn() -> None:
    assert message(verdict(2, limit=16)).startswith("needs 16 GPUs; queue top may take 0 more within its limit")


@pytest.mark.parametrize("required", ["", "rack"])
@pytest.mark.parametrize("running", [True, False])
def test_more_than_all_nodes_have_is_said_to_be_that(required: str, *, running: bool) -> None:
    said = message(verdict(3, limit=None, required=required, running=running))
    assert said.startswith("needs 24 GPUs; all nodes together have 16, even if all were free")


@pytest.mark.parametrize("running", [True, False])
def test_more_than_any_domain_has_is_said_to_be_that(*, running: bool) -> None:
    """Two racks of one node each; on a full fleet, where nothing is free anywhere, as on an empty one."""
    said = message(verdict(2, limit=None, required="rack", running=running, racks=2))
    assert said == "needs 16 GPUs in one rack; the best rack, r0, has 8, even if all were free"


@pytest.mark.parametrize("running", [True, False])
def test_more_pods_than_any_domain_holds_is_said_to_be_that(*, running: bool) -> None:
    """Three pods of 5 GPUs in a rack of two nodes of 8: 15 of 16 GPUs, but one pod to a node."""
    said = message(verdict(3, limit=None, required="rack", running=running, gpus=5))
    assert said == "2 of its 3 pods fit in one rack, even if all were free; the best is rack r0"


def test_what_a_domain_holds_waits_for_its_turn() -> None:
    assert message(verdict(2, limit=None, required="rack")).startswith(
        "needs 16 GPUs; all nodes it may use have 0 free"
    )


@settings(max_examples=60, deadline=None)
@given(
    racks=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    members=st.lists(
        st.tuples(st.integers(1, 4), st.integers(0, 4), st.sampled_from([1, 3, 5, 8])), min_size=1, max_size=2
    ),
    minimum=st.integers(1, 8),
)
def test_what_an_empty_fleet_can_hold_never_waits_in_vain(
    racks: list[int], members: list[tuple[int, int, int]], minimum: int
) -> None:
    """Racks of so many nodes; members of so many pods, at least so many of them, of so many GPUs each."""
    names = [f"r{rack}" for rack, nodes in enumerate(racks) for _ in range(nodes)]
    bench = Bench(*(node(f"n{index}", rack=rack) for index, rack in enumerate(names)))
    parts = tuple(
        Member(f"m{index}", shape(gpus), count, min(least, count)) for index, (count, least, gpus) in enumerate(members)
    )
    root = Branch("", -1, min(minimum, sum(part.count for part in parts)), topology=TopologyAsk(required="rack"))
    gang = Gang(GangKey("team/g"), "team/g", "default", 0, 0.0, parts, (root,))
    snapshot = replace(bench.engine.snapshot(), gangs=(gang,))
    plan = run(decide(snapshot, TALKATIVE, bench.now, TALKATIVE.budget), greedy_only)
    blocked = Verdict(Cause.BLOCKED, (Refusal("capacity", "NotEnough", 1, 0, GPU),))
    if plan.decisions:
        assert not is_in_vain(Beyond(snapshot).told(blocked, gang))


@pytest.mark.parametrize(("least", "said"), [(2, "AboveDomain"), (1, "NotEnough")])
def test_only_parts_that_no_other_can_replace_make_a_gang_wait_in_vain(least: int, said: str) -> None:
    """Two subgroups, each of which needs one rack of 8 GPUs: one fits, the other is too large for any."""
    bench = Bench(node("n1", rack="r0"), node("n2", rack="r1"))
    rack = TopologyAsk(required="rack")
    branches = (Branch("", -1, 0, least), Branch("small", 0, 1, topology=rack), Branch("large", 0, 2, topology=rack))
    members = (Member("a", shape(8), 1, 0, branch=1), Member("b", shape(8), 2, 0, branch=2))
    gang = Gang(GangKey("team/g"), "team/g", "default", 0, 0.0, members, branches)
    blocked = Verdict(Cause.BLOCKED, (Refusal("capacity", "NotEnough", 1, 0, GPU),))
    (found,) = Beyond(bench.engine.snapshot()).told(blocked, gang).refusals
    assert found.code == said


def test_what_the_fleet_holds_is_compared_with_what_is_free() -> None:
    assert message(verdict(2, limit=None)).startswith("needs 16 GPUs; all nodes it may use have 0 free")


def test_what_is_needed_is_said_once() -> None:
    assert message(verdict(2, limit=16)).count("needs 16 GPUs") == 1
