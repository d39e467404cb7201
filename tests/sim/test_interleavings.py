"""Whatever order messages arrive in: totals add up at every step, no arrow of the lifecycle is missing, all comes to
rest, and then everybody who can run does. More seeds: MUSTER_SIM_SEEDS (12), from MUSTER_SIM_FIRST_SEED (0)."""

from __future__ import annotations

import os
from random import Random

import pytest

from tests.sim.interleaving.checks import at_rest, totals
from tests.sim.interleaving.server import Server
from tests.sim.interleaving.users import CALM, FAILING_NODES, NEW_LEADERS, Users

FIRST = int(os.environ.get("MUSTER_SIM_FIRST_SEED", "0"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("MUSTER_SIM_SEEDS", "12")))
KINDS = {
    "calm": (CALM, 0.03, 0.0),
    "templates": (CALM, 0.03, 0.5),
    "nodes": (FAILING_NODES, 0.05, 0.0),
    "leaders": (NEW_LEADERS, 0.05, 0.2),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_order_of_messages_ends_well(seed: int, kind: str) -> None:
    acts, fault, templates = KINDS[kind]
    chance = Random(f"{kind} {seed}")
    server = Server(chance, fault)
    users = Users(server, acts, templates)
    for _ in range(chance.choice([150, 500, 1200])):
        if not server.step():
            users.act()
        assert list(totals(server.engine)) == []
    users.go_home()
    assert server.settle(), "the engine never comes to rest"
    assert list(at_rest(server, users.edited)) == []
    assert server.broken == []
