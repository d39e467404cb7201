"""A maximum matching, checked against all ways there are."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.gangs.seating import seated

NODES = ("a", "b", "c")


def most(pods: list[str], places: list[str], allowed: set[tuple[str, str]]) -> int:
    """The most pods that any assignment seats."""
    padded = [*places, *([""] * len(pods))]
    return max(
        sum((pod, node) in allowed for pod, node in zip(pods, order, strict=False))
        for order in permutations(padded, len(pods))
    )


@given(
    st.lists(st.sampled_from(NODES), max_size=4),
    st.sets(st.tuples(st.sampled_from(("p", "q", "r")), st.sampled_from(NODES))),
)
def test_as_many_pods_as_possible_find_a_place(places: list[str], allowed: set[tuple[str, str]]) -> None:
    pods = ["p", "q", "r"]
    found = seated(pods, places, {}, lambda pod, node: (pod, node) in allowed)
    assert len(found) == most(pods, places, allowed)
    assert set(found.items()) <= allowed
    left = list(places)
    for node in found.values():
        left.remove(node)


def test_who_has_a_place_keeps_it() -> None:
    """Its volumes are being made there: it does not move for anybody, whatever else would suit it."""
    kept = {"p": "a"}
    assert seated(["q", "p"], ["a", "b"], kept, lambda pod, node: node == "a") == {"p": "a"}
    assert seated(["q", "p"], ["b"], kept, lambda pod, node: pod == "q") == {"q": "b"}, "its place is gone"


def test_a_long_chain_is_moved_without_recursion() -> None:
    pods = [f"p{number}" for number in range(1000)]
    places = [f"n{number}" for number in range(1001)]

    def may(pod: str, node: str) -> bool:
        number, place = int(pod[1:]), int(node[1:])
        return place in (number, number + 1) if pod != "p999" else place == 0

    found = seated(pods, places, {}, may)
    assert len(found) == 1000
