"""The packing benchmark measures what it says: arrivals, FGD by hand, the floor against brute force, the bars."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.solver.greedy.stock import Stock
from tests.bench.openb.contenders import contender
from tests.bench.openb.fgd import Fgd
from tests.bench.openb.fleet import Fleet, Online
from tests.bench.openb.floor import floor
from tests.bench.openb.lists import Nodes, Pods, Shape, arrivals, typical
from tests.bench.openb.ours import as_it_is, problem_of
from tests.bench.openb.report import Row, all_served_geometric_mean, misses
from tests.bench.openb.runs import Point, run
from tests.bench.openb.service import SizesServed


def nodes(*gpus: int, cpu: int = 100_000) -> Nodes:
    count = len(gpus)
    return Nodes(
        names=tuple(f"node-{index}" for index in range(count)),
        cpu_milli=np.full(count, cpu, dtype=np.int64),
        memory_mib=np.full(count, 1000, dtype=np.int64),
        gpus=np.array(gpus, dtype=np.int64),
        models=("T4",) * count,
    )


def pods(*shapes: Shape) -> Pods:
    distinct = tuple(sorted(set(shapes)))
    return Pods("some", distinct, np.array([distinct.index(shape) for shape in shapes], dtype=np.int64))


def share(milli: int, cpu: int = 0) -> Shape:
    return Shape(cpu, 0, 1, milli)


def test_arrivals_fill_up_with_clones_and_leave_out_what_is_too_much() -> None:
    few, many = pods(share(500)), pods(*[share(500)] * 9)
    assert len(arrivals(few, 2000, 42, 130)) == 6
    assert len(arrivals(many, 2000, 42, 130)) == 6
    assert arrivals(few, 2000, 42, 130).tolist() == arrivals(few, 2000, 42, 130).tolist()


def test_fgd_prefers_the_node_whose_idle_milli_nobody_could_use() -> None:
    """A target of whole devices cannot use what is left of a shared one, so the next share goes there."""
    fleet = Fleet(nodes(1, 1))
    shapes = (share(300), Shape(0, 0, 1, 1000))
    online = Online(fleet, shapes, Fgd(fleet, shapes, shapes, np.array([0.2, 0.8])))
    fleet.place(1, shapes[0], 0)
    assert online.arrive(0)
    assert fleet.device_milli[:, 0].tolist() == [1000, 400]


def test_of_equally_common_shapes_fgds_target_takes_the_larger_first() -> None:
    """Two of three shapes cover what is asked for; the one left out is the smallest."""
    small, middle, large = (Shape(cpu, 0, 1, 1000) for cpu in (1000, 2000, 3000))
    target, weights = typical(pods(small, middle, large), 0.6)
    assert target == (large, middle)
    assert weights.tolist() == [0.5, 0.5]


def test_the_next_cycle_sees_what_is_left() -> None:
    """Nodes that are alike by now are one class, and shapes keep the models they may run on."""
    named = Shape(0, 0, 1, 500, ("T4",))
    listed = pods(share(300), named)
    problem, members = problem_of(nodes(2, 2, 1), listed)
    stock = Stock.of(problem)
    for _ in range(2):
        two = next(slot for slot in range(stock.used) if stock.size[slot] and stock.free[0, slot] == 2000)
        stock.pour(two, 1, 1, members[listed.shapes.index(share(300))])
    now, again = as_it_is(problem, members, stock)
    assert sorted(zip(now.class_nodes.tolist(), now.class_free[:, 0].tolist(), strict=True)) == [(1, 1000), (2, 1000)]
    assert now.devices is not None
    assert sorted(now.devices.states[:, :2].tolist()) == [[1000, 0], [1000, 700]]
    assert all(now.eligible(member).all() for member in again)


def best_by_hand(devices: int, sizes: tuple[int, ...]) -> int:
    """The most milli of these shares that so many devices hold."""
    best = 0
    for places in itertools.product(range(devices + 1), repeat=len(sizes)):
        loads = [
            sum(size for size, place in zip(sizes, places, strict=True) if place == device) for device in range(devices)
        ]
        if max(loads) <= 1000:
            best = max(best, sum(loads))
    return best


@settings(max_examples=25, deadline=None)
@given(
    devices=st.integers(1, 2),
    sizes=st.lists(st.sampled_from([160, 320, 470, 550, 810, 1000]), min_size=1, max_size=6).map(tuple),
)
def test_the_floor_is_never_above_what_can_be_reached(devices: int, sizes: tuple[int, ...]) -> None:
    listed = pods(*[share(size) if size < 1000 else Shape(0, 0, 1, 1000) for size in sizes])
    found = floor(nodes(devices), listed.shapes, listed.counts().tolist())
    reached = 100 - 100 * best_by_hand(devices, sizes) / (devices * 1000)
    assert found.unallocated_percent <= reached + 1e-6
    assert found.unallocated_percent >= found.pattern_only_percent - 1e-6


def test_the_floor_of_shares_that_stand_alone() -> None:
    """Nothing fits beside 810; CPU for one pod only makes the floor higher still."""
    listed = pods(*[share(810, cpu=1000)] * 4)
    assert floor(nodes(2), listed.shapes, [4]).unallocated_percent == pytest.approx(19, abs=1e-3)
    assert floor(nodes(2, cpu=1000), listed.shapes, [4]).unallocated_percent == pytest.approx(59.5, abs=1e-3)


@pytest.mark.parametrize("tier", ["T1", "T2", "T3", "T4"])
def test_ours_packs_a_list_that_fits_exactly(tier: str) -> None:
    listed = pods(*[share(470), share(530), share(320), share(680), Shape(0, 0, 2, 1000)] * 3)
    arriving = arrivals(listed, 12_000, 7, 100).tolist()
    points = run(
        contender("ours", tier, nodes(4, 4, 4), listed, 0.95),
        listed.shapes,
        arriving,
        12_000,
        window=5,
        until_percent=100,
    )
    assert points[-1].arrived_percent == 100
    assert points[-1].unallocated_percent < 20


def test_a_missed_bar_is_said() -> None:
    def row(algorithm: str, unallocated: float, served: float) -> Row:
        point = Point(100, unallocated, 0.0, {"gpu-1": served})
        return Row("some", algorithm, "T1", 1, 42, point, 0.0, floor_percent=3.0)

    fine = [row("ours", 3.5, 96.0), row("fgd", 5.0, 96.4), row("bestfit", 7.0, 90.0)]
    assert misses(fine) == []
    worse = [row("ours", 5.5, 95.0), row("fgd", 5.0, 96.4), row("bestfit", 7.0, 90.0)]
    assert [sentence.split(":")[0] for sentence in misses(worse)] == ["missed"] * 3


def test_what_refuses_nobody_stands_beside_the_same_baseline() -> None:
    point = Point(100, 5.0, 0.0, {})
    floors = [
        Row(name, "fgd", "T3", 500, 42, point, 0.0, floor_percent=3.0, floor_all_served_percent=all_served)
        for name, all_served in (("some", 3.4), ("others", 4.6))
    ]
    assert all_served_geometric_mean(floors) == pytest.approx(0.4)  # of 0.2 and 0.8


def test_a_size_gives_way_to_others_within_limits() -> None:
    shapes = (Shape(1000, 0, 0, 0), Shape(0, 0, 1, 810), Shape(0, 0, 1, 1000), Shape(500, 0, 0, 0))
    no_gpu, large, whole, no_gpu_light = range(4)
    sizes = SizesServed(shapes)
    sizes.come([large] * 400 + [whole] * 400 + [no_gpu] * 400)
    sizes.serve([large] * 399 + [whole] * 390 + [no_gpu] * 400)
    for _ in range(2):  # one in 200 of those that came
        assert sizes.agrees({large: 1}, {whole: 1})
        sizes.took({large: 1}, {whole: 1})
    assert not sizes.agrees({large: 1}, {whole: 1})
    assert sizes.agrees({large: 1}, {large: 1, whole: 1}), "somebody of the same size comes"
    assert not sizes.agrees({no_gpu: 1}, {whole: 9}), "work without GPUs is never refused for others"
    assert sizes.agrees({no_gpu: 1}, {no_gpu_light: 1, whole: 1})


def test_a_size_that_is_served_worse_than_all_does_not_give_way() -> None:
    large, whole = range(2)
    sizes = SizesServed((share(810), Shape(0, 0, 1, 1000)))
    sizes.come([large] * 400 + [whole] * 400)
    sizes.serve([large] * 390 + [whole] * 400)
    assert not sizes.agrees({large: 1}, {whole: 1})
    assert sizes.agrees({whole: 1}, {large: 1})
