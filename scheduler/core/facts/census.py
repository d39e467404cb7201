"""Which pods stand where, by what selectors see of them: running counts, read only when somebody asks.

A pod without relations costs one count in a dictionary. Selectors are looked up by a requirement that names values, in
an index that is made when the first selector asks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scheduler.model.neighbours import Neighbours, NodeCounts
from scheduler.model.relations import AntiAffinity, HostPort, LabelSet, PodSelector, PodTerm
from scheduler.model.selector import Labels
from scheduler.model.selector_index import SelectorIndex, telling
from scheduler.model.shape import Shape

_Key = TypeVar("_Key")

Slot = int
"""The row of a node in the store's totals."""

Index = dict[str, dict[LabelSet, None]]


class Census:
    """Pods per (labels, node), carriers of anti-affinity and holders of host ports."""

    def __init__(self) -> None:
        self.namespaces: dict[str, Labels] = {}
        self._staying: dict[LabelSet, Counter[Slot]] = {}
        self._leaving: dict[LabelSet, Counter[Slot]] = {}
        self._known: dict[str, dict[LabelSet, None]] = {}
        self._indexes: dict[tuple[str, str], Index] = {}
        self._carriers: dict[AntiAffinity, Counter[Slot]] = {}
        self._carrier_index: SelectorIndex[AntiAffinity] = SelectorIndex()
        self._ports: dict[HostPort, Counter[Slot]] = {}

    # -- what stands -----------------------------------------------------------------------------------------------

    def count(self, slot: Slot, shape: Shape, label_set: LabelSet | None, times: int, *, leaving: bool) -> None:
        """``times`` more pods (fewer, when negative) of these asks and labels on a node; None: labels unknown."""
        if label_set is not None:
            self._count_labels(slot, label_set, times, leaving=leaving)
        if shape.relations is not None:
            for term in shape.relations.anti_affinity:
                known = term in self._carriers
                _add(self._carriers, term, slot, times)
                if known and term not in self._carriers:
                    self._carrier_index.discard(term, term.selector)
                elif not known and term in self._carriers:
                    self._carrier_index.add(term, term.selector)
            for port in shape.relations.ports:
                _add(self._ports, port, slot, times)

    def _count_labels(self, slot: Slot, label_set: LabelSet, times: int, *, leaving: bool) -> None:
        counts, others = (self._leaving, self._staying) if leaving else (self._staying, self._leaving)
        here = counts.get(label_set)
        if here is None:
            here = counts[label_set] = Counter()
            if label_set not in others:
                self._learn(label_set)
        here[slot] += times
        if not here[slot]:
            del here[slot]
            if not here:
                del counts[label_set]
                if label_set not in others:
                    self._forget(label_set)

    def _learn(self, label_set: LabelSet) -> None:
        self._known.setdefault(label_set.namespace, {})[label_set] = None
        for key, value in label_set.labels if self._indexes else ():
            index = self._indexes.get((label_set.namespace, key))
            if index is not None:
                index.setdefault(value, {})[label_set] = None

    def _forget(self, label_set: LabelSet) -> None:
        known = self._known[label_set.namespace]
        del known[label_set]
        if not known:
            del self._known[label_set.namespace]
        for key, value in label_set.labels if self._indexes else ():
            index = self._indexes.get((label_set.namespace, key))
            if index is not None:
                del index[value][label_set]

    # -- what is asked ---------------------------------------------------------------------------------------------

    @property
    def has_carriers(self) -> bool:
        """Whether some pod that stands keeps others away."""
        return bool(self._carriers)

    def neighbours(
        self, asking: Iterable[PodSelector], seen: Iterable[LabelSet], slots: NDArray[np.intp]
    ) -> Neighbours:
        """What pending work meets: ``asking`` are its selectors, ``seen`` its pods' labels; ``slots`` [nodes] say which
        row of the answer stands for which node."""
        against = (term for each in dict.fromkeys(seen if self._carriers else ()) for term in self.terms_against(each))
        return Neighbours(
            namespaces=dict(self.namespaces),
            matching={each: self._standing(each, slots) for each in dict.fromkeys(asking)},
            carriers={term: _by_row(self._carriers[term], slots) for term in dict.fromkeys(against)},
            ports={port: _by_row(holders, slots) for port, holders in self._ports.items()},
        )

    def holders(self, term: AntiAffinity) -> Counter[Slot]:
        """Where pods stand that carry an anti-affinity."""
        return self._carriers.get(term, Counter())

    def terms_against(self, label_set: LabelSet) -> Iterator[AntiAffinity]:
        """The anti-affinity of pods that stand which keeps a pod with these labels away."""
        candidates = self._carrier_index.candidates(label_set) if self._carriers else ()
        return (term for term in candidates if term.selector.matches(label_set, self.namespaces))

    def ports_on(self, slot: Slot) -> Counter[HostPort]:
        """How many pods hold each host port of a node."""
        return Counter({port: holders[slot] for port, holders in self._ports.items() if holders[slot] > 0})

    def standing(self, selector: PodSelector) -> Counter[Slot]:
        """Pods that match a selector, per node."""
        found: Counter[Slot] = Counter()
        for label_set in self._candidates(selector):
            if selector.matches(label_set, self.namespaces):
                found.update(self._staying.get(label_set, {}))
                if selector.leaving:
                    found.update(self._leaving.get(label_set, {}))
        return found

    def _standing(self, selector: PodSelector, slots: NDArray[np.intp]) -> NodeCounts:
        return _by_row(self.standing(selector), slots)

    def _candidates(self, selector: PodSelector) -> Iterator[LabelSet]:
        """Every set of labels that a selector may match, and a few more."""
        if not selector.terms:
            return
        term = selector.terms[0]
        for namespace in self._namespaces_of(term):
            known = self._known.get(namespace, {})
            named = telling(term)
            if named is None:
                yield from known
                continue
            index = self._indexes.get((namespace, named.key))
            if index is None:
                index = self._indexes[namespace, named.key] = _indexed(known, named.key)
            for value in named.values:
                yield from index.get(value, {})

    def _namespaces_of(self, term: PodTerm) -> Iterable[str]:
        return term.namespaces if term.namespace_selector is None else tuple(self._known)


def _add(counts: dict[_Key, Counter[Slot]], key: _Key, slot: Slot, times: int) -> None:
    here = counts.setdefault(key, Counter())
    here[slot] += times
    if not here[slot]:
        del here[slot]
        if not here:
            del counts[key]


def _indexed(label_sets: Iterable[LabelSet], key: str) -> Index:
    index: Index = {}
    for label_set in label_sets:
        value = dict(label_set.labels).get(key)
        if value is not None:
            index.setdefault(value, {})[label_set] = None
    return index


def _by_row(holders: Counter[Slot], slots: NDArray[np.intp]) -> NodeCounts:
    """Counts by slot as counts by row; slots of nodes that are gone count nowhere."""
    width = max(int(slots.max(initial=-1)), max(holders, default=-1)) + 1
    by_slot = np.zeros(width, dtype=np.int32)
    for slot, pods in holders.items():
        by_slot[slot] = pods
    return by_slot[slots]
