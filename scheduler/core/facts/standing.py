"""Which gangs stand where, for exclusive domains: asked only while somebody wants or holds one."""

from __future__ import annotations

from scheduler.core.facts.store import Store
from scheduler.core.gangs.tree import branch_name
from scheduler.model.cluster import Held, Standing
from scheduler.model.topology import TopologyAsk
from scheduler.model.work import GangKey, PodGroup


def standing(store: Store) -> tuple[Standing, ...]:
    """Every gang with a PodGroup that has places, running or committed; nothing where no PodGroup asks for exclusive
    domains."""
    if not any(_asks(group) for group in store.groups.values()):
        return ()
    found = (_standing(store, key) for key in store.books)
    return tuple(each for each in found if each.nodes)


def holders(store: Store) -> list[Standing]:
    """Those that hold domains exclusively."""
    asking = [key for key, group in store.groups.items() if key in store.books and _asks(group)]
    found = (_standing(store, key) for key in asking)
    return [each for each in found if each.exclusive]


def _standing(store: Store, key: GangKey) -> Standing:
    book = store.books[key]
    used: dict[str, dict[str, None]] = {}
    for member, node, *_ in (*+book.wanted, *+book.taken):
        used.setdefault(member, {})[node] = None
    nodes = tuple(dict.fromkeys(node for own in used.values() for node in own))
    return Standing(key, nodes, _held(store, key, used))


def _asks(group: PodGroup) -> bool:
    if group.topology is not None and group.topology.exclusive:
        return True
    return any(sub.topology is not None and sub.topology.exclusive for sub in group.sub_groups)


def _held(store: Store, key: GangKey, used: dict[str, dict[str, None]]) -> tuple[Held, ...]:
    group = store.groups.get(key)
    if group is None or not _asks(group):
        return ()
    parents = {sub.name: sub.parent for sub in group.sub_groups}
    asks: dict[str, TopologyAsk | None] = {"": group.topology} | {sub.name: sub.topology for sub in group.sub_groups}
    nodes: dict[str, list[str]] = {}
    for member, own in used.items():
        branch = branch_name(group, member)
        nodes.setdefault("", []).extend(own)
        while branch:
            nodes.setdefault(branch, []).extend(own)
            branch = parents[branch]
    return tuple(
        Held(ask.topology, ask.exclusive, tuple(nodes[name]))
        for name, ask in asks.items()
        if ask is not None and ask.exclusive and name in nodes
    )
