"""Problems too large for one model: a bound from prices over pools, then trades between the domains of the fleet.

First a linear program over pools says what can be served at most, and which gangs to try first; greedy in that order is
often most of the way. Then some domains at a time choose their gangs again together with the work that waits, still
over pools (`solver.parts.trades`). What is left of the budget brings gangs nearer together. Whatever comes out is
read again by `scheduler.solver.check`; nothing here is trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

import msgspec
import numpy as np

from scheduler.model.plan import TierScore
from scheduler.solver.budget import Budget
from scheduler.solver.check import better, broken, scores
from scheduler.solver.facade import Limits, relax
from scheduler.solver.greedy.greedy import complete, place_in_order
from scheduler.solver.parts.kinds import is_plain, kinds, needs
from scheduler.solver.parts.linear import Linear, Numbers, proven_bound
from scheduler.solver.parts.nearness import fewest_touched, nearer
from scheduler.solver.parts.pooled import pooled
from scheduler.solver.parts.proof import Proof
from scheduler.solver.parts.realise import hint, realise
from scheduler.solver.parts.regions import Region, everything, region
from scheduler.solver.parts.trades import Trades
from scheduler.solver.problem import Incumbent, Problem, Put, SolveRequest, SolveResult
from scheduler.solver.scarcity import by_scarcity
from scheduler.solver.terms import preferred_topology, served_value

_NEEDED_RULES = {"capacity", "gang-minimum"}
_UNDERSTOOD_FIELDS = {
    "resources",
    "class_nodes",
    "class_free",
    "class_domain",
    "level_names",
    "domain_names",
    "gangs",
    "queues",
    "goals",
    "rules",
    "node_score",
    "device_score",
    "mix",
}

_SHARE_OF_VALUE = 0.7
"""Of the budget, before what is left goes to nearness; more of it where the served value is far from its bound."""
_SHARE_OF_POOR_VALUE = 0.93

_FAIR = 0.006
"""From here on a gap of the served value is not far from its bound any more."""

_SHARE_OF_PROOF = 0.4
"""Of the budget of one of two threads, for a better bound."""

_PROOF_VARIABLES = 6000
"""Beyond it cuts come too slowly, and fleets with so much room have a bound that is near enough."""

_SHARE_OF_STEP = 0.04
"""Of the budget, for one step of the trades."""

_SHARE_UNREAD = 0.4
"""Of the budget, between one reading of the whole plan and the next."""

_CLOSE = 0.002
"""Where the served value is known to be as near to the best, the rest of the budget goes to nearness."""

_GROUPS = range(8, 33)
"""How many groups of domains a fleet is cut into, where its levels allow it."""


def is_decomposable(problem: Problem) -> bool:
    """Whether the facts of a problem are understood here; a part of a problem that came later makes it no, where it is
    there at all.

    Rules that are not known here can only forbid: bounds hold without them, and the plain check refuses what breaks
    them. Gangs that ask for more than is understood keep the places that greedy gave them.
    """
    return (
        set(problem.rules) >= _NEEDED_RULES
        and not any(branch.exclusive >= 0 for gang in problem.gangs for branch in gang.branches)
        and problem.goals[:1] == (served_value.NAME,)
        and not any(queue.lines for queue in problem.queues)
        and all(
            getattr(problem, field.name) is None or getattr(problem, field.name) == ()
            for field in fields(problem)
            if field.name not in _UNDERSTOOD_FIELDS
        )
    )


class Decomposition:
    """The best placement so far, and the bounds proven so far."""

    def __init__(self, request: SolveRequest, budget: Budget) -> None:
        self._request = request
        self._problem = request.problem
        self._budget = budget
        self._kinds = kinds(request.problem)
        self._model = pooled(request.problem, self._kinds)
        self._tiers = sorted({kind.tier for kind in self._kinds})
        self._groups = _groups(request.problem)
        self._unplain = {index for index, gang in enumerate(request.problem.gangs) if not is_plain(gang)}
        self._best = Incumbent(request.start.puts, scores(request.problem, request.start.puts))
        self._draft = self._best
        self._found = False
        self._bounds: dict[str, int] = {}
        self._proof = Proof(self._model.linear, self._model.value(min(self._tiers, default=0)))

    def run(self, stop: Callable[[], bool]) -> Iterator[SolveResult]:
        """As `scheduler.solver.improve.solve`. What trades reached is read as a whole from time to time, not after
        each: that would take as long as they do."""
        settled = 1.0
        with self._proof:
            for _ in self._steps(stop):
                over = stop() or self._budget.is_spent
                if over or self._budget.share_left < settled - _SHARE_UNREAD:
                    settled = self._budget.share_left
                    if self._settle():
                        yield self._result("feasible")
                if over:
                    break
        self._settle()
        proven = all(score.value == self._bounds.get(score.tier) for score in self._best.scores)
        if self._found or self._bounds:
            yield self._result("optimal" if proven else "feasible")
        else:
            yield SolveResult(None, "deadline", len(self._model.linear.uppers))

    def _steps(self, stop: Callable[[], bool]) -> Iterator[None]:
        """Pauses wherever the budget should be looked at. Where there are two threads, the better bound is sought
        beside the rest."""
        if self._budget.workers > 1 and len(self._model.linear.uppers) <= _PROOF_VARIABLES:
            limits = self._budget.limits(_SHARE_OF_PROOF)
            self._proof.start(replace(limits, work=limits.work / self._budget.workers, workers=1, proves=True), stop)
        yield from self._guided()
        self._learn(wait=not self._budget.goes_by_the_clock)
        if self._know_spots():
            yield from self._traded(stop)
            yield from self._nearer(stop)

    def _learn(self, wait: bool = False) -> None:
        """What the search for a better bound has found, if it has ended."""
        taken = self._proof.take(wait)
        if taken is not None:
            bound, ended = taken
            self._budget.spend(ended)
            if bound is not None:
                self._prove(_tier_name(self._tiers[0]), bound)

    def _know_spots(self) -> bool:
        """Trades and regions need to know the node of every pod; a start that came without is assigned anew."""
        if all(put.spots for put in self._draft.puts):
            return True
        known = complete(self._problem, self._draft.puts, ())
        if known is not None:
            self._draft = known
        return known is not None

    # --- the bound, and greedy in the order that it suggests ----------------------------------------------------------

    def _guided(self) -> Iterator[None]:
        wanted = np.zeros(len(self._problem.gangs))
        linear = self._model.linear
        for tier in self._tiers:
            objective = self._model.value(tier)
            relaxed = relax(linear, objective, self._budget.relax_seconds)
            if relaxed is None:
                return
            self._prove(_tier_name(tier), proven_bound(linear, objective, relaxed.prices))
            if tier == self._tiers[0] and self._model.uses_all(relaxed.values):
                self._proof.drop()  # what fills the fleet in fractions nearly always does so in whole gangs as well
            for kind, taken in zip(self._model.kinds, self._model.taken, strict=True):
                if kind.tier == tier:
                    wanted[list(kind.gangs)] = 1.0 if kind.bundle else relaxed.values[taken]
            linear = _held(linear, objective, self._reached(_tier_name(tier)))
            yield
        if not self._is_close():
            guided = place_in_order(self._problem, self._order(wanted))
            if better(guided.scores, self._draft.scores):
                self._draft = guided
            yield

    def _order(self, wanted: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[int]:
        """Tier by tier what the bound takes first; there what is bound to fine domains, then the largest pods."""
        scarce = by_scarcity(self._problem.resources)[0]
        width = {
            level: len(np.unique(self._problem.class_domain[:, level]))
            for level in range(self._problem.class_domain.shape[1])
        }

        def rank(index: int) -> tuple[float, ...]:
            gang = self._problem.gangs[index]
            pods = [member.request[scarce] for member in gang.members]
            total = sum(member.request[scarce] * member.count for member in gang.members)
            fine = width.get(gang.branches[0].required, 0)
            return gang.tier, -round(float(wanted[index]), 2), -fine, -max(pods), -total, index

        return sorted(range(len(self._problem.gangs)), key=rank)

    # --- served value, by trades between groups of domains --------------------------------------------------------

    def _traded(self, stop: Callable[[], bool]) -> Iterator[None]:
        """Serves more by trades over pools. What was found is put onto nodes from time to time; where that fails it is
        given up, and from then on every step is tried on nodes at once."""
        if self._is_close() or not len(self._model.pools):
            return
        inside = self._everything()
        trades = self._trades(inside)
        offsets = [self._reached(_tier_name(tier)) - own for tier, own in zip(self._tiers, trades.reached, strict=True)]

        def limits(times: float) -> Limits | None:
            self._learn()
            reached = (offset + own for offset, own in zip(offsets, trades.reached, strict=True))
            gap = max(self._gap(_tier_name(tier), value) for tier, value in zip(self._tiers, reached, strict=True))
            return None if gap <= _CLOSE else self._step_limits(times, gap)

        settled, unread, onto_nodes = trades.values, self._budget.share_left, _SHARE_UNREAD
        for _ in trades.run(limits, self._large_pods_weigh, stop, self._budget.spend):
            over = stop() or limits(1) is None
            if trades.values is not settled and (over or self._budget.share_left <= unread - onto_nodes):
                if self._enter_all(inside, trades):
                    settled = trades.values
                else:
                    trades.go_back(settled)
                    onto_nodes = 0.0
                unread = self._budget.share_left
            yield
        if trades.values is not settled:
            self._enter_all(inside, trades)
        if trades.bound is not None and not inside.rest and not self._unplain:
            self._prove(_tier_name(self._tiers[0]), trades.bound)

    def _everything(self) -> Region:
        """The whole fleet as a region: only what is not understood keeps its place."""
        if not self._unplain:
            return everything(self._problem, self._draft.puts)
        placed = {put.gang for put in self._draft.puts}
        waiting = [
            index
            for index, gang in enumerate(self._problem.gangs)
            if index not in self._unplain and (index not in placed or gang.bundle)
        ]
        everywhere = np.ones(self._problem.class_count, dtype=np.bool_)
        return region(self._problem, self._draft.puts, everywhere, waiting, self._unplain)

    def _trades(self, inside: Region) -> Trades:
        model = self._model
        if inside.problem is not self._problem:
            model = pooled(inside.problem, kinds(inside.problem))
        of_class = np.array([node_class for node_class, _ in inside.nodes], dtype=np.int64)
        first = np.unique(model.pools.of_class, return_index=True)[1]
        return Trades(model, hint(model, inside.start), self._groups[of_class[first]], self._tiers)

    def _step_limits(self, times: float, gap: float) -> Limits | None:
        """The limits of a step so many times as long as others, out of what is meant for served value where it has such
        a gap."""
        share_of_value = _SHARE_OF_VALUE if gap <= _FAIR else _SHARE_OF_POOR_VALUE
        left = self._budget.share_left - (1 - share_of_value)
        if left <= 0:
            return None
        share = min(left, _SHARE_OF_STEP * times)
        workers = self._budget.workers - self._proof.is_running
        limits = self._budget.limits(share / self._budget.share_left)
        return replace(limits, workers=max(1, workers), gap=_CLOSE / 4, cuts=False)

    def _large_pods_weigh(self) -> bool:
        return self._budget.share_left > 1 - _SHARE_OF_VALUE / 2

    def _enter_all(self, inside: Region, trades: Trades) -> bool:
        """Takes what the trades reached, with what still fits beside it; False when it does not expand to nodes."""
        puts = realise(trades.model, trades.values.tolist())
        if puts is None:
            return False
        if any(_may_grow(inside.problem, index) for index in range(len(inside.gangs))):
            completed = complete(inside.problem, puts, range(len(inside.gangs)))
            if completed is None:
                return False
            puts = completed.puts
        whole = inside.restore(puts)
        reached = scores(self._problem, whole)
        if better(reached, self._draft.scores):
            self._draft = Incumbent(whole, reached)
        return True

    def _enter(self, inside: Region, puts: tuple[Put, ...] | None) -> None:
        """Takes what a region was given, with what still fits beside it, if it is better for it."""
        if puts is None:
            return
        if any(_may_grow(inside.problem, index) for index in range(len(inside.gangs))):
            completed = complete(inside.problem, puts, range(len(inside.gangs)))
            if completed is None:
                return
            puts = completed.puts
        before, after = scores(inside.problem, inside.start), scores(inside.problem, puts)
        if better(after, before):
            gained = {score.tier: score.value - old.value for score, old in zip(after, before, strict=True)}
            reached = tuple(
                msgspec.structs.replace(score, value=score.value + gained.get(score.tier, 0))
                for score in self._draft.scores
            )
            self._draft = Incumbent(inside.restore(puts), reached)

    # --- nearness -------------------------------------------------------------------------------------------------

    def _nearer(self, stop: Callable[[], bool]) -> Iterator[None]:
        """Brings the gangs of each region nearer together, without a change of who is served."""
        if not any(branch.preferred >= 0 for gang in self._problem.gangs for branch in gang.branches):
            return
        self._prove_nearness()
        regions = len(np.unique(self._groups))
        for number, group in enumerate((*range(regions), *range(regions))):
            if self._gap(preferred_topology.NAME) <= 0:
                return
            limits = self._budget.limits(1 / (2 * regions - number))
            inside = region(self._problem, self._draft.puts, self._groups == group, ())
            if inside.gangs:
                self._enter(inside, nearer(inside.problem, inside.start, limits, stop, self._budget.spend))
                yield

    def _prove_nearness(self) -> None:
        """No gang touches fewer domains than the fewest that hold it alone, and who is served must reach as much."""
        linear = self._model.linear
        for tier in self._tiers:
            linear = _held(linear, self._model.value(tier), self._reached(_tier_name(tier)))
        objective = np.zeros(len(linear.uppers), dtype=np.int64)
        for kind, taken in zip(self._model.kinds, self._model.taken, strict=True):
            if kind.near and not kind.bundle:
                objective[taken] = -fewest_touched(self._model, kind)
        relaxed = relax(linear, objective, self._budget.relax_seconds)
        if relaxed is not None:
            self._prove(preferred_topology.NAME, min(0, proven_bound(linear, objective, relaxed.prices)))

    # --- what is known ----------------------------------------------------------------------------------------------

    def _settle(self) -> bool:
        """Reads the draft as a whole: it becomes the best if it breaks no rule and is no worse, else it is dropped.
        Answers whether the best is better now."""
        if self._draft is self._best:
            return False
        reached = scores(self._problem, self._draft.puts)
        if better(self._best.scores, reached) or broken(self._problem, self._draft.puts):
            self._draft = self._best
            return False
        gained = better(reached, self._best.scores)
        self._best = self._draft = Incumbent(self._draft.puts, reached)
        self._found |= gained
        return gained

    def _prove(self, tier: str, bound: int) -> None:
        self._bounds[tier] = min(bound, self._bounds.get(tier, bound))

    def _reached(self, tier: str) -> int:
        return next(score.value for score in self._draft.scores if score.tier == tier)

    def _gap(self, tier: str, reached: int | None = None) -> float:
        """How far from its bound a tier may be, as a share of it."""
        bound = self._bounds.get(tier)
        reached = self._reached(tier) if reached is None else reached
        return 1.0 if bound is None else (bound - reached) / max(1, abs(bound))

    def _is_close(self) -> bool:
        return all(self._gap(_tier_name(tier)) <= _CLOSE for tier in self._tiers)

    def _result(self, end: str) -> SolveResult:
        with_bounds = tuple(
            TierScore(score.tier, score.value, self._bounds.get(score.tier)) for score in self._best.scores
        )
        incumbent = msgspec.structs.replace(self._best, scores=with_bounds)
        return SolveResult(incumbent, end, len(self._model.linear.uppers))


def _tier_name(tier: int) -> str:
    return f"{served_value.NAME}/{tier}"


def _held(linear: Linear, objective: Numbers, reached: int) -> Linear:
    """The same program where an objective reaches at least so much."""
    counted = np.flatnonzero(objective)
    row = np.full(len(counted), len(linear.bounds))
    return Linear(
        linear.uppers,
        np.append(linear.bounds, -reached),
        np.concatenate([linear.rows, row]),
        np.concatenate([linear.columns, counted]),
        np.concatenate([linear.coefficients, -objective[counted]]),
    )


def _groups(problem: Problem) -> Numbers:
    """[C] the group of each class: domains of the coarsest level that cuts the fleet well, joined where they are many.

    Nodes without a domain are a group of their own.
    """
    codes = np.zeros(problem.class_count, dtype=np.int64)
    levels = problem.class_domain.T.astype(np.int64) + 1
    if not len(levels):
        return codes
    widths = [len(np.unique(each)) for each in levels]
    coarse_enough = [level for level, width in enumerate(widths) if width >= _GROUPS.start]
    level = min(coarse_enough, key=lambda each: widths[each]) if coarse_enough else int(np.argmax(widths))
    _, codes = np.unique(levels[level], return_inverse=True)
    joined = -(-widths[level] // (_GROUPS.stop - 1))
    return codes.reshape(-1) // joined


def _may_grow(problem: Problem, index: int) -> bool:
    """Whether a gang may have more than the pooled model counts for it."""
    gang = problem.gangs[index]
    needed = sum(pods for _, pods in needs(gang))
    return not gang.bundle and gang.pods > needed
