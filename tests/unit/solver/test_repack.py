"""More work beside what greedy placed: shares put closer together, by hand and by counting over drawn problems."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.model.devices import DeviceAsk
from scheduler.solver.check import better, scores
from scheduler.solver.greedy.greedy import place
from scheduler.solver.improve import solve
from scheduler.solver.packing.repack import repacked
from scheduler.solver.problem import Incumbent, MemberAsk, Problem, Put, QueueRoom, SolveRequest
from tests.unit.solver.parts import member, problem


def shares(*sizes: int, states: tuple[tuple[int, ...], ...] = ((1000, 1000),), cpus: int = 100) -> Problem:
    """One pod of each size (thousandths; whole devices from 1000 on)."""
    classes = len(states)
    members = [
        member(DeviceAsk(milli=size), classes=classes) if size < 1000 else member(gpus=size // 1000, classes=classes)
        for size in sizes
    ]
    return problem(states, members, cpus=cpus)


def served(incumbent: Incumbent | None) -> set[int]:
    return set() if incumbent is None else {put.gang for put in incumbent.puts}


def test_a_share_moves_aside_for_one_that_fits_nowhere() -> None:
    """Greedy puts 300 beside 500; the last 500 needs its place, and 300 completes 700."""
    world = shares(500, 300, 700, 500)
    assert served(place(world)) == {0, 1, 2}
    assert served(repacked(world, place(world))) == {0, 1, 2, 3}


def test_shares_make_room_for_a_whole_device() -> None:
    """600, 500 and 300 begin a device each; 300 goes beside 600, and the third is whole again."""
    devices = ((1000, 1000), (1000, 0))
    world = shares(600, 500, 300, 1000, states=devices)
    apart = tuple(
        Put(gang, 0, node_class, 1, ((0, 1),), ((0, ((position, 0),), 1),))
        for gang, (node_class, position) in enumerate(((0, 0), (0, 1), (1, 0)))
    )
    found = repacked(world, Incumbent(apart, scores(world, apart)))
    assert served(found) == {0, 1, 2, 3}


def test_it_is_the_first_answer_of_a_solve() -> None:
    world = shares(500, 300, 700, 500)
    results = list(solve(SolveRequest(world, place(world), wall_seconds=5.0)))
    assert served(results[0].incumbent) == {0, 1, 2, 3}
    assert served(results[-1].incumbent) == {0, 1, 2, 3}
    assert results[-1].end == "optimal"


def test_beyond_its_work_limit_it_looks_no_further() -> None:
    world = shares(500, 300, 700, 500)
    assert repacked(world, place(world), looks_max=0) is None
    assert repacked(world, place(world), stop=lambda: True) is None


def test_where_all_are_served_there_is_nothing_to_do() -> None:
    world = shares(500, 300)
    assert repacked(world, place(world)) is None


def no_node(*members: MemberAsk) -> Problem:
    """A problem of a fleet without a single node."""
    one = problem(((1000,),), members)
    assert one.devices is not None
    return replace(
        one,
        class_nodes=one.class_nodes[:0],
        class_free=one.class_free[:0],
        class_domain=one.class_domain[:0],
        devices=one.devices.rows([]),
    )


def test_a_fleet_without_a_node_is_not_looked_at() -> None:
    world = no_node(member(gpus=1, classes=0))
    assert repacked(world, place(world)) is None


def test_nothing_grows_where_there_is_no_node() -> None:
    """A gang that needs nobody counts as placed where there are nodes, and then asks for more."""
    world = no_node(msgspec.structs.replace(member(DeviceAsk(milli=500), classes=0), minimum=0))
    needs_nobody = msgspec.structs.replace(world.gangs[0], bundle=False)
    assert place(replace(world, gangs=(needs_nobody,))).puts == ()


def test_a_queue_without_room_gets_no_more() -> None:
    world = shares(500, 300, 700, 500)
    start = place(world)
    full = replace(
        world,
        gangs=tuple(msgspec.structs.replace(gang, queue=0) for gang in world.gangs),
        queues=(QueueRoom(-1, (-1, 1999, -1)),),
        rules=(*world.rules, "queue-limit"),
    )
    assert repacked(full, start) is None
    wider = replace(full, queues=(QueueRoom(-1, (-1, 2000, -1)),))
    assert served(repacked(wider, start)) == {0, 1, 2, 3}


def test_a_gang_that_does_not_come_together_leaves_nothing_behind() -> None:
    """Of two pods with 600 each only one finds room; the 400 after it still does."""
    members = [member(DeviceAsk(milli=500)), member(DeviceAsk(milli=600), count=2), member(DeviceAsk(milli=400))]
    world = problem(((1000, 1000),), members)
    start = Incumbent((), ())
    found = repacked(world, replace_start(world, start, {0}))
    assert served(found) == {0, 2}


def replace_start(world: Problem, start: Incumbent, gangs: set[int]) -> Incumbent:
    """Greedy's places of some gangs alone."""
    puts = tuple(put for put in place(world).puts if put.gang in gangs)
    return msgspec.structs.replace(start, puts=puts, scores=scores(world, puts))


SIZES = st.lists(st.sampled_from([200, 300, 400, 500, 600, 700, 800, 1000, 2000]), min_size=2, max_size=10)
STATES = st.lists(st.tuples(st.sampled_from([0, 500, 1000]), st.just(1000)), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(sizes=SIZES, states=STATES, cpus=st.integers(2, 8))
def test_nobody_is_lost_and_no_device_is_given_out_twice(
    sizes: list[int], states: list[tuple[int, int]], cpus: int
) -> None:
    world = shares(*sizes, states=tuple(states), cpus=cpus)
    start = place(world)
    found = repacked(world, start)
    if found is None:
        return
    assert better(found.scores, start.scores)
    assert served(start) <= served(found)
    assert world.devices is not None
    for node_class, row in enumerate(world.devices.states.tolist()):
        left, wholes = list(row), 0
        for put in found.puts:
            ask = world.gangs[put.gang].members[put.member]
            if put.node_class == node_class and ask.devices is None:
                wholes += put.count * ask.request[1] // 1000
            for _, devices, pods in put.held if put.node_class == node_class else ():
                assert ask.devices is not None
                assert put.count == pods == 1
                for position, _ in devices:
                    left[position] -= ask.devices.milli
        assert min(left) >= 0
        assert np.sum(np.array(left) == 1000) >= wholes
