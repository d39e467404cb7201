"""One decision: a snapshot in, a plan out, with a pause wherever a solver may improve on greedy.

Numbered as it reads: 1 admit, 2 rank and window, 3 build the problem, 4 place greedily, 5 let the solver improve where
work competes, 6 expand the better plan to nodes, 7 give everything else its verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence

import msgspec
import numpy as np

from scheduler.core.drive import Deciding
from scheduler.core.shares import QueueTree, admission_trouble, shares, tree_troubles
from scheduler.core.window import Ask, ranked, window
from scheduler.model.cluster import Snapshot
from scheduler.model.neighbours import Neighbours
from scheduler.model.plan import Cause, Decision, Plan, Refusal, SolveEnd, TierScore, Verdict
from scheduler.model.policy import Policy, SolverBudget
from scheduler.model.shape import Shape
from scheduler.model.work import Gang, GangKey, NodeCount, Place
from scheduler.solver.blocking import fits_alone, impossible, why_not
from scheduler.solver.build import Built, build
from scheduler.solver.check import better, broken, scores
from scheduler.solver.expand import Unexpandable, expand, split
from scheduler.solver.filters import Eligibility, eligible, seen, within_plan
from scheduler.solver.greedy import place
from scheduler.solver.problem import Incumbent, QueueRoom, SolveRequest, SolveResult

AGE_STEPS = 1000
"""How finely age breaks ties between work of equal value: always less than one unit of value."""


class Masks:
    """Where each shape may go, remembered for as long as the fleet's static side stays the same object."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._key: tuple[int, int] | None = None
        self._alive: tuple[object, object] | None = None
        self._known: dict[Shape, Eligibility] = {}

    def of(self, snapshot: Snapshot, shape: Shape) -> Eligibility:
        """Where a shape may go in a plan made from a snapshot. Only what follows from the nodes is remembered."""
        return within_plan(shape, self._of_nodes(snapshot, shape), snapshot, self._policy)

    def _of_nodes(self, snapshot: Snapshot, shape: Shape) -> Eligibility:
        key = (id(snapshot.nodes), id(snapshot.capacity))
        if key != self._key:
            self._key, self._alive = key, (snapshot.nodes, snapshot.capacity)
            self._known = {}
        if shape.relations is not None or shape.matched:
            shape = msgspec.structs.replace(shape, relations=None, matched=())
        found = self._known.get(shape)
        if found is None:
            found = eligible(shape, snapshot.nodes, snapshot.capacity, snapshot.resources, self._policy)
            self._known[shape] = found
        return found


Mark = Callable[[str], None]
"""Told the name of each stage as it ends (`build`, `greedy`, `solve`, `explain`): whoever has a clock may read it."""


def _unmarked(_stage: str) -> None:
    pass


def decide(
    snapshot: Snapshot,
    policy: Policy,
    now_seconds: float,
    budget: SolverBudget,
    masks: Masks | None = None,
    mark: Mark = _unmarked,
) -> Deciding:
    """The plan for everything that waits in a snapshot. ``now_seconds`` and ``budget`` are all it knows of time."""
    return _decide(snapshot, policy, now_seconds, budget, masks or Masks(policy), mark)


