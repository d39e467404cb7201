"""Values to protobuf and back."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from scheduler.model.devices import DeviceAsk
from scheduler.model.plan import TierScore
from scheduler.rpc import convert
from scheduler.rpc.endpoint import MESSAGE_BYTES_MAX
from scheduler.rpc.pb.muster.solver.v1 import solver_pb2 as pb
from scheduler.solver.devices.devices import ClassDevices
from scheduler.solver.giving import Giving, Lane, Right, Room, Stand, Tier, Yielder
from scheduler.solver.problem import (
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
    SolveResult,
)
from scheduler.solver.quota import CountRoom, Lending
from tests.unit.rpc.problems import any_incumbent, assert_same_problem, requests, sized_request


@settings(deadline=None)
@given(requests())
def test_a_request_survives_the_wire_exactly(request: SolveRequest) -> None:
    data = convert.request_to_pb(request).SerializeToString()
    back = convert.request_from_pb(pb.SolveRequest.FromString(data))
    assert_same_problem(back.problem, request.problem)
    for name in set(SolveRequest.__struct_fields__) - {"problem"}:
        assert getattr(back, name) == getattr(request, name), name


CARRIED = {
    SolveRequest: "problem start wall_seconds work workers seed variables_max",
    Problem: "resources class_nodes class_free class_domain level_names domain_names gangs queues goals rules "
    "node_score devices device_score flavors class_flavor mix relations giving order lending counts",
    Relation: "kind level carriers targets standing max_skew bottomless first weight needs_key",
    GangAsk: "members branches values tier queue bundle bonus firm flavors leader user grows",
    MemberAsk: "request count minimum branch eligible devices dislike",
    BranchAsk: "parent minimum min_branches required preferred pinned wider slices exclusive balance",
    SliceAsk: "size level held",
    Giving: "takers taken taker_rows yielders lanes tiers use guards guards_hold",
    Yielder: "gang stands lane whole line rows charge weights guards movable",
    Stand: "member node_class pods",
    Lane: "rights",
    Right: "name rooms floors asked keep",
    Room: "row most",
    Tier: "name kind",
    QueueRoom: "parent room lines",
    QuotaLine: "room flavor firm",
    Lending: "resource flavor kept room total",
    CountRoom: "queue user gangs room",
    DeviceAsk: "count milli memory_mib profile",
    ClassDevices: "states memory_mib layout",
    Incumbent: "puts scores",
    Put: "gang member node_class count spots",
    TierScore: "tier value bound",
    SolveResult: "incumbent end variables",
}
STAYS_AT_HOME = {(SolveRequest, "patient"), (Put, "held"), (ClassDevices, "_needs")}


@pytest.mark.parametrize("value", CARRIED)
def test_every_field_is_known_to_the_wire(value: Any) -> None:
    """Else a new field would arrive as its default: add it to the proto, the conversion, the generator, and here."""
    names = {field.name for field in fields(value)} if is_dataclass(value) else set(value.__struct_fields__)
    assert {name for name in names if (value, name) not in STAYS_AT_HOME} == set(CARRIED[value].split())


@settings(deadline=None)
@given(any_incumbent)
def test_an_incumbent_survives_the_wire_exactly(incumbent: Incumbent) -> None:
    data = convert.incumbent_to_pb(incumbent).SerializeToString()
    assert convert.incumbent_from_pb(pb.Incumbent.FromString(data)) == incumbent


def test_no_bound_and_a_bound_of_zero_stay_apart() -> None:
    scores = (TierScore("a", 0, None), TierScore("b", 0, 0))
    assert convert.incumbent_from_pb(convert.incumbent_to_pb(Incumbent((), scores))).scores == scores


def test_the_devices_of_pods_stay_at_home_and_their_nodes_with_them() -> None:
    sent = Incumbent((Put(0, 0, 0, 2, spots=((5, 2),), held=((5, ((0, 0),), 2),)),), ())
    assert convert.incumbent_from_pb(convert.incumbent_to_pb(sent)).puts == (Put(0, 0, 0, 2),)


@pytest.mark.parametrize("end", ["optimal", "feasible", "deadline", "failed", "skipped"])
def test_every_end_survives_the_wire(end: str) -> None:
    assert convert.end_from_pb(convert.end_to_pb(end)) == end


def test_an_end_that_does_not_exist_is_refused_both_ways() -> None:
    with pytest.raises(ValueError, match="cannot end as 'done'"):
        convert.end_to_pb("done")
    with pytest.raises(ValueError, match="ended as 99"):
        convert.end_from_pb(99)


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (lambda p: p.classes.MergeFrom(pb.NodeClasses(free=p.classes.free[:-8])), "reshape"),
        (lambda p: p.gangs.members.append(1), "add up"),
        (lambda p: p.gangs.tier.append(0), "zip"),
        (lambda p: p.members.count.append(1), "reshape"),
        (lambda p: p.members.masks.append(b"too long for the classes"), "one bit"),
        (lambda p: p.members.eligible.__setitem__(0, 7), "not among the 1"),
        (lambda p: p.branches.pinned.append(1), "zip"),
        (lambda p: p.branches.wider.level.append(1), "add up"),
        (lambda p: p.branches.slices.count.__setitem__(0, 1), "add up"),
        (lambda p: p.branches.slices.held_domain.append(1), "zip"),
        (lambda p: p.queues.parent.append(1), "reshape"),
        (lambda p: p.queues.lines.append(1), "do not add up"),
        (lambda p: p.members.part.extend([1, 0]), "not among the 0"),
        (lambda p: p.gangs.wish.__setitem__(0, 1), "not among the 0"),
        (lambda p: p.classes.MergeFrom(pb.NodeClasses(devices=2)), "reshape"),
        (lambda p: setattr(p.classes, "nodes", b"123"), "multiple"),
    ],
)
def test_a_message_that_contradicts_itself_is_refused(harm: object, complaint: str) -> None:
    message = convert.request_to_pb(sized_request())
    assert callable(harm)
    harm(message.problem)
    with pytest.raises(ValueError, match=complaint):
        convert.request_from_pb(message)


@pytest.mark.parametrize("put", [Put(2, 0, 0, 1), Put(0, 1, 0, 1), Put(0, 0, 4, 1)])
def test_a_put_outside_the_problem_is_refused(put: Put) -> None:
    problem = sized_request(class_count=4, gang_count=2, members_each=1).problem
    with pytest.raises(ValueError, match="outside the problem"):
        convert.check_fits(Incumbent((put,), ()), problem)


def test_arrays_from_the_wire_are_read_only() -> None:
    problem = convert.request_from_pb(convert.request_to_pb(sized_request())).problem
    with pytest.raises(ValueError, match="read-only"):
        problem.class_free[0, 0] = 1


def test_numbers_that_would_lose_bits_are_refused() -> None:
    problem = sized_request().problem
    object.__setattr__(problem, "class_nodes", np.array([2**40] * 4))
    with pytest.raises(TypeError, match="safe"):
        convert.problem_to_pb(problem)


def test_the_largest_problem_foreseen_is_far_below_the_message_limit() -> None:
    request = sized_request(class_count=5_000, gang_count=1_000, members_each=4)
    assert convert.request_to_pb(request).ByteSize() < MESSAGE_BYTES_MAX / 8
