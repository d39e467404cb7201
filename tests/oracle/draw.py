"""Gangs from a seed: trees, slices, leaders, exclusive domains, balance, parts of GPUs, pods that look at pods.

What contradicts itself is never drawn: a child wider than its parent, slices that do not nest, too few pods for whole
slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import msgspec

from scheduler.model.devices import DeviceAsk
from scheduler.model.queue import Queue
from scheduler.model.relations import Affinity, AntiAffinity, LabelSet, PodSelector, PodTerm, Relations, Spread
from scheduler.model.resources import GPU, resources
from scheduler.model.selector import Requirement
from scheduler.model.shape import Shape
from scheduler.model.topology import Slice, TopologyAsk
from scheduler.model.work import Branch, Gang, GangKey, Member

DEPTH = {"": -1, "block": 0, "rack": 1, "host": 2}
SLICES = ((Slice(2, "rack"),), (Slice(2, "host"),), (Slice(4, "block"), Slice(2, "rack")), (Slice(3, "rack"),))
COLORS = ("red", "blue")
PROFILES = ("1g.5gb", "2g.10gb", "3g.20gb")


@dataclass(frozen=True)
class Taste:
    """What the gangs of a world may ask for; whatever multiplies the plans to be tried keeps the world smaller."""

    shaped: bool = False
    related: bool = False
    shares: bool = False
    slices_of_gpus: bool = False

    @property
    def parts(self) -> bool:
        return self.shares or self.slices_of_gpus

    @property
    def nodes_max(self) -> int:
        return 2 if self.slices_of_gpus else 3 if self.shares else 4 if self.related else 6

    @property
    def gpus_max(self) -> int:
        """0: as many as any world may have."""
        return 2 if self.slices_of_gpus else 5 if self.shares else 0

    @property
    def gangs_max(self) -> int:
        return 3 if self.parts or self.related else 5


def draw_gang(chance: Random, number: int, queues: Sequence[Queue], taste: Taste) -> Gang:
    """One gang, in any leaf queue."""
    parents = {queue.parent for queue in queues}
    queue = chance.choice([queue.name for queue in queues if queue.name not in parents])
    kind = chance.choice(["flat", "flat", "pair", "tree", "deep"])
    members, branches = _tree(chance, taste, kind) if kind in ("tree", "deep") else _flat(chance, taste, kind)
    leader = "m0" if kind != "flat" and taste.shaped and chance.random() < 0.5 else ""
    gang = Gang(
        GangKey(f"ns/g{number}"), f"g{number}", queue, chance.choice([0, 0, 1]), float(number), members, branches
    )
    gang = msgspec.structs.replace(gang, leader=leader)
    plain = tuple(_unsliced(branch) for branch in branches)
    return (
        gang
        if all(_is_whole(gang, branch) for branch in range(len(branches)))
        else msgspec.structs.replace(gang, branches=plain)
    )


def _flat(chance: Random, taste: Taste, kind: str) -> tuple[tuple[Member, ...], tuple[Branch, ...]]:
    members = tuple(_member(chance, taste, f"m{index}", 0) for index in range(1 if kind == "flat" else 2))
    least = chance.choice([0, sum(member.count for member in members)])
    return members, (Branch("", -1, least, 0, _ask(chance, taste)),)


def _tree(chance: Random, taste: Taste, kind: str) -> tuple[tuple[Member, ...], tuple[Branch, ...]]:
    """Two or three children under the root; when deep, the last of them has two of its own."""
    parents = [0] * chance.randint(2, 3)
    if kind == "deep":
        parents = [0, 0, 2, 2]
    inner = set(parents) - {0}
    leaves = [child for child in range(1, len(parents) + 1) if child not in inner]
    members = tuple(_member(chance, taste, f"m{index}", leaf) for index, leaf in enumerate(leaves))
    of_leaf = dict(zip(leaves, members, strict=True))
    root = _ask(chance, taste, narrowest="block")
    branches = [Branch("", -1, 0, chance.randint(1, parents.count(0)), root)]
    for child, parent in enumerate(parents, start=1):
        above = DEPTH[root.required] if root is not None else -1
        ask = _ask(chance, taste, above=above, narrowest="block" if child in inner else "host")
        least = chance.randint(0, of_leaf[child].count) if child in of_leaf else 0
        branches.append(Branch(f"s{child}", parent, least, int(child in inner), ask))
    return members, tuple(branches)


def _member(chance: Random, taste: Taste, name: str, branch: int) -> Member:
    gpus = chance.choice([0, 1, 1, 1, 2, 3])
    devices = _parts(chance, taste)
    if devices is not None or taste.gpus_max:
        gpus = 0 if devices is not None else min(gpus, 1 + (taste.gpus_max > 2))
    cpus = chance.choice([1, 1, 2])
    count = chance.randint(1, 3 if gpus > 1 or taste.parts or taste.related else 4)
    shape = Shape(resources({"cpu": cpus * 1000, GPU: gpus * 1000, "pods": 1}), devices=devices)
    labels = LabelSet("ns", (("color", chance.choice(COLORS)),)) if taste.related and chance.random() < 0.7 else None
    if labels is not None:
        shape = msgspec.structs.replace(shape, relations=_relations(chance, labels))
    sets = () if labels is None else (labels,)
    return Member(name, shape, count, chance.choice([count, count, 1, 0]), branch, sets)


def _parts(chance: Random, taste: Taste) -> DeviceAsk | None:
    if taste.slices_of_gpus and chance.random() < 0.6:
        return DeviceAsk(profile=chance.choice(PROFILES))
    if taste.shares and chance.random() < 0.6:
        return DeviceAsk(chance.choice([1, 1, 1, 2]), chance.choice([200, 300, 400, 500, 600, 700]))
    return None


def _relations(chance: Random, own: LabelSet) -> Relations | None:
    term = PodTerm(("ns",), (Requirement("color", "In", (chance.choice(COLORS),)),))
    selector, key = PodSelector((term,)), chance.choice(["host", "rack", "block"])
    kind = chance.choice(["apart", "apart", "spread", "spread", "together", "none"])
    if kind == "none":
        return None
    return Relations(
        own,
        affinity=Affinity(selector, (key,)) if kind == "together" else None,
        anti_affinity=(AntiAffinity(selector, key),) if kind == "apart" else (),
        spread=(Spread(selector, key, chance.choice([1, 1, 2])),) if kind == "spread" else (),
    )


def _ask(chance: Random, taste: Taste, *, above: int = -1, narrowest: str = "host") -> TopologyAsk | None:
    """``above`` is how deep what stands above requires, ``narrowest`` the finest level to require."""
    levels = [each for each in ("", "", "block", "rack", "rack", "host") if DEPTH[each] <= DEPTH[narrowest]]
    required = chance.choice([each for each in levels if not each or DEPTH[each] >= above])
    preferred = chance.choice(("host", "rack", "block", "", "", ""))
    ask = TopologyAsk(required=required, preferred=preferred)
    if taste.shaped:
        layers = chance.choice([(), (), *SLICES])
        if layers and DEPTH[layers[0].required] >= DEPTH[required]:
            ask = msgspec.structs.replace(ask, slices=layers)
        ask = msgspec.structs.replace(
            ask, exclusive=chance.choice(["", "", "", "host", "rack", "block"]), balance=chance.random() < 0.3
        )
    return None if ask == TopologyAsk() else ask


def _unsliced(branch: Branch) -> Branch:
    if branch.topology is None:
        return branch
    return msgspec.structs.replace(branch, topology=msgspec.structs.replace(branch.topology, slices=()))


def _is_whole(gang: Gang, branch: int) -> bool:
    """Whether the pods of a branch, its leader aside, are enough for as many whole slices as it needs at least."""
    ask = gang.branches[branch].topology
    if ask is None or not ask.slices:
        return True
    below = [member for member in gang.members if branch in gang.line(member.branch)]
    own = [member for member in below if member.name != gang.leader]
    pods = sum(member.count for member in own)
    leads = sum(member.count for member in below) - pods
    minima = sum(member.minimum for member in own if member.branch == branch)
    least = max(gang.branches[branch].minimum - leads, minima, int(branch == 0))
    return -(-least // ask.slices[0].size) * ask.slices[0].size <= pods
