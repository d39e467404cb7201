"""In which order equal pods take their places, where each by itself must keep the spread that all reach together."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.solver.build import Built
from scheduler.solver.problem import SPREAD


def in_turn(built: Built, gang: int, nodes: Sequence[str]) -> list[int]:
    """The order (indices) of the nodes of a bundle's pods that fills the emptiest domains first, as pods that come one
    by one must."""
    order = list(range(len(nodes)))
    for relation in built.problem.active:
        if relation.kind != SPREAD or all(carrier != gang for carrier, _ in relation.carriers):
            continue
        pods = dict(enumerate(relation.standing))
        levels = []
        for index in order:
            domain = int(built.domains[built.nodes.rows[nodes[index]], relation.level])
            pods[domain] = pods.get(domain, 0) + 1
            levels.append(pods[domain])
        order = [order[place] for place in sorted(range(len(order)), key=lambda place: (levels[place], place))]
    return order
