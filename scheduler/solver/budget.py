"""What is left of the budget of one request."""

from __future__ import annotations

from collections.abc import Callable

from scheduler.solver.facade import Ended, Limits
from scheduler.solver.problem import SolveRequest

_PATIENT_SECONDS = 60.0


class Budget:
    """What is left of a request's budget: deterministic work where that is limited, else wall time."""

    def __init__(self, request: SolveRequest, clock: Callable[[], float] | None) -> None:
        self._request = request
        self._clock = clock
        self._began = clock() if clock else 0.0
        self._searched_seconds = 0.0
        self._work = 0.0

    def spend(self, search: Ended) -> None:
        self._searched_seconds += search.wall_seconds
        self._work += search.work

    @property
    def goes_by_the_clock(self) -> bool:
        """Whether the answer may depend on the machine."""
        return self._request.work <= 0

    @property
    def workers(self) -> int:
        return self._request.workers

    @property
    def is_spent(self) -> bool:
        return (self._request.work - self._work if self._request.work > 0 else self._wall_left_seconds) <= 0

    @property
    def _wall_left_seconds(self) -> float:
        spent_seconds = self._clock() - self._began if self._clock else self._searched_seconds
        return self._request.wall_seconds - spent_seconds

    @property
    def share_left(self) -> float:
        """What is left as a share of the whole."""
        request = self._request
        if request.work > 0:
            return (request.work - self._work) / request.work
        return self._wall_left_seconds / request.wall_seconds if request.wall_seconds > 0 else 0.0

    @property
    def relax_seconds(self) -> float:
        """What a linear program may take: half of what is left. Where only work counts it may take its time, so that
        the answer does not depend on the machine."""
        return _PATIENT_SECONDS if self._request.work > 0 else max(self._wall_left_seconds, 0.0) / 2

    def limits(self, share: float) -> Limits:
        """The limits of a search that may use a share of what is left."""
        request = self._request
        work = (request.work - self._work) * share if request.work > 0 else 0.0
        return Limits(max(self._wall_left_seconds, 0.0) * share, work, request.workers, request.seed)
