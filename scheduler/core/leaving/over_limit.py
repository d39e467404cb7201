"""A limit was lowered below what runs: which of it goes, never more than what is too much."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import numpy as np

EXCESS_STEPS_MAX = 1_000_000
"""Beyond so many steps of the common unit the excess is rounded down to coarser ones: less goes, never more."""


def best_subset(sizes: Sequence[int], excess: int) -> list[int]:
    """The indices whose sizes add up to as much as possible without exceeding the excess; of equal sums the one that
    takes those named first. Source: YuniKorn's quota change preemption, which takes no more than the excess."""
    usable = [index for index, size in enumerate(sizes) if 0 < size <= excess]
    if not usable:
        return []
    unit = gcd(*(sizes[index] for index in usable))
    unit *= max(1, -(-excess // (unit * EXCESS_STEPS_MAX)))
    room = excess // unit
    # reached[k]: the sum k can be made of the candidates from k-th on; walked backwards so that early ones are taken.
    reached = np.zeros((len(usable) + 1, room + 1), dtype=np.bool_)
    reached[len(usable), 0] = True
    steps = [-(-sizes[index] // unit) for index in usable]
    for at in reversed(range(len(usable))):
        reached[at] = reached[at + 1]
        if steps[at] <= room:
            reached[at, steps[at] :] |= reached[at + 1, : room + 1 - steps[at]]
    left = int(np.flatnonzero(reached[0]).max())
    chosen = []
    for at, index in enumerate(usable):
        if steps[at] <= left and reached[at + 1, left - steps[at]]:
            chosen.append(index)
            left -= steps[at]
    return chosen
