"""The only module that imports OR-Tools: a thin typed face of CP-SAT that knows nothing of pods.

A solve runs on a thread of its own, so that its solutions can be taken while it goes on; CP-SAT releases the
interpreter lock meanwhile. With one worker and a limit on deterministic work its answers do not depend on the machine.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ortools.sat.python import cp_model

from scheduler.solver.posting import Terms, Variable

_POLL_SECONDS = 0.02
_NO_LOWER_BOUND = -(2**63)
_OPTIMAL, _FEASIBLE, _UNKNOWN = "optimal", "feasible", "unknown"


@dataclass(frozen=True)
class Limits:
    """How long one search may take: deterministic ``work`` where given, else ``wall_seconds``."""

    wall_seconds: float
    work: float = 0.0
    workers: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Found:
    """A solution found on the way: the value of every variable, and the bound on the objective proven by then."""

    values: Sequence[int]
    bound: int


@dataclass(frozen=True)
class Ended:
    """How a search ended: ``optimal``, ``feasible`` or ``unknown`` (nothing found in time), and what it used."""

    end: str
    bound: int
    wall_seconds: float
    work: float


class Cp:
    """A model under construction: integer variables, linear inequalities, one objective at a time.

    Written straight into the model's protobuf message: a model has ten thousands of terms, and an expression object for
    each would take longer than many a search.
    """

    def __init__(self) -> None:
        self._model = cp_model.CpModel()
        self._proto = self._model.proto
        self._uppers: list[int] = []

    def __len__(self) -> int:
        return len(self._uppers)

    def variable(self, upper: int, lower: int = 0) -> Variable:
        self._proto.variables.add().domain.extend((lower, upper))
        self._uppers.append(upper)
        return Variable(len(self._uppers) - 1)

    def upper(self, variable: Variable) -> int:
        return self._uppers[variable]

    def at_most(self, terms: Terms, bound: int) -> None:
        """Posts sum(terms) <= bound; a variable stands in ``terms`` at most once."""
        linear = self._proto.constraints.add().linear
        linear.vars.extend([variable for _, variable in terms])
        linear.coeffs.extend([coefficient for coefficient, _ in terms])
        linear.domain.extend((_NO_LOWER_BOUND, bound))

    def minimise(self, terms: Terms) -> None:
        self._proto.clear_objective()
        self._proto.objective.vars.extend([variable for _, variable in terms])
        self._proto.objective.coeffs.extend([coefficient for coefficient, _ in terms])

    def hint(self, values: Sequence[int]) -> None:
        """Values of all variables, from which the search starts."""
        self._proto.clear_solution_hint()
        self._proto.solution_hint.vars.extend(range(len(self)))
        self._proto.solution_hint.values.extend(values)

    def search(self, limits: Limits, stop: Callable[[], bool]) -> Iterator[Found | Ended]:
        """Solutions as they are found, at last how it ended. RuntimeError when CP-SAT refuses the model.

        The model is never infeasible as long as "nothing at all" satisfies it; if CP-SAT says it is, that is a bug.
        """
        solver = _solver(limits)
        found: queue.SimpleQueue[Found | None] = queue.SimpleQueue()
        with ThreadPoolExecutor(1) as thread:
            run = thread.submit(solver.solve, self._model, _Watcher(found.put))
            run.add_done_callback(lambda _: found.put(None))
            try:
                while (solution := _next(found, stop, solver.stop_search)) is not None:
                    yield solution
            finally:
                solver.stop_search()
            status = run.result()
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE, cp_model.UNKNOWN):
            raise RuntimeError(f"CP-SAT says {solver.status_name(status)} of a model that holds nothing at all")
        end = {cp_model.OPTIMAL: _OPTIMAL, cp_model.FEASIBLE: _FEASIBLE}.get(status, _UNKNOWN)
        yield Ended(end, round(solver.best_objective_bound), solver.wall_time, solver.response_proto.deterministic_time)


def _next(
    found: queue.SimpleQueue[Found | None], stop: Callable[[], bool], stop_search: Callable[[], None]
) -> Found | None:
    """The next solution, or None when the search has ended; meanwhile ``stop`` is asked again and again."""
    while True:
        if stop():
            stop_search()
        try:
            return found.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue


class _Watcher(cp_model.CpSolverSolutionCallback):
    """Called by CP-SAT on each solution."""

    def __init__(self, take: Callable[[Found], None]) -> None:
        super().__init__()
        self._take = take

    def on_solution_callback(self) -> None:
        self._take(Found(list(self.response_proto.solution), round(self.best_objective_bound)))


def _solver(limits: Limits) -> Any:
    solver = cp_model.CpSolver()
    parameters = solver.parameters
    if limits.work > 0:
        parameters.max_deterministic_time = limits.work
    else:
        parameters.max_time_in_seconds = limits.wall_seconds
    parameters.num_workers = limits.workers
    parameters.random_seed = limits.seed
    # The relaxation of domains and gangs is what bounds these models.
    parameters.linearization_level = 2
    parameters.max_presolve_iterations = 1
    # With a complete hint of a large model, probing and symmetry detection cost more than they bring.
    parameters.cp_model_probing_level = 0
    parameters.symmetry_level = 0
    return solver
