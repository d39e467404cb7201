"""The branches of gangs as one protobuf table, and back. Lists travel as counts and one flat list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from scheduler.rpc.pb.muster.solver.v1 import solver_pb2 as pb
from scheduler.solver.problem import BranchAsk, SliceAsk

Item = TypeVar("Item")


def branches_to_pb(branches: Sequence[BranchAsk]) -> pb.Branches:
    return pb.Branches(
        parent=[branch.parent for branch in branches],
        minimum=[branch.minimum for branch in branches],
        min_branches=[branch.min_branches for branch in branches],
        required=[branch.required for branch in branches],
        preferred=[branch.preferred for branch in branches],
        pinned=[branch.pinned for branch in branches],
        wider=_lists_to_pb([branch.wider for branch in branches]),
        exclusive=[branch.exclusive for branch in branches],
        balance=_lists_to_pb([branch.balance for branch in branches]),
        slices=_slices_to_pb([branch.slices for branch in branches]),
    )


def branches_from_pb(message: pb.Branches) -> list[BranchAsk]:
    columns = zip(
        message.parent,
        message.minimum,
        message.min_branches,
        message.required,
        message.preferred,
        message.pinned,
        _lists_from_pb(message.wider),
        _slices_from_pb(message.slices),
        message.exclusive,
        _lists_from_pb(message.balance),
        strict=True,
    )
    return [BranchAsk(*row) for row in columns]


def _lists_to_pb(rows: Sequence[tuple[int, ...]]) -> pb.LevelLists:
    return pb.LevelLists(count=[len(row) for row in rows], level=[level for row in rows for level in row])


def _lists_from_pb(message: pb.LevelLists) -> list[tuple[int, ...]]:
    return _cut(message.level, message.count)


def _slices_to_pb(rows: Sequence[tuple[SliceAsk, ...]]) -> pb.Slices:
    layers = [layer for row in rows for layer in row]
    return pb.Slices(
        count=[len(row) for row in rows],
        size=[layer.size for layer in layers],
        level=[layer.level for layer in layers],
        held=[len(layer.held) for layer in layers],
        held_domain=[domain for layer in layers for domain, _ in layer.held],
        held_pods=[pods for layer in layers for _, pods in layer.held],
    )


def _slices_from_pb(message: pb.Slices) -> list[tuple[SliceAsk, ...]]:
    held = iter(zip(message.held_domain, message.held_pods, strict=True))
    layers = [
        SliceAsk(size, level, _take(held, count))
        for size, level, count in zip(message.size, message.level, message.held, strict=True)
    ]
    if next(held, None) is not None:
        raise ValueError("the slices do not add up to the places that are held")
    return _cut(layers, message.count)


def _cut(items: Iterable[Item], counts: Iterable[int]) -> list[tuple[Item, ...]]:
    """A flat list as rows of these lengths."""
    left = iter(items)
    rows = [_take(left, count) for count in counts]
    if next(left, None) is not None:
        raise ValueError("the lists of the branches do not add up")
    return rows


def _take(items: Iterator[Item], count: int) -> tuple[Item, ...]:
    taken = tuple(islice(items, count))
    if len(taken) != count:
        raise ValueError("the lists of the branches do not add up")
    return taken
