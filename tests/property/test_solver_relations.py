"""Relations drawn for their own sake: both faces agree where pods are close together, and greedy keeps every one."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from scheduler.solver.check import broken
from scheduler.solver.greedy.greedy import place
from scheduler.solver.problem import APART, KINDS, SPREAD, BranchAsk, GangAsk, MemberAsk, Problem, Put, Relation
from scheduler.solver.terms.table import RULES
from tests.property.test_solver_terms import _anywhere, _best, _model

CLASSES = 4
EVERYWHERE = np.packbits(np.ones(CLASSES, dtype=np.bool_)).tobytes()


@st.composite
def gangs(draw: st.DrawFn) -> GangAsk:
    bundle = draw(st.booleans())
    counts = draw(st.lists(st.integers(1, 3), min_size=1, max_size=1 if bundle else 2))
    least = 0 if bundle else draw(st.integers(1, sum(counts)))
    return GangAsk(
        members=tuple(MemberAsk((1,), count, 0, 0, EVERYWHERE) for count in counts),
        branches=(BranchAsk(-1, least, 0),),
        values=(1,) * len(counts),
        bundle=bundle,
    )


@st.composite
def problems(draw: st.DrawFn, kind: str) -> Problem:
    """Up to three gangs on four classes of two nodes, with two relations of one kind over a label of three values."""
    asking = tuple(draw(st.lists(gangs(), min_size=1, max_size=3)))
    members = [(gang, member) for gang, ask in enumerate(asking) for member in range(len(ask.members))]
    some = st.lists(st.sampled_from(members), min_size=1, max_size=4, unique=True).map(lambda keys: tuple(sorted(keys)))
    codes = draw(st.lists(st.sampled_from([-1, 0, 0, 1, 1, 2]), min_size=CLASSES, max_size=CLASSES))
    standing = st.tuples(*[st.sampled_from([0, 0, 1, 2])] * 3)
    relation = st.builds(
        Relation,
        kind=st.just(kind),
        level=st.just(0),
        carriers=some,
        targets=some,
        standing=st.just(()) if kind == APART else standing,
        max_skew=st.integers(1, 2),
        bottomless=st.booleans(),
        first=st.booleans(),
    )
    relations = tuple(_consistent(each) for each in draw(st.lists(relation, min_size=1, max_size=2)))
    return Problem(
        resources=("cpu",),
        class_nodes=np.full(CLASSES, 2, dtype=np.int32),
        class_free=np.full((CLASSES, 1), draw(st.integers(1, 3)), dtype=np.int64),
        class_domain=np.array(codes, dtype=np.int32).reshape(CLASSES, 1),
        level_names=("zone",),
        domain_names=(("a", "b", "c"),),
        gangs=asking,
        queues=(),
        goals=("served-value",),
        rules=("capacity", "gang-minimum", kind),
        node_score=draw(st.sampled_from(["pack", "spread"])),
        relations=relations,
    )


def _consistent(relation: Relation) -> Relation:
    """``first`` says that nothing stands anywhere."""
    if relation.kind == SPREAD or not relation.first:
        return relation
    return msgspec.structs.replace(relation, standing=(0,) * len(relation.standing))


@st.composite
def placements(draw: st.DrawFn, kind: str) -> tuple[Problem, tuple[Put, ...]]:
    problem = draw(problems(kind))
    puts = []
    for gang, ask in enumerate(problem.gangs):
        for member, each in enumerate(ask.members):
            left = each.count
            for node_class in draw(st.permutations(range(CLASSES))):
                count = draw(st.integers(0, left))
                left -= count
                if count:
                    puts.append(Put(gang, member, node_class, count))
    return problem, tuple(puts)


@settings(max_examples=150, deadline=None)
@given(st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_a_relation_allows_what_its_check_allows(kind: str, data: st.DataObject) -> None:
    problem, puts = data.draw(placements(kind))
    alone = replace(problem, rules=(kind,), goals=())
    allowed = _best(_model(alone, puts, _anywhere(alone)), []) is not None
    assert allowed == (RULES[kind].broken(alone, puts) == [])


@settings(max_examples=150, deadline=None)
@given(st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_greedy_keeps_every_relation(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    puts = place(problem).puts
    assert broken(problem, puts) == ()


def test_a_domain_in_which_nobody_began_after_all_takes_nobody_else() -> None:
    """The first member might begin a zone by the second relation and has no place by the first one: the other member
    has nothing to be near then."""
    member = MemberAsk((1,), 1, 0, 0, EVERYWHERE)
    near = Relation("pod-affinity", 0, carriers=((0, 0),), targets=((0, 0),), standing=(0, 0, 0), first=False)
    problem = Problem(
        resources=("cpu",),
        class_nodes=np.full(CLASSES, 2, dtype=np.int32),
        class_free=np.ones((CLASSES, 1), dtype=np.int64),
        class_domain=np.array([[-1], [-1], [-1], [0]], dtype=np.int32),
        level_names=("zone",),
        domain_names=(("a", "b", "c"),),
        gangs=(GangAsk(members=(member, member), branches=(BranchAsk(-1, 1, 0),), values=(1, 1)),),
        queues=(),
        goals=("served-value",),
        rules=("capacity", "gang-minimum", "pod-affinity"),
        node_score="pack",
        relations=(near, msgspec.structs.replace(near, carriers=((0, 0), (0, 1)), first=True)),
    )
    assert place(problem).puts == ()
