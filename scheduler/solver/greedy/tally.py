"""Where pods of relations stand while greedy places: how many more of a member each domain may still take.

A tally goes with a stock: what is poured into the one is noted in the other. Only gangs in some relation have one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scheduler.solver.asks.preferences import standing_costs
from scheduler.solver.problem import APART, PREFERENCE, SPREAD, TOGETHER, Counts, Problem, Relation

ENDLESS = 2**31
"""More pods than any problem has."""

Most = NDArray[np.int64]
"""The most more pods per domain, or per class."""


class Standing:
    """One relation as it stands: ``targets`` and ``carriers`` [domains] that are there. For pod affinity also
    ``support`` [domains], the targets that ask for nothing themselves, and ``begun``, the domain that began with a
    carrier (-1: none did)."""

    def __init__(self, relation: Relation, targets: Most, carriers: Most, support: Most, begun: int = -1) -> None:
        self.relation = relation
        self._targets = targets
        self._carriers = carriers
        self._support = support
        self._begun = begun

    @classmethod
    def of(cls, relation: Relation, width: int) -> Standing:
        """A relation before anything is placed; ``width`` is the number of its domains."""
        targets = np.zeros(width, dtype=np.int64)
        targets[: len(relation.standing)] = relation.standing
        return cls(relation, targets, np.zeros_like(targets), targets.copy())

    def copy(self) -> Standing:
        return Standing(self.relation, self._targets.copy(), self._carriers.copy(), self._support.copy(), self._begun)

    def begin(self, domain: int) -> None:
        self._begun = domain

    def note(self, domain: int, pods: int, *, asks: bool, matches: bool) -> None:
        """So many pods of a member were placed; what it ``asks`` and ``matches`` is its part in the relation."""
        if domain < 0:
            return
        if asks and not self._support[domain] and self._begun < 0:
            self._begun = domain
        self._targets[domain] += pods * matches
        self._carriers[domain] += pods * asks
        self._support[domain] += pods * (matches and not asks)

    def opens(self, *, asks: bool, matches: bool) -> bool:
        """Whether the next pod of a member decides which domain begins with a carrier."""
        return asks and matches and self.relation.first and self._begun < 0 and not self._support.any()

    def most(self, *, asks: bool, matches: bool) -> Most:
        """[domains + 1] how many more pods of a member each domain takes; the last one stands for code -1, the nodes
        without a domain."""
        if self.relation.kind == APART:
            return np.append(self._most_apart(asks=asks, matches=matches), ENDLESS)
        if self.relation.kind == PREFERENCE:
            return np.full(len(self._targets) + 1, ENDLESS, dtype=np.int64)
        if self.relation.kind == SPREAD:
            return np.append(self._most_spread(asks=asks, matches=matches), ENDLESS)
        if not asks:
            return np.full(len(self._targets) + 1, ENDLESS, dtype=np.int64)
        return np.append(self._most_together(matches=matches), 0)

    def costs(self) -> Most:
        """[domains + 1] what a carrier costs in each domain by what stands there now; see `standing_costs`."""
        return standing_costs(self._targets, self.relation.weight, needs_key=self.relation.needs_key)

    def _most_apart(self, *, asks: bool, matches: bool) -> Most:
        free = np.ones(len(self._targets), dtype=np.bool_)
        if asks:
            free &= self._targets == 0
        if matches:
            free &= self._carriers == 0
        return free * np.int64(1 if asks and matches else ENDLESS)

    def _most_spread(self, *, asks: bool, matches: bool) -> Most:
        floor = 0 if self.relation.bottomless else int(self._targets.min(initial=ENDLESS))
        room = self.relation.max_skew + floor - self._targets
        if asks and matches:
            return np.maximum(room, 0)
        if asks:
            return (room >= 0) * np.int64(ENDLESS)
        return np.where(self._carriers > 0, np.maximum(room, 0), ENDLESS)

    def _most_together(self, *, matches: bool) -> Most:
        supported = self._support > 0
        if self._begun >= 0:
            # Whoever was to begin there may have found no place after all: then nobody else has anything to be near.
            supported[self._begun] |= matches or self._targets[self._begun] > 0
        elif self.opens(asks=True, matches=matches):
            supported[:] = True
        return supported * np.int64(ENDLESS)


Part = tuple[int, bool, bool]
"""(relation, asks, matches): the part of a member in a relation."""


class Tally:
    """All relations of a problem whose rule is on, as they stand with everything placed so far."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._standings = [
            Standing.of(relation, len(problem.domain_names[relation.level]))
            for relation in (*problem.active, *problem.preferred)
        ]
        self._parts: dict[int, dict[int, list[Part]]] = {}
        for number, standing in enumerate(self._standings):
            carriers, targets = set(standing.relation.carriers), set(standing.relation.targets)
            for gang, member in sorted(carriers | targets):
                part = (number, (gang, member) in carriers, (gang, member) in targets)
                self._parts.setdefault(gang, {}).setdefault(member, []).append(part)

    def of_gang(self, gang: int) -> GangTally | None:
        """What concerns one gang, shared with this tally; None where nothing does."""
        parts = self._parts.get(gang)
        if parts is None:
            return None
        own = {number: self._standings[number] for each in parts.values() for number, _, _ in each}
        return GangTally(self._problem.class_domain, parts, own)


