"""How pods are handed down a tree of domains: few domains, whole slices, evenly where asked."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from scheduler.solver.greedy.distribution import DomainTree, Layer

RACKS_OF_BLOCKS = [[0, 0, 0, 1, 1], [0, 1, 2, 3, 4]]


def handed(layers: list[Layer], codes: list[list[int]], room: list[int], count: int) -> dict[int, int]:
    """Cell -> pods; nothing is used yet."""
    tree = DomainTree(layers, np.array(codes), np.array(room))
    return dict(tree.hand_out(count, np.zeros(len(room), dtype=np.bool_)))


def test_the_largest_domains_first_and_the_tightest_for_the_rest() -> None:
    assert handed([Layer(0)], [[0, 1, 2, 3]], [3, 5, 1, 2], 6) == {1: 5, 2: 1}


def test_few_wide_domains_come_before_few_narrow_ones() -> None:
    room = [1, 1, 1, 2, 0]
    assert handed([Layer(0), Layer(1)], RACKS_OF_BLOCKS, room, 3) == {0: 1, 1: 1, 2: 1}


def test_inside_the_chosen_wide_domains_few_narrow_ones_are_used() -> None:
    assert handed([Layer(0), Layer(1, 3)], [[0, 0, 0, 1], [0, 1, 2, 3]], [3, 3, 3, 6], 12) == {3: 6, 0: 3, 1: 3}


def test_a_layer_of_slices_fixes_what_its_domains_get() -> None:
    zones = [[0, 0, 0, 0, 1, 1, 1, 1], list(range(8))]
    found = handed([Layer(0, 48), Layer(1, 16)], zones, [18] * 8, 96)
    assert sorted(found.values()) == [16] * 6
    assert sum(1 for cell in found if cell < 4) == 3


def test_rests_of_slices_are_no_room() -> None:
    tree = DomainTree([Layer(0, 6), Layer(1, 2)], np.array([[0, 0, 1, 1], [0, 1, 2, 3]]), np.array([3, 3, 5, 3]))
    assert tree.most() == 6, "domain 0 holds two slices of two, domain 1 three"


def test_places_without_a_domain_hold_no_slices_but_are_a_domain_otherwise() -> None:
    assert DomainTree([Layer(0, 2)], np.array([[-1, 0]]), np.array([8, 3])).most() == 2
    assert DomainTree([Layer(0)], np.array([[-1, 0]]), np.array([8, 3])).most() == 11


def test_balance_levels_the_fewest_domains() -> None:
    assert sorted(handed([Layer(0, 5, even=True)], [[0, 1, 2]], [20, 15, 10], 25).values()) == [10, 15]
    assert sorted(handed([Layer(0, even=True)], [[0, 1, 2, 3]], [8, 8, 8, 8], 25).values()) == [6, 6, 6, 7]


def test_balance_looks_below_before_it_chooses_a_domain() -> None:
    codes = [[0, 0, 1, 1], [0, 1, 2, 3]]
    assert handed([Layer(0, even=True), Layer(1, even=True)], codes, [15, 10, 14, 11], 25) == {2: 14, 3: 11}


def test_domains_in_use_come_first() -> None:
    tree = DomainTree([Layer(0)], np.array([[0, 1, 2]]), np.array([4, 4, 2]))
    assert tree.hand_out(3, np.array([False, False, True])) == [(2, 2), (0, 1)]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=9),
    st.sampled_from([(1, 1), (2, 2), (4, 2), (2, 1), (1, 3)]),
    st.booleans(),
    st.integers(0, 40),
)
def test_what_is_handed_out_fits_and_is_whole(
    places: list[tuple[int, int, int]], sizes: tuple[int, int], even: bool, wish: int
) -> None:
    codes = np.array([[block for block, _, _ in places], [rack for _, rack, _ in places]])
    room = np.array([each for _, _, each in places])
    tree = DomainTree([Layer(0, sizes[0], even), Layer(1, sizes[1], even)], codes, room)
    count = min(wish, tree.most())
    count -= count % tree.size
    loads = tree.hand_out(count, np.zeros(len(places), dtype=np.bool_))
    assert sum(load for _, load in loads) == count
    blocks: dict[int, int] = {}
    for cell, load in loads:
        inside = tree.place_of(cell)
        assert load <= room[inside].sum()
        assert load % sizes[1] == 0
        block = int(codes[0][inside][0])
        blocks[block] = blocks.get(block, 0) + load
    assert all(load % sizes[0] == 0 for load in blocks.values())
