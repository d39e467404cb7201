"""The backlogs kept from cycle to cycle are those made anew; ranks by several keys are those of sorting."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from scheduler.core.queues.backlog import Backlogs
from scheduler.core.queues.order import ranks
from scheduler.model.bundle import Pending, bundled
from scheduler.model.resources import GPU
from scheduler.model.shape import Shape
from scheduler.model.work import Branch, Gang, GangKey, Member

SHAPES = [Shape(((GPU, gpus),)) for gpus in (1, 2)]


@st.composite
def gangs(draw: st.DrawFn) -> Gang:
    name = str(draw(st.integers(0, 30)))
    single = draw(st.booleans())
    key = GangKey(f"pod/{name}" if single else f"team/{name}")
    members = (Member("pod", draw(st.sampled_from(SHAPES)), 1, 1),)
    queue, priority, age = draw(st.sampled_from("abc")), draw(st.integers(0, 1)), float(draw(st.integers(0, 3)))
    return Gang(key, f"team/{name}", queue, priority, age, members, (Branch("", -1, 1),), single=single)


def waiting(found: list[Gang]) -> Pending:
    own = list({gang.key: gang for gang in found}.values())
    return Pending(tuple(gang for gang in own if not gang.single), tuple(bundled(gang for gang in own if gang.single)))


@settings(deadline=None)
@given(st.lists(st.lists(gangs(), max_size=12), min_size=1, max_size=5), st.data())
def test_backlogs_are_what_they_would_be_made_anew(cycles: list[list[Gang]], data: st.DataObject) -> None:
    kept = Backlogs()
    before: list[Gang] = []
    for new in cycles:
        left = [gang for gang in before if data.draw(st.booleans())]
        before = [*left, *new]
        pending = waiting(before)
        found, anew = kept.of(pending), Backlogs().of(pending)
        assert found.keys() == anew.keys()
        for queue, backlog in found.items():
            own = [gang for gang in pending.all if gang.queue == queue]
            assert list(backlog.gangs) == sorted(own, key=lambda gang: (-gang.priority, gang.arrived_seconds, gang.key))
            assert backlog.gangs == anew[queue].gangs
            assert backlog.priorities.tolist() == [gang.priority for gang in backlog.gangs]
            assert backlog.arrived_seconds.tolist() == [gang.arrived_seconds for gang in backlog.gangs]
            shapes = [backlog.parts[part].members[0].shape for part in backlog.part]
            assert shapes == [gang.members[0].shape for gang in backlog.gangs]
        again = kept.of(pending)
        assert all(again[queue] is backlog for queue, backlog in found.items())


@given(st.integers(0, 20).flatmap(lambda n: st.lists(st.lists(st.integers(0, 2), min_size=n, max_size=n), min_size=1)))
def test_the_rank_is_how_many_come_before(keys: list[list[int]]) -> None:
    rows = list(zip(*reversed(keys), strict=True))
    assert ranks([np.array(key, dtype=np.int64) for key in keys]).tolist() == [
        sum(other < row for other in rows) for row in rows
    ]
