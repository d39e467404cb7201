"""The only module that imports OR-Tools: a thin typed face of CP-SAT and of GLOP that knows nothing of pods.

A solve runs on a thread of its own, so that its solutions can be taken while it goes on; CP-SAT releases the
interpreter lock meanwhile. With one worker and a limit on deterministic work its answers do not depend on the machine.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from ortools.math_opt import callback_pb2, model_parameters_pb2, model_pb2, parameters_pb2
from ortools.math_opt.core.python import solver as math_opt
from ortools.sat.python import cp_model
from ortools.sat.python.cp_model_helper import IntegerVariableProto

from scheduler.solver.parts.linear import Linear, Numbers, Reals
from scheduler.solver.posting import Terms, Variable

_POLL_SECONDS = 0.02

_CUT_ROUNDS = 50
_CUT_ITERATIONS = 100_000
_CUTS_AT_ONCE = 1000
"""Where a search is for a bound. CP-SAT goes through one round of cuts and 2,000 iterations by itself, and looks for
cuts again only between its decisions."""

_NO_LOWER_BOUND = -(2**63)
_OPTIMAL, _FEASIBLE, _UNKNOWN = "optimal", "feasible", "unknown"


@dataclass(frozen=True)
class Limits:
    """How long one search may take: deterministic ``work`` where given, else ``wall_seconds``; and how far from the
    best it may end, as a share of it. Without ``cuts`` it proves less and finds more: for a step among many; with
    ``proves`` its time goes to the relaxation and its cuts: for a bound."""

    wall_seconds: float
    work: float = 0.0
    workers: int = 1
    seed: int = 0
    gap: float = 0.0
    cuts: bool = True
    proves: bool = False


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


@dataclass(frozen=True)
class Relaxed:
    """A linear program solved: the value of every variable and the price of every row."""

    values: Reals
    prices: Reals


def relax(linear: Linear, objective: Numbers, wall_seconds: float) -> Relaxed | None:
    """The best of ``objective`` over real numbers; None when it was not found in time.

    What it reaches is not to be trusted to the last digit: `solver.parts.linear.proven_bound` says what the prices
    prove.
    """
    program = model_pb2.ModelProto()
    count = len(linear.uppers)
    program.variables.ids.extend(range(count))
    program.variables.lower_bounds.extend([0.0] * count)
    program.variables.upper_bounds.extend(linear.uppers.astype(np.float64).tolist())
    program.variables.integers.extend([False] * count)
    program.objective.maximize = True
    counted = np.flatnonzero(objective)
    program.objective.linear_coefficients.ids.extend(counted.tolist())
    scale = float(np.abs(objective).max(initial=1))  # GLOP's tolerances are absolute
    program.objective.linear_coefficients.values.extend((objective[counted] / scale).tolist())
    program.linear_constraints.ids.extend(range(len(linear.bounds)))
    program.linear_constraints.lower_bounds.extend([-np.inf] * len(linear.bounds))
    program.linear_constraints.upper_bounds.extend(linear.bounds.astype(np.float64).tolist())
    order = np.lexsort((linear.columns, linear.rows))
    program.linear_constraint_matrix.row_ids.extend(linear.rows[order].tolist())
    program.linear_constraint_matrix.column_ids.extend(linear.columns[order].tolist())
    program.linear_constraint_matrix.coefficients.extend(linear.coefficients[order].astype(np.float64).tolist())
    parameters = parameters_pb2.SolveParametersProto()
    parameters.time_limit.FromTimedelta(timedelta(seconds=wall_seconds))
    answer = math_opt.solve(
        program,
        parameters_pb2.SOLVER_TYPE_GLOP,
        parameters_pb2.SolverInitializerProto(),
        parameters,
        model_parameters_pb2.ModelSolveParametersProto(),
        None,
        callback_pb2.CallbackRegistrationProto(),
        None,
        None,
    )
    if not answer.solutions or not answer.solutions[0].HasField("dual_solution"):
        return None
    solution = answer.solutions[0]
    return Relaxed(
        _vector(solution.primal_solution.variable_values, count),
        _vector(solution.dual_solution.dual_values, len(linear.bounds)) * scale,
    )


def _vector(sparse: Any, length: int) -> Reals:
    dense = np.zeros(length, dtype=np.float64)
    dense[np.array(sparse.ids, dtype=np.int64)] = np.array(sparse.values, dtype=np.float64)
    return dense


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

    def post(self, linear: Linear) -> None:
        """Posts a whole linear program, in whole numbers; its variables come after those there are."""
        first = len(self)
        uppers = linear.uppers.tolist()
        self._proto.variables.extend(_variables(uppers))  # all at once: a call for each takes five times as long
        self._uppers.extend(uppers)
        order = np.argsort(linear.rows, kind="stable")
        columns = (linear.columns[order] + first).tolist()
        coefficients = linear.coefficients[order].tolist()
        starts = np.searchsorted(linear.rows[order], np.arange(len(linear.bounds) + 1)).tolist()
        for row, bound in enumerate(linear.bounds.tolist()):
            entries = slice(starts[row], starts[row + 1])
            inequality = self._proto.constraints.add().linear
            inequality.vars.extend(columns[entries])
            inequality.coeffs.extend(coefficients[entries])
            inequality.domain.extend((_NO_LOWER_BOUND, bound))

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

        The model is never infeasible as long as "nothing at all" satisfies it. CP-SAT 9.15 says now and then that it
        is, where an earlier goal with large coefficients is held at exactly what it reached: its presolve loses the
        hinted solution. Without presolve it finds it.
        """
        solver = _solver(limits)
        status = yield from self._run(solver, stop)
        if status == cp_model.INFEASIBLE:
            solver = _solver(limits)
            solver.parameters.cp_model_presolve = False
            status = yield from self._run(solver, stop)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE, cp_model.UNKNOWN):
            raise RuntimeError(f"CP-SAT says {solver.status_name(status)} of a model that holds nothing at all")
        end = {cp_model.OPTIMAL: _OPTIMAL, cp_model.FEASIBLE: _FEASIBLE}.get(status, _UNKNOWN)
        yield Ended(end, round(solver.best_objective_bound), solver.wall_time, solver.response_proto.deterministic_time)

    def _run(self, solver: Any, stop: Callable[[], bool]) -> Generator[Found, None, Any]:
        """One run of CP-SAT on a thread of its own; answers with its status."""
        found: queue.SimpleQueue[Found | None] = queue.SimpleQueue()
        with ThreadPoolExecutor(1) as thread:
            run = thread.submit(solver.solve, self._model, _Watcher(found.put))
            run.add_done_callback(lambda _: found.put(None))
            try:
                while (solution := _next(found, stop, solver.stop_search)) is not None:
                    yield solution
            finally:
                solver.stop_search()
            return run.result()


def _variables(uppers: Sequence[int]) -> list[Any]:
    """Variables from 0 up; those with the same bound are one message, which is copied where it is added."""
    known = {}
    for upper in set(uppers):
        known[upper] = IntegerVariableProto()
        known[upper].domain.extend((0, upper))
    return [known[upper] for upper in uppers]


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
    parameters.relative_gap_limit = limits.gap
    if not limits.cuts:
        parameters.cut_level = 0
    if limits.proves:
        parameters.max_cut_rounds_at_level_zero = _CUT_ROUNDS
        parameters.root_lp_iterations = _CUT_ITERATIONS
        parameters.new_constraints_batch_size = _CUTS_AT_ONCE
        parameters.add_lp_constraints_lazily = False
    # The relaxation of domains and gangs is what bounds these models.
    parameters.linearization_level = 2
    parameters.max_presolve_iterations = 1
    # With a complete hint of a large model, probing and symmetry detection cost more than they bring.
    parameters.cp_model_probing_level = 0
    parameters.symmetry_level = 0
    return solver
