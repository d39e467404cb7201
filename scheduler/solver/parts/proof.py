"""A better bound than the relaxation's: cuts for the whole pooled model, sought beside everything else.

Gangs are whole: a domain that holds five pods holds one gang of three, not one and two thirds. Rounds of cuts at the
root of CP-SAT say so of all rows at once; its search is not waited for. This takes one of two threads while the other
makes the first plans, which need no second one.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import numpy as np

from scheduler.solver.facade import Cp, Ended, Limits
from scheduler.solver.parts.linear import Linear, Numbers
from scheduler.solver.posting import Variable

_DIGITS = 10**7
"""An objective is cut into so many units at most: a relaxation of larger numbers loses its cuts to rounding."""


class Proof:
    """A search for a bound on one objective, on a thread of its own from `start` until its limits or the end of the
    ``with`` block."""

    def __init__(self, linear: Linear, objective: Numbers) -> None:
        self._linear = linear
        self._objective = objective
        self._threads = ThreadPoolExecutor(1)
        self._over = False
        self._search: Future[tuple[int | None, Ended]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        self._threads.shutdown()

    def start(self, limits: Limits, stop: Callable[[], bool]) -> None:
        """Begins to search, within limits that say ``proves``, until ``stop`` becomes true."""
        self._search = self._threads.submit(self._prove, limits, lambda: stop() or self._over)

    def drop(self) -> None:
        """Nothing is wanted of it any more: it ends soon, and has no answer."""
        self._over, self._search = True, None

    @property
    def is_running(self) -> bool:
        return self._search is not None and not self._search.done()

    def take(self, wait: bool = False) -> tuple[int | None, Ended] | None:
        """What was proven and how the search ended, once; None while it goes on, if it was not to be waited for."""
        if self._search is None or (self.is_running and not wait):
            return None
        search, self._search = self._search, None
        return search.result()

    def _prove(self, limits: Limits, stop: Callable[[], bool]) -> tuple[int | None, Ended]:
        most = int(self._objective @ self._linear.uppers)
        unit = max(1, most // _DIGITS)
        worths = -(-self._objective // unit)
        cp = Cp()
        cp.post(self._linear)
        cp.minimise([(-int(worths[index]), Variable(index)) for index in np.flatnonzero(worths).tolist()])
        cp.hint([0] * len(cp))  # only a search that has found something has a bound to speak of
        *_, ended = cp.search(limits, stop)
        assert isinstance(ended, Ended), "a search tells its end last"
        return None if ended.end == "unknown" else -ended.bound * unit, ended
