"""Who may give way, as protobuf messages; see `scheduler.rpc.convert`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from scheduler.rpc.pb.muster.solver.v1 import solver_pb2 as pb
from scheduler.solver.giving import Giving, Lane, Right, Room, Stand, Tier, Yielder

_INT64: np.dtype[np.int64] = np.dtype("<i8")

Rows = tuple[tuple[int, ...], ...]


def giving_to_pb(giving: Giving) -> pb.Giving:
    return pb.Giving(
        columns=len(giving.use[0]) if giving.use else 0,
        takers=giving.takers,
        taker_members=[len(members) for members in giving.taken],
        taken=_packed([row for members in giving.taken for row in members]),
        taker_rows=giving.taker_rows,
        yielders=[_yielder_to_pb(each) for each in giving.yielders],
        lanes=[pb.Lane(rights=[_right_to_pb(right) for right in lane.rights]) for lane in giving.lanes],
        tiers=[pb.CostTier(name=tier.name, kind=tier.kind) for tier in giving.tiers],
        use=_packed(giving.use),
        guards=giving.guards,
        guards_hold=giving.guards_hold,
    )


def _yielder_to_pb(yielder: Yielder) -> pb.Yielder:
    return pb.Yielder(
        gang=yielder.gang,
        stand_member=[stand.member for stand in yielder.stands],
        stand_class=[stand.node_class for stand in yielder.stands],
        stand_pods=[stand.pods for stand in yielder.stands],
        lane=yielder.lane,
        whole=yielder.whole,
        line=yielder.line,
        rows=yielder.rows,
        charge=_packed(yielder.charge),
        weights=_packed(yielder.weights),
        guards=yielder.guards,
        movable=yielder.movable,
    )


def _right_to_pb(right: Right) -> pb.Right:
    return pb.Right(
        name=right.name,
        room_row=[room.row for room in right.rooms],
        room_most=_packed([room.most for room in right.rooms]),
        floors=_packed(right.floors),
        asked=right.asked,
        keep=right.keep,
    )


def giving_from_pb(message: pb.Giving, members: Sequence[int], class_count: int) -> Giving:
    """``members`` per gang and ``class_count`` of the problem are what indices must stay within."""
    columns = message.columns
    use = _rows(message.use, columns)
    taken = _rows(message.taken, columns)
    ends = np.cumsum([0, *message.taker_members]).tolist()
    if ends[-1] != len(taken) or len(message.taker_members) != len(message.takers):
        raise ValueError(f"{len(message.takers)} gangs that take are charged {len(taken)} rows")
    yielders = tuple(
        _yielder(each, members, class_count, len(message.lanes), len(message.tiers), columns)
        for each in message.yielders
    )
    lanes = tuple(Lane(tuple(_right(right, columns) for right in lane.rights)) for lane in message.lanes)
    rows = [*message.taker_rows, *(row for each in yielders for row in (*each.line, *each.rows))]
    rows += [room.row for lane in lanes for right in lane.rights for room in right.rooms]
    if any(row >= len(use) for row in rows) or any(
        right.floors and len(right.floors) != len(use) for lane in lanes for right in lane.rights
    ):
        raise ValueError(f"queues beyond the {len(use)} of the ledger")
    if any(gang >= len(members) for gang in message.takers):
        raise ValueError("a gang that takes does not exist")
    if any(guard >= len(message.guards) for each in yielders for guard in each.guards):
        raise ValueError("a budget that does not exist")
    return Giving(
        takers=tuple(message.takers),
        taken=tuple(taken[start:end] for start, end in itertools.pairwise(ends)),
        taker_rows=tuple(message.taker_rows),
        yielders=yielders,
        lanes=lanes,
        tiers=tuple(Tier(tier.name, tier.kind) for tier in message.tiers),
        use=use,
        guards=tuple(message.guards),
        guards_hold=message.guards_hold,
    )


def _yielder(
    message: pb.Yielder, members: Sequence[int], class_count: int, lanes: int, tiers: int, columns: int
) -> Yielder:
    if message.gang >= len(members) or message.lane >= lanes:
        raise ValueError(f"gang {message.gang} in lane {message.lane} does not exist")
    own = members[message.gang]
    stands = tuple(
        Stand(*each) for each in zip(message.stand_member, message.stand_class, message.stand_pods, strict=True)
    )
    if any(stand.member >= own or stand.node_class >= class_count for stand in stands):
        raise ValueError(f"pods of gang {message.gang} stand where nothing is")
    charge, weights = _rows(message.charge, columns), _rows(message.weights, own)
    if len(charge) != own or len(weights) != tiers:
        raise ValueError(
            f"gang {message.gang} has charges of {len(charge)} members and weights in {len(weights)} tiers"
        )
    return Yielder(
        gang=message.gang,
        stands=stands,
        lane=message.lane,
        whole=message.whole,
        line=tuple(message.line),
        rows=tuple(message.rows),
        charge=charge,
        weights=weights,
        guards=tuple(message.guards),
        movable=message.movable,
    )


def _right(message: pb.Right, columns: int) -> Right:
    rooms = _rows(message.room_most, columns)
    if len(message.asked) not in (0, columns):
        raise ValueError(f"a right asks in {len(message.asked)} columns of {columns}")
    return Right(
        name=message.name,
        rooms=tuple(Room(row, most) for row, most in zip(message.room_row, rooms, strict=True)),
        floors=_rows(message.floors, columns),
        asked=tuple(message.asked),
        keep=message.keep,
    )


def _packed(rows: Sequence[tuple[int, ...]]) -> bytes:
    return np.array(rows, dtype=_INT64).tobytes()


def _rows(data: bytes, width: int) -> Rows:
    if not data:
        return ()
    return tuple(map(tuple, np.frombuffer(data, _INT64).reshape(-1, width).tolist()))
