"""Which device of a node takes a part of one: lower is better. ``pack`` fills what is shared, ``spread`` levels it,
``price`` keeps what the known mix of work can make most of, ``fgd`` what it can use at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from scheduler.solver.devices.devices import DeviceScore, Numbers
from scheduler.solver.devices.worth import FGD, PRICE, device_worth, kept_milli, priced, unused_milli
from scheduler.solver.problem import Problem


def device_score(problem: Problem) -> DeviceScore:
    """The score that the problem names; KeyError for an unknown name."""
    return DEVICE_SCORES[problem.device_score](problem)


def _pack(_problem: Problem) -> DeviceScore:
    def score(_before: Numbers, after: Numbers) -> NDArray[np.float64]:
        return after.astype(np.float64)

    return score


def _spread(_problem: Problem) -> DeviceScore:
    def score(_before: Numbers, after: Numbers) -> NDArray[np.float64]:
        return -after.astype(np.float64)

    return score


def _price(problem: Problem) -> DeviceScore:
    """What the part takes off the worth of its device; of equals the fullest, as ``pack``."""
    if not priced(problem):
        return _pack(problem)
    worth = device_worth(kept_milli(problem))

    def score(before: Numbers, after: Numbers) -> NDArray[np.float64]:
        cost = worth[before] - worth[after]
        return np.asarray(np.round(cost, 6) + after * 1e-9, dtype=np.float64)

    return score


def _fgd(problem: Problem) -> DeviceScore:
    """How much more of its device no work of the mix could use; of equals the fullest, as ``pack``."""
    if not priced(problem):
        return _pack(problem)
    unused = unused_milli(problem)

    def score(before: Numbers, after: Numbers) -> NDArray[np.float64]:
        growth = unused[after] - unused[before]
        return np.asarray(np.round(growth, 6) + after * 1e-9, dtype=np.float64)

    return score


DEVICE_SCORES: Mapping[str, Callable[[Problem], DeviceScore]] = {
    "pack": _pack,
    "spread": _spread,
    PRICE: _price,
    FGD: _fgd,
}
