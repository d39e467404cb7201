"""Rule: running work gives way only under a right of whoever takes it.

Per lane one right holds for all its victims: the taker's queues stay within the right's rooms, and the victims have an
order in which each is taken while the queues on its line are above their floors. A unit is one surplus pod, or all that
is left of a gang. In one column the order exists exactly when everything but the largest unit leaves a queue above its
floor; that unit goes last, in its queue and so in every queue above.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from scheduler.model.plan import Refusal
from scheduler.solver.giving import Giving, Right, Yielder
from scheduler.solver.posting import Get, Posting, Variable
from scheduler.solver.problem import GangAsk, Problem, Put
from scheduler.solver.tree import minima_below

NAME = "permission"

Last = tuple[int, Variable, Callable[[Get], bool]]


def post(model: Posting) -> None:
    """Who may not go at all, or not elsewhere; then, lane by lane, rooms and floors where a flag says that its right is
    used."""
    giving = model.problem.giving
    if giving is None:
        return
    for yielder in giving.yielders:
        if yielder.lane < 0:
            for member in range(len(yielder.charge)):
                stay = [(-1, count) for _, count in model.counts(yielder.gang, member)]
                model.at_most(stay, -yielder.pods(member))
        elif not yielder.whole:
            model.at_most([(-1, count) for count in _counts(model, yielder)], -1)
        if not yielder.movable:
            _post_immovable(model, yielder)
    for index in range(len(giving.lanes)):
        _Lane(model, giving, index).post()


def _post_immovable(model: Posting, yielder: Yielder) -> None:
    """Nowhere are more pods than stand there."""
    stands = {(stand.member, stand.node_class): stand.pods for stand in yielder.stands}
    for member in range(len(yielder.charge)):
        for node_class, count in model.counts(yielder.gang, member):
            here = stands.get((member, node_class), 0)
            if model.upper(count) > here:
                model.at_most([(1, count)], here)


class _Lane:
    """The variables of one lane, and what they are in a given placement."""

    def __init__(self, model: Posting, giving: Giving, index: int) -> None:
        self._model = model
        self._giving = giving
        self._own = [yielder for yielder in giving.yielders if yielder.lane == index]
        self._rights = giving.lanes[index].rights

    def post(self) -> None:
        if not self._own or not any(right.rooms or right.floors for right in self._rights):
            return
        model = self._model
        flags = [model.number(1, partial(self._uses, number)) for number in range(len(self._rights))]
        pods = sum(yielder.pods(member) for yielder in self._own for member in range(len(yielder.charge)))
        stay = [(-1, count) for yielder in self._own for count in _counts(model, yielder)]
        model.at_most([*stay, *((-pods, flag) for flag in flags)], -pods)
        model.at_most([(1, flag) for flag in flags], 1)
        rows = dict.fromkeys(row for yielder in self._own for row in yielder.line)
        for right, flag in zip(self._rights, flags, strict=True):
            for room in right.rooms:
                for column, most in enumerate(room.most):
                    if right.asked[column]:
                        self._post_room(room.row, column, most, flag)
            for row in rows if right.floors else ():
                self._post_floor(row, right, flag)

    def _post_room(self, row: int, column: int, most: int, flag: Variable) -> None:
        """use - evicted below the row + taken <= most, where the flag is on."""
        giving, model = self._giving, self._model
        terms = []
        bound = most - giving.use[row][column]
        for yielder in giving.yielders:
            if row in yielder.rows and yielder.lane >= 0:
                for member, charge in enumerate(yielder.charge):
                    if charge[column]:
                        bound += charge[column] * yielder.pods(member)
                        terms += [(charge[column], count) for _, count in model.counts(yielder.gang, member)]
        terms += [
            (charge[column], count)
            for taker, members in zip(giving.takers, giving.taken, strict=True)
            for member, charge in enumerate(members)
            for _, count in model.counts(taker, member)
            if charge[column]
        ]
        _post_when(model, terms, bound, flag)

    def _post_floor(self, row: int, right: Right, flag: Variable) -> None:
        """Where something of the lane goes below this row: in some column the row stays above its floor without its
        last unit."""
        giving, model = self._giving, self._model
        below = [yielder for yielder in giving.yielders if row in yielder.rows and yielder.lane >= 0]
        own = [yielder for yielder in self._own if row in yielder.line]
        pods = sum(yielder.pods(member) for yielder in own for member in range(len(yielder.charge)))
        stay = [(-1, count) for yielder in own for count in _counts(model, yielder)]
        touched = model.number(1, lambda get: int(any(_gone(model, each, get) for each in own)))
        model.at_most([*stay, (-pods, touched)], -pods)
        columns = [column for column, asked in enumerate(right.asked) if asked]
        chosen = []
        for column in columns:
            surplus = giving.use[row][column] - right.floors[row][column]
            if surplus <= 0:
                continue
            last = [] if right.keep else self._post_last(own, column)
            terms = [
                (-charge[column], count)
                for yielder in below
                for member, charge in enumerate(yielder.charge)
                if charge[column]
                for _, count in model.counts(yielder.gang, member)
            ]
            everything = sum(
                charge[column] * yielder.pods(member)
                for yielder in below
                for member, charge in enumerate(yielder.charge)
            )
            most = surplus if right.keep else surplus - 1
            held = model.number(1, partial(_holds, terms, last, most - everything))
            _post_when(model, [*terms, *((-size, unit) for size, unit, _ in last)], most - everything, held)
            chosen.append(held)
        model.at_most([(1, flag), (1, touched), *((-1, held) for held in chosen)], 1)

    def _post_last(self, own: Sequence[Yielder], column: int) -> list[Last]:
        """At most one unit is the last: (its size, the flag that it is, whether it could be)."""
        model = self._model
        found: list[Last] = []
        sizes: dict[int, list[tuple[Yielder, int]]] = {}
        for yielder in own:
            for member, charge in enumerate(yielder.charge):
                if charge[column]:
                    sizes.setdefault(charge[column], []).append((yielder, member))
        for size, among in sizes.items():
            pods = sum(yielder.pods(member) for yielder, member in among)
            stay = [(1, count) for each, member in among for _, count in model.counts(each.gang, member)]

            def goes(get: Get, stay: Sequence[tuple[int, Variable]] = stay, pods: int = pods) -> bool:
                return sum(get(count) for _, count in stay) < pods

            unit = model.number(1, goes)
            model.at_most([*stay, (1, unit)], pods)
            found.append((size, unit, goes))
        for yielder in own:
            size = core_charge(model.problem.gangs[yielder.gang], yielder)[column]
            if not yielder.whole or size <= max((charge[column] for charge in yielder.charge), default=0):
                continue
            present = model.present(yielder.gang, 0)

            def whole(get: Get, yielder: Yielder = yielder) -> bool:
                return not any(get(count) for count in _counts(model, yielder))

            unit = model.number(1, whole)
            model.at_most([(1, present), (1, unit)], 1)
            found.append((size, unit, whole))
        model.at_most([(1, unit) for _, unit, _ in found], 1)
        return found

    def _uses(self, number: int, get: Get) -> bool:
        return self._chosen(get) == number

    def _chosen(self, get: Get) -> int:
        """The right that a placement uses; -1 where nothing of the lane goes."""
        if not any(_gone(self._model, yielder, get) for yielder in self._own):
            return -1
        return next((number for number, right in enumerate(self._rights) if self._rooms_hold(right, get)), 0)

    def _rooms_hold(self, right: Right, get: Get) -> bool:
        giving, model = self._giving, self._model
        for room in right.rooms:
            for column, most in enumerate(room.most):
                use = giving.use[room.row][column]
                for yielder in giving.yielders:
                    if room.row in yielder.rows:
                        for member, charge in enumerate(yielder.charge):
                            there = sum(get(count) for _, count in model.counts(yielder.gang, member))
                            use -= charge[column] * (yielder.pods(member) - there)
                for taker, members in zip(giving.takers, giving.taken, strict=True):
                    for member, charge in enumerate(members):
                        use += charge[column] * sum(get(count) for _, count in model.counts(taker, member))
                if right.asked[column] and use > most:
                    return False
        return True


def core_charge(gang: GangAsk, yielder: Yielder) -> tuple[int, ...]:
    """What the last of a gang holds, once its surplus is gone: its minima, or all of one that is below them."""
    core = dict(minima_below(gang, 0))
    missing = gang.branches[0].minimum - sum(core.values())
    for member in range(len(gang.members)):
        more = min(max(0, missing), yielder.pods(member) - core.get(member, 0))
        core[member] = core.get(member, 0) + max(0, more)
        missing -= max(0, more)
    columns = range(len(yielder.charge[0])) if yielder.charge else range(0)
    return tuple(
        sum(yielder.charge[member][column] * min(pods, yielder.pods(member)) for member, pods in core.items())
        for column in columns
    )


def _counts(model: Posting, yielder: Yielder) -> list[Variable]:
    return [count for member in range(len(yielder.charge)) for _, count in model.counts(yielder.gang, member)]


def _gone(model: Posting, yielder: Yielder, get: Get) -> bool:
    return sum(get(count) for count in _counts(model, yielder)) < sum(
        yielder.pods(member) for member in range(len(yielder.charge))
    )


def _holds(terms: Sequence[tuple[int, Variable]], last: Sequence[Last], bound: int, get: Get) -> bool:
    """Whether a sum stays within its bound when the largest of the units that could be the last does not count."""
    spared = max((size for size, _, could_be in last if could_be(get)), default=0)
    return sum(each * get(count) for each, count in terms) - spared <= bound


def _post_when(model: Posting, terms: Sequence[tuple[int, Variable]], bound: int, flag: Variable) -> None:
    """Posts sum(terms) <= bound where the flag is on."""
    highest = sum(max(0, coefficient) * model.upper(variable) for coefficient, variable in terms)
    slack = highest - bound
    if slack > 0:
        model.at_most([*terms, (slack, flag)], bound + slack)


# --- the plain reading ------------------------------------------------------------------------------------------------


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    giving = problem.giving
    if giving is None:
        return []
    placed: dict[tuple[int, int], int] = {}
    by_gang: dict[int, dict[tuple[int, int], int]] = {}
    for put in puts:
        placed[put.gang, put.member] = placed.get((put.gang, put.member), 0) + put.count
        here = by_gang.setdefault(put.gang, {})
        here[put.member, put.node_class] = here.get((put.member, put.node_class), 0) + put.count
    refusals = [refusal for yielder in giving.yielders for refusal in _moved(yielder, by_gang.get(yielder.gang, {}))]
    units: list[tuple[Yielder, tuple[int, ...]]] = []
    for yielder in giving.yielders:
        lost = [yielder.pods(at) - placed.get((yielder.gang, at), 0) for at in range(len(yielder.charge))]
        if not any(lost):
            continue
        if yielder.lane < 0:
            refusals.append(Refusal(NAME, "NotAllowed", needed=sum(lost), where=f"gang {yielder.gang}"))
            continue
        if all(not placed.get((yielder.gang, at)) for at in range(len(yielder.charge))):
            if not yielder.whole:
                refusals.append(Refusal(NAME, "Protected", needed=sum(lost), where=f"gang {yielder.gang}"))
            units += _units_of_all(problem.gangs[yielder.gang], yielder)
        else:
            units += [(yielder, yielder.charge[at]) for at, pods in enumerate(lost) for _ in range(pods)]
    for index, lane in enumerate(giving.lanes):
        own = [unit for unit in units if unit[0].lane == index]
        if own and not any(_allows(giving, right, own, units, placed) for right in lane.rights):
            refusals.append(Refusal(NAME, "NotEntitled", needed=len(own), where=f"lane {index}"))
    return refusals


def _moved(yielder: Yielder, placed: dict[tuple[int, int], int]) -> list[Refusal]:
    """Where a gang that must not move has more pods than stand there; ``placed`` are its pods by member and class."""
    if yielder.movable:
        return []
    left = dict(placed)
    for stand in yielder.stands:
        left[stand.member, stand.node_class] = left.get((stand.member, stand.node_class), 0) - stand.pods
    more = sum(count for count in left.values() if count > 0)
    return [Refusal(NAME, "Immovable", needed=more, where=f"gang {yielder.gang}")] if more else []


def _units_of_all(gang: GangAsk, yielder: Yielder) -> Iterator[tuple[Yielder, tuple[int, ...]]]:
    """Surplus pods one by one, then what is left at once."""
    core = core_charge(gang, yielder)
    yield yielder, core
    left = [
        sum(yielder.charge[at][k] * yielder.pods(at) for at in range(len(yielder.charge))) for k in range(len(core))
    ]
    rest = [all_ - own for all_, own in zip(left, core, strict=True)]
    for at, charge in enumerate(yielder.charge):
        for _ in range(yielder.pods(at)):
            if all(each <= more for each, more in zip(charge, rest, strict=True)) and any(charge):
                rest = [more - each for each, more in zip(charge, rest, strict=True)]
                yield yielder, charge


def _allows(
    giving: Giving,
    right: Right,
    own: Sequence[tuple[Yielder, tuple[int, ...]]],
    units: Sequence[tuple[Yielder, tuple[int, ...]]],
    placed: dict[tuple[int, int], int],
) -> bool:
    def gone(row: int, column: int) -> int:
        return sum(charge[column] for yielder, charge in units if row in yielder.rows)

    for room in right.rooms:
        for column, most in enumerate(room.most):
            if right.asked[column]:
                more = sum(
                    charge[column] * placed.get((taker, member), 0)
                    for taker, members in zip(giving.takers, giving.taken, strict=True)
                    for member, charge in enumerate(members)
                )
                if giving.use[room.row][column] - gone(room.row, column) + more > most:
                    return False
    columns = [column for column, asked in enumerate(right.asked) if asked]
    rows = sorted({row for yielder, _ in own for row in yielder.line}) if right.floors else []
    may_be_last: dict[int, set[int]] = {}
    for row in sorted(rows, key=lambda each: -_depth(own, each)):
        use = [giving.use[row][column] - gone(row, column) for column in columns]
        floor = [right.floors[row][column] for column in columns]
        before = [giving.use[row][column] for column in columns]
        if right.keep and any(after < min(at, least) for after, at, least in zip(use, before, floor, strict=True)):
            return False
        last = set()
        for number, (yielder, charge) in enumerate(own):
            if row not in yielder.line:
                continue
            lower = yielder.line[: yielder.line.index(row)]
            above = any(
                after + charge[column] > least for after, column, least in zip(use, columns, floor, strict=True)
            )
            if above and all(number in may_be_last.get(each, set()) for each in lower):
                last.add(number)
        if not last:
            return False
        may_be_last[row] = last
    return True


def _depth(own: Sequence[tuple[Yielder, tuple[int, ...]]], row: int) -> int:
    """How far above the leaf a row stands, negated: leaves first."""
    return -max(yielder.line.index(row) for yielder, _ in own if row in yielder.line)