def _decide(
    snapshot: Snapshot, policy: Policy, _now_seconds: float, budget: SolverBudget, masks: Masks, mark: Mark
) -> Generator[SolveRequest, SolveResult, Plan]:
    verdicts: dict[GangKey, Verdict] = {}
    admitted = _as_seen(_admit(snapshot, verdicts), snapshot.neighbours, verdicts)
    asks, left_out = window(ranked(admitted), policy.limits)
    for key in left_out:
        verdicts[key] = Verdict(Cause.OUTSIDE_WINDOW)
    if not asks:
        return Plan(made_from=snapshot.version, verdicts=verdicts)

    found = {shape: masks.of(snapshot, shape) for shape in _shapes(asks)}
    built = _build(snapshot, policy, asks, found)
    for key, refusals in built.refused.items():
        verdicts[key] = Verdict(Cause.INVALID, refusals)
    by_key = {ask.gang.key: ask for ask in asks}
    kept = [by_key[gang.key] for gang in built.gangs]
    mark("build")

    start = place(built.problem)
    unserved = _unserved(built, start)
    solve = SolveEnd("all", "skipped", start.scores)
    best = start
    places = expand(built, start.puts)
    assert not isinstance(places, Unexpandable), f"greedy's own plan does not expand: {places}"
    mark("greedy")
    contended = left_out or any(not impossible(built, index) for index in unserved)
    if contended:
        result = yield _request(built, start, budget, policy.limits.model_variables)
        improved = _improved(built, start, result)
        if isinstance(improved, Unexpandable):
            # The counts of one class do not fit onto its nodes: take that class apart and solve once more.
            built = split(built, improved.node_class)
            start = place(built.problem)
            result = yield _request(built, start, budget, policy.limits.model_variables)
            improved = _improved(built, start, result)
        mark("solve")
        solve = SolveEnd("all", result.end, _bounded(start.scores, result), result.variables)
        if improved is not None and not isinstance(improved, Unexpandable):
            best, places = improved
            unserved = _unserved(built, best)
            solve = SolveEnd("all", result.end, _bounded(best.scores, result), result.variables, used="solver")

    decisions = _decisions(kept, places, verdicts)
    winners = tuple(decision.gang for decision in decisions[: policy.limits.explain_gangs])
    _explain(built, kept, unserved, found, winners, policy, verdicts)
    mark("explain")
    return Plan(snapshot.version, tuple(decisions), verdicts, (solve,))


def _admit(snapshot: Snapshot, verdicts: dict[GangKey, Verdict]) -> list[Gang]:
    """Work that its queue lets in; the rest gets its verdict at once."""
    troubles = tree_troubles(snapshot.queues)
    by_queue: dict[str, Refusal | None] = {}
    admitted = []
    for gang in snapshot.gangs:
        if gang.queue not in by_queue:
            by_queue[gang.queue] = admission_trouble(snapshot.queues, troubles, gang.queue)
        trouble = by_queue[gang.queue]
        unmodelled = [feature for member in gang.members for feature in member.shape.unmodelled]
        if any(member.shape.relations is not None for member in gang.members):
            unmodelled.append("what a pod asks of other pods")
        if unmodelled:
            refusals = tuple(Refusal("modelled", "NotModelled", where=each) for each in dict.fromkeys(unmodelled))
            verdicts[gang.key] = Verdict(Cause.INVALID, refusals)
        elif trouble is None:
            admitted.append(gang)
        else:
            held = trouble.code in ("QueueHold", "QueueDrain")
            verdicts[gang.key] = Verdict(Cause.HELD if held else Cause.INVALID, (trouble,))
    return admitted


def _as_seen(gangs: list[Gang], neighbours: Neighbours, verdicts: dict[GangKey, Verdict]) -> list[Gang]:
    """The gangs with shapes that know which selectors look at their pods; unlike pods in one member cannot be decided
    on."""
    if not neighbours.selectors:
        return gangs
    known: dict[Shape, Shape] = {}
    found = []
    for gang in gangs:
        members = []
        for member in gang.members:
            shapes = {seen(member.shape, each, neighbours) for each in member.label_sets} or {member.shape}
            if len(shapes) > 1:
                unlike = Refusal("gang-minimum", "UnlikeLabels", where=member.name)
                verdicts[gang.key] = Verdict(Cause.INVALID, (unlike,))
                break
            shape = shapes.pop()
            members.append(msgspec.structs.replace(member, shape=known.setdefault(shape, shape)))
        else:
            found.append(msgspec.structs.replace(gang, members=tuple(members)))
    return found


def _shapes(asks: Sequence[Ask]) -> dict[Shape, None]:
    return dict.fromkeys(member.shape for ask in asks for member in ask.gang.members)


