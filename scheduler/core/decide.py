"""One decision: a snapshot in, a plan out, with a pause wherever a solver may improve on greedy.

As it reads: admit, rank and window, build the problem, place greedily, hand out what nobody contests, let the solver
improve the rest, hand that out, give everything else its verdict. A plan that is yielded is a part that may be acted on
while the rest is being thought about.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from math import inf

import msgspec
import numpy as np

from scheduler.core.beyond import Beyond, is_in_vain
from scheduler.core.contest import contest
from scheduler.core.draft import Draft
from scheduler.core.drive import Deciding, Part
from scheduler.core.facts.books import taken_by
from scheduler.core.facts.devices import after_uses
from scheduler.core.queues.backlog import Backlogs
from scheduler.core.queues.entitled import Entitled, Entitlements
from scheduler.core.queues.ranking import flavors_of, turns
from scheduler.core.queues.rules import counts_users, queue_rules, serves_strictly
from scheduler.core.queues.shares import (
    QueueTree,
    admission_trouble,
    namespace_trouble,
    parents_in,
    shares,
    tree_troubles,
)
from scheduler.core.reasons import Reasons
from scheduler.core.taking.roster import Rosters
from scheduler.core.taking.rules import held_with
from scheduler.core.taking.taking import Took, taking
from scheduler.core.taking.waiting import in_order_of_leaves, unserved, with_more
from scheduler.core.volumes.pieces import Counted, counted
from scheduler.core.volumes.words import of_the_cluster, volume_troubles
from scheduler.core.window import Ask, window
from scheduler.core.worth import worth_of
from scheduler.model.bundle import Bundle, Pending
from scheduler.model.cluster import Snapshot
from scheduler.model.devices import slots_of
from scheduler.model.plan import Cause, Decision, Plan, Refusal, SolveEnd, Verdict
from scheduler.model.policy import Policy, SolverBudget
from scheduler.model.relations import PodSelector
from scheduler.model.resources import GPU, Matrix, vector
from scheduler.model.shape import Shape
from scheduler.model.volumes import VolumeFacts
from scheduler.model.work import Gang, GangKey
from scheduler.solver.asks.filters import Eligibility, eligible, seen, with_coming, within_plan, within_storage
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.build import Built, build
from scheduler.solver.contention import uncontested
from scheduler.solver.expand import Unexpandable, expand
from scheduler.solver.greedy.greedy import place as place_greedily
from scheduler.solver.greedy.turns import in_turn
from scheduler.solver.problem import QueueRoom, QuotaLine


class Masks:
    """Where each shape may go, remembered for as long as the fleet's static side stays the same object."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._key: tuple[int, int] | None = None
        self._alive: tuple[object, object] | None = None
        self._known: dict[Shape, Eligibility] = {}
        self._facts: VolumeFacts | None = None
        self._by_volumes: dict[Shape, Eligibility] = {}

    def of(self, snapshot: Snapshot, shape: Shape) -> Eligibility:
        """Where a shape may go in a plan made from a snapshot. Only what follows from the nodes is remembered, and what
        storage says for as long as it stays the same."""
        allowed = self._of_storage(snapshot, shape) if shape.volumes is not None else self._of_nodes(snapshot, shape)
        fleet = Fleet(snapshot.nodes, snapshot.capacity, snapshot.resources, snapshot.neighbours)
        return within_plan(shape, allowed, fleet, self._policy)

    def _of_storage(self, snapshot: Snapshot, shape: Shape) -> Eligibility:
        shape = msgspec.structs.replace(shape, relations=None, matched=())
        allowed = self._of_nodes(snapshot, msgspec.structs.replace(shape, volumes=None))
        if snapshot.volumes is not self._facts:
            self._facts, self._by_volumes = snapshot.volumes, {}
        found = self._by_volumes.get(shape)
        if found is None:
            found = within_storage(shape, allowed, snapshot.nodes, snapshot.volumes, self._policy)
            self._by_volumes[shape] = found
        return found

    def _of_nodes(self, snapshot: Snapshot, shape: Shape) -> Eligibility:
        key = (id(snapshot.nodes), id(snapshot.capacity))
        if key != self._key:
            self._key, self._alive = key, (snapshot.nodes, snapshot.capacity)
            self._known, self._by_volumes = {}, {}
        if shape.relations is not None or shape.matched:
            shape = msgspec.structs.replace(shape, relations=None, matched=())
        found = self._known.get(shape)
        if found is None:
            found = eligible(shape, snapshot.nodes, snapshot.capacity, snapshot.resources, self._policy)
            self._known[shape] = found
        return found


