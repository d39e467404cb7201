"""Parts of devices that running gangs of a scenario hold: where the file names them, there; else the first that fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scheduler.core.facts.devices import DeviceBook, Uses, slot_bits
from scheduler.model.cluster import NodeTable
from scheduler.model.devices import CUT, DEVICE_MILLI, DeviceAsk, DeviceKind, DeviceUse, slots_of
from scheduler.model.resources import GPU
from scheduler.scenario.gangs import GangPlan, MemberPlan


class Parts:
    """Hands out devices pod by pod; ``book`` holds what was handed out, by the row of the node."""

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        self.book = DeviceBook()

    def take(self, plans: Iterable[GangPlan]) -> dict[tuple[str, str, str], list[Uses]]:
        """(gang, member, node) -> what each of its running pods there holds. ValueError where a pod has no device."""
        members = [(plan, member) for plan in plans for member in plan.members if member.shape.devices is not None]
        found: dict[tuple[str, str, str], list[Uses]] = {}
        for plan, member in members:  # those that are named first
            for node, numbers, count in member.named:
                for _ in range(count):
                    found.setdefault((plan.name, member.name, node), []).append(self._use(plan, member, node, numbers))
        for plan, member in members:
            for node, count in member.on.items():
                here = found.setdefault((plan.name, member.name, node), [])
                while len(here) < count:
                    here.append(self._use(plan, member, node, ()))
        return found

    def _use(self, plan: GangPlan, member: MemberPlan, node: str, numbers: Sequence[int]) -> Uses:
        row = self._table.rows[node]
        kind = self._table.device_kinds()[row]
        ask = member.shape.devices
        assert ask is not None
        capacity = dict(self._table.nodes[row].allocatable).get(GPU, 0)
        states = self.book.states(row, capacity, 0, slots_of(kind))
        uses: list[DeviceUse] = []
        for index, state in enumerate(states):
            wanted = index in numbers if numbers else len(uses) < ask.count
            use = _use_of(ask, kind, index, state) if wanted else None
            uses += [] if use is None else [use]
        if len(uses) < ask.count or not kind.milli(ask):
            named = f" {'+'.join(f'g{number}' for number in numbers)}" if numbers else ""
            raise ValueError(f"{plan.name} does not fit on the devices{named} of {node}")
        self.book.count(row, tuple(uses), 1)
        return tuple(uses)


def _use_of(ask: DeviceAsk, kind: DeviceKind, index: int, state: int) -> DeviceUse | None:
    """The use of one device, if there is room."""
    milli, part = kind.milli(ask), kind.slice(ask) if ask.profile else None
    if part is None:
        return DeviceUse(index, milli) if milli <= state <= DEVICE_MILLI else None
    taken = 0 if state == DEVICE_MILLI else state - CUT
    uses = [DeviceUse(index, milli, ask.profile, start) for start in part.starts] if taken >= 0 else []
    return next((use for use in uses if not taken & slot_bits(use, part.slots)), None)
