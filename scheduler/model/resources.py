"""Quantities as integers in the smallest unit, and vectors of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

CPU = "cpu"
MEMORY = "memory"
PODS = "pods"
GPU = "nvidia.com/gpu"

Resources = tuple[tuple[str, int], ...]
"""Amounts by resource name, sorted by name, zeros left out; each in its smallest unit (see `unit_of`)."""

Matrix = NDArray[np.int64]

_SUFFIXES = {
    "": Fraction(1),
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}


def parse_quantity(text: str | float) -> Fraction:
    """The exact value of a Kubernetes quantity (``500m``, ``2Gi``, ``1e3``); ValueError names a malformed text."""
    if not isinstance(text, str):
        return Fraction(text)
    body = text.strip()
    digits = body.rstrip("numkKMGTPEi")
    suffix = body[len(digits) :]
    if suffix in _SUFFIXES:
        try:
            return Fraction(digits) * _SUFFIXES[suffix]
        except (ValueError, ZeroDivisionError):
            pass
    try:
        return Fraction(body)  # exponent forms such as 1e3 and 1E3
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{text!r} is not a quantity (examples: 4, 500m, 16Gi)") from None


def unit_of(resource: str) -> int:
    """How many smallest units make one: 1000 for CPU and GPUs (shares of a device stay integers), else 1."""
    return 1000 if resource == CPU or is_gpu(resource) else 1


def is_gpu(resource: str) -> bool:
    """Whether an extended resource counts whole GPU devices."""
    return resource.endswith("/gpu")


AMOUNT_MAX = 2**46
"""64 TiB, or 70 billion GPUs: more than any node has, and small enough that sums over a cluster stay in 64 bits."""


def amount(resource: str, quantity: str | float) -> int:
    """A quantity in the smallest unit of its resource, rounded up as the API server does; absurd ones are cut off."""
    exact = parse_quantity(quantity) * unit_of(resource)
    return min(-(-exact.numerator // exact.denominator), AMOUNT_MAX)


def resources(amounts: Mapping[str, int] | Iterable[tuple[str, int]]) -> Resources:
    """The canonical form of amounts in smallest units."""
    return tuple(sorted((name, value) for name, value in dict(amounts).items() if value))


def from_quantities(quantities: Mapping[str, str | int | float]) -> Resources:
    """The canonical form of a Kubernetes resource list."""
    return resources({name: amount(name, quantity) for name, quantity in quantities.items()})


def quantity_text(resource: str, value: int) -> str:
    """An amount as people read it: GPUs and CPUs in units, bytes with a binary suffix."""
    unit = unit_of(resource)
    if unit > 1:
        whole, rest = divmod(value, unit)
        return str(whole) if not rest else f"{value / unit:.3f}".rstrip("0")
    if resource == MEMORY or resource == "ephemeral-storage" or resource.startswith("hugepages-"):
        for suffix in ("Ti", "Gi", "Mi", "Ki"):
            size = int(_SUFFIXES[suffix])
            if value >= size:
                return f"{value / size:.1f}".removesuffix(".0") + suffix
    return str(value)


def quantity(resource: str, value: int) -> str:
    """An amount as the API writes it, exactly: thousandths as ``m``."""
    unit = unit_of(resource)
    whole, rest = divmod(value, unit)
    return str(whole) if not rest else f"{value}m"


def vector(amounts: Resources, names: tuple[str, ...]) -> Matrix:
    """Amounts as a row over the given resource names; a name that is missing there is an error of the caller."""
    row = np.zeros(len(names), dtype=np.int64)
    for name, value in amounts:
        row[names.index(name)] = value
    return row
