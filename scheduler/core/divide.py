"""One amount of one resource divided among sibling queues: guarantees first, then the surplus by weight, in units.

Integer arithmetic that can be followed by hand; nothing here knows of trees, pods or time.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby

import msgspec

BOUNDLESS = 2**60
"""A limit that does not bind; sums of a few stay within 64 bits."""


class Claim(msgspec.Struct, frozen=True):
    """What one queue brings to a division, in smallest units; ``limit`` is `BOUNDLESS` where there is none."""

    guaranteed: int
    request: int
    limit: int = BOUNDLESS
    weight: Fraction = Fraction(1)
    priority: int = 0

    @property
    def want(self) -> int:
        return min(self.request, self.limit)


def divide(total: int, claims: Sequence[Claim], unit: int = 1, *, zero_weight_last: bool = True) -> list[int]:
    """The share of every claim; claims stand older first, which decides between equals.

    First ``min(guaranteed, request, limit)`` for everybody (an older queue first, where not even that is there). Then
    the surplus by priority, highest first, and inside a priority in proportion to weight, never above request or
    limit. What a proportion leaves over goes out in whole ``unit``s, largest remainder first. Weight 0 comes after all
    other weights of its priority, or with ``zero_weight_last`` off gets no surplus at all.
    """
    shares = []
    left = total
    for claim in claims:
        shares.append(min(claim.guaranteed, claim.want, max(left, 0)))
        left -= shares[-1]
    by_priority = sorted(range(len(claims)), key=lambda index: (-claims[index].priority, index))
    for _, bucket in groupby(by_priority, key=lambda index: claims[index].priority):
        members = list(bucket)
        heavy = [index for index in members if claims[index].weight > 0]
        left = _pour(left, heavy, claims, [claims[index].weight for index in heavy], shares, unit)
        if zero_weight_last:
            light = [index for index in members if claims[index].weight <= 0]
            left = _pour(left, light, claims, [Fraction(1)] * len(light), shares, unit)
    return shares


def corrected_weights(weights: Sequence[Fraction], past: Sequence[int], factor: Fraction) -> list[Fraction]:
    """Weights of siblings corrected by their decayed past use: ``max(0, w + factor * (w - u))``, both normalised.

    Source: KAI-Scheduler's time-based fair share. Without past use, or with factor 0, the proportions stay.
    """
    used, weighed = sum(past), sum(weights)
    if not used or not weighed:
        return list(weights)
    normal = [weight / weighed for weight in weights]
    return [max(Fraction(0), w + factor * (w - Fraction(u, used))) for w, u in zip(normal, past, strict=True)]


def _pour(
    left: int, among: list[int], claims: Sequence[Claim], weights: list[Fraction], shares: list[int], unit: int
) -> int:
    """Fills the claims in proportion, round after round while somebody is filled up; answers what is left."""
    weight_of = dict(zip(among, weights, strict=True))
    hungry = [index for index in among if claims[index].want > shares[index]]
    while hungry and left > 0:
        whole = sum(weight_of[index] for index in hungry)
        fair = {index: left * weight_of[index] / whole for index in hungry}
        full = [index for index in hungry if claims[index].want - shares[index] <= fair[index]]
        if not full:
            return _in_units(left, fair, hungry, claims, shares, unit)
        for index in full:
            left -= claims[index].want - shares[index]
            shares[index] = claims[index].want
        hungry = [index for index in hungry if index not in full]
    return left


def _in_units(
    left: int, fair: dict[int, Fraction], hungry: list[int], claims: Sequence[Claim], shares: list[int], unit: int
) -> int:
    """Nobody is filled up by its fair part: whole units of it, then unit by unit to the largest remainders."""
    remainder = {}
    for index in hungry:
        part = int(fair[index] // unit) * unit
        remainder[index] = fair[index] - part
        shares[index] += part
        left -= part
    for index in sorted(hungry, key=lambda each: (-remainder[each], each)):
        more = min(unit, claims[index].want - shares[index], left)
        shares[index] += more
        left -= more
    return left
