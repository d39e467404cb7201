"""A reason is given exactly when a gang does not fit alone: when greedy would not place it with nothing else to do."""

from __future__ import annotations

from hypothesis import given, settings

from scheduler.solver.blocking import fits_alone, why_not
from scheduler.solver.greedy import place
from scheduler.solver.improve import solve
from scheduler.solver.problem import SolveRequest
from tests.property.solver_worlds import World, worlds


@settings(max_examples=200, deadline=None)
@given(worlds(gangs_max=1))
def test_a_gang_fits_alone_exactly_when_it_would_be_placed_alone(world: World) -> None:
    built = world.build()
    fits = fits_alone(built, 0)
    assert fits == bool(place(built.problem).puts)
    assert fits == (why_not(built, 0, {}) == ())


@settings(max_examples=60, deadline=None)
@given(worlds(gangs_max=1))
def test_what_a_bound_refuses_no_solver_places(world: World) -> None:
    built = world.build()
    bounds = [reason for reason in why_not(built, 0, {}) if reason.code != "NotTogether"]
    if bounds:
        *_, last = solve(SolveRequest(built.problem, place(built.problem), wall_seconds=20.0))
        assert last.incumbent is None or last.incumbent.puts == ()
