"""Small random worlds for the solver's properties: a few nodes, a few gangs, everything that may go wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import hypothesis.strategies as st
import msgspec
import numpy as np

from scheduler.model.cluster import Node, NodeTable
from scheduler.model.neighbours import Neighbours, NodeCounts
from scheduler.model.policy import Policy
from scheduler.model.relations import (
    Affinity,
    AntiAffinity,
    HostPort,
    LabelSet,
    PodPreference,
    PodSelector,
    PodTerm,
    Relations,
    Spread,
)
from scheduler.model.resources import Matrix, resources, vector
from scheduler.model.selector import Requirement
from scheduler.model.shape import Shape, Taint, Toleration
from scheduler.model.topology import Level, Slice, Topology, TopologyAsk
from scheduler.model.work import Branch, Gang, GangKey, Member, NodeCount, Place
from scheduler.solver.asks.filters import eligible, with_coming, within_plan
from scheduler.solver.asks.fleet import Fleet
from scheduler.solver.asks.levels import Levels, level_asks
from scheduler.solver.build import Built, build
from scheduler.solver.problem import QueueRoom

NAMES = ("cpu", "nvidia.com/gpu", "pods")
TOPOLOGY = Topology("fabric", (Level("block", "block"), Level("rack", "rack")))
TAINT = Taint("team", "ml")
TOLERATION = Toleration("team", "Equal", "ml")


@dataclass(frozen=True)
class World:
    """What `build` is called with; ``build_with`` lets a test choose rules and goals."""

    nodes: NodeTable
    free: Matrix
    gangs: tuple[Gang, ...]
    queue_rooms: tuple[QueueRoom, ...]
    queue_of_gang: Mapping[GangKey, int]
    standing: Mapping[PodSelector, NodeCounts]
    """Pods that stand already and match each selector."""

    def build(
        self, rules: tuple[str, ...] | None = None, goals: tuple[str, ...] | None = None, node_score: str = "pack"
    ) -> Built:
        policy = Policy(node_score=node_score)
        shapes = {member.shape for gang in self.gangs for member in gang.members}
        capacity = np.array([vector(node.allocatable, NAMES) for node in self.nodes.nodes], dtype=np.int64)
        neighbours = with_coming(Neighbours(matching=self.standing), self.gangs)
        fleet = Fleet(self.nodes, capacity, NAMES, neighbours)
        masks = {
            shape: within_plan(shape, eligible(shape, self.nodes, capacity, NAMES, policy), fleet, policy)[0]
            for shape in shapes
        }
        built = build(
            self.nodes,
            NAMES,
            self.free,
            self.gangs,
            {"fabric": TOPOLOGY},
            masks,
            policy,
            queue_rooms=self.queue_rooms,
            queue_of_gang=self.queue_of_gang,
            neighbours=neighbours,
        )
        problem = replace(
            built.problem,
            rules=built.problem.rules if rules is None else rules,
            goals=policy.goals if goals is None else goals,
        )
        return replace(built, problem=problem)


def shape(gpus: int, cpus: int = 1, tolerates: bool = False, sees: Relations | None = None, seen: int = 0) -> Shape:
    """``sees`` is what it asks of others, ``seen`` which selectors look at it: 1 red, 2 blue, 3 both."""
    asked = resources({"cpu": cpus * 1000, "nvidia.com/gpu": gpus * 1000, "pods": 1})
    matched = tuple(each for bit, each in ((1, RED), (2, BLUE)) if seen & bit)
    return Shape(asked, tolerations=(TOLERATION,) if tolerates else (), relations=sees, matched=matched)


def _selector(color: str) -> PodSelector:
    return PodSelector((PodTerm(("ns",), (Requirement("color", "In", (color,)),)),))


RED, BLUE = _selector("red"), _selector("blue")
keys = st.sampled_from(["host", "rack", "block"])
colors = st.sampled_from([RED, BLUE])
affinities = st.builds(Affinity, colors, st.lists(keys, min_size=1, max_size=2, unique=True).map(tuple))
spreads = st.builds(Spread, colors, keys, st.integers(1, 2), st.integers(1, 3), st.booleans(), st.booleans())
preferences = st.builds(PodPreference, colors, keys, st.sampled_from([-100, -1, 1, 50]), st.booleans())
relations = st.builds(
    Relations,
    own_labels=st.just(LabelSet("ns")),
    ports=st.sampled_from([(), (), (HostPort("TCP", 80),), (HostPort("TCP", 80, "10.0.0.1"),)]),
    affinity=st.none() | affinities,
    anti_affinity=st.lists(st.builds(AntiAffinity, colors, keys), max_size=1).map(tuple),
    spread=st.lists(spreads, max_size=1).map(tuple),
    preferences=st.lists(preferences, max_size=1).map(tuple),
)
shapes = st.builds(
    shape,
    st.sampled_from([0, 1, 1, 2, 3]),
    st.integers(1, 4),
    st.booleans(),
    st.one_of(st.none(), st.none(), relations),
    st.sampled_from([0, 0, 1, 2, 3]),
)
Asks = st.SearchStrategy[TopologyAsk | None]
levelled: Asks = st.sampled_from(
    [
        None,
        None,
        TopologyAsk(required="rack"),
        TopologyAsk(required="block"),
        TopologyAsk(preferred="rack"),
        TopologyAsk(required="block", preferred="rack"),
    ]
)
sliced: Asks = st.sampled_from(
    [
        TopologyAsk(slices=(Slice(2, "rack"),)),
        TopologyAsk(required="block", slices=(Slice(2, "rack"),)),
        TopologyAsk(slices=(Slice(4, "block"), Slice(2, "rack"))),
    ]
)
exclusive: Asks = st.sampled_from([TopologyAsk(required="rack", exclusive="rack"), TopologyAsk(exclusive="block")])
balanced: Asks = st.sampled_from(
    [
        TopologyAsk(preferred="block", balance=True),
        TopologyAsk(preferred="rack", balance=True, slices=(Slice(2, "rack"),)),
    ]
)
KINDS = ("flat", "flat", "pair", "tree", "bundle")
asks: Asks = st.one_of(levelled, levelled, sliced, exclusive, balanced)


@st.composite
def members(draw: st.DrawFn, branch: int = 0) -> Member:
    count = draw(st.integers(1, 4))
    return Member(f"m{branch}", draw(shapes), count, draw(st.sampled_from([count, count, 1, 0])), branch)


@st.composite
def gangs(draw: st.DrawFn, number: int, asks: Asks = asks, kinds: Sequence[str] = KINDS) -> Gang:
    kind = draw(st.sampled_from(kinds))
    if kind == "bundle":
        pods = Member("pod", draw(shapes), draw(st.integers(1, 6)), 0)
        return _gang(number, (pods,), (Branch("", -1),), draw(st.integers(0, 1)), single=True)
    if kind == "tree":
        children = draw(st.integers(1, 3))
        own = tuple(draw(members(branch=child + 1)) for child in range(children))
        branches = (
            Branch("", -1, 0, draw(st.integers(0, children)), draw(asks)),
            *(
                Branch(f"b{child}", 0, draw(st.integers(0, own[child].count)), 0, draw(asks))
                for child in range(children)
            ),
        )
        return _gang(number, own, branches, draw(st.integers(0, 1)))
    own = tuple(draw(members()) for _ in range(1 if kind == "flat" else 2))
    minimum = draw(st.integers(0, sum(member.count for member in own)))
    held = {
        f"n{draw(st.integers(0, 7))}": draw(st.integers(1, 3)) for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2])))
    }
    drawn = _gang(number, own, (Branch("", -1, minimum, 0, draw(asks)),), draw(st.integers(0, 1)))
    return msgspec.structs.replace(
        drawn,
        held=(Place("m0", tuple(NodeCount(node, count) for node, count in sorted(held.items()))),) if held else (),
        leader=draw(st.sampled_from(["m1", ""])) if kind == "pair" else "",
    )


def _gang(
    number: int, own: Sequence[Member], branches: tuple[Branch, ...], priority: int, *, single: bool = False
) -> Gang:
    named = tuple(
        Member(f"m{index}", each.shape, each.count, each.minimum, each.branch) for index, each in enumerate(own)
    )
    return Gang(GangKey(f"ns/g{number}"), f"g{number}", "", priority, 0.0, named, branches, single=single)


def _understood(nodes: NodeTable, gang: Gang) -> Gang:
    """The gang; without minima where they are no whole number of slices, at last without its topology asks."""
    needy = tuple(msgspec.structs.replace(branch, minimum=0) for branch in gang.branches)
    loose = tuple(msgspec.structs.replace(member, minimum=0) for member in gang.members)
    plain = tuple(msgspec.structs.replace(branch, topology=None) for branch in gang.branches)
    for each in (gang, msgspec.structs.replace(gang, branches=needy, members=loose)):
        if not level_asks(each, Levels(nodes, {"fabric": TOPOLOGY}))[1]:
            return each
    return msgspec.structs.replace(gang, branches=plain)


@st.composite
def worlds(
    draw: st.DrawFn,
    nodes_max: int = 8,
    gangs_max: int = 6,
    asks: Asks = asks,
    kinds: Sequence[str] = KINDS,
    nodes_min: int = 1,
) -> World:
    count = draw(st.integers(nodes_min, nodes_max))
    nodes = []
    for number in range(count):
        labels = {} if draw(st.integers(0, 9)) == 0 else {"block": f"b{number % 2}", "rack": f"r{number % 4}"}
        labels["host"] = f"n{number}"
        nodes.append(
            Node(
                f"n{number}",
                labels,
                resources({"cpu": 8000, "nvidia.com/gpu": 4000, "pods": draw(st.sampled_from([3, 110, 110]))}),
                taints=(TAINT,) if draw(st.integers(0, 5)) == 0 else (),
            )
        )
    table = NodeTable.of(tuple(nodes))
    free = np.array([vector(node.allocatable, NAMES) for node in table.nodes], dtype=np.int64)
    for row in range(count):
        free[row, 0] -= 500 * draw(st.integers(0, 12))
        free[row, 1] -= 1000 * draw(st.sampled_from([0, 0, 0, 1, 2, 3, 4]))
    own = tuple(
        _understood(table, draw(gangs(number, asks, kinds))) for number in range(draw(st.integers(1, gangs_max)))
    )
    rooms = draw(
        st.sampled_from(
            [(), (QueueRoom(-1, (-1, 6000, -1)), QueueRoom(0, (-1, 3000, -1)), QueueRoom(0, (9000, -1, 7)))]
        )
    )
    queue_of_gang = {gang.key: draw(st.integers(0, len(rooms) - 1)) for gang in own} if rooms else {}
    counts = st.lists(st.sampled_from([0, 0, 0, 1, 2]), min_size=count, max_size=count)
    standing = {each: np.array(draw(counts), dtype=np.int32) for each in (RED, BLUE)}
    return World(table, free, own, rooms, queue_of_gang, standing)
