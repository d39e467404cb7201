"""Problems and requests to send: of any size for measuring, and arbitrary ones for properties."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scheduler.model.devices import DeviceAsk
from scheduler.model.plan import TierScore
from scheduler.solver.devices.devices import ClassDevices
from scheduler.solver.giving import Giving, Lane, Right, Room, Stand, Tier, Yielder
from scheduler.solver.problem import (
    APART,
    KINDS,
    PREFERENCE,
    BranchAsk,
    GangAsk,
    Incumbent,
    MemberAsk,
    Problem,
    Put,
    QueueRoom,
    QuotaLine,
    Relation,
    SliceAsk,
    SolveRequest,
)
from scheduler.solver.quota import CountRoom, Lending


def sized_request(
    class_count: int = 4,
    gang_count: int = 2,
    members_each: int = 1,
    *,
    node_score: str = "pack",
    wall_seconds: float = 1.0,
) -> SolveRequest:
    """A plausible request: every class in a rack of 16, gangs that ask for one rack, a start that places them all."""
    resources = ("cpu", "memory", "nvidia.com/gpu", "pods")
    rack_of_class = np.arange(class_count, dtype=np.int32) // 16
    rng = np.random.default_rng(0)
    free = rng.integers(1, 2**40, size=(class_count, len(resources)), dtype=np.int64)
    gangs = tuple(
        GangAsk(
            members=tuple(
                MemberAsk((8000, 2**36, 1000, 1), 16, 16, 0, np.packbits(rng.random(class_count) < 0.9).tobytes())
                for _ in range(members_each)
            ),
            branches=(BranchAsk(parent=-1, minimum=16, min_branches=0, required=1),),
            values=(1000,) * members_each,
            tier=gang % 3,
            queue=gang % 2,
        )
        for gang in range(gang_count)
    )
    racks = tuple(f"rack-{rack}" for rack in range(int(rack_of_class[-1]) + 1))
    problem = Problem(
        resources=resources,
        class_nodes=np.ones(class_count, dtype=np.int32),
        class_free=free,
        class_domain=np.stack([np.zeros(class_count, dtype=np.int32), rack_of_class], axis=1),
        level_names=("zone", "rack"),
        domain_names=(("zone-0",), racks),
        gangs=gangs,
        queues=(QueueRoom(-1, (-1, -1, 512_000, -1)), QueueRoom(0, (-1, -1, -1, -1))),
        goals=("served-value", "packing"),
        rules=("capacity", "gang-minimum"),
        node_score=node_score,
    )
    puts = tuple(Put(gang, 0, (gang * 16 + spot) % class_count, 1) for gang in range(gang_count) for spot in range(16))
    start = Incumbent(puts, (TierScore("served-value", 16_000 * gang_count),))
    return SolveRequest(problem, start, wall_seconds)


def assert_same_problem(left: Problem, right: Problem) -> None:
    """`Problem` compares by identity, as its arrays have no one truth of equality."""
    for name in Problem.__dataclass_fields__:
        mine, theirs = getattr(left, name), getattr(right, name)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == theirs.dtype, name
            np.testing.assert_array_equal(mine, theirs, err_msg=name)
        elif isinstance(mine, ClassDevices):
            for column in ("states", "memory_mib", "layout"):
                assert getattr(mine, column).dtype == getattr(theirs, column).dtype, column
                np.testing.assert_array_equal(getattr(mine, column), getattr(theirs, column), err_msg=column)
        else:
            assert mine == theirs, name


_int32 = st.integers(-(2**31), 2**31 - 1)
_int64 = st.integers(-(2**63), 2**63 - 1)
_index = st.integers(0, 2**32 - 1)
_names = st.lists(st.text(max_size=5), max_size=3).map(tuple)


def incumbents(puts: st.SearchStrategy[Put]) -> st.SearchStrategy[Incumbent]:
    scores = st.builds(TierScore, tier=st.text(max_size=5), value=_int64, bound=st.none() | _int64)
    return st.builds(
        Incumbent, puts=st.lists(puts, max_size=5).map(tuple), scores=st.lists(scores, max_size=3).map(tuple)
    )


any_incumbent = incumbents(
    st.builds(
        Put,
        gang=_index,
        member=_index,
        node_class=_index,
        count=_index,
        spots=st.sampled_from([(), ((0, 1),), ((3, 2), (2**32 - 1, 1))]),
    )
)


def member_asks(resource_count: int, class_count: int) -> st.SearchStrategy[MemberAsk]:
    request = st.tuples(*[_int64] * resource_count)
    mask_bytes = -(-class_count // 8)
    mask = st.binary(min_size=mask_bytes, max_size=mask_bytes)
    parts = st.builds(DeviceAsk, _index, _index, _index, st.text(max_size=5))
    dislike = st.just(()) | st.tuples(*[_int32] * class_count)
    return st.builds(MemberAsk, request, _int32, _int32, _int32, mask, st.none() | parts, dislike)


@st.composite
def gangs(draw: st.DrawFn, resource_count: int, class_count: int, flavor_count: int) -> GangAsk:
    members = tuple(draw(st.lists(member_asks(resource_count, class_count), max_size=3)))
    columns = st.lists(_index, max_size=2).map(tuple)
    held = st.lists(st.tuples(_index, _index), max_size=2).map(tuple)
    slices = st.lists(st.builds(SliceAsk, _index, _index, held), max_size=2).map(tuple)
    branch = st.builds(
        BranchAsk, _int32, _int32, _int32, _int32, _int32, _int32, columns, slices, _int32, balance=columns
    )
    return GangAsk(
        members=members,
        branches=tuple(draw(st.lists(branch, max_size=3))),
        values=draw(st.tuples(*[_int64] * len(members))),
        tier=draw(_int32),
        queue=draw(_int32),
        bundle=draw(st.booleans()),
        bonus=draw(_int64),
        firm=draw(st.booleans()),
        flavors=draw(st.just(()) | st.tuples(*[_int32] * flavor_count)) if flavor_count else (),
        leader=draw(_int32),
        user=draw(_int32),
        grows=draw(st.booleans()),
    )


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    resources, levels = draw(_names), draw(_names)
    class_count = draw(st.integers(0, 20))
    flavors = draw(_names)
    amounts = st.tuples(*[_int64] * len(resources))
    lines = st.lists(st.builds(QuotaLine, amounts, _int32, st.booleans()), max_size=2).map(tuple)
    room = st.builds(QueueRoom, _int32, amounts, lines)
    asking = tuple(draw(st.lists(gangs(len(resources), class_count, len(flavors)), max_size=4)))
    domains = draw(st.tuples(*[_names] * len(levels)))
    queues = tuple(draw(st.lists(room, max_size=3)))
    per_queue = st.tuples(*[_int64] * len(queues))
    resource, queue, gang = (st.integers(0, len(each) - 1) for each in (resources, queues, asking))
    lending = st.builds(Lending, resource, _int32, per_queue, per_queue, _int64)
    counts = st.builds(CountRoom, queue, _int32, _int64, amounts)
    return Problem(
        resources=resources,
        class_nodes=draw(arrays.arrays(np.int32, class_count)),
        class_free=draw(arrays.arrays(np.int64, (class_count, len(resources)))),
        class_domain=draw(arrays.arrays(np.int32, (class_count, len(levels)))),
        level_names=levels,
        domain_names=domains,
        gangs=asking,
        queues=queues,
        goals=draw(_names),
        rules=draw(_names),
        node_score=draw(st.text(max_size=5)),
        devices=draw(st.none() | class_devices(class_count)),
        device_score=draw(st.text(max_size=5)),
        flavors=flavors,
        class_flavor=draw(arrays.arrays(np.int32, class_count)) if flavors else None,
        mix=tuple(draw(st.lists(member_asks(len(resources), class_count), max_size=3))),
        relations=tuple(draw(st.lists(relations(asking, domains), max_size=3))) if levels else (),
        giving=draw(st.none() | givings(asking, class_count)),
        order=tuple(draw(st.lists(st.tuples(gang, gang), max_size=2))) if asking else (),
        lending=tuple(draw(st.lists(lending, max_size=2))) if resources else (),
        counts=tuple(draw(st.lists(counts, max_size=2))) if queues else (),
    )


@st.composite
def givings(draw: st.DrawFn, asking: tuple[GangAsk, ...], class_count: int) -> Giving:
    columns, queues = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    amounts = st.tuples(*[_int64] * columns)
    row = st.integers(0, queues - 1)
    book = st.tuples(*[amounts] * queues)
    right = st.builds(
        Right,
        st.text(max_size=5),
        st.lists(st.builds(Room, row, amounts), max_size=2).map(tuple),
        st.just(()) | book,
        st.tuples(*[st.booleans()] * columns),
        st.booleans(),
    )
    lanes = draw(st.lists(st.builds(Lane, st.lists(right, max_size=2).map(tuple)), max_size=2).map(tuple))
    tiers = draw(st.lists(st.builds(Tier, st.text(max_size=5), st.text(max_size=5)), max_size=2).map(tuple))
    guards = draw(st.lists(_int64, max_size=2).map(tuple))
    line = st.lists(row, max_size=2).map(tuple)
    whole = [(number, len(gang.members)) for number, gang in enumerate(asking) if gang.members]
    takers = draw(st.lists(st.sampled_from(whole), max_size=2)) if whole else []
    yielders = []
    for number, members in draw(st.lists(st.sampled_from(whole), max_size=2)) if whole and class_count else ():
        stand = st.builds(Stand, st.integers(0, members - 1), st.integers(0, class_count - 1), _index)
        yielders.append(
            Yielder(
                gang=number,
                stands=tuple(draw(st.lists(stand, max_size=3))),
                lane=draw(st.integers(-1, len(lanes) - 1)),
                whole=draw(st.booleans()),
                line=draw(line),
                rows=draw(line),
                charge=draw(st.tuples(*[amounts] * members)),
                weights=draw(st.tuples(*[st.tuples(*[_int64] * members)] * len(tiers))),
                guards=draw(st.lists(st.integers(0, len(guards) - 1), max_size=2).map(tuple)) if guards else (),
                movable=draw(st.booleans()),
            )
        )
    return Giving(
        takers=tuple(number for number, _ in takers),
        taken=tuple(draw(st.tuples(*[amounts] * members)) for _, members in takers),
        taker_rows=draw(line),
        yielders=tuple(yielders),
        lanes=lanes,
        tiers=tiers,
        use=draw(book),
        guards=guards,
        guards_hold=draw(st.booleans()),
    )


@st.composite
def relations(draw: st.DrawFn, asking: tuple[GangAsk, ...], domains: tuple[tuple[str, ...], ...]) -> Relation:
    members = [(gang, member) for gang, ask in enumerate(asking) for member in range(len(ask.members))]
    own = st.lists(st.sampled_from(members), max_size=4).map(tuple) if members else st.just(())
    level = draw(st.integers(0, len(domains) - 1))
    kind = draw(st.sampled_from((*KINDS, PREFERENCE)))
    return Relation(
        kind=kind,
        level=level,
        carriers=draw(own),
        targets=draw(own),
        standing=() if kind == APART else draw(st.tuples(*[_index] * len(domains[level]))),
        max_skew=draw(_index),
        bottomless=draw(st.booleans()),
        first=draw(st.booleans()),
        weight=draw(_int32),
        needs_key=draw(st.booleans()),
    )


@st.composite
def class_devices(draw: st.DrawFn, class_count: int) -> ClassDevices:
    width = draw(st.integers(1, 4))
    return ClassDevices(
        states=draw(arrays.arrays(np.int32, (class_count, width))).astype(np.int64),
        memory_mib=draw(arrays.arrays(np.int32, class_count)),
        layout=draw(arrays.arrays(np.int32, class_count)),
    )


@st.composite
def requests(draw: st.DrawFn) -> SolveRequest:
    problem = draw(problems())
    members = [(gang, member) for gang, ask in enumerate(problem.gangs) for member in range(len(ask.members))]
    start = Incumbent((), ())
    if members and problem.class_count:
        put = st.builds(
            lambda where, node_class, count: Put(where[0], where[1], node_class, count),
            st.sampled_from(members),
            st.integers(0, problem.class_count - 1),
            _index,
        )
        start = draw(incumbents(put))
    seconds = st.floats(0, 1e9)
    return SolveRequest(
        problem,
        start,
        wall_seconds=draw(seconds),
        work=draw(seconds),
        workers=draw(st.integers(0, 64)),
        seed=draw(_int64),
        variables_max=draw(_index),
    )
