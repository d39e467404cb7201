"""Between plans of equal value turns decide: a large gang's by its size, those of many small ones not at will."""

from __future__ import annotations

from scheduler.core.window import Ask
from scheduler.core.worth import AGE_STEPS, Worth, worth_of
from scheduler.model.cluster import NodeTable
from scheduler.model.policy import Policy
from tests.unit.solver.small import gang


def worths(*pods: int) -> Worth:
    """Of gangs of so many pods of one GPU, in the order of their turns."""
    asks = [Ask(gang(f"g{turn}", each)) for turn, each in enumerate(pods)]
    return worth_of(asks, NodeTable.of(()), Policy())


def bonuses(*pods: int) -> list[int]:
    return list(worths(*pods).bonuses.values())


def test_an_early_turn_of_a_large_gang_outweighs_later_ones_of_two_halves() -> None:
    large, *halves = bonuses(8, 4, 4)
    assert large > sum(halves)


def test_early_turns_of_small_gangs_outweigh_a_later_one_of_a_large_gang() -> None:
    *halves, large = bonuses(4, 4, 8)
    assert sum(halves) > large


def test_among_equals_the_earlier_turn_wins_and_no_turn_is_worth_a_unit() -> None:
    found = bonuses(*(3 for _ in range(100)))
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 100
    assert max(found) < AGE_STEPS


def test_one_pod_more_outweighs_any_turn() -> None:
    own = worths(1, 2)
    (pod,) = set(own.values.values())
    first, _ = own.bonuses.values()
    assert 2 * pod[0] > pod[0] + first
