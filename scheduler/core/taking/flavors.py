"""In which flavor a gang takes back: it is looked at in each flavor that it could have, as if it accepted no other.

What a pod is charged, who is entitled, and who can give way follow from the flavor, so each is a problem of its own;
nobody who runs in another flavor is any help. Which one it becomes is the policy's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from scheduler.core.queues.ledger import Ledger
from scheduler.model.cluster import Mask, NodeTable
from scheduler.model.policy import Policy
from scheduler.model.running import Running
from scheduler.model.shape import Shape
from scheduler.model.work import Gang, Member

MaskOf = Callable[[Shape], Mask]


def quotas_name_flavors(book: Ledger, policy: Policy) -> bool:
    """Whether it matters to anybody's quota in which flavor a pod runs."""
    return "flavor" in policy.filters and any(flavor for _, flavor in book.columns)


def in_each_flavor(gang: Gang, nodes: NodeTable, mask_of: MaskOf) -> tuple[Gang, ...]:
    """The gang once for each flavor that it could run in as a whole, those it prefers first; itself where there is no
    such choice. Work that accepts any flavor may mix them on what is free; what it takes back is in one.

    A member that can be in one flavor only is in that one, whatever the others are in.
    """
    names = [*nodes.flavors, ""]
    open_to = [_flavors_open(nodes, names, mask_of(member.shape)) for member in gang.members]
    stated = [choice.name for choice in sorted(gang.flavors, key=lambda choice: -choice.preference)]
    held = {
        nodes.flavor(nodes.rows[each.node]) for place in gang.held for each in place.nodes if each.node in nodes.rows
    }
    found: dict[tuple[str, ...], None] = {}
    for flavor in stated or names:
        if held and flavor not in held:
            continue
        if all(flavor in own for own in open_to):
            found[(flavor,) * len(open_to)] = None
        elif not stated:
            apart = tuple(flavor if flavor in own else own[0] if len(own) == 1 else None for own in open_to)
            pinned = tuple(each for each in apart if each is not None)
            if flavor in pinned and len(pinned) == len(apart):
                found[pinned] = None
    return tuple(_pinned(gang, flavors) for flavors in found) or (gang,)


def where_they_stand(running: Sequence[Running], nodes: NodeTable) -> tuple[Running, ...]:
    """Running work as it may be moved where quotas name flavors: inside the flavor that it is in, and not at all where
    it is in several."""
    known: dict[tuple[int, str], tuple[Member, ...]] = {}
    found = []
    for each in running:
        flavors = {nodes.flavor(nodes.rows[pod.node]) for pod in each.pods if pod.node in nodes.rows}
        if len(flavors) != 1:
            found.append(msgspec.structs.replace(each, movable=False))
            continue
        flavor = flavors.pop()
        key = (id(each.members), flavor)
        if key not in known:
            known[key] = tuple(_in_flavor(member, flavor) for member in each.members)
        found.append(msgspec.structs.replace(each, members=known[key]))
    return tuple(found)


def _flavors_open(nodes: NodeTable, names: Sequence[str], mask: Mask) -> list[str]:
    if nodes.flavor_codes is None:
        return [""] if mask.any() else []
    return [names[code] for code in np.unique(nodes.flavor_codes[mask]).tolist()]


def _pinned(gang: Gang, flavors: Sequence[str]) -> Gang:
    members = tuple(_in_flavor(member, flavor) for member, flavor in zip(gang.members, flavors, strict=True))
    return msgspec.structs.replace(gang, members=members, flavors=())


def _in_flavor(member: Member, flavor: str) -> Member:
    return msgspec.structs.replace(member, shape=msgspec.structs.replace(member.shape, only_flavor=flavor))
