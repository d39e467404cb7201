"""What queues use, as running totals: split by what quotas tell apart, and summed up the tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from scheduler.model.cluster import UseKey
from scheduler.model.queue import Queue
from scheduler.model.resources import Matrix

Key = TypeVar("Key")

Widened = Callable[[Matrix], Matrix]
"""Adds zero columns for resources that came to be known since a row was made."""


class QueueUse:
    """``queues`` is the tree as the store sees it; `requeue` is to be called when it changes."""

    def __init__(self, queues: Mapping[str, Queue], widened: Widened) -> None:
        self._queues = queues
        self._widened = widened
        self._use: dict[UseKey, Matrix] = {}
        self._below: dict[tuple[str, str, bool], Matrix] = {}
        self._lines: dict[str, tuple[str, ...]] = {}

    def add(self, queue: str, flavor: str, firm: bool, row: Matrix) -> None:
        """So much more of a queue on nodes of a flavor; less where it is negative."""
        key = (queue, flavor, firm)
        self._sum(self._use, key, row)
        self._add_below(key, row)

    def clear(self) -> None:
        self._use.clear()
        self._below.clear()

    def requeue(self) -> None:
        """The tree of queues changed: add up its totals anew."""
        self._lines.clear()
        self._below.clear()
        for key, total in self._use.items():
            self._add_below(key, self._widened(total))

    def by_key(self) -> dict[UseKey, Matrix]:
        return {key: self._widened(total).copy() for key, total in self._use.items()}

    def by_queue(self) -> dict[str, Matrix]:
        found: dict[str, Matrix] = {}
        for (queue, _, _), total in self._use.items():
            self._sum(found, queue, self._widened(total))
        return found

    def below(self, queue: str, column: int, flavor: str = "", *, firm: bool = False) -> int:
        """What a queue and everything below it use of one resource: of all flavors or one, of all work or only what is
        not preemptible."""
        found = 0
        for only_firm in (True,) if firm else (True, False):
            total = self._below.get((queue, flavor, only_firm))
            found += int(total[column]) if total is not None and column < len(total) else 0
        return found

    def _add_below(self, key: UseKey, row: Matrix) -> None:
        queue, flavor, firm = key
        for ancestor in self._line(queue):
            for each in dict.fromkeys(("", flavor)):
                self._sum(self._below, (ancestor, each, firm), row)

    def _sum(self, totals: dict[Key, Matrix], key: Key, row: Matrix) -> None:
        """Adds a row to a total, in place where its columns are the same."""
        total = totals.get(key)
        if total is None:
            totals[key] = row.copy()
        elif len(total) == len(row):
            total += row
        else:
            totals[key] = self._widened(total) + row

    def _line(self, queue: str) -> tuple[str, ...]:
        """A queue and its ancestors, as far as they exist; a cycle ends the line."""
        line = self._lines.get(queue)
        if line is None:
            found = [queue]
            while found[-1] in self._queues and self._queues[found[-1]].parent not in ("", *found):
                found.append(self._queues[found[-1]].parent)
            line = self._lines[queue] = tuple(found)
        return line
