"""Trying to place one gang's minima: recursively along its tree, on a part of the stock, to be kept or forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from scheduler.model.cluster import Mask
from scheduler.solver.devices.devices import Held
from scheduler.solver.greedy.choose import Costs, Room, choose_nodes, tightest_domains
from scheduler.solver.greedy.distribution import DomainTree, Layer
from scheduler.solver.greedy.group_keys import GroupKey
from scheduler.solver.greedy.node_scores import NodeScore
from scheduler.solver.greedy.related import RelatedChoice
from scheduler.solver.greedy.slicer import Slicer, layers_of
from scheduler.solver.greedy.stock import Slots, Stock
from scheduler.solver.greedy.tally import GangTally, Standing
from scheduler.solver.problem import Counts, GangAsk, MemberAsk, Problem
from scheduler.solver.scarcity import by_scarcity
from scheduler.solver.tree import children, members_below, minima_below, needs_nothing, path_up, sliced_above

_PREFERRED_TRIES = 8
_FEWEST_OF_SEVERAL = 2
"""Domains that work touches at least which does not fit into one."""


class Step(msgspec.Struct, frozen=True):
    """``each`` pods of a member onto every one of ``nodes`` nodes of the group with that key.

    ``spots`` are the nodes' indices inside their class, known when the step was made on the stock itself; ``held`` what
    each of the pods on one of them holds of its devices.
    """

    member: int
    key: GroupKey
    nodes: int
    each: int
    spots: tuple[int, ...] = ()
    held: tuple[Held, ...] = ()


@dataclass
class Attempt:
    """One gang being placed on ``stock``: the steps so far, pods taken per member, the domain chosen per branch.

    ``present`` are the branches that are in, ``classes`` the node classes used so far, in order. ``open`` says per
    member which classes other gangs leave to it (None: all).
    """

    stock: Stock
    steps: list[Step] = field(default_factory=list)
    taken: dict[int, int] = field(default_factory=dict)
    at: dict[int, int] = field(default_factory=dict)
    present: set[int] = field(default_factory=set)
    classes: dict[int, None] = field(default_factory=dict)
    open: tuple[Mask, ...] | None = None
    tally: GangTally | None = None

    def follows(self, member: int) -> bool:
        """Whether a member can only come to where others are."""
        return self.tally is not None and self.tally.follows(member)

    def within(self, slots: Slots) -> Attempt:
        """A part to try on, which knows what was taken so far. Whoever fails on it just forgets it."""
        return self.on(self.stock.only(slots))

    def on(self, stock: Stock) -> Attempt:
        """The same gang on another stock, with what it has so far."""
        tally = None if self.tally is None else self.tally.copy()
        return Attempt(
            stock, [], dict(self.taken), dict(self.at), set(self.present), dict(self.classes), self.open, tally
        )

    def pour(self, step: Step, member: MemberAsk) -> GroupKey:
        """Makes a step; answers with the key of the group that its nodes are in now."""
        poured = self.stock.pour(self.stock.slot(step.key), step.nodes, step.each, member, step.held)
        self.steps.append(msgspec.structs.replace(step, spots=tuple(poured.nodes), held=poured.held))
        self.classes[step.key[0]] = None
        if self.tally is not None:
            self.tally.note(step.member, step.key[0], step.nodes * step.each)
        return poured.key

    def keep(self, part: Attempt, gang: GangAsk) -> None:
        """Repeats what succeeded on a part."""
        for step in part.steps:
            self.pour(step, gang.members[step.member])
        self.taken, self.at, self.present = part.taken, part.at, part.present


def _opening(attempt: Attempt, gang: GangAsk) -> tuple[Standing | None, list[int]]:
    """The relation, if any, for which the gang chooses a domain to begin in, and the members that it is about."""
    if attempt.tally is None:
        return None, []
    by_member = {index: attempt.tally.opening(index) for index in range(len(gang.members))}
    opening = next((each for each in by_member.values() if each is not None), None)
    return opening, [index for index, each in by_member.items() if each is not None and each is opening]


def _always(_part: Attempt) -> bool:
    return True


class GangPlacer:
    """Places gangs of one problem; holds what is the same for all of them."""

    def __init__(self, problem: Problem, score: NodeScore, among: Mask | None = None) -> None:
        """``among`` [C]: only these classes are used (None: all)."""
        self._problem = problem
        self._score = score
        self._among = among
        self._eligible: dict[bytes, Mask] = {}
        self._disliked: dict[tuple[int, ...], Costs] = {}
        self._spreads = problem.node_score == "spread"
        self._by_scarcity = by_scarcity(problem.resources)
        self._required_binds = "required-topology" in problem.rules
        self._preferred_counts = "preferred-topology" in problem.goals
        self._slices_bind = "slices" in problem.rules
        self._related = RelatedChoice(problem, score)
        self._slicer = Slicer(problem, self)

    def eligible(self, member: MemberAsk) -> Mask:
        mask = self._eligible.get(member.eligible)
        if mask is None:
            mask = self._problem.eligible(member)
            mask = self._eligible[member.eligible] = mask if self._among is None else mask & self._among
        return mask

    def costs(self, member: MemberAsk) -> Costs | None:
        """[C] what a pod costs on each class of what it prefers of nodes; None where it prefers nothing."""
        if not member.dislike:
            return None
        found = self._disliked.get(member.dislike)
        if found is None:
            found = self._disliked[member.dislike] = np.array(member.dislike, dtype=np.int64)
        return found

    def may_use(self, attempt: Attempt, gang: GangAsk, index: int) -> Mask:
        """The classes where a member may have pods: its filters, and what other gangs leave to it."""
        mask = self.eligible(gang.members[index])
        return mask if attempt.open is None else mask & attempt.open[index]

    def minima(self, attempt: Attempt, gang: GangAsk, admits: Callable[[Attempt], bool]) -> bool:
        """The least of a gang that counts as placed, if it fits and ``admits`` allows it; else nothing happens."""
        opening, members = _opening(attempt, gang)
        if opening is None:
            return self._branch(attempt, gang, 0, admits)
        needs = minima_below(gang, 0)
        asked = [(index, max(1, needs.get(index, 0))) for index in members]
        for domain in self._domains_for(attempt, gang, asked, opening.relation.level):
            part = attempt.within(attempt.stock.live(np.ones(self._problem.class_count, dtype=np.bool_)))
            assert part.tally is not None
            part.tally.begin(opening.relation, domain)
            if self._branch(part, gang, 0, admits):
                attempt.keep(part, gang)
                return True
        return False

    def settle(self, attempt: Attempt, gang: GangAsk, index: int) -> None:
        """Chooses domains for a member whose branches need nothing: the tightest that takes all of it, else the
        roomiest."""
        member = gang.members[index]
        if not self._required_binds:
            return
        for branch in reversed(path_up(gang, member.branch)):
            level = gang.branches[branch].required
            if level < 0 or attempt.at.get(branch, gang.branches[branch].pinned) >= 0:
                continue
            mask = self.may_use(attempt, gang, index)
            slots = attempt.stock.live(mask & self._inside(attempt, gang, branch))
            codes = self._problem.class_domain[attempt.stock.node_class[slots], level]
            room = np.bincount(codes + 1, weights=self._room(attempt.stock, slots, member, mask), minlength=1)
            free = self._scarce(attempt.stock, slots, codes)
            whole = tightest_domains([(member.count, room, True)], free, 0, roomiest=self._spreads)
            some = tightest_domains([(1, room, True)], free, 0, roomiest=True)
            if whole or some:
                attempt.at[branch] = (whole or some)[0]

    def resume(self, attempt: Attempt, gang: GangAsk) -> None:
        """Finds out which branches and domains the steps of an adopted placement stand for."""
        for index in attempt.taken:
            for branch in path_up(gang, gang.members[index].branch):
                attempt.present.add(branch)
        for branch, ask in enumerate(gang.branches):  # parents stand before their children
            if ask.parent in attempt.present and needs_nothing(gang, branch):
                attempt.present.add(branch)
            below = members_below(gang, branch)
            for step in attempt.steps:
                if ask.required >= 0 and step.member in below:
                    attempt.at[branch] = int(self._problem.class_domain[step.key[0], ask.required])

    def enter(self, attempt: Attempt, gang: GangAsk, admits: Callable[[Attempt], bool]) -> bool:
        """Lets one more branch in that is not needed, at its minima."""
        for child, ask in enumerate(gang.branches):
            open_branch = ask.parent in attempt.present and child not in attempt.present
            if open_branch and self._branch(attempt, gang, child, admits):
                return True
        return False

    # --- the tree -------------------------------------------------------------------------------------------------

    def _branch(
        self, attempt: Attempt, gang: GangAsk, branch: int, admits: Callable[[Attempt], bool] = _always
    ) -> bool:
        """One branch at its minima, inside one domain where that is required; when it fails nothing has happened."""
        ask = gang.branches[branch]
        if ask.required < 0 or not self._required_binds:
            part = attempt.within(attempt.stock.live(self._any_eligible(attempt, gang, branch)))
            return self._near(part, gang, branch) and self._keep_if(attempt, part, gang, admits)
        pinned = [ask.pinned] if ask.pinned >= 0 else None
        domains = pinned or self._domains(attempt, gang, branch, ask.required)
        for domain in domains:
            part = attempt.within(self._slots_in(attempt.stock, ask.required, domain))
            part.at[branch] = domain
            if self._near(part, gang, branch):
                return self._keep_if(attempt, part, gang, admits)
        return False

    def _keep_if(self, attempt: Attempt, part: Attempt, gang: GangAsk, admits: Callable[[Attempt], bool]) -> bool:
        if not admits(part):
            return False
        attempt.keep(part, gang)
        return True

    def _near(self, attempt: Attempt, gang: GangAsk, branch: int) -> bool:
        """Inside one domain of the finest preferred level where that is possible, else of the next, in the one where it
        touches the fewest of the finest, else anywhere."""
        ask = gang.branches[branch]
        for level in reversed(ask.near) if self._preferred_counts and not ask.balance else ():
            best: tuple[int, Attempt] | None = None
            for domain in self._domains(attempt, gang, branch, level)[:_PREFERRED_TRIES]:
                part = attempt.within(self._slots_in(attempt.stock, level, domain))
                if not self._fill(part, gang, branch):
                    continue
                touched = len(np.unique(self._problem.class_domain[list(part.classes), ask.near[-1]]))
                if best is None or touched < best[0]:
                    best = touched, part
                if level == ask.near[-1] or touched <= _FEWEST_OF_SEVERAL:
                    break
            if best is not None:
                attempt.keep(best[1], gang)
                return True
        return self._fill(attempt, gang, branch)

    def _fill(self, attempt: Attempt, gang: GangAsk, branch: int) -> bool:
        """Own members at their minima, then as many children as must be present, then pods up to the branch's
        minimum."""
        if gang.branches[branch].slices and self._slices_bind:
            return self._slicer.fill(attempt, gang, branch)
        attempt.present.add(branch)
        for index in self._largest_first(attempt, gang, branch):
            minimum = gang.members[index].minimum
            if self.add(attempt, gang, index, minimum) < minimum:
                return False
        below = children(gang, branch)
        attempt.present.update(child for child in below if needs_nothing(gang, child))
        for child in below:
            if sum(each in attempt.present for each in below) >= gang.branches[branch].min_branches:
                break
            if child not in attempt.present:
                self._branch(attempt, gang, child)
        if sum(each in attempt.present for each in below) < gang.branches[branch].min_branches:
            return False
        return self._top_up(attempt, gang, branch)

    def _top_up(self, attempt: Attempt, gang: GangAsk, branch: int) -> bool:
        """More pods until the branch's minimum holds: of members that are in, then by letting another child in."""
        members = sorted(members_below(gang, branch), key=attempt.follows)

        def missing() -> int:
            return gang.branches[branch].minimum - sum(attempt.taken.get(index, 0) for index in members)

        for index in members:
            if missing() > 0 and gang.members[index].branch in attempt.present:
                self.add(attempt, gang, index, self._whole(gang, index, missing()))
        for child in children(gang, branch):
            if missing() > 0 and child not in attempt.present and self._branch(attempt, gang, child):
                for index in members_below(gang, child):
                    self.add(attempt, gang, index, self._whole(gang, index, missing()))
        return missing() <= 0

    def _whole(self, gang: GangAsk, index: int, pods: int) -> int:
        """Pods of a member, rounded up to whole slices."""
        return pods + -pods % self.step(gang, index)

    def step(self, gang: GangAsk, index: int) -> int:
        """How many pods of a member come at once: a slice, or one."""
        branch = sliced_above(gang, gang.members[index].branch) if self._slices_bind and index != gang.leader else -1
        return gang.branches[branch].slices[0].size if branch >= 0 else 1

    def _largest_first(self, attempt: Attempt, gang: GangAsk, branch: int) -> list[int]:
        """A branch's own members, those with the largest request first: they are the hardest to place. Whoever must be
        near others comes after them."""
        own = [index for index, member in enumerate(gang.members) if member.branch == branch]

        def rank(index: int) -> tuple[bool, list[int]]:
            return attempt.follows(index), [-gang.members[index].request[column] for column in self._by_scarcity]

        return sorted(own, key=rank)

    # --- members --------------------------------------------------------------------------------------------------

    def add(self, attempt: Attempt, gang: GangAsk, index: int, count: int) -> int:
        """Up to ``count`` more pods of a member where its branch's choices allow; answers how many were placed."""
        member = gang.members[index]
        count = min(count, member.count - attempt.taken.get(index, 0))
        classes = self.classes_allowed(attempt, gang, index)
        if count <= 0 or classes is None:
            return 0
        if self._slices_bind and sliced_above(gang, member.branch) >= 0:
            return self._slicer.add(attempt, gang, index, count)
        placed = 0
        for visit, most in self._visits(attempt, gang, index, classes, count):
            placed += self.pour(attempt, gang, index, visit, min(most, count - placed))
            if placed == count:
                break
        if attempt.tally is not None and placed < count:  # the visits did not know what the gang's relations leave
            placed += self.pour(attempt, gang, index, classes, count - placed)
        attempt.taken[index] = attempt.taken.get(index, 0) + placed
        return placed

    def classes_allowed(self, attempt: Attempt, gang: GangAsk, index: int) -> Mask | None:
        """Eligible classes inside the domains chosen above the member; None when such a domain is still to be
        chosen."""
        member = gang.members[index]
        classes = self.may_use(attempt, gang, index)
        if not self._required_binds:
            return classes
        for branch in path_up(gang, member.branch):
            ask = gang.branches[branch]
            if ask.required >= 0:
                domain = attempt.at.get(branch, ask.pinned)
                if domain < 0:
                    return None
                classes = classes & (self._problem.class_domain[:, ask.required] == domain)
        return classes

    def _visits(self, attempt: Attempt, gang: GangAsk, index: int, classes: Mask, count: int) -> list[tuple[Mask, int]]:
        """The classes to use and the most pods there, visit by visit: all at once, or one domain after the other where
        few of them are preferred."""
        asks = (gang.branches[branch] for branch in path_up(gang, gang.members[index].branch))
        ask = next((each for each in asks if each.near), None)
        if ask is None or not self._preferred_counts:
            return [(classes, count)]
        layers = layers_of(ask, slices=False)
        slots = attempt.stock.live(classes)
        if not len(slots):
            return []
        tree = self.domain_tree(attempt.stock, slots, layers, gang.members[index], classes)
        loads = tree.hand_out(min(count, tree.most()), self.touched(attempt, slots))
        return [(self.classes_in(attempt.stock, slots, tree, cell), load) for cell, load in loads]

    def domain_tree(
        self, stock: Stock, slots: Slots, layers: Sequence[Layer], member: MemberAsk, mask: Mask
    ) -> DomainTree:
        """The domains of some layers over slots, with the room for pods of a member where ``mask`` allows them."""
        codes = self._problem.class_domain[:, [layer.column for layer in layers]].T[:, stock.node_class[slots]]
        return DomainTree(layers, codes.astype(np.int64), self._room(stock, slots, member, mask))

    def touched(self, attempt: Attempt, slots: Slots) -> Mask:
        """Which slots are of classes that the gang uses already."""
        return np.isin(attempt.stock.node_class[slots], list(attempt.classes))

    def classes_in(self, stock: Stock, slots: Slots, tree: DomainTree, cell: int) -> Mask:
        """The classes of the slots inside a cell."""
        classes = np.zeros(self._problem.class_count, dtype=np.bool_)
        classes[stock.node_class[slots[tree.place_of(cell)]]] = True
        return classes

    def pour(self, attempt: Attempt, gang: GangAsk, index: int, classes: Mask, count: int) -> int:
        """Up to ``count`` pods of a member onto groups of these classes, best score first."""
        stock, member = attempt.stock, gang.members[index]
        costs = self.costs(member)
        placed = 0
        related = attempt.tally if attempt.tally is not None and attempt.tally.concerns(index) else None
        while related is not None and placed < count:
            usable, room = self._related.open_classes(related, stock, index, member, classes, count - placed)
            around = related.costs(index)  # these change with every pod
            if around is None and (room[usable] >= count - placed).all():  # whatever the choice, all of them may come
                classes = usable
                break
            most = count - placed if around is None else 1
            both = costs if around is None else around if costs is None else costs + around
            spot = self._related.place(stock, member, usable, room, most, both)
            if spot is None:
                return placed
            attempt.pour(Step(index, stock.key(spot[0]), 1, spot[1]), member)
            placed += spot[1]
        while placed < count:
            chosen = choose_nodes(stock, stock.live(classes), member, count - placed, self._score, self._spreads, costs)
            if not chosen:
                break
            for slot, nodes, each in chosen:
                attempt.pour(Step(index, stock.key(slot), nodes, each), member)
                placed += nodes * each
        return placed

    # --- domains --------------------------------------------------------------------------------------------------

    def _domains(self, attempt: Attempt, gang: GangAsk, branch: int, level: int) -> list[int]:
        """The domains of a level where each member's minimum fits by itself, tightest first (roomiest when
        spreading)."""
        needs = minima_below(gang, branch)
        return self._domains_for(attempt, gang, list(needs.items()), level, gang.branches[branch].minimum)

    def _domains_for(
        self, attempt: Attempt, gang: GangAsk, needs: Sequence[tuple[int, int]], level: int, minimum: int = 0
    ) -> list[int]:
        """The same for some members and their needs, which together reach ``minimum``."""
        lead, _ = max(
            needs,
            key=lambda need: [gang.members[need[0]].request[column] for column in self._by_scarcity],
            default=(-1, 0),
        )
        stock = attempt.stock
        slots = stock.live(np.ones(self._problem.class_count, dtype=np.bool_))
        codes = self._problem.class_domain[stock.node_class[slots], level]
        rooms = []
        disliked: Room | None = None
        for index, need in needs:
            mask, member = self.may_use(attempt, gang, index), gang.members[index]
            fits = self._room(stock, slots, member, mask)
            room = np.bincount(codes + 1, weights=fits, minlength=1)
            rooms.append((need, room, index == lead))
            costs = self.costs(member)
            if index == lead and costs is not None:
                own = np.bincount(codes + 1, weights=fits * costs[stock.node_class[slots]], minlength=1)
                disliked = own / np.maximum(room, 1)
        free = self._scarce(stock, slots, codes)
        return tightest_domains(rooms, free, minimum, roomiest=self._spreads, disliked=disliked)

    def _room(self, stock: Stock, slots: Slots, member: MemberAsk, mask: Mask) -> Slots:
        """Pods of a member that each group takes by itself where ``mask`` allows them."""
        fits = np.where(mask[stock.node_class[slots]], stock.fits(slots, member), 0)
        return np.asarray(fits * stock.size[slots])

    def _scarce(self, stock: Stock, slots: Slots, codes: Counts) -> Slots:
        """How much of what is scarcest is free per domain."""
        return np.bincount(codes + 1, weights=stock.free[self._by_scarcity[0], slots] * stock.size[slots], minlength=1)

    def _any_eligible(self, attempt: Attempt, gang: GangAsk, branch: int) -> Mask:
        classes = np.zeros(self._problem.class_count, dtype=np.bool_)
        for index in members_below(gang, branch):
            classes |= self.may_use(attempt, gang, index)
        return classes

    def _inside(self, attempt: Attempt, gang: GangAsk, branch: int) -> Mask:
        """The classes inside the domains chosen so far for a branch and everything above it."""
        classes = np.ones(self._problem.class_count, dtype=np.bool_)
        for each in path_up(gang, branch):
            ask = gang.branches[each]
            domain = attempt.at.get(each, ask.pinned)
            if ask.required >= 0 and domain >= 0:
                classes &= self._problem.class_domain[:, ask.required] == domain
        return classes

    def _slots_in(self, stock: Stock, level: int, domain: int) -> Slots:
        return stock.live(self._problem.class_domain[:, level] == domain)
