"""What queues ask for besides limits: both faces of each rule agree, and greedy obeys, on random trees of queues."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from scheduler.solver.greedy.greedy import place
from scheduler.solver.problem import Problem, QueueRoom
from scheduler.solver.quota import CountRoom, Lending, Loans
from scheduler.solver.terms.table import RULES
from tests.property.solver_worlds import worlds
from tests.property.test_solver_terms import _anywhere, _best, _model, _puts

RULES_OF_QUEUES = ("lendable", "counts", "queue-order")
PARENTS = (-1, 0, 0, 2, -1)
"""Two trees of three levels and of one."""

pods = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 5), st.integers(1, 3))


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """A world whose gangs are in queues that keep, count, or serve in order."""
    problem = draw(worlds(nodes_max=6, gangs_max=3)).build(rules=(), goals=()).problem
    width = len(problem.resources)
    scale = max((max(member.request) for gang in problem.gangs for member in gang.members), default=1) or 1
    amount = st.integers(0, 6).map(lambda each: each * max(1, scale // 2))
    bound = st.one_of(st.just(-1), amount)
    per_queue = st.tuples(*[amount] * len(PARENTS))
    rooms = st.tuples(*[bound] * len(PARENTS))
    lending = st.builds(Lending, st.integers(0, width - 1), st.just(-1), per_queue, rooms, bound)
    counts = st.builds(
        CountRoom,
        st.integers(0, len(PARENTS) - 1),
        st.integers(-1, 1),
        st.integers(-1, 3),
        st.tuples(*[bound] * width),
    )
    gangs = tuple(
        msgspec.structs.replace(
            gang, queue=draw(st.sampled_from((1, 3, 4))), user=draw(st.integers(0, 1)), grows=draw(st.booleans())
        )
        for gang in problem.gangs
    )
    count = len(gangs)
    pairs = [(behind, front) for behind in range(count) for front in range(behind)]
    return replace(
        problem,
        gangs=gangs,
        queues=tuple(QueueRoom(parent, (-1,) * width) for parent in PARENTS),
        lending=tuple(draw(st.lists(lending, min_size=1, max_size=2))),
        counts=tuple(draw(st.lists(counts, min_size=1, max_size=2))),
        order=tuple(draw(st.lists(st.sampled_from(pairs), max_size=2, unique=True))) if pairs else (),
    )


@settings(max_examples=120, deadline=None)
@given(problems(), st.lists(pods, max_size=6))
@pytest.mark.parametrize("rule", RULES_OF_QUEUES)
def test_a_rule_allows_what_its_check_allows(
    rule: str, problem: Problem, drawn: list[tuple[int, int, int, int]]
) -> None:
    """Beside minima, which tie the presence of a gang to its pods."""
    problem = replace(problem, rules=("gang-minimum", rule))
    puts = _puts(problem, drawn)
    allowed = _best(_model(problem, puts, _anywhere(problem)), []) is not None
    assert allowed == all(RULES[name].broken(problem, puts) == [] for name in problem.rules)


@settings(max_examples=150, deadline=None)
@given(problems())
def test_greedy_obeys(problem: Problem) -> None:
    problem = replace(problem, rules=("capacity", "gang-minimum", *RULES_OF_QUEUES), goals=("served-value",))
    puts = place(problem).puts
    for rule in RULES_OF_QUEUES:
        assert RULES[rule].broken(problem, puts) == []


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=8))
def test_what_is_left_to_take_is_what_may_be_taken(taken: list[tuple[int, int]]) -> None:
    """Of a room of 6 in queue 0 above 1 (keeps 3) and 2 (keeps nothing), and 10 in all."""
    loans = Loans(Lending(0, -1, (2, 3, 0), (6, -1, -1), 10), (-1, 0, 0))
    own = [0, 0, 0]
    for queue, amount in taken:
        assert loans.left(queue) >= 0
        amount = min(amount, loans.left(queue))
        loans.take(queue, amount)
        own[queue] += amount
        counted = own[0] + max(0, own[1] - 3) + own[2]
        assert counted <= 6
        assert max(0, counted - 2) <= 10
