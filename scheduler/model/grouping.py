"""What is said about the objects that group nodes (topologies and flavors): how many they find, and what is wrong."""

from __future__ import annotations

import msgspec

from scheduler.model.work import Condition


class GroupingReport(msgspec.Struct, frozen=True):
    """``nodes`` that count for it; of a topology also its ``domains``: (level, how many there are)."""

    nodes: int = 0
    domains: tuple[tuple[str, int], ...] = ()


class GroupingStatus(msgspec.Struct, frozen=True):
    """A Topology or ResourceFlavor as it stands on the server, besides what it says; ``report`` is None where nothing
    was written yet."""

    version: str = ""
    generation: int = 1
    observed_generation: int = 0
    ready: Condition | None = None
    report: GroupingReport | None = None
