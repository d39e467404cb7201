"""Puts on the wire: with their nodes where these are known, and refused where they contradict themselves."""

from __future__ import annotations

import pytest

from scheduler.rpc.puts import check_fits, puts_from_pb, puts_to_pb
from scheduler.solver.problem import Put
from tests.unit.solver.small import built, gang, node

KNOWN = Put(0, 0, 0, 3, ((0, 1), (1, 2)))
OPEN = Put(0, 0, 0, 2)


def test_nodes_arrive_with_the_puts_that_know_them() -> None:
    assert puts_from_pb(puts_to_pb((KNOWN, OPEN, KNOWN))) == (KNOWN, OPEN, KNOWN)


def test_nothing_is_sent_where_no_nodes_are_known() -> None:
    assert not puts_to_pb((OPEN,)).HasField("spots")


def test_spots_that_do_not_add_up_are_refused() -> None:
    message = puts_to_pb((KNOWN,))
    message.spots.spots[0] = 1
    with pytest.raises(ValueError, match="do not add up"):
        puts_from_pb(message)


@pytest.mark.parametrize("spots", [((2, 3),), ((0, 1), (1, 1))])
def test_pods_on_nodes_that_are_not_there_are_refused(spots: tuple[tuple[int, int], ...]) -> None:
    problem = built([node("a", 8), node("b", 8)], [gang("g", 3, 2)]).problem
    check_fits((KNOWN,), problem)
    with pytest.raises(ValueError, match="does not stand on the 2 nodes"):
        check_fits((Put(0, 0, 0, 3, spots),), problem)
