"""What is said about topologies and flavors in their status: how many nodes they find, and which labels are missing.

Looked at when nodes, topologies or flavors changed, every few seconds at most; written where it says something new.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from scheduler.core.explain import sentence
from scheduler.core.facts.store import Store, newer
from scheduler.model.cluster import Mask, NodeTable
from scheduler.model.effects import Effect, WriteGroupingStatus
from scheduler.model.flavor import Flavor
from scheduler.model.grouping import GroupingReport, GroupingStatus
from scheduler.model.plan import Refusal
from scheduler.model.topology import Topology
from scheduler.model.work import Condition

PAUSE_SECONDS = 5.0
RETRY_SECONDS = 10.0

Key = tuple[str, str]
"""(plural of the kind, name)."""

TOPOLOGIES, FLAVORS = "topologies", "resourceflavors"


class GroupingWords:
    """Compares what should be said with what stands on the server."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stands: dict[Key, GroupingStatus] = {}
        self._on_its_way: set[Key] = set()
        self._looked_at: NodeTable | None = None
        self._next_at_seconds = 0.0

    def see(self, key: Key, stands: GroupingStatus) -> None:
        """It was made or changed, or what we wrote came back."""
        before = self._stands.get(key)
        if before is None or newer(before.version, stands.version) == stands.version:
            self._stands[key] = stands
            self._looked_at = None

    def forget(self, key: Key) -> None:
        self._stands.pop(key, None)
        self._on_its_way.discard(key)
        self._looked_at = None

    def forget_flights(self) -> None:
        self._on_its_way.clear()
        self._looked_at, self._next_at_seconds = None, 0.0

    def done(self, effect: WriteGroupingStatus, version: str) -> None:
        key = effect.kind, effect.name
        self._on_its_way.discard(key)
        if key in self._stands:
            generation = effect.observed_generation
            self._stands[key] = GroupingStatus(version, generation, generation, effect.ready, effect.report)

    def failed(self, effect: WriteGroupingStatus, now_seconds: float, *, conflict: bool) -> None:
        """A write was refused or lost. After a conflict there is a newer version, which the watch shows."""
        self._on_its_way.discard((effect.kind, effect.name))
        self._looked_at = None
        if not conflict:
            self._next_at_seconds = now_seconds + RETRY_SECONDS

    def due(self, now_seconds: float) -> list[Effect]:
        """The writes that are due now."""
        if now_seconds < self._next_at_seconds or not self._stands:
            return []
        table = self._store.table()
        if table is self._looked_at:
            return []
        self._looked_at, self._next_at_seconds = table, now_seconds + PAUSE_SECONDS
        effects: list[Effect] = []
        for key, stands in self._stands.items():
            report, reasons = self._look(key, table)
            ready = _condition(report, reasons, stands.ready, now_seconds)
            said = stands.report, stands.ready, stands.observed_generation
            if said == (report, ready, stands.generation):
                continue
            if key in self._on_its_way:
                self._looked_at = None
                continue
            self._on_its_way.add(key)
            effects.append(WriteGroupingStatus(*key, stands.version, stands.generation, ready, report))
        return effects

    def _look(self, key: Key, table: NodeTable) -> tuple[GroupingReport, list[Refusal]]:
        kind, name = key
        if kind == TOPOLOGIES:
            return _of_topology(self._store.topologies[name], table)
        return _of_flavor(self._store.flavors[name], table)


def _condition(
    report: GroupingReport, reasons: Sequence[Refusal], before: Condition | None, now_seconds: float
) -> Condition:
    """Ready is False where no node counts at all. It keeps the moment at which its status last changed."""
    status = "True" if report.nodes else "False"
    since = before.since_seconds if before is not None and before.status == status else now_seconds
    reason = reasons[0].code if reasons else "Valid"
    return Condition("Ready", status, reason, "; ".join(sentence(each) for each in reasons), since)


def _of_topology(topology: Topology, table: NodeTable) -> tuple[GroupingReport, list[Refusal]]:
    """A node counts that has a domain at every level. Columns of labels tell that; those of domains, which decisions
    use, cost ten times as much to make, and not every level is asked for."""
    inside, path = np.ones(len(table), dtype=np.bool_), np.zeros(len(table), dtype=np.int64)
    domains = []
    missing = []
    for level in topology.levels:
        codes, values = table.label_column(level.node_label)
        inside = inside & (codes >= 0)
        # A domain is its whole path of values; numbered anew at every level, so that the numbers stay small.
        known, path[inside] = np.unique(path[inside] * len(values) + codes[inside], return_inverse=True)
        domains.append((level.name, len(known)))
        lacking = int(np.count_nonzero(codes < 0))
        if lacking:
            where = f"{level.node_label} {level.name}"
            missing.append(Refusal("topology", "LabelsMissing", needed=lacking, offered=len(table), where=where))
    nodes = int(np.count_nonzero(inside))
    reasons = missing if nodes else [Refusal("topology", "NoNodes"), *missing]
    if topology.torus is not None:
        codes, positions = table.label_column(topology.torus.coordinate_label)
        one = (1,) * len(topology.torus.dimensions)
        inside = np.array([topology.torus.box_at(each, one) is not None for each in positions], dtype=np.bool_)
        lacking = len(table) - int(np.count_nonzero(inside[codes[codes >= 0]]))
        if lacking:
            where = topology.torus.coordinate_label
            reasons.append(Refusal("topology", "NoPosition", needed=lacking, offered=len(table), where=where))
    return GroupingReport(nodes, tuple(domains)), reasons


def _of_flavor(flavor: Flavor, table: NodeTable) -> tuple[GroupingReport, list[Refusal]]:
    """A node that matches several flavors counts for the first of them by name."""
    covered = _covered(flavor.node_selector, table)
    codes = np.full(len(table), -1) if table.flavor_codes is None else table.flavor_codes
    own = table.flavors.index(flavor.name)
    nodes = int(np.count_nonzero(codes == own))
    elsewhere = [table.flavors[code] for code in np.unique(codes[covered & (codes != own)]).tolist()]
    if not len(table):
        return GroupingReport(), [Refusal("flavor", "EmptyFleet")]
    if not covered.any():
        wanted = ", ".join(f"{key}={value}" for key, value in flavor.node_selector)
        return GroupingReport(nodes), [Refusal("flavor", "NoNodes", where=wanted)]
    if not elsewhere:
        return GroupingReport(nodes), []
    matching = int(np.count_nonzero(covered))
    where = ", ".join(elsewhere)
    return GroupingReport(nodes), [Refusal("flavor", "CountedElsewhere", matching - nodes, matching, where=where)]


def _covered(selector: Iterable[tuple[str, str]], table: NodeTable) -> Mask:
    """[nodes] which carry all of these labels."""
    covered = np.ones(len(table), dtype=np.bool_)
    for key, value in selector:
        codes, values = table.label_column(key)
        covered &= codes == values.index(value) if value in values else False
    return covered
