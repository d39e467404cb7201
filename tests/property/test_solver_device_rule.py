"""The rule about devices: both faces agree, and greedy, which counts device by device, never breaks it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.model.devices import CUT, DeviceAsk
from scheduler.solver.candidates import candidates
from scheduler.solver.check import broken
from scheduler.solver.facade import Ended, Limits
from scheduler.solver.greedy.greedy import place
from scheduler.solver.model import PlacementModel
from scheduler.solver.problem import Incumbent, MemberAsk, Problem, Put
from scheduler.solver.terms import devices
from tests.unit.solver.parts import member, problem

ASKS = st.one_of(
    st.builds(lambda: member(gpus=1, classes=2)),
    st.builds(
        lambda milli, count: member(DeviceAsk(count, milli), classes=2),
        st.sampled_from([200, 310, 500, 810]),
        st.integers(1, 2),
    ),
    st.builds(lambda name: member(DeviceAsk(profile=name), classes=2), st.sampled_from(["1g.5gb", "3g.20gb"])),
)
STATES = st.lists(
    st.lists(st.sampled_from([0, 200, 500, 1000, 1000, CUT + 0b1]), min_size=2, max_size=2), min_size=2, max_size=2
)


def several(asked: MemberAsk, count: int) -> MemberAsk:
    return MemberAsk(asked.request, count, 0, 0, asked.eligible, asked.devices)


@st.composite
def worlds(draw: st.DrawFn) -> Problem:
    members = [several(each, draw(st.integers(1, 3))) for each in draw(st.lists(ASKS, min_size=1, max_size=3))]
    return problem(draw(STATES), members, layout=0, nodes=[1, 2])


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_greedy_never_breaks_it(world: Problem) -> None:
    assert devices.broken(world, place(world).puts) == []


@settings(max_examples=60, deadline=None)
@given(worlds(), st.data())
def test_both_faces_agree(world: Problem, data: st.DataObject) -> None:
    """Counts that respect the upper bounds are a solution of the posted rule exactly when the plain face has nothing to
    say."""
    uppers = candidates(world)
    puts = []
    for gang, own in enumerate(uppers):
        for node_class in range(world.class_count):
            if own[0][node_class]:
                count = data.draw(st.integers(0, int(own[0][node_class])))
                puts += [Put(gang, 0, node_class, count)] if count else []
    model = PlacementModel(world, uppers, set(), Incumbent(tuple(puts), ()))
    devices.post(model)
    try:
        ends = [each.end for each in model.cp.search(Limits(5.0), lambda: False) if isinstance(each, Ended)]
        holds = ends == ["optimal"]
    except RuntimeError:  # CP-SAT says that these counts are no solution
        holds = False
    assert holds == (devices.broken(world, puts) == [])


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_greedy_keeps_all_rules(world: Problem) -> None:
    assert broken(world, place(world).puts) == ()