class Memory:
    """What is remembered from one decision to the next. It saves time and changes no answer."""

    def __init__(self, policy: Policy) -> None:
        self.masks = Masks(policy)
        self.backlogs = Backlogs()
        self.entitlements = Entitlements(policy)
        self.left = Entitlements(policy)
        """Of what got no place on what is free."""
        self.rosters = Rosters()


Facts = tuple[Refusal, ...]

Mark = Callable[[str], None]
"""Told the name of each stage as it ends (`build`, `greedy`, `solve`, `explain`): whoever has a clock may read it."""


def _unmarked(_stage: str) -> None:
    pass


def decide(
    snapshot: Snapshot,
    policy: Policy,
    now_seconds: float,
    budget: SolverBudget,
    memory: Memory | None = None,
    mark: Mark = _unmarked,
) -> Deciding:
    """The plan for everything that waits in a snapshot. ``now_seconds`` and ``budget`` are all it knows of time."""
    return _decide(snapshot, policy, now_seconds, budget, memory or Memory(policy), mark)


def _decide(
    snapshot: Snapshot, policy: Policy, now_seconds: float, budget: SolverBudget, memory: Memory, mark: Mark
) -> Deciding:
    verdicts: dict[GangKey, Verdict] = {}
    snapshot, admitted = _as_seen(snapshot, _admit(snapshot, verdicts), verdicts)
    backlogs = memory.backlogs.of(admitted)
    entitled = cache(
        lambda: memory.entitlements.of(
            snapshot, backlogs, flavors_of(snapshot.nodes, partial(memory.masks.of, snapshot))
        )
    )
    asks, left_out = window(
        turns(backlogs, snapshot, policy, entitled),
        policy.limits,
        strict=policy.entitlement.order == "strict",
        in_line=serves_strictly(snapshot.queues),
        by_user=counts_users(snapshot.queues),
    )
    for key in left_out:
        verdicts[key] = Verdict(Cause.OUTSIDE_WINDOW)
    if not asks:
        return Plan(made_from=snapshot.version, verdicts=verdicts)

    found = {shape: memory.masks.of(snapshot, shape) for shape in _shapes(asks)}
    volumes = counted(snapshot, asks, found)
    if volumes is not None:
        asks, found = volumes.asks, volumes.found
    built = _build(snapshot, volumes, policy, asks, found, entitled)
    for key, refusals in built.refused.items():
        verdicts[key] = Verdict(Cause.INVALID, refusals)
    by_key = {ask.gang.key: ask for ask in asks}
    kept = [by_key[gang.key] for gang in built.gangs]
    mark("build")

    start = place_greedily(built.problem)
    places = expand(built, start.puts)
    assert not isinstance(places, Unexpandable), f"greedy's own plan does not expand: {places}"
    draft = Draft(kept, places, partial(in_turn, built))
    mark("greedy")

    reasons = Reasons(built, found, budget, policy.limits)
    waiting = [index for index in draft.unserved if not reasons.impossible(index)]
    solve = SolveEnd("all", "skipped", start.scores)
    if waiting or left_out:
        settled = [] if left_out else uncontested(built.problem, start, waiting)
        if settled:
            yield Plan(snapshot.version, draft.hand_out(settled), final=False)
        if not left_out and reasons.few_are_open(waiting):
            # Perhaps nothing competes after all: greedy's "no" is no proof where unlike pods share nodes.
            for index in waiting:
                yield from reasons.fits(index)
            waiting = [index for index in waiting if not reasons.impossible(index)]
        if waiting or left_out:

            def rebuild(asks: Sequence[Ask]) -> Built:
                return _build(*_standing(snapshot, volumes, draft), policy, asks, found, entitled)

            variables_max = policy.limits.model_variables
            solve = yield from contest(snapshot.version, built, start, settled, draft, budget, variables_max, rebuild)
        mark("solve")

    early = set(range(len(draft.asks))) - set(draft.open)
    decisions = draft.hand_out(draft.open)
    took = Took()
    if snapshot.running and draft.unserved:
        fronts = {gang: front for gang, front in built.problem.order if draft.waiting(front)}
        out = {index for index in early if draft.pods(index) and not draft.waiting(index)}  # stays as it is
        took = yield from _take(snapshot, volumes, draft, fronts, out, policy, now_seconds, budget, memory)
        decisions = _with_what_was_taken(decisions, took.decisions)
        mark("take")
    winners = tuple(decision.gang for decision in decisions[: policy.limits.explain_gangs])
    if decisions and reasons.take_time(draft):
        yield Plan(snapshot.version, decisions, final=False)
        decisions = ()
    waits = yield from reasons.verdicts(draft, winners)
    if volumes is not None:
        waits = [(keys, of_the_cluster(verdict)) for keys, verdict in waits]
    beyond, gangs = Beyond(snapshot), {ask.gang.key: ask.gang for ask in draft.asks}
    waits = [
        (keys, beyond.told(verdict, next((gangs[key] for key in keys if key in gangs), None)))
        for keys, verdict in waits
    ]
    mark("explain")
    waiting_for = _with_facts(waits, took.refusals)
    placed = dict.fromkeys((*draft.placed, *(each.gang for each in took.decisions)), Verdict(Cause.PLACED))
    again = now_seconds + took.changes_seconds if took.changes_seconds < inf else None
    return Plan(snapshot.version, decisions, {**verdicts, **waiting_for, **placed}, (solve,), again_at_seconds=again)


