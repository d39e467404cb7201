"""The group with the most room left leads a step, until it does so in vain; all others get their turns beside it."""

from __future__ import annotations

import numpy as np

from scheduler.model.topology import TopologyAsk
from scheduler.solver.greedy.greedy import place
from scheduler.solver.parts.kinds import kinds
from scheduler.solver.parts.leads import Leads
from scheduler.solver.parts.linear import Numbers
from scheduler.solver.parts.pooled import pooled
from scheduler.solver.parts.realise import hint
from tests.unit.solver.small import built, gang, node

RACKS = 6


def fleet() -> tuple[Leads, Numbers]:
    """Six racks of one node, of which rack r has 8 - r GPUs left. One gang takes all of rack 0, another the last three
    of rack 5."""
    nodes = [node(f"n{number}", zone="z", block="b", rack=f"r{number}") for number in range(RACKS)]
    rack = TopologyAsk(required="rack")
    used = {f"n{number}": {"nvidia.com/gpu": number} for number in range(RACKS)}
    case = built(nodes, [gang("whole", 1, 8, ask=rack), gang("small", 3, ask=rack)], used=used)
    model = pooled(case.problem, kinds(case.problem))
    values = np.array(hint(model, place(case.problem).puts), dtype=np.int64)
    return Leads(model, model.levels[model.kinds[0].level]), values


def test_the_group_with_the_most_room_leads() -> None:
    leads, values = fleet()
    first, second = leads.batches(values, 2, 2)
    assert (first[0], second[0]) == (1, 2)  # the gang stands in rack 0
    assert leads.batches(np.zeros_like(values), 2, 1)[0][0] == 0


def test_whoever_leads_in_vain_steps_back_until_something_is_gained_with_it() -> None:
    leads, values = fleet()
    led = []
    for _ in range(5):
        (batch,) = leads.batches(values, 2, 1)
        leads.learn(batch, gained=False)
        led.append(int(batch[0]))
    assert led == [1, 2, 3, 4, 1]  # rack 1 counts 0.6 times what it has left by then, and still more than rack 5
    leads.learn(np.array([5, 1]), gained=True)
    assert leads.batches(values, 2, 1)[0][0] == 1  # not 2, which has as much room but led in vain


def test_batches_share_no_group_and_everybody_has_a_turn() -> None:
    leads, values = fleet()
    batches = leads.batches(values, 3, 2)
    assert len(batches) == 2
    assert len(np.unique(np.concatenate(batches))) == RACKS
    seen = {int(each) for _ in range(RACKS) for each in leads.batches(values, 2, 1)[0]}
    assert seen == set(range(RACKS))


def test_rivals_have_different_leads_and_may_share_the_rest() -> None:
    leads, values = fleet()
    first, second = leads.rivals(values, 5, 2)
    assert (first[0], second[0]) == (1, 2)
    assert len(np.unique(first)) == len(np.unique(second)) == 5
    assert set(first.tolist()) & set(second.tolist())
