"""The demo's judgement: what it counts, and what it must not let pass."""

from __future__ import annotations

import pytest
from demo.observer import SeenGang, SeenNode, SeenPod, Sightings
from demo.results import Judge, Spread, fewest_domains
from demo.workload import LEVELS, Gang, Single, Wait, Wave

RACK = LEVELS["rack"]
NODES = {f"r{rack}n{node}": SeenNode({RACK: f"r{rack}"}, {"nvidia.com/gpu": "8"}) for rack in (1, 2) for node in (1, 2)}
TRAIN = Gang("train", "research", pods=2, gpus=8, minimum=2, run_seconds=1, required="rack")
ELASTIC = Gang("elastic", "research", pods=4, gpus=1, minimum=2, run_seconds=1)
WIDE = Gang("wide", "research", 3, 8, 3, 1, required="rack", waits=Wait("too large", "Blocked", "in one rack"))
SINGLE = Single("single", "product", gpus=1, run_seconds=1)


def seen_pod(gang: Gang, number: int, node: str = "", bound_at: float = 0.0) -> tuple[tuple[str, str], SeenPod]:
    pod = SeenPod(gang.namespace, gang.name, gang.gpus, created_at=1.0 + number, bound_at=bound_at, node=node)
    return (gang.namespace, f"{gang.name}-{number}"), pod


def good_run() -> tuple[Judge, Sightings]:
    """Everything that can run does, and the rest says why."""
    pods = [
        seen_pod(TRAIN, 0, "r1n1", 3.0),
        seen_pod(TRAIN, 1, "r1n2", 4.5),
        *(seen_pod(ELASTIC, number, "r2n1", 5.0) for number in range(3)),
        seen_pod(ELASTIC, 3),
        *(seen_pod(WIDE, number) for number in range(3)),
        (("product", "single"), SeenPod("product", "", 1, created_at=1.0, bound_at=2.0, node="r2n2")),
    ]
    why = "needs 24 GPUs in one rack; the best rack, r2, has 16 free"
    seen = Sightings(dict(pods), {("research", "wide"): SeenGang("Queued", "Blocked", why)}, dict(NODES))
    return Judge([Wave((TRAIN, ELASTIC, WIDE), (SINGLE,))]), seen


def test_good_run_has_no_troubles() -> None:
    judge, seen = good_run()
    figures = judge.figures(seen)
    assert figures.troubles == ()
    assert (figures.progress.gangs_placed, figures.progress.gangs) == (2, 2)
    assert figures.surplus == (1, 1)
    assert figures.gang_seconds == (Spread(1, 2.5, 2.5, 2.5),)
    assert [(each.kind, each.level, each.used, each.fewest) for each in figures.domains] == [("required", "rack", 1, 1)]


def test_gang_bound_in_part_is_a_trouble() -> None:
    judge, seen = good_run()
    seen.pods[("research", "train-1")].node = ""
    assert judge.figures(seen).troubles == ("gang train is bound in part: 1 pods of at least 2",)


def test_gang_that_should_run_and_does_not_is_told_with_its_status() -> None:
    judge, seen = good_run()
    for number in range(2):
        seen.pods[("research", f"train-{number}")].node = ""
    seen.gangs[("research", "train")] = SeenGang("Queued", "Blocked", "no room")
    expected = "gang train should run and does not; its PodGroup says Queued Blocked no room"
    assert judge.figures(seen).troubles == (expected,)


def test_gang_spread_over_two_racks_is_a_trouble() -> None:
    judge, seen = good_run()
    seen.pods[("research", "train-1")].node = "r2n2"
    assert judge.figures(seen).troubles == ("gang train is spread over several domains of level rack",)


def test_pod_of_a_gang_that_cannot_run_must_not_be_bound() -> None:
    judge, seen = good_run()
    seen.pods[("research", "wide-0")].node = "r1n1"
    assert judge.figures(seen).troubles == ("gang wide cannot run, yet 1 of its pods are bound",)


@pytest.mark.parametrize("said", [SeenGang(), SeenGang("Queued", "Outranked", "needs 24 GPUs in one rack")])
def test_wrong_or_missing_reason_is_a_trouble(said: SeenGang) -> None:
    judge, seen = good_run()
    seen.gangs[("research", "wide")] = said
    (trouble,) = judge.figures(seen).troubles
    assert trouble.startswith("wide should say Blocked with 'in one rack', and says ")
    assert not judge.progress(seen).explained


def test_single_pod_without_a_node_and_pod_that_moved_are_troubles() -> None:
    judge, seen = good_run()
    seen.pods[("product", "single")].node = ""
    seen.pods[("research", "train-0")].moved = True
    assert judge.figures(seen).troubles == (
        "1 single pods should run and do not, single among them",
        "1 pods changed their node, train-0 among them",
    )


def test_spread_takes_nearest_ranks() -> None:
    assert Spread.of([]) is None
    assert Spread.of(range(1, 101)) == Spread(100, 50, 99, 100)
    assert Spread.of([3.0, 1.0]) == Spread(2, 1.0, 3.0, 3.0)


@pytest.mark.parametrize(("pods", "gpus", "racks"), [(2, 8, 1), (3, 8, 2), (32, 1, 2), (2, 5, 1), (3, 5, 2)])
def test_fewest_domains_counts_whole_pods_per_node(pods: int, gpus: int, racks: int) -> None:
    gang = Gang("g", "research", pods, gpus, pods, 1, required="rack")
    assert fewest_domains(gang, NODES, "rack") == racks
