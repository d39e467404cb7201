"""Between solutions of the pooled model and pods on nodes: which gangs, in which domain, in which pools their pods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scheduler.solver.greedy.assign import ClassNodes, assign
from scheduler.solver.parts.kinds import Item, Kind
from scheduler.solver.parts.linear import Numbers
from scheduler.solver.parts.pooled import Pooled
from scheduler.solver.problem import Problem, Put

Pods = dict[tuple[int, int, int], int]
"""(gang, member, pool) -> pods."""


def realise(model: Pooled, values: Sequence[int]) -> tuple[Put, ...] | None:
    """A placement, with its spots, of exactly what the solution takes; None when some pool does not expand to nodes.

    Gangs of a kind are taken the most valuable first. Those bound to the finest domains choose their pods' pools first,
    for the others have more to choose from.
    """
    pods: Pods = {}
    left = {item: np.array([values[each] for each in own], dtype=np.int64) for item, own in model.pods.items()}
    choices = [choice for index in range(len(model.kinds)) for choice in _choices(model, index, values)]
    for kind, gang, domain, count in sorted(choices, key=lambda choice: _order(model, choice)):
        pools = np.flatnonzero(model.levels[kind.level] == domain)
        for item, need in kind.needs:
            if model.in_one_pool(kind):
                here = [(int(pools[0]), need * count)]
            else:
                here = _draw(left[item], pools, need * count)
            _hand_out(model.problem, pods, gang, item, here)
    return on_nodes(model.problem, model.pools.of_class, pods)


def hint(model: Pooled, puts: Sequence[Put]) -> list[int]:
    """The value of every variable under a placement of plain gangs; what they have beyond their minima is left out."""
    values = np.zeros(len(model.linear.uppers), dtype=np.int64)
    kind_of = {gang: index for index, kind in enumerate(model.kinds) for gang in kind.gangs}
    classes: dict[int, int] = {}
    for put in puts:
        kind = model.kinds[kind_of[put.gang]]
        pool = model.pools.of_class[put.node_class]
        if kind.bundle:
            values[model.taken[kind_of[put.gang]]] += put.count
        if not model.in_one_pool(kind):
            member = model.problem.gangs[put.gang].members[put.member]
            pods = model.pods.get(Item(member.request, member.eligible))
            if pods is not None:
                values[pods[pool]] += put.count
        classes[put.gang] = int(pool)
    number = dict.fromkeys(range(len(model.kinds)), 0)
    for gang, pool in classes.items():
        index = kind_of[gang]
        kind, spread = model.kinds[index], model.spread[index]
        if not kind.bundle:
            number[index] += 1
        if spread is not None:
            values[spread.chosen[np.searchsorted(spread.domains, model.levels[kind.level][pool])]] += 1
    for index, count in number.items():
        values[model.taken[index][:count]] += 1
    return [int(value) for value in values]


def _choices(model: Pooled, index: int, values: Sequence[int]) -> list[tuple[Kind, int, int, int]]:
    """(kind, gang, domain, how many times its needs) of everything taken of one kind."""
    kind, spread = model.kinds[index], model.spread[index]
    taken = sum(values[each] for each in model.taken[index])
    if kind.bundle:
        return [(kind, kind.gangs[0], 0, taken)] if taken else []
    if spread is None:
        return [(kind, gang, 0, 1) for gang in kind.gangs[:taken]]
    domains = [
        domain
        for domain, chosen in zip(spread.domains.tolist(), spread.chosen.tolist(), strict=True)
        for _ in range(values[chosen])
    ]
    return [(kind, gang, domain, 1) for gang, domain in zip(kind.gangs[:taken], domains, strict=False)]


def _order(model: Pooled, choice: tuple[Kind, int, int, int]) -> tuple[bool, int, bool, int, int]:
    """Fine levels first; there what likes to be near, the largest first."""
    kind, gang, _, count = choice
    size = sum(need for _, need in kind.needs) * count
    domains = len(np.unique(model.levels[kind.level]))
    return not model.in_one_pool(kind), -domains, not kind.near, -size, gang


def _draw(left: Numbers, pools: Numbers, need: int) -> list[tuple[int, int]]:
    """(pool, pods) for so many pods out of what these pools have left: the tightest that takes all of the rest, else
    the one with the most."""
    drawn = []
    while need > 0:
        here = left[pools]
        enough = here >= need
        at = int(np.argmin(np.where(enough, here, np.iinfo(np.int64).max)) if enough.any() else np.argmax(here))
        pods = min(need, int(here[at]))
        assert pods > 0, "the pooled model counts fewer pods than its gangs need"
        left[pools[at]] -= pods
        drawn.append((int(pools[at]), pods))
        need -= pods
    return drawn


def _hand_out(problem: Problem, pods: Pods, gang: int, item: Item, here: list[tuple[int, int]]) -> None:
    """Pods of an item to the members of a gang that ask for it: each up to its minimum, a sole member without bound."""
    own = [
        index
        for index, member in enumerate(problem.gangs[gang].members)
        if Item(member.request, member.eligible) == item
    ]
    open_pods = {index: problem.gangs[gang].members[index].minimum for index in own}
    if len(problem.gangs[gang].members) == 1:
        open_pods = {own[0]: sum(count for _, count in here)}
    for pool, count in here:
        for index in own:
            given = min(count, open_pods[index])
            if given:
                pods[gang, index, pool] = pods.get((gang, index, pool), 0) + given
                open_pods[index] -= given
                count -= given


def on_nodes(problem: Problem, pool_of_class: Numbers, pods: Pods) -> tuple[Put, ...] | None:
    """Pods per pool as a placement with spots; None when those of some pool do not fit onto its nodes."""
    by_pool: dict[int, list[tuple[int, int, int]]] = {}
    for (gang, member, pool), count in sorted(pods.items()):
        by_pool.setdefault(pool, []).append((gang, member, count))
    spots: dict[tuple[int, int, int], dict[int, int]] = {}
    for pool, here in sorted(by_pool.items()):
        classes = np.flatnonzero(pool_of_class == pool)
        sizes = problem.class_nodes[classes]
        of_node = np.repeat(classes, sizes)
        index_of_node = np.concatenate([np.arange(size) for size in sizes])
        nodes = ClassNodes(problem, int(classes[0]), problem.class_free[of_node])
        asks = [(problem.gangs[gang].members[member], count) for gang, member, count in here]
        assigned = assign(problem, int(classes[0]), nodes, asks)
        if assigned is None:
            return None
        for each in assigned:
            gang, member, _ = here[each.ask]
            own = spots.setdefault((gang, member, int(of_node[each.node])), {})
            index = int(index_of_node[each.node])
            own[index] = own.get(index, 0) + each.pods
    return tuple(Put(*where, sum(own.values()), tuple(sorted(own.items()))) for where, own in sorted(spots.items()))
