"""MIG: how a device is cut into slices, and where a slice of a profile may lie.

A device has memory slices, numbered from 0; an instance takes a run of them that begins at one of a few legal places.
Source: `nvidia-smi mig -lgipp` of the A100, H100 and A30, and NVIDIA's MIG user guide, "Supported MIG Profiles".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

_PROFILE = re.compile(r"(\d)g\.(\d+)gb$")

_MIB_OF_GB = 1024


class Layout(msgspec.Struct, frozen=True):
    """How boards of one family are cut: ``slots`` memory slices, and (compute slices, memory slices) of an instance ->
    the slots where one may begin."""

    slots: int
    starts: Mapping[tuple[int, int], tuple[int, ...]]


SEVENTHS = Layout(
    8, {(1, 1): tuple(range(7)), (1, 2): (0, 2, 4, 6), (2, 2): (0, 2, 4), (3, 4): (0, 4), (4, 4): (0,), (7, 8): (0,)}
)
"""A100, H100, H200, H20, B200 and their like: seven compute slices over eight memory slices."""

QUARTERS = Layout(4, {(1, 1): (0, 1, 2, 3), (2, 2): (0, 2), (4, 4): (0,)})
"""A30 and RTX PRO 6000."""

LAYOUTS = (SEVENTHS, QUARTERS)

_FAMILIES = (
    (QUARTERS, re.compile(r"\b(A30|RTX-PRO-6000)\b")),
    (SEVENTHS, re.compile(r"\b(A100|H100|H200|H20|GH200|B200|GB200|B300|GB300)\b")),
)


class Slice(msgspec.Struct, frozen=True):
    """An instance of a profile on one kind of device: how many slots it takes, of how many, and where it may begin."""

    size: int
    slots: int
    starts: tuple[int, ...]

    @property
    def milli(self) -> int:
        """What it counts as, in thousandths of the device: its part of the memory slices, which add up to the whole."""
        return -(-1000 * self.size // self.slots)

    def bits(self, start: int) -> int:
        """The slots of an instance that begins at ``start``, as a mask."""
        return ((1 << self.size) - 1) << start


def is_profile(text: str) -> bool:
    """Whether this is the name of a profile. Compute instances inside one (``1c.3g.20gb``) and media extensions
    (``1g.5gb+me``) are not modelled."""
    return _PROFILE.match(text) is not None


def layout_of(product: str) -> Layout | None:
    """The layout of a GPU model, by the value of its label (``NVIDIA-A100-SXM4-40GB``); None: not known to be cut."""
    return next((layout for layout, family in _FAMILIES if family.search(product.upper())), None)


def slice_of(profile: str, layout: Layout, memory_mib: int) -> Slice | None:
    """What a profile (``3g.20gb``) is on a device of that memory; None where there is no such profile.

    A profile's memory is that of its slots, rounded to whole GB in ways that differ by board, so the nearest number of
    slots counts.
    """
    match = _PROFILE.match(profile)
    if match is None or memory_mib <= 0:
        return None
    compute, gigabytes = int(match[1]), int(match[2])
    size = round(gigabytes * _MIB_OF_GB * layout.slots / memory_mib)
    starts = layout.starts.get((compute, size))
    return None if starts is None else Slice(size, layout.slots, starts)
