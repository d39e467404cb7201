"""GPU devices under a node's count: what a pod asks of them, and which of them it holds.

Whole devices are asked for by count and chosen by the node. Everything else (a share, a share by memory, a MIG slice)
is asked for per device and placed on devices by number.

Where many devices are looked at, the *state* of one is one integer: its free thousandths (1000: idle, 0: taken, or no
device at all), or `CUT` plus the mask of its used slots once it is cut into MIG slices.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from scheduler.model.mig import LAYOUTS, SEVENTHS, Slice, layout_of, slice_of

DEVICE_MILLI = 1000
"""One whole device."""

CUT = 1 << 16
"""Added to the mask of used slots: the state of a device that is cut into MIG slices."""

MODEL_LABEL = "nvidia.com/gpu.product"
MEMORY_LABEL = "nvidia.com/gpu.memory"
"""The memory of one device in MiB, as GPU feature discovery writes it."""

MIG_LABEL = "muster.dev/mig"
"""``dynamic`` on nodes whose idle devices may be cut into MIG slices as work asks for them. Nodes whose devices are cut
beforehand offer ``nvidia.com/mig-...`` as plain resources and need no label."""

_USE = re.compile(r"(\d{1,3}):(\d{1,4})(?::([0-9a-z.]{1,32})@(\d))?$")


class DeviceAsk(msgspec.Struct, frozen=True):
    """What one pod asks of each of ``count`` *different* devices: exactly one of thousandths of it (``milli``), memory
    on it (``memory_mib``) or a MIG slice (``profile``)."""

    count: int = 1
    milli: int = 0
    memory_mib: int = 0
    profile: str = ""


class DeviceKind(msgspec.Struct, frozen=True):
    """What the devices of a node are: memory of one (0: not known), and how they may be cut into MIG slices: an index
    into `LAYOUTS` (-1: not at all)."""

    memory_mib: int = 0
    layout: int = -1

    def milli(self, ask: DeviceAsk) -> int:
        """What an ask takes of each device, in thousandths; 0: it cannot be had there."""
        if ask.profile:
            part = self.slice(ask)
            return 0 if part is None else part.milli
        if ask.memory_mib:
            taken = -(-DEVICE_MILLI * ask.memory_mib // self.memory_mib) if self.memory_mib else 0
            return taken if taken <= DEVICE_MILLI else 0
        return ask.milli

    def slice(self, ask: DeviceAsk) -> Slice | None:
        """The MIG slice that an ask means here; None where there is none."""
        return None if self.layout < 0 else slice_of(ask.profile, LAYOUTS[self.layout], self.memory_mib)


def device_kind(labels: Mapping[str, str]) -> DeviceKind:
    """The kind of a node's devices by its labels; a memory that is no number is not known."""
    memory = labels.get(MEMORY_LABEL, "")
    layout = layout_of(labels.get(MODEL_LABEL, "")) if labels.get(MIG_LABEL) == "dynamic" else None
    return DeviceKind(
        int(memory) if memory.isdecimal() and len(memory) <= 9 else 0, -1 if layout is None else LAYOUTS.index(layout)
    )


def slots_of(kind: DeviceKind) -> int:
    """The MIG slots of a device; what is not known to be cut counts as the common eight."""
    return (SEVENTHS if kind.layout < 0 else LAYOUTS[kind.layout]).slots


class DeviceUse(msgspec.Struct, frozen=True, order=True):
    """What a pod holds of one device: so many thousandths of it; as a MIG slice, that of ``profile`` from slot
    ``start`` on."""

    index: int
    milli: int = 0
    profile: str = ""
    start: int = 0


def uses_text(uses: tuple[DeviceUse, ...]) -> str:
    """Uses as the annotation ``muster.dev/gpu-devices`` says them: ``0:500,1:500``, ``2:125:1g.5gb@3``."""
    return ",".join(f"{use.index}:{use.milli}" + (f":{slice_text(use)}" if use.profile else "") for use in uses)


def parse_uses(text: str) -> tuple[DeviceUse, ...]:
    """The uses that an annotation names; ValueError when it is malformed."""
    uses = []
    for part in text.split(",") if text else ():
        match = _USE.match(part.strip())
        if match is None or not 1 <= int(match[2]) <= DEVICE_MILLI:
            raise ValueError(f"{part!r} is not a use of a device (examples: 0:500, 2:125:1g.5gb@3)")
        index, milli, profile, start = match.groups()
        uses.append(DeviceUse(int(index), int(milli), profile or "", int(start or 0)))
    return tuple(uses)


def device_use(index: int, milli: int, slice_of_it: str) -> DeviceUse:
    """A use as records say it; ValueError for a slice that has no place (``1g.5gb@3``)."""
    profile, _, start = slice_of_it.partition("@")
    return DeviceUse(index, milli, profile, int(start) if profile else 0)


def slice_text(use: DeviceUse) -> str:
    """A MIG slice as records say it: its profile and where it begins."""
    return f"{use.profile}@{use.start}" if use.profile else ""
