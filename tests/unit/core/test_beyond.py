"""Whether waiting would help at all is part of a verdict."""

from __future__ import annotations

import pytest

from scheduler.core.decide import decide
from scheduler.core.drive import greedy_only, run
from scheduler.core.explain import message
from scheduler.model.plan import Verdict
from scheduler.model.queue import Queue, Quota
from scheduler.model.resources import GPU
from tests.unit.core.world import TALKATIVE, Bench, group, node, pod


def verdict(pods: int, *, limit: int | None, required: str = "", running: bool = True) -> Verdict:
    """Of a gang of pods of 8 GPUs each on two full nodes of 8 GPUs (or empty ones), below a queue with this limit."""
    quotas = () if limit is None else (Quota(GPU, limit=limit * 1000),)
    queues = [Queue("top", quotas=quotas), Queue("leaf", parent="top")]
    bench = Bench(node("n1"), node("n2"), queues=queues)
    if running:
        bench.see(group("old", 2, queue="leaf"), *(pod(f"old-{n}", group="old", gpus=8) for n in range(2)))
    members = (pod(f"new-{n}", group="new", gpus=8) for n in range(pods))
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


def test_what_the_fleet_holds_is_compared_with_what_is_free() -> None:
    assert message(verdict(2, limit=None)).startswith("needs 16 GPUs; all nodes it may use have 0 free")


def test_what_is_needed_is_said_once() -> None:
    assert message(verdict(2, limit=16)).count("needs 16 GPUs") == 1