class GangTally:
    """The relations that one gang is in."""

    def __init__(
        self, class_domain: Counts, parts: Mapping[int, list[Part]], standings: Mapping[int, Standing]
    ) -> None:
        self._class_domain = class_domain
        self._parts = parts
        self._standings = standings

    def copy(self) -> GangTally:
        """The same to try on."""
        twins = {number: standing.copy() for number, standing in self._standings.items()}
        return GangTally(self._class_domain, self._parts, twins)

    def concerns(self, member: int) -> bool:
        return member in self._parts

    def follows(self, member: int) -> bool:
        """Whether a member must be near pods that it is not one of."""
        return any(
            asks and not matches and self._standings[number].relation.kind == TOGETHER
            for number, asks, matches in self._parts.get(member, ())
        )

    def note(self, member: int, node_class: int, pods: int) -> None:
        for number, asks, matches in self._parts.get(member, ()):
            standing = self._standings[number]
            domain = int(self._class_domain[node_class, standing.relation.level])
            standing.note(domain, pods, asks=asks, matches=matches)

    def room(self, member: int) -> Most:
        """[classes] how many more pods of a member the domains of each class take."""
        room = np.full(len(self._class_domain), ENDLESS, dtype=np.int64)
        for number, asks, matches in self._parts[member]:
            standing = self._standings[number]
            most = standing.most(asks=asks, matches=matches)
            room = np.minimum(room, most[self._class_domain[:, standing.relation.level]])
        return room

    def costs(self, member: int) -> Most | None:
        """[classes] what one more pod of a member costs of what it prefers of the pods around it; None where it prefers
        nothing."""
        found: Most | None = None
        for number, asks, _ in self._parts.get(member, ()):
            standing = self._standings[number]
            if asks and standing.relation.kind == PREFERENCE:
                own = standing.costs()[self._class_domain[:, standing.relation.level]]
                found = own if found is None else found + own
        return found

    def begin(self, relation: Relation, domain: int) -> None:
        """Decides the domain that begins with a carrier."""
        next(each for each in self._standings.values() if each.relation is relation).begin(domain)

    def opening(self, member: int) -> Standing | None:
        """A relation for which the member's next pod chooses the domain to begin in, that with the most domains."""
        open_ones = [
            self._standings[number]
            for number, asks, matches in self._parts.get(member, ())
            if self._standings[number].opens(asks=asks, matches=matches)
        ]
        return max(open_ones, key=lambda standing: len(standing.relation.standing), default=None)