def _with_what_was_taken(decisions: Sequence[Decision], taken: Sequence[Decision]) -> tuple[Decision, ...]:
    """All of them; a gang that got its minima on what is free, and more by taking, has one decision."""
    more = {each.gang: each for each in taken}
    found = []
    for each in decisions:
        other = more.pop(each.gang, None)
        if other is not None:
            each = msgspec.structs.replace(other, places=with_more(each.places, other.places))
        found.append(each)
    return (*found, *more.values())


def _with_facts(
    verdicts: Iterable[tuple[Sequence[GangKey], Verdict]], facts: Mapping[GangKey, Facts]
) -> dict[GangKey, Verdict]:
    """The verdicts of asks with what taking back had to say, but of work that not even an empty fleet could hold. Of
    single pods the first are made room for, and what keeps the others waiting is true of them all."""
    found: dict[GangKey, Verdict] = {}
    for keys, verdict in verdicts:
        own = facts.get(keys[-1]) if keys else None
        if own and not _is_hopeless(verdict):
            verdict = msgspec.structs.replace(verdict, refusals=(*verdict.refusals, *own))
        found.update(dict.fromkeys(keys, verdict))
    return found


def _is_hopeless(verdict: Verdict) -> bool:
    """Whether no node could ever take a pod of it, or it asks for more than there ever is, whoever left."""
    return is_in_vain(verdict) or any(
        each.code == "NoEligibleNode" and "exclusive-domains" not in dict(each.counts) for each in verdict.refusals
    )


def _take(
    snapshot: Snapshot,
    volumes: Counted | None,
    draft: Draft,
    fronts: Mapping[int, int],
    out: Collection[int],
    policy: Policy,
    now_seconds: float,
    budget: SolverBudget,
    memory: Memory,
) -> Part[Took]:
    """What still waits, in its order, may ask running work to give way, but for those that are ``out`` already; who has
    somebody in front of it (``fronts``, by index) only once that one has got its places."""
    standing, _ = _standing(snapshot, volumes, draft)
    waiting = [
        replace(left, front=draft.waiting(fronts[index])[-1]) if index in fronts else left
        for index in draft.unserved
        if index not in out
        and (left := unserved(draft.asks[index].gang, draft.asks[index].singles, draft.places([index])[0])) is not None
    ]
    waiting = in_order_of_leaves(waiting)
    asking = Pending(
        tuple(each.gang for each in waiting if not each.singles),
        tuple(Bundle(each.singles) for each in waiting if each.singles),
    )
    flavors = flavors_of(standing.nodes, partial(memory.masks.of, standing))

    def shares_if(gangs: Sequence[Gang]) -> Matrix:
        instead = {gang.key: gang for gang in gangs}
        others = Pending(tuple(instead.get(gang.key, gang) for gang in asking.all))
        return memory.left.of(standing, Backlogs().of(others), flavors).book.fair

    entitled = memory.left.of(standing, Backlogs().of(asking), flavors)
    took = yield from taking(
        standing,
        entitled,
        waiting,
        policy,
        now_seconds,
        budget,
        lambda shape: memory.masks.of(standing, shape)[0],
        shares_if,
        memory.rosters,
    )
    return took


