"""Flavors in the store: nodes count as the first that covers them, and what queues use follows."""

from __future__ import annotations

from scheduler.core.facts.books import Charge
from scheduler.core.facts.store import Store
from scheduler.model.bundle import Pending
from scheduler.model.cluster import Node
from scheduler.model.events import FlavorSeen
from scheduler.model.flavor import Flavor
from scheduler.model.resources import GPU, from_quantities
from scheduler.model.shape import Shape
from scheduler.wire.decode import Decoder

SHAPE = Shape(from_quantities({GPU: 2, "pods": 1}))


def store(*flavors: Flavor) -> Store:
    made = Store()
    for flavor in flavors:
        made.see_flavor(flavor)
    made.see_node(Node("n1", {"model": "h100", "site": "x"}, from_quantities({GPU: 8, "pods": 10})))
    made.charge("a", Charge("n1", SHAPE, "q", None, "", takes_room=True))
    return made


def used(made: Store) -> dict[tuple[str, str, bool], int]:
    column = made.columns.names.index(GPU)
    return {key: int(row[column]) for key, row in made.snapshot(Pending(())).use_by.items()}


H100 = Flavor("h100", (("model", "h100"),))
SITE = Flavor("any-x", (("site", "x"),))


def test_a_node_counts_as_the_first_flavor_by_name_and_once() -> None:
    assert used(store(H100, SITE)) == {("q", "any-x", False): 2000}
    assert used(store()) == {("q", "", False): 2000}


def test_what_queues_use_follows_flavors_and_labels() -> None:
    made = store(SITE)
    made.see_flavor(H100)
    made.lose_flavor("any-x")
    assert used(made) == {("q", "h100", False): 2000}
    made.see_node(Node("n1", {"model": "a100"}, from_quantities({GPU: 8, "pods": 10})))
    assert used(made) == {("q", "", False): 2000}
    made.charge("a", None)
    assert sum(used(made).values()) == 0


def test_what_is_not_preemptible_is_counted_apart() -> None:
    made = store(H100)
    made.charge("b", Charge("n1", SHAPE, "q", None, "", takes_room=True, firm=True))
    column = made.columns.names.index(GPU)
    assert made.use_below("q", column, "h100") == 4000
    assert made.use_below("q", column, "h100", firm=True) == 2000
    assert made.use_below("q", column, "a100") == 0


def test_a_flavor_is_read() -> None:
    body = b'{"metadata": {"name": "h100", "resourceVersion": "7"}, "spec": {"nodeSelector": {"model": "h100"}}}'
    seen, version = Decoder().object("resourceflavors", body)
    assert isinstance(seen, FlavorSeen)
    assert (seen.flavor, version) == (H100, "7")