def _build(snapshot: Snapshot, policy: Policy, asks: Sequence[Ask], found: Mapping[Shape, Eligibility]) -> Built:
    gangs = [ask.gang for ask in asks]
    tree = QueueTree(snapshot.queues, snapshot.resources)
    entitled = shares(tree, snapshot.use)
    order = {name: index for index, name in enumerate(sorted(entitled))}
    rooms = tuple(QueueRoom(order.get(entitled[name].parent, -1), entitled[name].room) for name in sorted(entitled))
    worth = {shape: _worth(shape, policy) for shape in found}
    count = len(gangs)
    age = {gang.key: (AGE_STEPS - 1) * (count - rank) // count for rank, gang in enumerate(gangs)}
    values = {
        gang.key: tuple(
            worth[member.shape] * AGE_STEPS + (age[gang.key] if gang.single else 0) for member in gang.members
        )
        for gang in gangs
    }
    return build(
        snapshot.nodes,
        snapshot.resources,
        np.maximum(snapshot.free, 0),  # what others over-committed is simply full
        gangs,
        snapshot.topologies,
        {shape: mask for shape, (mask, _) in found.items()},
        policy,
        values=values,
        bonuses={gang.key: 0 if gang.single else age[gang.key] for gang in gangs},
        queue_rooms=rooms,
        queue_names=tuple(sorted(entitled)),
        queue_of_gang={gang.key: order[gang.queue] for gang in gangs if gang.queue in order},
    )


def _worth(shape: Shape, policy: Policy) -> int:
    """What one placed pod is worth: its amount of the policy's value resource; without any, a little by its CPU."""
    requests = dict(shape.requests)
    return requests.get(policy.value_resource, 0) + requests.get("cpu", 0) // 64 + 1


def _unserved(built: Built, incumbent: Incumbent) -> list[int]:
    """Gangs (by index in the problem) of which some pod has no place."""
    placed = [0] * len(built.gangs)
    for put in incumbent.puts:
        placed[put.gang] += put.count
    return [index for index, gang in enumerate(built.gangs) if placed[index] < gang.pods]


def _request(built: Built, start: Incumbent, budget: SolverBudget, variables_max: int) -> SolveRequest:
    return SolveRequest(
        built.problem, start, budget.wall_seconds, budget.work, budget.workers, budget.seed, variables_max
    )


def _improved(
    built: Built, start: Incumbent, result: SolveResult
) -> tuple[Incumbent, tuple[tuple[Place, ...], ...]] | Unexpandable | None:
    """The solver's plan where it keeps every rule and beats greedy's; what it claims to reach is computed again."""
    if result.incumbent is None or broken(built.problem, result.incumbent.puts):
        return None
    reached = scores(built.problem, result.incumbent.puts)
    if not better(reached, start.scores):
        return None
    places = expand(built, result.incumbent.puts)
    return places if isinstance(places, Unexpandable) else (Incumbent(result.incumbent.puts, reached), places)


def _bounded(reached: tuple[TierScore, ...], result: SolveResult) -> tuple[TierScore, ...]:
    """What a plan reaches, beside the bounds that the solver proved."""
    proven = {} if result.incumbent is None else {score.tier: score.bound for score in result.incumbent.scores}
    return tuple(msgspec.structs.replace(score, bound=proven.get(score.tier)) for score in reached)


def _decisions(
    asks: Sequence[Ask], places: Sequence[tuple[Place, ...]], verdicts: dict[GangKey, Verdict]
) -> list[Decision]:
    """Decisions in rank order; a bundle's places go to its pods, oldest first."""
    decisions = []
    for ask, own in zip(asks, places, strict=True):
        if not own:
            continue
        if len(ask.singles) <= 1:
            decisions.append(Decision(ask.gang.key, own))
            verdicts[ask.gang.key] = Verdict(Cause.PLACED)
            continue
        nodes = [each.node for place in own for each in place.nodes for _ in range(each.count)]
        for single, node in zip(ask.singles, nodes, strict=False):
            decisions.append(Decision(single.key, (Place("pod", (NodeCount(node, 1),)),)))
            verdicts[single.key] = Verdict(Cause.PLACED)
    return decisions


def _explain(
    built: Built,
    asks: Sequence[Ask],
    unserved: Sequence[int],
    found: Mapping[Shape, Eligibility],
    winners: tuple[GangKey, ...],
    policy: Policy,
    verdicts: dict[GangKey, Verdict],
) -> None:
    """A verdict for everything without a place: blocked even alone, or outranked by what was placed."""
    counts = {shape: refused for shape, (_, refused) in found.items()}
    for number, index in enumerate(unserved):
        waiting = [gang.key for gang in (asks[index].singles or (asks[index].gang,)) if gang.key not in verdicts]
        if not waiting:
            continue
        if number >= policy.limits.explain_gangs:
            verdict = Verdict(Cause.OUTRANKED, by=winners[:3])
        elif fits_alone(built, index):
            verdict = Verdict(Cause.OUTRANKED, by=winners)
        else:
            verdict = Verdict(Cause.BLOCKED, why_not(built, index, counts))
        for key in waiting:
            verdicts[key] = verdict