def _admit(snapshot: Snapshot, verdicts: dict[GangKey, Verdict]) -> Pending:
    """Work that its queue lets in; the rest gets its verdict at once."""
    pending = snapshot.pending.put_together()
    troubles = tree_troubles(snapshot.queues)
    inner = parents_in(snapshot.queues)
    known: dict[str, Refusal | None] = {}

    def refused(gang: Gang) -> Verdict | None:
        if gang.queue not in known:
            known[gang.queue] = admission_trouble(snapshot.queues, troubles, gang.queue, inner)
        return _refused(snapshot, gang, known[gang.queue])

    gangs, bundles = [], []
    for gang in pending.gangs:
        verdict = refused(gang)
        if verdict is None:
            gangs.append(gang)
        else:
            verdicts[gang.key] = verdict
    for bundle in pending.bundles:
        verdict = refused(bundle.first)
        if verdict is None:
            bundles.append(bundle)
        else:
            verdicts.update(dict.fromkeys(bundle.keys, verdict))
    return Pending(tuple(gangs), tuple(bundles))


def _refused(snapshot: Snapshot, gang: Gang, trouble: Refusal | None) -> Verdict | None:
    """Why work is not let in, or cannot be decided on; ``trouble`` is what its queue has against all work."""
    if trouble is None and snapshot.queues[gang.queue].namespace_selector != ():
        labels = dict(snapshot.namespaces.get(gang.namespace, ()))
        trouble = namespace_trouble(snapshot.queues[gang.queue], gang.namespace, labels)
    unmodelled = [feature for member in gang.members for feature in member.shape.unmodelled]
    if unmodelled:
        refusals = tuple(Refusal("modelled", "NotModelled", where=each) for each in dict.fromkeys(unmodelled))
        return Verdict(Cause.INVALID, refusals)
    if trouble is not None:
        held = trouble.code in ("QueueHold", "QueueDrain", "QueueLeaving")
        return Verdict(Cause.HELD if held else Cause.INVALID, (trouble,))
    claims = volume_troubles(gang)
    return Verdict(Cause.BLOCKED, claims, proven=True) if claims else None


def _as_seen(snapshot: Snapshot, pending: Pending, verdicts: dict[GangKey, Verdict]) -> tuple[Snapshot, Pending]:
    """The work with shapes that know which selectors look at their pods, and the picture with how many of them do;
    unlike pods in one member cannot be decided on."""
    neighbours = snapshot.neighbours
    if not neighbours.selectors:
        return snapshot, pending
    gangs = pending.all
    known: dict[Shape, Shape] = {}
    binding = {each.selector for each in neighbours.carriers}
    for gang in gangs:
        for member in gang.members:
            binding.update(member.shape.relations.binding if member.shape.relations is not None else ())
    found = []
    for gang in gangs:
        members = []
        for member in gang.members:
            shapes = {seen(member.shape, each, neighbours) for each in member.label_sets} or {member.shape}
            if len(shapes) > 1:  # what is only preferred need not tell pods of a member apart
                shapes = {_without(shape, binding) for shape in shapes}
            if len(shapes) > 1:
                unlike = Refusal("gang-minimum", "UnlikeLabels", where=member.name)
                verdicts[gang.key] = Verdict(Cause.INVALID, (unlike,))
                break
            shape = shapes.pop()
            members.append(msgspec.structs.replace(member, shape=known.setdefault(shape, shape)))
        else:
            found.append(msgspec.structs.replace(gang, members=tuple(members)))
    return replace(snapshot, neighbours=with_coming(neighbours, found)), Pending(tuple(found)).put_together()


def _without(shape: Shape, binding: Collection[PodSelector]) -> Shape:
    """The shape seen by the selectors of what binds alone."""
    return msgspec.structs.replace(shape, matched=tuple(each for each in shape.matched if each in binding))


