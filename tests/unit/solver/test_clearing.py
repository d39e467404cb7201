"""Room made without a model, and what it costs at least."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.solver.clearing.bounds import least_costs, reachable
from scheduler.solver.clearing.clearing import Clearing
from scheduler.solver.clearing.ground import Ground, Taker, Want, classes_of
from scheduler.solver.giving import Lane, Right, Room, Tier

BOUNDLESS = 2**60


def ground(sizes: list[list[int]], weights: list[int], guaranteed: int = 0, **facts: Any) -> Ground:
    """Single pods of these sizes on full nodes of 8, all of one queue (row 0) that is above ``guaranteed``; whoever
    takes is row 1 and guaranteed everything."""
    node = np.array([at for at, own in enumerate(sizes) for _ in own], dtype=np.int64)
    size = np.array([each for own in sizes for each in own], dtype=np.int64)
    count = len(size)
    right = Right("Guarantee", (Room(1, (BOUNDLESS,)),), ((guaranteed,), (0,)), (True,))
    fields: dict[str, Any] = {
        "free": np.array([[8 - sum(own)] for own in sizes], dtype=np.int64),
        "node": node,
        "gang": np.arange(count),
        "room": size[:, None],
        "charge": size[:, None],
        "weights": np.array(weights[:count], dtype=np.int64)[:, None],
        "guard": np.full(count, -1),
        "tiers": (Tier("lost-seconds", "evicted"),),
        "lane": np.zeros(count, dtype=np.int64),
        "whole": np.ones(count, dtype=np.bool_),
        "movable": np.zeros(count, dtype=np.bool_),
        "slack": np.zeros(count, dtype=np.int64),
        "rows": ((0,),) * count,
        "branch": (1,) * count,
        "group": np.zeros(count, dtype=np.int64),
        "lanes": (Lane((right,)),),
        "use": np.array([[int(size.sum())], [0]], dtype=np.int64),
        "limit": np.full((2, 1), BOUNDLESS, dtype=np.int64),
        "guards": (),
        "targets": lambda _: np.ones(len(sizes), dtype=np.bool_),
    }
    return Ground(**{**fields, **facts})


def taker(size: int, pods: int, nodes: int) -> Taker:
    one = np.array([size], dtype=np.int64)
    return Taker((Want(one, one, pods, pods, np.ones(nodes, dtype=np.bool_)),), pods, (1,))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=2), min_size=1, max_size=4),
    st.lists(st.integers(1, 9), min_size=12, max_size=12),
    st.integers(1, 8),
    st.integers(1, 3),
)
def test_no_bound_is_above_what_was_found_and_nothing_is_over_committed(
    sizes: list[list[int]], weights: list[int], size: int, pods: int
) -> None:
    world, asks = ground(sizes, weights), taker(size, pods, len(sizes))
    clearing = Clearing(world)
    everybody = np.ones(len(world.node), dtype=np.bool_)
    bound = least_costs(world, world.free, everybody, everybody, asks, pods, evicts=True)
    found = clearing.serve(asks, everybody)
    if found is None:
        assert (clearing.free == world.free).all()
        return
    assert bound[0] <= found.cost[0]
    assert (clearing.free >= 0).all()
    assert sum(count for _, _, count in found.places) == pods


def test_who_may_not_go_after_all_is_passed_over() -> None:
    world = ground([[4, 4]], [1, 9], guard=np.array([0, -1]), guards=(0,))
    found = Clearing(world).serve(taker(4, 1, 1), np.ones(2, dtype=np.bool_))
    assert found is not None
    assert found.evicted == [1]


def test_the_cheapest_node_is_cleared() -> None:
    world = ground([[4, 4], [8]], [5, 5, 7])
    found = Clearing(world).serve(taker(8, 1, 2), np.ones(3, dtype=np.bool_))
    assert found is not None
    assert (found.evicted, found.cost) == ([2], (7,))


def test_a_queue_gives_no_more_than_one_unit_beyond_what_it_is_above() -> None:
    world = ground([[1] * 8], [1] * 8, guaranteed=5)
    assert reachable(world, Clearing(world), 0) == 3
    assert Clearing(world).serve(taker(1, 3, 1), np.ones(8, dtype=np.bool_)) is not None
    assert Clearing(world).serve(taker(1, 4, 1), np.ones(8, dtype=np.bool_)) is None


def test_classes_go_from_cheap_to_dear() -> None:
    tiers = (Tier("highest-priority", "highest"),)
    world = ground([[1, 1, 1]], [2, 1, 2], tiers=tiers)
    assert [each.tolist() for each in classes_of(world)] == [[False, True, False], [True, True, True]]


def test_an_evicted_pod_is_kept_elsewhere_only_within_the_limits_of_its_queues() -> None:
    """Victim and taker share a queue with limit 4 above them: what the victim gave, the taker uses."""
    lane = Lane((Right("OwnQueue"),))
    fields: dict[str, Any] = {
        "free": np.array([[0], [4]]),
        "movable": np.ones(1, dtype=np.bool_),
        "rows": ((0, 2),),
        "lanes": (lane,),
        "use": np.array([[4], [0], [4]]),
        "limit": np.array([[BOUNDLESS], [BOUNDLESS], [4]]),
        "targets": lambda _: np.array([False, True]),
    }
    world = ground([[4], []], [1], **fields)
    one = np.array([4])
    asks = Taker((Want(one, one, 1, 0, np.array([True, False])),), 0, (1, 2))
    for use, evicted in ((4, None), (0, [])):
        world.use[2] = use
        found = Clearing(world).serve(asks, np.ones(1, dtype=np.bool_))
        assert (None if found is None else found.evicted) == evicted


def test_a_right_bounds_all_pods_that_come_in_the_room_that_it_makes() -> None:
    """One victim of 4 would make room for all; the taker's queue may use 3 and uses 1."""
    right = Right("FairShare", (Room(1, (3,)),), ((0,), (0,)), (True,))
    one = np.array([1])
    for minimum, count, places in ((3, 3, None), (2, 2, 2), (1, 4, 2)):
        world = ground([[4, 4]], [1, 1], lanes=(Lane((right,)),), use=np.array([[8], [1]]))
        asks = Taker((Want(one, one, count, 0, np.ones(1, dtype=np.bool_)),), minimum, (1,))
        found = Clearing(world).serve(asks, np.ones(2, dtype=np.bool_))
        assert (None if found is None else sum(pods for _, _, pods in found.places)) == places


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 9), min_size=8, max_size=8), st.integers(1, 4), st.integers(0, 32), st.booleans())
def test_of_pods_that_are_alike_the_cheapest_go_wherever_they_stand(
    weights: list[int], pods: int, guaranteed: int, keeps: bool
) -> None:
    floors = ((guaranteed,), (0,))
    right = Right("Guarantee", (Room(1, (BOUNDLESS,)),), floors, (True,), keep=keeps)
    world = ground([[4, 4]] * 4, weights, lanes=(Lane((right,)),))
    found = Clearing(world).serve(taker(4, pods, 4), np.ones(8, dtype=np.bool_))
    above = 32 - guaranteed
    if pods > (above // 4 if keeps else -(-above // 4)):
        assert found is None
        return
    assert found is not None
    assert found.cost[0] == sum(sorted(weights)[:pods])
    assert sum(count for _, _, count in found.places) == len(found.evicted) == pods


def test_of_pods_that_are_alike_one_moves_where_no_more_may_go() -> None:
    """The queue gives one of them; the other has room elsewhere, where the taker may not be."""
    movable = np.ones(2, dtype=np.bool_)
    world = ground([[4, 4], []], [1, 1], 4, movable=movable, targets=lambda _: np.array([False, True]))
    world.free[1] = 4
    one = np.array([4])
    asks = Taker((Want(one, one, 2, 2, np.array([True, False])),), 2, (1,))
    found = Clearing(world).serve(asks, np.ones(2, dtype=np.bool_))
    assert found is not None
    assert (len(found.evicted), list(found.moved.values())) == (1, [1])
