"""Rule: the pods of a branch come in slices of a size, each inside one domain of a level; layers of slices nest.

In every domain of the level the branch has a multiple of the size, the places that its gang already holds there
included: a slice that was left in part is completed first. The leader of a gang belongs to no slice.
"""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.model.plan import Refusal
from scheduler.solver.posting import Posting, Variable
from scheduler.solver.problem import GangAsk, Problem, Put, SliceAsk

NAME = "slices"


def post(model: Posting) -> None:
    """The sum of each domain is a whole number of slices; a part that is held counts as soon as any pod is placed."""
    problem = model.problem
    for index, gang in enumerate(problem.gangs):
        for branch, ask in enumerate(gang.branches):
            if not ask.slices:
                continue
            sliced = [
                member
                for member, each in enumerate(gang.members)
                if member != gang.leader and _is_below(gang, each.branch, branch)
            ]
            counts = [pair for member in sliced for pair in model.counts(index, member)]
            parts = any(pods % layer.size for layer in ask.slices for _, pods in layer.held)
            begun = None
            if parts:
                everything = [
                    count
                    for member, each in enumerate(gang.members)
                    if _is_below(gang, each.branch, branch)
                    for _, count in model.counts(index, member)
                ]
                begun = model.used(everything, sum(member.count for member in gang.members))
            for layer in ask.slices:
                _post_layer(model, layer, counts, begun)


def _post_layer(model: Posting, layer: SliceAsk, counts: list[tuple[int, Variable]], begun: Variable | None) -> None:
    codes = model.problem.class_domain[:, layer.level].tolist()
    by_domain: dict[int, list[Variable]] = {}
    for node_class, count in counts:
        by_domain.setdefault(codes[node_class], []).append(count)
    rests = {domain: pods % layer.size for domain, pods in layer.held if pods % layer.size}
    for domain in sorted(by_domain.keys() | rests.keys()):
        own = by_domain.get(domain, [])
        rest = rests.get(domain, 0)
        if domain < 0 or sum(model.upper(count) for count in own) + rest < layer.size:
            model.at_most([(1, count) for count in own], 0)
            if rest and begun is not None:
                model.at_most([(1, begun)], 0)  # what is left of a slice can not be completed
        elif layer.size > 1:
            model.whole(own, layer.size, rest, begun if rest else None)


def _is_below(gang: GangAsk, branch: int, ancestor: int) -> bool:
    while branch >= 0 and branch != ancestor:
        branch = gang.branches[branch].parent
    return branch == ancestor


def broken(problem: Problem, puts: Iterable[Put]) -> list[Refusal]:
    begun: set[tuple[int, int]] = set()
    pods: dict[tuple[int, int, int], dict[int, int]] = {}
    for put in puts:
        gang = problem.gangs[put.gang]
        branch = gang.members[put.member].branch
        while branch >= 0:
            ask = gang.branches[branch]
            if ask.slices:
                begun.add((put.gang, branch))
            for number, layer in enumerate(ask.slices if put.member != gang.leader else ()):
                domain = int(problem.class_domain[put.node_class, layer.level])
                here = pods.setdefault((put.gang, branch, number), {})
                here[domain] = here.get(domain, 0) + put.count
            branch = ask.parent
    refusals = []
    for index, branch in sorted(begun):
        for number, layer in enumerate(problem.gangs[index].branches[branch].slices):
            total = dict(layer.held)
            for domain, count in pods.get((index, branch, number), {}).items():
                total[domain] = total.get(domain, 0) + count
            where = f"gang {index} {problem.level_names[layer.level]}"
            if total.get(-1):
                refusals.append(Refusal(NAME, "NoDomain", needed=total[-1], where=where))
            rest = max((count % layer.size for domain, count in total.items() if domain >= 0), default=0)
            if rest:
                refusals.append(Refusal(NAME, "PartOfSlice", needed=layer.size, offered=rest, where=where))
    return refusals
