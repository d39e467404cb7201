"""Pods with scheduling gates: they wait in words, and their gang is decided on when enough of them may run."""

from __future__ import annotations

import msgspec

from tests.unit.core.world import Bench, group, node, pod


def test_a_gang_of_gated_pods_says_so_and_runs_when_the_gates_are_gone() -> None:
    bench = Bench(node("n1"))
    gated = [pod(f"g-{number}", group="g", gated=True) for number in range(2)]
    bench.see(group("g", 2), *gated)
    bench.tick()
    assert bench.phase("g") == "Queued"
    (scheduled,) = [each for each in bench.groups["g"].conditions if each.type == "Scheduled"]
    assert scheduled.message == "2 of its pods have scheduling gates; at least 2 must be without"
    bench.see(*(msgspec.structs.replace(each, gated=False, version="2") for each in gated))
    assert bench.nodes_of("g-0", "g-1") == ["n1", "n1"]
    assert bench.phase("g") == "Running"
