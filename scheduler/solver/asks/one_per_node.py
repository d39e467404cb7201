"""Asks that are exclusive per node as resource columns: a node has one of each, and whoever asks takes it.

Host ports, and anti-affinity among pods that all keep away from one another by a label of which every node has its own
value (the host name). As columns they need no rule, and nodes stay in classes; other asks become relations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.model.cluster import NodeTable
from scheduler.model.neighbours import Neighbours
from scheduler.model.relations import WILDCARD_IP, AntiAffinity, HostPort
from scheduler.model.resources import Matrix
from scheduler.model.shape import Shape
from scheduler.model.work import Gang
from scheduler.solver.asks.domain_counts import has_key

Pods = Mapping[Shape, int]
"""Pending pods per distinct shape."""


@dataclass(frozen=True, eq=False)
class OnePerNode:
    """Columns beside the resources: ``free`` [nodes x columns], ``requests`` per shape (one that is not in it takes
    nothing). ``apart`` are the anti-affinity terms that the columns stand for. A name has a space, as no resource has.
    """

    names: tuple[str, ...]
    free: Matrix
    requests: Mapping[Shape, tuple[int, ...]]
    apart: frozenset[AntiAffinity]

    def request(self, shape: Shape) -> tuple[int, ...]:
        return self.requests.get(shape, (0,) * len(self.names))


def one_per_node(gangs: Sequence[Gang], nodes: NodeTable, neighbours: Neighbours) -> OnePerNode:
    """The columns that pending gangs need; none where nobody asks for anything of the kind."""
    pods: dict[Shape, int] = {}
    for gang in gangs:
        for member in gang.members:
            if member.shape.relations is not None or member.shape.matched:
                pods[member.shape] = pods.get(member.shape, 0) + member.count
    names: list[str] = []
    free: list[Matrix] = []
    takers: list[set[Shape]] = []
    for port in sorted({port for shape in pods for port in _ports(shape)}):
        names.append(_port_name(port))
        free.append(_free_port(port, nodes, neighbours))
        takers.append({shape for shape in pods if any(_takes(own, port) for own in _ports(shape))})
    terms = _mutual_terms(pods, nodes)
    for term in terms:
        names.append(f"separate {term.topology_key}")
        unused = (neighbours.matching[term.selector] == 0).astype(np.int64)
        free.append(np.where(has_key(nodes, term.topology_key), unused, sum(pods.values())))
        takers.append({shape for shape in pods if term.selector in shape.matched})
    return OnePerNode(
        names=tuple(names),
        free=np.stack(free, axis=1) if free else np.zeros((len(nodes), 0), dtype=np.int64),
        requests={shape: tuple(int(shape in each) for each in takers) for shape in pods} if names else {},
        apart=frozenset(terms),
    )


def _ports(shape: Shape) -> tuple[HostPort, ...]:
    return shape.relations.ports if shape.relations is not None else ()


def _takes(own: HostPort, column: HostPort) -> bool:
    """The wildcard address takes the port on every address, a single address only there."""
    same = (own.protocol, own.port) == (column.protocol, column.port)
    return same and own.ip in (column.ip, WILDCARD_IP)


def _free_port(port: HostPort, nodes: NodeTable, neighbours: Neighbours) -> Matrix:
    free = np.ones(len(nodes), dtype=np.int64)
    for taken, holders in neighbours.ports.items():
        if port.conflicts(taken):
            free[holders > 0] = 0
    return free


def _port_name(port: HostPort) -> str:
    return f"host port {port.port} {port.protocol}" + ("" if port.ip == WILDCARD_IP else f" on {port.ip}")


def _mutual_terms(pods: Pods, nodes: NodeTable) -> list[AntiAffinity]:
    """The terms, by a label of which no two nodes share a value, that are carried by exactly the pods they match."""
    carriers: dict[AntiAffinity, set[Shape]] = {}
    for shape in pods:
        for term in shape.relations.anti_affinity if shape.relations is not None else ():
            carriers.setdefault(term, set()).add(shape)
    return [
        term
        for term, own in carriers.items()
        if own == {shape for shape in pods if term.selector in shape.matched} and _is_own(nodes, term.topology_key)
    ]


def _is_own(nodes: NodeTable, key: str) -> bool:
    codes, values = nodes.label_column(key)
    return int(np.count_nonzero(codes >= 0)) == len(values)
