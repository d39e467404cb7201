"""The store's running totals against the same totals counted from scratch."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.facts.books import Charge
from scheduler.core.facts.store import Store
from scheduler.model.work import Assignment, GangKey, NodeCount, Place
from tests.unit.core.world import node, shape

NODES = ("n1", "n2", "n3")
GANG = GangKey("team/g")


def store() -> Store:
    made = Store()
    for name in NODES:
        made.see_node(node(name))
    return made


def record(*counts: tuple[str, int]) -> Assignment:
    nodes = tuple(NodeCount(name, count) for name, count in counts)
    return Assignment(1, "1", 0.0, (Place("m", nodes),))


def charge(on: str, gpus: int, *, grouped: bool, running: bool = True) -> Charge:
    return Charge(on, shape(gpus), "default", GANG if grouped else None, "m", takes_room=running)


def gpus_free(made: Store) -> dict[str, int]:
    column = made.columns.names.index("nvidia.com/gpu")
    return dict(zip(NODES, (made.free()[:, column] // 1000).tolist(), strict=True))


def test_a_record_reserves_what_its_pods_have_not_taken() -> None:
    made = store()
    made.reserve(GANG, record(("n1", 3), ("n2", 1)), "default", {"m": shape()})
    assert gpus_free(made) == {"n1": 5, "n2": 7, "n3": 8}
    made.charge("a", charge("n1", 1, grouped=True))
    assert gpus_free(made) == {"n1": 5, "n2": 7, "n3": 8}
    assert made.open_spots(GANG) == {("m", "n1", ()): 2, ("m", "n2", ()): 1}


def test_a_succeeded_pod_keeps_its_place_without_taking_room() -> None:
    made = store()
    made.reserve(GANG, record(("n1", 2)), "default", {"m": shape()})
    made.charge("a", charge("n1", 1, grouped=True))
    made.charge("a", charge("n1", 1, grouped=True, running=False))
    assert gpus_free(made) == {"n1": 7, "n2": 8, "n3": 8}
    assert made.open_spots(GANG) == {("m", "n1", ()): 1}


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("charge"), st.sampled_from("abcdef"), st.sampled_from(NODES), st.integers(0, 3), st.booleans()
        ),
        st.tuples(st.just("drop"), st.sampled_from("abcdef")),
        st.tuples(st.just("reserve"), st.dictionaries(st.sampled_from(NODES), st.integers(1, 3), max_size=3)),
        st.tuples(st.just("release")),
    ),
    max_size=40,
)


@given(STEPS)
def test_totals_never_drift(steps: list[tuple[object, ...]]) -> None:
    made = store()
    charges: dict[str, Charge] = {}
    reserved: dict[str, int] = {}
    for step in steps:
        match step:
            case ("charge", uid, on, gpus, grouped):
                charges[str(uid)] = charge(str(on), 1 if grouped else int(gpus), grouped=bool(grouped))  # type: ignore[call-overload]
                made.charge(str(uid), charges[str(uid)])
            case ("drop", uid):
                charges.pop(str(uid), None)
                made.charge(str(uid), None)
            case ("reserve", counts):
                reserved = dict(counts)  # type: ignore[call-overload]
                made.reserve(GANG, record(*reserved.items()) if reserved else None, "default", {"m": shape()})
            case _:
                reserved = {}
                made.reserve(GANG, None, "", {})
    expected = dict.fromkeys(NODES, 8)
    for each in charges.values():
        expected[each.node] -= dict(each.shape.requests).get("nvidia.com/gpu", 0) // 1000
    for on, count in reserved.items():
        taken = sum(1 for each in charges.values() if each.gang == GANG and each.node == on)
        expected[on] -= max(0, count - taken)
    assert gpus_free(made) == expected
    in_use = sum(8 - free for free in expected.values())
    assert made.use_below("default", made.columns.names.index("nvidia.com/gpu")) == in_use * 1000


def test_rows_stay_with_their_nodes_when_nodes_come_and_go() -> None:
    made = store()
    made.charge("a", charge("n3", 2, grouped=False))
    made.lose_node("n1")
    made.see_node(node("n0"))
    free = dict(zip((each.name for each in made.table().nodes), made.free()[:, 3].tolist(), strict=True))
    assert free == {"n0": 8000, "n2": 8000, "n3": 6000}


def test_an_unknown_resource_becomes_a_column() -> None:
    made = store()
    made.columns.row((("example.com/fpga", 2),))
    assert made.free().shape == (3, 5)
    assert np.array_equal(made.free()[:, 4], [0, 0, 0])


def test_a_pod_that_ends_after_its_gang_gave_its_record_up_counts_for_no_other_start() -> None:
    made = store()
    made.charge("a", charge("n1", 1, grouped=True))
    made.spend("a")
    assert not made.book(GANG).done


def test_a_place_that_was_spent_under_one_record_is_free_to_be_named_by_the_next() -> None:
    made = store()
    old, new = record(("n1", 1)), record(("n1", 1), ("n2", 1))
    made.reserve(GANG, old, "default", {"m": shape()})
    made.charge("a", charge("n1", 1, grouped=True))
    made.spend("a")
    assert made.open_spots(GANG) == {}
    made.reserve(GANG, new, "default", {"m": shape()})
    assert made.open_spots(GANG) == {("m", "n1", ()): 1, ("m", "n2", ()): 1}
    made.reserve(GANG, old, "default", {"m": shape()})  # the commit of the new one was refused
    assert made.open_spots(GANG) == {}
    assert gpus_free(made) == {"n1": 8, "n2": 8, "n3": 8}
