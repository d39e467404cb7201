"""What keeps one gang from being placed even alone, as facts with numbers: bounds, which say it shortest and for sure.

Sums and counts per queue, over the fleet and per domain. Looks at nodes, not classes: nodes where nothing fits are in
no class, and they are what the numbers are about. What no bound says is found out in `diagnose`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from scheduler.model.plan import Refusal
from scheduler.model.resources import Matrix
from scheduler.model.shape import Shape
from scheduler.solver.asks.fits import fits_on
from scheduler.solver.asks.relate import restrict
from scheduler.solver.blocking.queues import counted_bounds
from scheduler.solver.blocking.slices import too_few_slices
from scheduler.solver.build import Built
from scheduler.solver.problem import GangAsk, Problem, QuotaLine, indifferent, plain, unshaped
from scheduler.solver.scarcity import by_scarcity
from scheduler.solver.tree import children, members_below, minima_below, path_up

NO_CLASSES: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

CountsOfShape = Mapping[Shape, tuple[tuple[str, int], ...]]
"""How many nodes each filter refused, per shape (`filters.eligible`)."""

Domains = NDArray[np.int32]
"""[nodes] the domain code of each node, -1: may not be used."""


class Bounds:
    """What bounds say about the gangs of one built problem; gangs that ask alike are answered once.

    A bound is certain: what it refuses, no placement can have, whatever else is asked for. What none refuses may still
    not fit, unless `exact` says that bounds are all there is to it.
    """

    def __init__(self, built: Built, counts: CountsOfShape) -> None:
        self._built = built
        self._counts = counts
        self._room = _Room(built)
        self._first: dict[object, int] = {}
        self._like: dict[int, int] = {}
        self._of_queues: dict[int, list[Refusal]] = {}
        self._of_space: dict[object, list[Refusal]] = {}
        self._known: dict[int, tuple[Refusal, ...]] = {}

    def of(self, gang: int) -> tuple[Refusal, ...]:
        """Every bound that keeps a gang (index in the problem) from being placed even alone; empty: none does."""
        gang = self._first_like(gang)
        found = self._known.get(gang)
        if found is None:
            found = self._known[gang] = (*self._of_its_queues(gang), *self._of_nodes(gang))
        return found

    def refuse(self, gang: int) -> bool:
        """Whether any bound does; looks no further than the first that is found."""
        return bool(self._of_its_queues(self._first_like(gang)) or self.of(gang))

    def _of_its_queues(self, gang: int) -> list[Refusal]:
        found = self._of_queues.get(gang)
        if found is None:
            found = [*_queue_bounds(self._built, gang), *counted_bounds(self._built, gang)]
            self._of_queues[gang] = found
        return found

    def _of_nodes(self, gang: int) -> list[Refusal]:
        ask, shapes = self._asked(gang)
        alike = (msgspec.structs.replace(ask, queue=-1, firm=False, user=-1), shapes)
        found = self._of_space.get(alike)
        if found is None:
            found = self._of_space[alike] = _space_bounds(self._room, gang, self._counts)
        return found

    def _first_like(self, gang: int) -> int:
        """The first gang that asks for the same."""
        found = self._like.get(gang)
        if found is None:
            found = self._like[gang] = self._first.setdefault(self._asked(gang), gang)
        return found

    def _asked(self, gang: int) -> tuple[GangAsk, tuple[Shape, ...]]:
        """All of what a gang asks for that bounds look at. A bundle is there with its first pod."""
        ask = self._built.problem.gangs[gang]
        members = tuple(msgspec.structs.replace(each, count=1) for each in ask.members) if ask.bundle else ask.members
        shapes = tuple(member.shape for member in self._built.gangs[gang].members)
        return msgspec.structs.replace(ask, members=members, values=(), tier=0, bonus=0), shapes


def exact(problem: Problem, index: int) -> bool:
    """Whether bounds are the whole truth about a gang: interchangeable pods of one branch that do not look at one
    another fit where enough of them fit one by one."""
    gang = problem.gangs[index]
    return (
        len(gang.branches) == 1
        and len(gang.members) == 1
        and not gang.branches[0].slices
        and not gang.branches[0].balance
        and plain(indifferent(unshaped(gang, alone=True)))
        and not restrict(problem.active, {index: 0})
    )


class _Room:
    """What is free on the nodes as members see it; members that ask alike look once."""

    def __init__(self, built: Built) -> None:
        self.built = built
        self._fits: dict[tuple[tuple[int, ...], Shape], NDArray[np.int64]] = {}
        self._free: dict[tuple[frozenset[Shape], int], Matrix] = {}

    def fits(self, index: int, member: int) -> NDArray[np.int64]:
        """[nodes] pods of a member of a gang that each node holds; 0 where it may not go."""
        request, shape = self.built.problem.gangs[index].members[member].request, self._shape(index, member)
        if self._is_closed(index, member):
            return np.where(self.built.mask(index, member), self._fits_on(request, shape), 0)
        found = self._fits.get((request, shape))
        if found is None:
            found = self._fits[request, shape] = np.where(self.built.masks[shape], self._fits_on(request, shape), 0)
        return found

    def _fits_on(self, request: tuple[int, ...], shape: Shape) -> NDArray[np.int64]:
        fits = fits_on(self.built.free, request)
        if shape.devices is None or self.built.devices is None:
            return fits
        return np.minimum(fits, self.built.devices.fits(shape.devices))

    def free_in(self, index: int, members: Sequence[int], domains: Domains, level: int) -> Matrix:
        """[domains x R] what is free on the nodes that any of these members may use; ``level`` names whole columns of
        domains (-1: all nodes in one domain, -2: other ones)."""
        key = (frozenset(self._shape(index, member) for member in members), level)
        known = level != -2 and not any(self._is_closed(index, member) for member in members)
        if known and key in self._free:
            return self._free[key]
        usable = np.any([self.built.mask(index, member) for member in members], axis=0) & (domains >= 0)
        codes, free = domains[usable], np.maximum(self.built.free[usable], 0)
        width = int(domains.max(initial=-1)) + 1
        found = np.zeros((width, free.shape[1]), dtype=np.int64)
        for resource in range(free.shape[1]):
            found[:, resource] = np.bincount(codes, weights=free[:, resource], minlength=width)
        if known:
            self._free[key] = found
        return found

    def _shape(self, index: int, member: int) -> Shape:
        return self.built.gangs[index].members[member].shape

    def _is_closed(self, index: int, member: int) -> bool:
        return (self.built.gangs[index].key, member) in self.built.closed


# --- bounds -----------------------------------------------------------------------------------------------------------


def _queue_bounds(built: Built, index: int) -> list[Refusal]:
    """Every queue on the way up whose room is below what the gang takes at its minima. Where nodes count as flavors the
    gang is bound when it is in every flavor that it could use."""
    problem, gang = built.problem, built.problem.gangs[index]
    if gang.queue < 0 or "queue-limit" not in problem.rules:
        return []
    if problem.class_flavor is None and all(member.devices is None for member in gang.members):
        return _exceeded(built, gang, -1, _least_charge(problem, gang, NO_CLASSES))
    usable = _usable_classes(problem, gang)
    flavors = np.full(len(usable), -1) if problem.class_flavor is None else problem.class_flavor[usable]
    reasons: dict[Refusal, None] = {}
    for flavor in np.unique(flavors).tolist() or [-1]:
        total = _least_charge(problem, gang, usable[flavors == flavor])
        found = _exceeded(built, gang, flavor, total)
        if not found:
            return []
        reasons |= dict.fromkeys(found)
    return list(reasons)


def _exceeded(built: Built, gang: GangAsk, flavor: int, total: tuple[int, ...]) -> list[Refusal]:
    problem = built.problem
    reasons = []
    queue = gang.queue
    while queue >= 0:
        name = built.queue_names[queue] if built.queue_names else str(queue)
        for line in (QuotaLine(problem.queues[queue].room), *problem.queues[queue].lines):
            if line.flavor not in (-1, flavor) or (line.firm and not gang.firm):
                continue
            code = "OverGuarantee" if line.firm else "OverLimit"
            for resource, (amount, room) in enumerate(zip(total, line.room, strict=True)):
                if amount > 0 and 0 <= room < amount:
                    reasons.append(Refusal("queue-limit", code, amount, room, problem.resources[resource], where=name))
        queue = problem.queues[queue].parent
    return reasons


def _usable_classes(problem: Problem, gang: GangAsk) -> NDArray[np.int64]:
    """The classes that a pod of the gang could use now."""
    usable = np.zeros(problem.class_count, dtype=np.bool_)
    for member in gang.members:
        usable |= problem.eligible(member) & (problem.parts_fit(member) > 0)
    return np.flatnonzero(usable)


def _least_charge(problem: Problem, gang: GangAsk, classes: NDArray[np.int64]) -> tuple[int, ...]:
    """What the gang takes of its queue at its minima, parts of devices on the nodes where they count least."""
    needs = _needs(gang, 0)
    charges = {
        member: tuple(min(column) for column in zip(*charges, strict=True))
        if gang.members[member].devices is not None
        and (charges := [problem.charge(gang.members[member], each) for each in classes.tolist()])
        else gang.members[member].request
        for member in needs.members
    }
    width = len(gang.members[0].request)
    open_pods = [min((charge[resource] for charge in charges.values()), default=0) for resource in range(width)]
    return tuple(
        open_pods[resource] * needs.open_pods
        + sum(charges[member][resource] * need for member, need in needs.certain.items())
        for resource in range(width)
    )


def _space_bounds(room: _Room, index: int, counts: CountsOfShape) -> list[Refusal]:
    """A member without any eligible node; else what the whole fleet lacks; else what every domain of a level lacks."""
    built = room.built
    gang = built.problem.gangs[index]
    needs = _needs(gang, 0)
    shapes = {member: built.gangs[index].members[member].shape for member in needs.members}
    nowhere = [member for member in shapes if not built.mask(index, member).any()]
    for member in nowhere:
        if needs.certain.get(member) or len(nowhere) == len(shapes):
            refused = counts.get(shapes[member], ())
            where = f"{len(built.nodes)} nodes"
            shut = built.closed.get((built.gangs[index].key, member))
            if shut is not None:
                refused += (("exclusive-domains", int(np.count_nonzero(shut & built.masks[shapes[member]]))),)
            nobody = Refusal("filters", "NoEligibleNode", needed=needs.pods, where=where, counts=refused)
            return [nobody, *_too_small(built, gang, member, refused)]
    closed = _closed(built, index, needs.members)
    everywhere = np.zeros(len(built.nodes), dtype=np.int32)
    lacking = _lacking(room, index, 0, everywhere, -1, ("",))
    if lacking is not None:
        return [_named(lacking, "capacity", "the fleet"), *closed]
    reasons: list[Refusal] = []
    for branch in _certain_branches(gang):
        ask = gang.branches[branch]
        lacking = too_few_slices(built, index, branch, _needs_of_slices(gang, branch))
        if lacking is not None:
            reasons.append(lacking)
            continue
        if ask.required < 0 or "required-topology" not in built.problem.rules:
            continue
        domains, level = built.domains[:, ask.required], ask.required
        if ask.pinned >= 0:
            domains, level = np.where(domains == ask.pinned, domains, np.int32(-1)), -2
        lacking = _lacking(room, index, branch, domains, level, built.problem.domain_names[ask.required])
        if lacking is not None:
            name = built.problem.level_names[ask.required]
            reasons.append(_named(lacking, "required-topology", f"{name} {lacking.where}".strip()))
    return [*reasons, *closed] if reasons else []


def _closed(built: Built, index: int, members: Sequence[int]) -> list[Refusal]:
    """How many nodes standing gangs close to it: what lacks may lack because of them."""
    key = built.gangs[index].key
    masks = [built.closed[key, member] for member in members if (key, member) in built.closed]
    nodes = int(np.count_nonzero(np.any(masks, axis=0))) if masks else 0
    return [Refusal("exclusive-domains", "Closed", offered=nodes, where=f"{len(built.nodes)} nodes")] if nodes else []


def _too_small(built: Built, gang: GangAsk, member: int, refused: tuple[tuple[str, int], ...]) -> list[Refusal]:
    """Where one pod is too large for every node: for each level that is required of it the domain with the largest rest
    of what it asks for."""
    if not any(name == "resources" for name, _ in refused) or "required-topology" not in built.problem.rules:
        return []
    request = gang.members[member].request
    reasons = []
    for branch in path_up(gang, gang.members[member].branch):
        level = gang.branches[branch].required
        inside = built.domains[:, level] >= 0 if level >= 0 else np.zeros(len(built.nodes), dtype=np.bool_)
        for column in by_scarcity(built.problem.resources) if inside.any() else ():
            best = int(np.where(inside, built.free[:, column], -1).argmax())
            if built.free[best, column] < request[column]:
                name = built.problem.domain_names[level][int(built.domains[best, level])]
                where = f"{built.problem.level_names[level]} {name}"
                needed, has = request[column], int(built.free[best, column])
                resource = built.problem.resources[column]
                reasons.append(Refusal("required-topology", "TooSmall", needed, has, resource, where=where))
                break
    return reasons


def _named(refusal: Refusal, term: str, where: str) -> Refusal:
    return Refusal(
        term, refusal.code, refusal.needed, refusal.offered, refusal.resource, where=where, counts=refusal.counts
    )


def _lacking(
    room: _Room, index: int, branch: int, domains: Domains, level: int, names: tuple[str, ...]
) -> Refusal | None:
    """What the best domain lacks for a branch at its minima; None when some domain may suffice.

    The best is where most of its pods fit, then the one with the most of the scarcest resource.
    """
    built = room.built
    gang = built.problem.gangs[index]
    needs = _needs(gang, branch)
    inside = domains >= 0
    if not needs.pods:
        return None
    if not inside.any():
        return Refusal("", "NoDomain", needed=needs.pods)
    width = int(domains.max()) + 1
    everyone = bool(inside.all())
    codes = domains if everyone else domains[inside]
    pods = np.zeros(width, dtype=np.int64)
    open_pods = np.zeros(width, dtype=np.int64)
    for member in needs.members:
        count, fits = gang.members[member].count, room.fits(index, member)
        here = np.minimum(fits if everyone else fits[inside], count)
        fit = np.minimum(np.bincount(codes, weights=here, minlength=width).astype(np.int64), count)
        certain = np.minimum(fit, needs.certain.get(member, 0))
        pods += certain
        open_pods += fit - certain
    pods += np.minimum(open_pods, needs.open_pods)
    total = np.array(needs.total, dtype=np.int64)
    offered = room.free_in(index, needs.members, domains, level)
    pods_needed = needs.pods
    if ((pods >= pods_needed) & (offered >= total).all(axis=1)).any():
        return None
    order = by_scarcity(built.problem.resources)
    scarcest = next((column for column in order if total[column] > 0), 0)
    best = int(np.lexsort((-offered[:, scarcest], -pods))[0])
    counts: tuple[tuple[str, int], ...] = (("pods-needed", pods_needed), ("pods-fit", int(pods[best])))
    for column in order:
        if offered[best, column] < total[column]:
            needed, has = int(total[column]), int(offered[best, column])
            return Refusal("", "NotEnough", needed, has, built.problem.resources[column], names[best], counts)
    usable = np.any([built.mask(index, member) for member in needs.members], axis=0) & (domains == best)
    counts += _pieces(built, gang, needs.members, scarcest, np.maximum(built.free[usable], 0))
    return Refusal("", "Fragmented", pods_needed, int(pods[best]), where=names[best], counts=counts)


def _pieces(
    built: Built, gang: GangAsk, members: Sequence[int], resource: int, free: NDArray[np.int64]
) -> tuple[tuple[str, int], ...]:
    """Enough in sum, but not in one piece: what one pod asks for, beside the most that any one node has free."""
    name = built.problem.resources[resource]
    asked = max(gang.members[member].request[resource] for member in members)
    return (
        (f"one-pod:{name}", asked),
        (f"best-node:{name}", int(free[:, resource].max(initial=0))),
        (f"in-sum:{name}", int(free[:, resource].sum())),
    )


# --- what a gang needs at least ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Needs:
    """The least of a branch: pods per member that are ``certain``, and ``open_pods`` more of any of its ``members``.

    ``total`` are the resources that this takes at least.
    """

    certain: Mapping[int, int]
    open_pods: int
    members: tuple[int, ...]
    total: tuple[int, ...]

    @property
    def pods(self) -> int:
        return sum(self.certain.values()) + self.open_pods


def _needs(gang: GangAsk, branch: int) -> Needs:
    """A gang that needs nothing (a bundle, surplus) counts as placed with one pod."""
    certain = {member: need for member, need in minima_below(gang, branch).items() if need > 0}
    members = [member for member in members_below(gang, branch) if gang.members[member].count > 0]
    least = max(gang.branches[branch].minimum, int(branch == 0))
    open_pods = max(0, least - sum(certain.values()))
    if not open_pods:
        members = list(certain)
    requests = [gang.members[member].request for member in members]
    width = len(gang.members[0].request)
    total = [open_pods * min((request[resource] for request in requests), default=0) for resource in range(width)]
    for member, need in certain.items():
        for resource, amount in enumerate(gang.members[member].request):
            total[resource] += amount * need
    return Needs(certain, open_pods, tuple(members), tuple(total))


def _needs_of_slices(gang: GangAsk, branch: int) -> int:
    """The pods of slices that a branch needs at least: all but its leader's."""
    needs = _needs(gang, branch)
    if gang.leader not in members_below(gang, branch):
        return needs.pods
    others = sum(need for member, need in needs.certain.items() if member != gang.leader)
    return max(others, needs.pods - gang.members[gang.leader].count)


def _certain_branches(gang: GangAsk) -> list[int]:
    """The branches that are in whenever the gang is: those of which no other can take the place."""
    certain = [0]
    for branch in certain:
        below = children(gang, branch)
        if below and gang.branches[branch].min_branches >= len(below):
            certain += below
    return certain
