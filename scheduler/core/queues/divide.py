"""One amount of one resource divided among sibling queues: guarantees first, then the surplus by weight, in units.

Integer arithmetic that can be followed by hand; nothing here knows of trees, pods or time.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

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
    return divide_columns(
        total,
        [claim.guaranteed for claim in claims],
        [claim.want for claim in claims],
        whole_weights([claim.weight for claim in claims]),
        [claim.priority for claim in claims],
        unit,
        zero_weight_last=zero_weight_last,
    )


def divide_columns(
    total: int,
    guaranteed: Sequence[int],
    wants: Sequence[int],
    weights: Sequence[int],
    priorities: Sequence[int],
    unit: int = 1,
    *,
    zero_weight_last: bool = True,
) -> list[int]:
    """`divide` with the claims' fields side by side and the proportions of weights as whole numbers: for many
    queues."""
    shares = [min(pair) for pair in zip(guaranteed, wants, strict=True)]
    left = total - sum(shares)
    if left < 0:
        left = total
        for index, sure in enumerate(shares):
            shares[index] = min(sure, max(left, 0))
            left -= shares[index]
    hungry = [index for index, share in enumerate(shares) if wants[index] > share]
    for priority in sorted({priorities[index] for index in hungry}, reverse=True):
        bucket = [index for index in hungry if priorities[index] == priority]
        left = _pour(left, [index for index in bucket if weights[index] > 0], wants, weights, shares, unit)
        if zero_weight_last:
            light = [index for index in bucket if weights[index] <= 0]
            left = _pour(left, light, wants, [1] * len(shares), shares, unit)
    return shares


def whole_weights(weights: Sequence[Fraction]) -> list[int]:
    """The same proportions without fractions."""
    common = lcm(*(weight.denominator for weight in weights))
    return [weight.numerator * (common // weight.denominator) for weight in weights]


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
    left: int, hungry: list[int], wants: Sequence[int], weights: Sequence[int], shares: list[int], unit: int
) -> int:
    """Fills the hungry in proportion, those first that are filled up soonest; answers what is left."""
    hungry = sorted(hungry, key=lambda index: (wants[index] - shares[index]) / weights[index])
    whole = sum(weights[index] for index in hungry)
    found_one = True
    while found_one and left > 0:  # again only where rounding put near equals in the wrong order
        found_one = False
        rest = []
        for index in hungry:
            lack = wants[index] - shares[index]
            if lack * whole <= weights[index] * left:
                found_one = True
                left -= lack
                whole -= weights[index]
                shares[index] = wants[index]
            else:
                rest.append(index)
        hungry = rest
    return _in_units(left, whole, sorted(hungry), wants, weights, shares, unit) if left > 0 else left


def _in_units(
    left: int,
    whole: int,
    hungry: list[int],
    wants: Sequence[int],
    weights: Sequence[int],
    shares: list[int],
    unit: int,
) -> int:
    """Nobody is filled up by its fair part: whole units of it, then unit by unit to the largest remainders."""
    remainder = {}
    pot = left
    for index in hungry:
        part = pot * weights[index] // (whole * unit) * unit
        remainder[index] = pot * weights[index] - part * whole
        shares[index] += part
        left -= part
    for index in sorted(hungry, key=lambda each: (-remainder[each], each)):
        more = min(unit, wants[index] - shares[index], left)
        shares[index] += more
        left -= more
    return left
