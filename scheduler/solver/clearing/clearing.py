"""Making room without a model: node by node where it is cheapest, in milliseconds, with a bound on what it may cost.

Plain asks only: requests, minima, one required level. What it finds obeys every rule by construction: units are taken
one after the other, each while a right allows it, and nobody is taken whose room is not needed in the end. Whether
nothing cheaper exists is what `scheduler.solver.clearing.bounds` says; where it cannot tell, the model decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from scheduler.model.cluster import Mask
from scheduler.model.resources import Matrix
from scheduler.solver.clearing.alike import are_alike, may_go
from scheduler.solver.clearing.ground import Cleared, Ground, Indices, Taker, Want, cost_of
from scheduler.solver.giving import Right

_LOOKS = 8
"""How often room is looked for again without those who may not go after all."""

_DOMAIN_TRIES = 24
"""Domains in which making room is tried before the cheapest is taken."""


class Clearing:
    """The ground as it changes, taker after taker; one that fails leaves nothing behind."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._allowed = np.ones(len(ground.node), dtype=np.bool_)
        self._free = ground.free.copy()
        self._use = ground.use.copy()
        self._firm = None if ground.firm is None else ground.firm.copy()
        self._slack = ground.slack.copy()
        self._whole = ground.whole.copy()
        self._there = np.ones(len(ground.node), dtype=np.bool_)
        self._guards = list(ground.guards)
        self._evict = ground.lane >= 0
        self._chosen: dict[int, Right | None] = {}
        self._open: dict[int, int] = {}
        """How many pods of each want its minima still ask for."""

    @cached_property
    def _pods_of(self) -> Mapping[int, list[int]]:
        """The pods of each gang: asked for only once somebody is taken."""
        found: dict[int, list[int]] = {}
        for pod, gang in enumerate(self._ground.gang.tolist()):
            found.setdefault(gang, []).append(pod)
        return found

    def serve(self, taker: Taker, allowed: Mask, *, evict: bool = True) -> Cleared | None:
        """Room for one more taker, by those who are ``allowed`` [P] to give it; without ``evict`` by moves alone. None
        where there is none, and then nothing has changed."""
        self._allowed = allowed.copy()
        self._evict = (self._ground.lane >= 0) & evict
        ground, state = self._ground, self._saved()
        domains = [None] if taker.domains is None else self._domains(taker)
        best: tuple[tuple[int, ...], _Trial] | None = None
        for domain in domains:
            trial = self._try(taker, domain)
            after = self._saved()
            self._restore(state)
            if trial is None:
                continue
            cost = trial.cost(ground)
            if best is None or cost < best[0]:
                trial.state = after
                best = cost, trial
        if best is None:
            return None
        cost, trial = best
        assert trial.state is not None, "a trial that succeeded knows what it left"
        self._restore(trial.state)
        self._whole[ground.gang[list(trial.moved)]] = False  # whoever gets other places does not go any more
        return Cleared(trial.places, trial.evicted, trial.moved, cost)

    @property
    def free(self) -> Matrix:
        """[N x R] what is free by now."""
        return self._free

    @property
    def use(self) -> Matrix:
        """[queues x K] what queues use by now."""
        return self._use

    @property
    def there(self) -> Mask:
        """[P] who still stands where he stood."""
        return self._there

    # --- one taker ------------------------------------------------------------------------------------------------

    def _try(self, taker: Taker, domain: int | None) -> _Trial | None:
        trial = _Trial()
        self._chosen = {}
        order = sorted(range(len(taker.wants)), key=lambda at: (-taker.wants[at].request).tolist())
        short = taker.minimum - sum(want.minimum for want in taker.wants)
        needed: dict[int, int] = {}
        for at in order:
            want = taker.wants[at]
            needed[at] = want.minimum + max(0, min(short, want.count - want.minimum))
            short -= needed[at] - want.minimum
        self._open = dict(needed)
        for at in order:
            pods = taker.wants[at].count if taker.bundle else needed[at]
            if self._place(taker, at, pods, domain, trial) < needed[at]:
                return None
        for at in () if taker.bundle else order:
            done = sum(count for member, _, count in trial.places if member == at)
            self._place(taker, at, taker.wants[at].count - done, domain, trial)
        if not trial.places:
            return None
        self._put_back(trial)
        return trial if self._move(trial) else None

    def _place(self, taker: Taker, at: int, count: int, domain: int | None, trial: _Trial) -> int:
        want = taker.wants[at]
        mask = want.mask if domain is None or taker.domains is None else want.mask & (taker.domains == domain)
        left = min(count, self._room_in_queues(taker, want))
        placed = 0
        while left > 0 and (allowed := min(left, self._room_in_rights(want, trial))) > 0:
            more = self._on_free(want, at, mask, allowed, trial)
            if not more:
                more = self._make_room(taker, want, mask, allowed, trial)
                if not more:
                    break
                continue
            self._charge(taker.rows, want.charge * more)
            if self._firm is not None:
                self._firm[list(taker.rows)] -= want.charge * more
            self._open[at] = max(0, self._open[at] - more)
            placed += more
            left -= more
        return placed

    def _room_in_rights(self, want: Want, trial: _Trial) -> int:
        """Pods that the rights let in under which somebody goes already: they bound what the taker's side may use."""
        most = 2**31
        for lane in {int(self._ground.lane[self._ground.gang[pod]]) for pod in trial.evicted}:
            right = self._chosen.get(lane)
            for room in () if right is None else right.rooms:
                for column, bound in enumerate(room.most):
                    charge = int(want.charge[column])
                    if right is not None and right.asked[column] and charge:
                        most = min(most, (bound - int(self._use[room.row, column])) // charge)
        return max(0, most)

    def _on_free(self, want: Want, at: int, mask: Mask, count: int, trial: _Trial) -> int:
        """Pods onto what is free, the fullest nodes first."""
        asked = want.request > 0
        fits = (self._free[:, asked] // want.request[asked]).min(axis=1)
        fits = np.where(mask, np.maximum(fits, 0), 0)
        nodes = np.flatnonzero(fits)
        placed = 0
        for node in nodes[np.argsort(fits[nodes], kind="stable")].tolist():
            pods = min(int(fits[node]), count - placed)
            self._free[node] -= want.request * pods
            trial.places.append((at, node, pods))
            placed += pods
            if placed == count:
                break
        return placed

    def _room_in_queues(self, taker: Taker, want: Want) -> int:
        """Pods that the limits of its queues let in, and the guarantees for what cannot be taken back."""
        most = 2**31
        asked = want.charge > 0
        for row in taker.rows if asked.any() else ():
            left = self._ground.limit[row] - self._use[row]
            if self._firm is not None:
                left = np.minimum(left, self._firm[row])
            most = min(most, int((left[asked] // want.charge[asked]).min()))
        return max(0, most)

    # --- making room ----------------------------------------------------------------------------------------------

    def _make_room(self, taker: Taker, want: Want, mask: Mask, count: int, trial: _Trial) -> bool:
        """Room for one more pod on each of up to ``count`` nodes, the cheapest first; whether any was made. Whoever
        turned out not to be for the taking is left out of the next look."""
        for _ in range(_LOOKS):
            possible = int(self._allowed.sum())
            if self._make_room_once(taker, want, mask, count, trial):
                return True
            if int(self._allowed.sum()) == possible:
                return False
        return False

    def _make_room_once(self, taker: Taker, want: Want, mask: Mask, count: int, trial: _Trial) -> bool:
        ground = self._ground
        trial.spread = False
        alive = self._alive(taker, want)
        pods = np.flatnonzero(alive & mask[ground.node])
        if not len(pods):
            return False
        short = np.maximum(0, want.request - self._free)
        short[:, want.request <= 0] = 0
        node = ground.node[pods]
        use = np.minimum(ground.room[pods], short[node]).astype(np.float64)
        share = (use / np.maximum(short[node], 1)).sum(axis=1)
        pods, node, share = pods[share > 0], node[share > 0], share[share > 0]
        if not len(pods):
            return False
        weights = self._weights(pods)
        if self._evict[ground.gang[pods]].all() and are_alike(
            ground, pods, self._there, self._slack, self._free, want.request
        ):
            return self._take_cheapest(taker, want, pods[np.lexsort(weights.T[::-1])], count, trial)
        density = weights / share[:, None]
        made = False
        for keys in (density, weights):
            order = np.lexsort((*keys.T[::-1], node))
            chosen = self._prefixes(pods[order], node[order], weights[order], short)
            for nodepods in chosen[: count if not made else 0]:
                made_here = self._take(taker, want, nodepods, short[ground.node[nodepods[0]]], trial)
                made = made or made_here
                if made_here and trial.spread:  # a gang went that stood elsewhere too: look at what is free first
                    return True
            if made:
                return True
        return False

    def _take_cheapest(self, taker: Taker, want: Want, pods: Indices, count: int, trial: _Trial) -> bool:
        """The first of pods that are alike, as many as are needed and may go."""
        ground = self._ground
        gang = int(ground.gang[pods[0]])
        right = self._right(taker, want, int(ground.lane[gang]))
        if right is None:
            return False
        charge = ground.charge[pods[0]]
        most = may_go(right, self._use, ground.rows[gang][: ground.branch[gang]], charge)
        chosen = pods[: min(count, most)]
        self._there[chosen] = False
        np.add.at(self._free, ground.node[chosen], ground.room[chosen])
        self._slack[ground.gang[chosen]] -= 1
        self._charge(ground.rows[gang], -charge * len(chosen))
        trial.evicted += chosen.tolist()
        return bool(len(chosen))

    def _prefixes(self, pods: Indices, node: Indices, weights: Matrix, short: Matrix) -> list[list[int]]:
        """Per node the first pods in this order that make room enough; the cheapest node first."""
        starts = np.flatnonzero(np.diff(node, prepend=-1))
        segment = np.cumsum(np.diff(node, prepend=-1) != 0) - 1
        freed = np.cumsum(self._ground.room[pods], axis=0)
        base = np.where(starts > 0, starts - 1, 0)
        freed -= np.where((starts > 0)[segment][:, None], freed[base][segment], 0)
        enough = (freed >= short[node]).all(axis=1)
        spent = np.cumsum(weights, axis=0)
        spent = spent - np.where((starts > 0)[segment][:, None], spent[base][segment], 0)
        hits = np.flatnonzero(enough)
        if not len(hits):
            return []
        _, first = np.unique(segment[hits], return_index=True)
        ends = hits[first]
        order = np.lexsort(spent[ends].T[::-1])
        return [pods[starts[segment[end]] : end + 1].tolist() for end in ends[order].tolist()]

    def _take(self, taker: Taker, want: Want, pods: list[int], short: Matrix, trial: _Trial) -> bool:
        """Takes these pods of one node, without those that are not needed for it; nothing where some may not go."""
        ground = self._ground
        needed = list(pods)
        total = ground.room[needed].sum(axis=0)
        for pod in reversed(pods[:-1]):
            if (total - ground.room[pod] >= short).all():
                total = total - ground.room[pod]
                needed.remove(pod)
        before = self._saved()
        length = len(trial.evicted), len(trial.moving)
        for pod in sorted(needed, key=lambda each: ground.charge[each].tolist()):
            if self._there[pod] and not self._take_unit(taker, want, pod, trial):
                self._restore(before)
                del trial.evicted[length[0] :]
                del trial.moving[length[1] :]
                self._allowed[pod] = False
                return False
        return True

    def _take_unit(self, taker: Taker, want: Want, pod: int, trial: _Trial) -> bool:
        ground = self._ground
        gang = int(ground.gang[pod])
        entitled = self._evict[gang] and self._may_take(taker, want, gang, pod)
        unit = [pod]
        if entitled and self._slack[gang] <= 0:
            unit = [each for each in self._pods_of[gang] if self._there[each]]
            entitled = bool(self._whole[gang]) and gang not in ground.gang[trial.moving]
        if not entitled and not ground.movable[gang]:
            return False
        if not entitled:
            unit = [pod]
        for each in unit:
            guard = int(ground.guard[each])
            if guard >= 0:
                if self._guards[guard] <= 0:
                    return False
                self._guards[guard] -= 1
        for each in unit:
            self._there[each] = False
            self._free[ground.node[each]] += ground.room[each]
        if entitled:
            self._slack[gang] -= 1
            self._charge(ground.rows[gang], -ground.charge[unit].sum(axis=0))
            trial.evicted += unit
            trial.spread = trial.spread or len(unit) > 1
        else:
            trial.moving += unit
        return True

    def _alive(self, taker: Taker, want: Want) -> Mask:
        """Pods that may be evicted now, or moved."""
        ground = self._ground
        groups, first = np.unique(ground.group, return_index=True)
        is_open = np.zeros(len(groups), dtype=np.bool_)
        for at, gang in enumerate(first.tolist()):
            lane = int(ground.lane[gang])
            is_open[at] = lane >= 0 and self._is_open(taker, want, lane, ground.rows[gang][: ground.branch[gang]])
        may_go = self._evict & is_open[ground.group] & (self._whole | (self._slack > 0))
        return np.asarray(self._there & self._allowed & (ground.movable | may_go)[ground.gang])

    def _is_open(self, taker: Taker, want: Want, lane: int, line: tuple[int, ...]) -> bool:
        right = self._right(taker, want, lane)
        if right is None:
            return False
        if not right.floors:
            return True
        asked = np.array(right.asked)
        return all(bool((self._use[row] > np.array(right.floors[row]))[asked].any()) for row in line)

    def _may_take(self, taker: Taker, want: Want, gang: int, pod: int) -> bool:
        ground = self._ground
        lane = int(ground.lane[gang])
        line = ground.rows[gang][: ground.branch[gang]]
        if not self._is_open(taker, want, lane, line):
            return False
        right = self._right(taker, want, lane)
        if right is None or not right.keep:
            return right is not None
        unit = [pod] if self._slack[gang] > 0 else [each for each in self._pods_of[gang] if self._there[each]]
        asked = np.array(right.asked)
        left = ground.charge[unit].sum(axis=0)
        return all(bool((self._use[row] - left >= np.array(right.floors[row]))[asked].all()) for row in line)

    def _right(self, taker: Taker, want: Want, lane: int) -> Right | None:
        """The right under which this taker takes in a lane: the first whose rooms hold what it asks for, and once
        chosen for good."""
        if lane not in self._chosen:
            asked = sum(
                (each.charge * (1 if taker.bundle else self._open[at]) for at, each in enumerate(taker.wants)),
                np.zeros_like(want.charge),
            )
            asked = np.maximum(asked, want.charge)
            self._chosen[lane] = next(
                (right for right in self._ground.lanes[lane].rights if self._holds(right, asked)), None
            )
        right = self._chosen[lane]
        if right is not None and not self._holds(right, want.charge):
            return None
        return right

    def _holds(self, right: Right, more: Matrix) -> bool:
        return all(
            self._use[room.row, column] + int(more[column]) <= most
            for room in right.rooms
            for column, most in enumerate(room.most)
            if right.asked[column]
        )

    def _weights(self, pods: Indices) -> Matrix:
        """What each of these pods costs in each tier by now: surplus costs nothing where only whole gangs count."""
        ground = self._ground
        weights = ground.weights[pods].copy()
        surplus = self._slack[ground.gang[pods]] > 0
        for index, tier in enumerate(ground.tiers):
            if tier.kind == "whole":
                weights[surplus, index] = 0
        return weights

    # --- afterwards -----------------------------------------------------------------------------------------------

    def _put_back(self, trial: _Trial) -> None:
        """Whoever's room is not needed stays, the dearest first."""
        ground = self._ground
        units: dict[int, list[int]] = {}
        for pod in (*trial.moving, *trial.evicted):
            gang = int(ground.gang[pod])
            units.setdefault(gang if self._slack[gang] < 0 else -1 - pod, []).append(pod)
        for unit in sorted(units.values(), key=lambda each: ground.weights[each].sum(axis=0).tolist(), reverse=True):
            need: dict[int, Matrix] = {}
            for pod in unit:
                node = int(ground.node[pod])
                need[node] = need.get(node, 0) + ground.room[pod]
            fits = all((self._free[node] >= amounts).all() for node, amounts in need.items())
            if fits and (unit[0] not in trial.evicted or self._may_stay(unit, trial)):
                self._return(unit, trial)

    def _may_stay(self, unit: list[int], trial: _Trial) -> bool:
        """Whether quota, too, is left for evicted pods of one gang by now: the taker may stand in what they gave their
        queues, and may be entitled to the others because they went."""
        ground = self._ground
        gang = int(ground.gang[unit[0]])
        more = ground.charge[unit].sum(axis=0)
        for row in ground.rows[gang]:
            after = self._use[row] + more
            if ((after > ground.limit[row]) & (after > ground.use[row]) & (more > 0)).any():
                return False
        gangs = ground.gang[trial.evicted]
        others = np.unique(ground.lane[gangs[gangs != gang]]).tolist()
        rights = [right for lane in others if (right := self._chosen.get(lane)) is not None]
        return all(
            room.row not in ground.rows[gang] or self._use[room.row, column] + int(more[column]) <= most
            for right in rights
            for room in right.rooms
            for column, most in enumerate(room.most)
            if right.asked[column]
        )

    def _return(self, unit: list[int], trial: _Trial) -> None:
        ground = self._ground
        gang = int(ground.gang[unit[0]])
        for pod in unit:
            self._there[pod] = True
            self._free[ground.node[pod]] -= ground.room[pod]
            if int(ground.guard[pod]) >= 0:
                self._guards[int(ground.guard[pod])] += 1
        if unit[0] in trial.evicted:
            self._slack[gang] += 1
            self._charge(ground.rows[gang], ground.charge[unit].sum(axis=0))
        gone = set(unit)
        trial.evicted = [pod for pod in trial.evicted if pod not in gone]
        trial.moving = [pod for pod in trial.moving if pod not in gone]

    def _move(self, trial: _Trial) -> bool:
        """New places: for whoever may only move, or all of it fails; for those who go, where they fit."""
        for pod in sorted(trial.moving, key=lambda each: (-self._ground.room[each]).tolist()):
            if not self._put_elsewhere(pod, trial):
                return False
        gone: dict[int, list[int]] = {}
        for pod in trial.evicted:
            gone.setdefault(int(self._ground.gang[pod]), []).append(pod)
        for gang, pods in gone.items():
            if self._ground.movable[gang]:
                self._keep_somewhere(gang, pods, trial)
        return True

    def _keep_somewhere(self, gang: int, pods: list[int], trial: _Trial) -> None:
        """All evicted pods of a gang elsewhere, or none of them."""
        free, known = self._free.copy(), len(trial.moved)
        if all(self._put_elsewhere(pod, trial) for pod in pods) and self._may_stay(pods, trial):
            kept = set(pods)
            trial.evicted = [pod for pod in trial.evicted if pod not in kept]
            self._charge(self._ground.rows[gang], self._ground.charge[pods].sum(axis=0))
            return
        self._free = free
        for pod in list(trial.moved)[known:]:
            del trial.moved[pod]

    def _put_elsewhere(self, pod: int, trial: _Trial) -> bool:
        ground = self._ground
        gang = int(ground.gang[pod])
        room = ground.room[pod]
        fits = (self._free >= room).all(axis=1) & ground.targets(gang)
        nodes = np.flatnonzero(fits)
        if not len(nodes):
            return False
        after = self._free[nodes] - room
        order = np.lexsort(after.T)  # the last column, by construction the scarcest, decides first
        node = int(nodes[order[0]])
        self._free[node] -= room
        trial.moved[pod] = node
        return True

    # --- the ground -----------------------------------------------------------------------------------------------

    def _domains(self, taker: Taker) -> list[int]:
        """Domains that could hold the taker if everybody allowed left, those with the most free first."""
        ground = self._ground
        assert taker.domains is not None
        alive = self._there & self._allowed & (self._evict | ground.movable)[ground.gang]
        room = self._free.copy()
        np.add.at(room, ground.node[alive], ground.room[alive])
        codes = taker.domains
        count = int(codes.max(initial=-1)) + 1
        possible = np.ones(count, dtype=np.bool_)
        free = np.zeros(count)
        for want in taker.wants:
            asked = want.request > 0
            for amounts, is_free in ((room, False), (self._free, True)):
                fits = np.maximum(0, (amounts[:, asked] // want.request[asked]).min(axis=1)) * want.mask
                total = np.bincount(codes[codes >= 0], weights=fits[codes >= 0], minlength=count)
                if is_free:
                    free += np.minimum(total, want.count)
                else:
                    possible &= total >= want.minimum
        found = np.flatnonzero(possible)
        order: list[int] = found[np.argsort(-free[found], kind="stable")].tolist()
        return order[:_DOMAIN_TRIES]

    def _charge(self, rows: Sequence[int], amounts: Matrix) -> None:
        for row in rows:
            self._use[row] += amounts

    def _saved(self) -> _State:
        return (
            self._free.copy(),
            self._use.copy(),
            None if self._firm is None else self._firm.copy(),
            self._slack.copy(),
            self._there.copy(),
            list(self._guards),
            self._allowed.copy(),
        )

    def _restore(self, state: _State) -> None:
        free, use, firm, slack, there, guards, allowed = state
        self._firm = None if firm is None else firm.copy()
        self._free, self._use, self._slack, self._there = free.copy(), use.copy(), slack.copy(), there.copy()
        self._guards = list(guards)
        self._allowed = allowed.copy()


_State = tuple[Matrix, Matrix, Matrix | None, Indices, Mask, list[int], Mask]


@dataclass(eq=False)
class _Trial:
    places: list[tuple[int, int, int]] = field(default_factory=list)
    evicted: list[int] = field(default_factory=list)
    moving: list[int] = field(default_factory=list)
    moved: dict[int, int] = field(default_factory=dict)
    spread: bool = False
    state: _State | None = None

    def cost(self, ground: Ground) -> tuple[int, ...]:
        return cost_of(ground, self.evicted, list(self.moved))