def _shapes(asks: Sequence[Ask]) -> dict[Shape, None]:
    return dict.fromkeys(member.shape for ask in asks for member in ask.gang.members)


def _build(
    snapshot: Snapshot,
    volumes: Counted | None,
    policy: Policy,
    asks: Sequence[Ask],
    found: Mapping[Shape, Eligibility],
    entitled: Callable[[], Entitled],
) -> Built:
    gangs = [ask.gang for ask in asks]
    tree = QueueTree(snapshot.queues, snapshot.resources)
    parts = shares(tree, snapshot.use_by, {gang.queue for gang in gangs})
    order = {name: index for index, name in enumerate(sorted(parts))}
    flavors = snapshot.nodes.flavors
    firm = any(not gang.preemptible for gang in gangs)
    rooms = tuple(
        QueueRoom(
            order.get(share.parent, -1),
            share.room,
            tuple(
                QuotaLine(line.room, flavors.index(line.flavor) if line.flavor else -1, line.firm)
                for line in share.lines
                if (firm or not line.firm) and line.flavor in ("", *flavors)
            ),
        )
        for _, share in sorted(parts.items())
    )
    names = tuple(sorted(parts))
    if volumes is not None:
        rooms, names = volumes.rooms(rooms, names)
    resources = snapshot.resources if volumes is None else (*snapshot.resources, *volumes.names)
    rules = queue_rules(snapshot, gangs, names, resources, entitled)
    worth = worth_of(asks, snapshot.nodes, policy)
    return build(
        snapshot.nodes,
        resources,
        np.maximum(
            snapshot.free if volumes is None else np.hstack([snapshot.free, volumes.free]), 0
        ),  # what others over-committed is simply full
        gangs,
        snapshot.topologies,
        {shape: mask for shape, (mask, _) in found.items()},
        policy,
        tiers=worth.tiers,
        values=worth.values,
        bonuses=worth.bonuses,
        queue_rooms=rooms,
        neighbours=snapshot.neighbours,
        queue_names=names,
        devices=snapshot.devices,
        queue_of_gang={gang.key: order[gang.queue] for gang in gangs if gang.queue in order},
        standing=snapshot.standing,
        queue_rules=rules,
    )


def _standing(snapshot: Snapshot, volumes: Counted | None, draft: Draft) -> tuple[Snapshot, Counted | None]:
    """The picture, and the pieces of volumes, with everything that a draft has handed out."""
    names = snapshot.resources if volumes is None else (*snapshot.resources, *volumes.names)
    width = len(snapshot.resources)
    pieces: dict[int, Matrix] = {}
    pods: list[tuple[int, int, Shape]] = []
    free, use = snapshot.free.copy(), {queue: total.copy() for queue, total in snapshot.use.items()}
    use_by = {key: total.copy() for key, total in snapshot.use_by.items()}
    devices = None if snapshot.devices is None else snapshot.devices.copy()
    for ask, own in draft.handed:
        shapes = {member.name: member.shape for member in ask.gang.members}
        for place in own:
            for each in place.nodes:
                index = snapshot.nodes.rows[each.node]
                wide = vector(taken_by(shapes[place.member], each.devices), names) * each.count
                row = wide[:width]
                free[index] -= row
                use[ask.gang.queue] = use.get(ask.gang.queue, 0) + row
                key = (ask.gang.queue, snapshot.nodes.flavor(index), not ask.gang.preemptible)
                use_by[key] = use_by.get(key, np.zeros_like(row)) + row
                if shapes[place.member].relations is not None or shapes[place.member].matched:
                    pods.append((index, each.count, shapes[place.member]))
                pieces[index] = pieces.get(index, 0) + wide[width:]
                if devices is not None:
                    whole = dict(shapes[place.member].requests).get(GPU, 0) * each.count
                    kind = snapshot.nodes.device_kinds()[index]
                    devices[index] = after_uses(devices[index], each.devices * each.count, whole, slots_of(kind))
    neighbours = snapshot.neighbours.joined(pods, len(snapshot.nodes))
    held = held_with(snapshot, draft.handed)
    standing = replace(
        snapshot, free=free, use=use, use_by=use_by, neighbours=neighbours, devices=devices, held_by=held
    )
    return standing, None if volumes is None else volumes.without(pieces)
