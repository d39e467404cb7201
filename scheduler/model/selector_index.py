"""Finding the selectors that look at a pod without asking each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from scheduler.model.relations import LabelSet, PodSelector, PodTerm
from scheduler.model.selector import Requirement

Item = TypeVar("Item")

Handle = tuple[str, str, str]
"""(namespace, label key, label value)."""


class SelectorIndex(Generic[Item]):
    """Items, each with a selector, found by one label that their selector demands.

    Most selectors name the value of some label in the namespaces they list. The others are candidates for every pod.
    """

    def __init__(self) -> None:
        self._by_label: dict[Handle, dict[Item, None]] = {}
        self._others: dict[Item, None] = {}

    def add(self, item: Item, selector: PodSelector) -> None:
        for handle in _handles(selector):
            self._by_label.setdefault(handle, {})[item] = None
        if not _handles(selector):
            self._others[item] = None

    def discard(self, item: Item, selector: PodSelector) -> None:
        for handle in _handles(selector):
            items = self._by_label[handle]
            del items[item]
            if not items:
                del self._by_label[handle]
        self._others.pop(item, None)

    def candidates(self, label_set: LabelSet) -> Iterator[Item]:
        """Every item whose selector may match a pod with these labels, and a few more; none twice."""
        yield from self._others
        seen: dict[Item, None] = {}
        for key, value in label_set.labels if self._by_label else ():
            for item in self._by_label.get((label_set.namespace, key, value), ()):
                if item not in seen:
                    seen[item] = None
                    yield item


def telling(term: PodTerm) -> Requirement | None:
    """A requirement that names the values of a label, if there is one."""
    return next((each for each in term.selector or () if each.operator == "In"), None)


def _handles(selector: PodSelector) -> tuple[Handle, ...]:
    term = selector.terms[0] if selector.terms else None
    named = telling(term) if term is not None else None
    if term is None or named is None or term.namespace_selector is not None:
        return ()
    return tuple((namespace, named.key, value) for namespace in term.namespaces for value in named.values)
