"""Shares of a queue tree that is not one: whoever walks up the parents of shares must arrive."""

from scheduler.core.queues.shares import QueueTree, shares
from scheduler.model.queue import Queue

RESOURCES = ("nvidia.com/gpu",)


def parents(*queues: Queue) -> dict[str, str]:
    found = shares(QueueTree({queue.name: queue for queue in queues}, RESOURCES), {})
    return {name: share.parent for name, share in found.items()}


def test_a_parent_is_named() -> None:
    assert parents(Queue("team", parent="all"), Queue("all")) == {"team": "all", "all": ""}


def test_a_parent_that_does_not_exist_is_none() -> None:
    assert parents(Queue("team", parent="all")) == {"team": ""}


def test_a_cycle_and_what_hangs_below_it_have_no_parents() -> None:
    hen_and_egg = (Queue("hen", parent="egg"), Queue("egg", parent="hen"), Queue("nest", parent="hen"))
    assert parents(*hen_and_egg, Queue("self", parent="self")) == {"hen": "", "egg": "", "nest": "", "self": ""}
