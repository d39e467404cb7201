"""Where the score ``price`` sends work: one small fleet per part of a node's worth."""

from __future__ import annotations

import numpy as np

from scheduler.model.devices import DeviceAsk
from scheduler.solver.devices.prices import Prices
from scheduler.solver.greedy.node_scores import node_score
from scheduler.solver.greedy.stock import Rest, Stock
from scheduler.solver.problem import MemberAsk
from tests.unit.solver.parts import expecting

_BOTH = np.packbits([True, True]).tobytes()
_FIRST = np.packbits([True, False]).tobytes()


def pods(count: int, *, gpus: int = 0, cpu: int = 0, share: int = 0, eligible: bytes = _BOTH) -> MemberAsk:
    return MemberAsk((gpus * 1000, cpu), count, 0, 0, eligible, DeviceAsk(milli=share) if share else None)


def cheapest(member: MemberAsk, mix: list[MemberAsk], *nodes: tuple[list[int], int]) -> int:
    """Which of two nodes (free thousandths of each device, CPU) takes a pod."""
    problem = expecting(mix, [devices for devices, _ in nodes], [cpu for _, cpu in nodes])
    stock = Stock.of(problem)
    slots = np.arange(len(nodes))
    return int(node_score(problem)(stock.rest(slots), stock.rest_after(slots, member)).argmin())


def test_a_share_goes_where_it_completes_a_pattern() -> None:
    """470 is worth more room beside another 470 than as the rest that 810 leaves; both nodes are equally full."""
    mix = [pods(10, share=470), pods(10, share=530), pods(10, share=300)]
    assert cheapest(mix[0], mix, ([470, 700], 0), ([570, 600], 0)) == 0


def test_cpu_and_gpus_of_a_node_stay_in_balance() -> None:
    """A pod that needs much CPU goes where there is much of it per GPU."""
    mix = [pods(10, gpus=1, cpu=4000), pods(10, gpus=1, cpu=12_000)]
    assert cheapest(mix[1], mix, ([1000, 1000], 13_000), ([1000, 1000], 40_000)) == 1


def test_cpu_only_work_leaves_the_cpu_that_gpus_need() -> None:
    mix = [pods(10, gpus=1, cpu=8000), pods(10, cpu=8000)]
    assert cheapest(mix[1], mix, ([1000, 1000], 16_000), ([1000, 0], 16_000)) == 1


def test_a_whole_node_is_kept_for_pods_that_need_it_whole() -> None:
    mix = [pods(10, gpus=1), pods(10, gpus=4)]
    assert cheapest(mix[0], mix, ([1000] * 4, 0), ([1000] * 3 + [0], 0)) == 1


def test_where_cpu_runs_out_first_it_is_cut_in_pieces_that_work_without_gpus_fills() -> None:
    """A pod of 4 CPUs leaves 8 on one node, which is one more pod, or 5 on the other, which is none."""
    mix = [pods(10, cpu=8000), pods(1, cpu=4000), pods(5, gpus=1)]
    assert cheapest(mix[1], mix, ([1000], 9000), ([1000], 12_000)) == 1


def test_prices_of_the_moment_follow_what_is_free() -> None:
    """As much is free both times, but fewer nodes hold a pod of four: a room is dearer there."""
    mix = [pods(1, gpus=4), pods(100, gpus=1)]
    problem = expecting(mix, [[1000] * 4, [1000, 0, 0, 0]], [0, 0], nodes=[20, 20])
    assert problem.devices is not None
    rest = Rest(problem.class_free.T, problem.devices.states.T, np.arange(2))
    plenty = Prices(problem)
    few = plenty.at(rest, np.array([5, 80]))
    assert few.worth(rest)[0] > plenty.worth(rest)[0] + 100
    assert plenty.at(rest, problem.class_nodes).worth(rest).tolist() == plenty.worth(rest).tolist()


def test_a_named_model_is_kept_for_those_who_name_it() -> None:
    mix = [pods(10, gpus=1), pods(10, gpus=1, eligible=_FIRST)]
    assert cheapest(mix[0], mix, ([1000] * 4, 0), ([1000] * 4, 0)) == 1


def test_a_named_model_is_dearer_the_less_of_it_is_left() -> None:
    """With the first node nearly full, work that may go anywhere leaves it alone although it is the fuller one."""
    mix = [pods(20, gpus=1), pods(1, gpus=1, eligible=_FIRST)]
    assert cheapest(mix[0], mix, ([1000, 1000, 0, 0], 0), ([1000] * 4, 0)) == 1


def test_of_equals_the_node_with_the_least_cpu_left_is_filled() -> None:
    mix = [pods(10, gpus=1), pods(1, cpu=1000)]
    assert cheapest(mix[1], mix, ([0], 9000), ([0], 5000)) == 1


def test_without_a_mix_it_packs() -> None:
    one = pods(1, gpus=1)
    assert cheapest(one, [], ([1000] * 4, 0), ([1000, 0, 0, 0], 0)) == 1
