"""What queues may still take while greedy places: a limit at a queue binds everything below it."""

from __future__ import annotations

from scheduler.solver.problem import Problem

_BOUNDLESS = 2**62


class Rooms:
    """The room left per queue and resource; -1 is unlimited."""

    def __init__(self, problem: Problem, room: list[list[int]] | None = None) -> None:
        self._problem = problem
        self._binding = "queue-limit" in problem.rules
        self._room = room or [list(queue.room) for queue in problem.queues]
        self._path = [_path(problem, queue) for queue in range(len(problem.queues))]

    def copy(self) -> Rooms:
        """The same room, to try on."""
        return Rooms(self._problem, [list(room) for room in self._room])

    def most(self, queue: int, request: tuple[int, ...]) -> int:
        """How many pods of a request still fit into a queue and everything above it."""
        most = _BOUNDLESS
        if queue < 0 or not self._binding:
            return most
        for each in self._path[queue]:
            for room, amount in zip(self._room[each], request, strict=True):
                if amount > 0 and room >= 0:
                    most = min(most, room // amount)
        return most

    def holds(self, queue: int, amounts: list[int]) -> bool:
        """Whether a sum of requests fits."""
        return self.most(queue, tuple(amounts)) >= 1

    def charge(self, queue: int, request: tuple[int, ...], count: int) -> None:
        if queue < 0 or not self._binding:
            return
        for each in self._path[queue]:
            room = self._room[each]
            for resource, amount in enumerate(request):
                if amount > 0 and room[resource] >= 0:
                    room[resource] -= amount * count


def _path(problem: Problem, queue: int) -> list[int]:
    path = []
    while queue >= 0:
        path.append(queue)
        queue = problem.queues[queue].parent
    return path
