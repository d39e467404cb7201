"""Which amounts of CPU work without GPUs fills, and what the rest is worth while CPU runs out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scheduler.model.resources import CPU, GPU
from scheduler.solver.devices.pieces import Pieces, common_sizes, unfilled
from scheduler.solver.problem import MemberAsk
from tests.unit.solver.parts import expecting

_ANYWHERE = np.packbits([True]).tobytes()


def pieces(*mix: tuple[int, int, int]) -> Pieces | None:
    """(pods, GPUs, CPU) of each shape of the mix, on nodes of 12 CPUs."""
    members = [MemberAsk((gpus * 1000, cpu), pods, 0, 0, _ANYWHERE) for pods, gpus, cpu in mix]
    problem = expecting(members, [[1000]], [12_000])
    assert problem.resources == (GPU, CPU)
    return Pieces.of(problem)


def brute(sizes: list[int], largest: int) -> list[int]:
    filled = [0] * (largest + 1)
    for amount in range(1, largest + 1):
        filled[amount] = max([size + filled[amount - size] for size in sizes if size <= amount], default=0)
    return [amount - each for amount, each in enumerate(filled)]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 130))
def test_what_stays_free_is_what_no_sum_of_sizes_fills(sizes: list[int], largest: int) -> None:
    assert unfilled(sizes, largest).tolist() == brute(sizes, largest)


def test_a_rare_small_size_does_not_make_every_amount_count_as_filled() -> None:
    assert common_sizes({8000: 60, 12_500: 35, 100: 5}) == [8000, 12_500]


def test_without_work_that_asks_for_no_gpu_there_is_nothing_to_cut() -> None:
    assert pieces((5, 1, 4000)) is None


def test_cpu_has_a_price_only_where_it_runs_out_before_gpus() -> None:
    """The mix asks for 8 CPUs per GPU."""
    found = pieces((1, 0, 4000), (1, 1, 4000))
    assert found is not None
    assert found.price(cpu=8000, gpu_milli=1000) == found.price(cpu=16_000, gpu_milli=1000) == 0
    assert 0 < found.price(cpu=6000, gpu_milli=1000) < found.price(cpu=3000, gpu_milli=1000)
    assert found.price(cpu=0, gpu_milli=0) == 0


def test_more_cpu_than_any_node_had_wastes_as_much_as_the_largest() -> None:
    found = pieces((1, 0, 8000), (1, 1, 4000))
    assert found is not None
    assert found.wasted(np.array([7000, 8000, 12_000, 50_000])).tolist() == [7000, 0, 4000, 4000]
