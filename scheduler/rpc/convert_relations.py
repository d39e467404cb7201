"""What pods ask of one another, as protobuf messages; see `scheduler.rpc.convert`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from scheduler.rpc.pb.muster.solver.v1 import solver_pb2 as pb
from scheduler.solver.problem import APART, PREFERENCE, SPREAD, TOGETHER, Relation

KIND_NUMBERS: Mapping[str, pb.Relation.Kind] = {
    APART: pb.Relation.KIND_APART,
    TOGETHER: pb.Relation.KIND_TOGETHER,
    SPREAD: pb.Relation.KIND_SPREAD,
    PREFERENCE: pb.Relation.KIND_PREFERENCE,
}
_KINDS: Mapping[int, str] = {number: kind for kind, number in KIND_NUMBERS.items()}


def relation_to_pb(relation: Relation) -> pb.Relation:
    return pb.Relation(
        kind=KIND_NUMBERS[relation.kind],
        level=relation.level,
        carrier_gang=[gang for gang, _ in relation.carriers],
        carrier_member=[member for _, member in relation.carriers],
        target_gang=[gang for gang, _ in relation.targets],
        target_member=[member for _, member in relation.targets],
        standing=relation.standing,
        max_skew=relation.max_skew,
        bottomless=relation.bottomless,
        first=relation.first,
        weight=relation.weight,
        needs_key=relation.needs_key,
    )


def relations_from_pb(messages: Iterable[pb.Relation], members: list[int], domains: list[int]) -> tuple[Relation, ...]:
    """``members`` per gang and ``domains`` per level of the problem are what indices must stay within."""
    return tuple(_relation(message, members, domains) for message in messages)


def _relation(message: pb.Relation, members: list[int], domains: list[int]) -> Relation:
    if message.kind not in _KINDS:
        raise ValueError(f"a relation is of kind {message.kind}, which is not known")
    if message.level >= len(domains):
        raise ValueError(f"a relation is about level {message.level} of {len(domains)}")
    kind = _KINDS[message.kind]
    if kind != APART and len(message.standing) != domains[message.level]:
        raise ValueError(f"a relation counts {len(message.standing)} domains of {domains[message.level]}")
    carriers = tuple(zip(message.carrier_gang, message.carrier_member, strict=True))
    targets = tuple(zip(message.target_gang, message.target_member, strict=True))
    for gang, member in (*carriers, *targets):
        if gang >= len(members) or member >= members[gang]:
            raise ValueError(f"a relation names member {member} of gang {gang}, which does not exist")
    return Relation(
        kind=kind,
        level=message.level,
        carriers=carriers,
        targets=targets,
        standing=tuple(message.standing),
        max_skew=message.max_skew,
        bottomless=message.bottomless,
        first=message.first,
        weight=message.weight,
        needs_key=message.needs_key,
    )
