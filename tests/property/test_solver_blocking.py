"""What is said about one gang alone: true without a solver as far as it goes, and the whole truth with one."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from scheduler.solver.build import Built
from scheduler.solver.greedy.greedy import place
from scheduler.solver.problem import SolveRequest
from tests.property.solver_worlds import World, worlds
from tests.unit.solver.small import diagnosis, solved


def placeable(built: Built, *, left_out: tuple[str, ...] = ()) -> bool:
    """Whether any placement of the only gang exists, as CP-SAT proves it without these rules."""
    rules = tuple(rule for rule in built.problem.rules if rule not in left_out)
    problem = replace(built.problem, rules=rules)
    start = place(problem)
    last = solved(SolveRequest(problem, start, wall_seconds=20.0))
    assert last.end == "optimal"
    return bool((last.incumbent or start).puts)


@settings(max_examples=200, deadline=None)
@given(worlds(gangs_max=1))
def test_without_a_solver_a_gang_fits_exactly_when_greedy_places_it_alone(world: World) -> None:
    built = world.build()
    found = diagnosis(built)
    assert found.fits == bool(place(built.problem).puts)
    assert found.fits == (found.refusals == ())
    assert found.proven or not found.fits


@settings(max_examples=60, deadline=None)
@given(worlds(gangs_max=1))
def test_what_is_proven_holds_for_every_placement(world: World) -> None:
    built = world.build()
    found = diagnosis(built)
    if found.proven:
        assert found.fits == placeable(built)


@settings(max_examples=60, deadline=None)
@given(worlds(gangs_max=1))
def test_with_a_solver_the_answer_is_certain_and_names_what_blocks(world: World) -> None:
    built = world.build()
    found = diagnosis(built, solved)
    assert found.proven
    assert found.fits == placeable(built)
    terms = {reason.term for reason in found.refusals if reason.code == "NotTogether"}
    if terms == {"required-topology"}:
        assert placeable(built, left_out=("required-topology",))
    if terms == {"capacity"}:
        assert not placeable(built, left_out=("required-topology", "queue-limit"))
