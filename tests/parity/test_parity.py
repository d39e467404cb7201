"""kube-scheduler and Muster find the same nodes feasible, for every pod of some drawn worlds."""

from __future__ import annotations

import pytest

from tests.parity.cluster import Cluster
from tests.parity.draw.worlds import RULES, draw_world
from tests.parity.rounds import play
from tests.parity.tally import Tally

pytestmark = pytest.mark.cluster

SEEDS = range(1000, 1008)


def test_a_seed_means_one_world() -> None:
    assert draw_world(7) == draw_world(7)
    assert draw_world(7) != draw_world(8)


@pytest.mark.timeout(600)
def test_both_find_the_same_nodes_feasible(cluster: Cluster) -> None:
    tally = Tally()
    for seed in SEEDS:
        round_ = play(cluster, draw_world(seed))
        assert not round_.differences, "\n".join(map(str, round_.differences))
        tally.add(round_)
    assert not tally.missing(RULES), tally.table()
