"""What is handed out before the solve loses nothing: the best plan for the rest, with it, is the best plan there is."""

from __future__ import annotations

import msgspec
from hypothesis import assume, given, note, settings

from scheduler.model.plan import TierScore
from scheduler.solver.blocking.blocking import Bounds
from scheduler.solver.build import Built
from scheduler.solver.check import broken, scores
from scheduler.solver.contention import uncontested, without
from scheduler.solver.expand import contract, expand
from scheduler.solver.greedy.greedy import place
from scheduler.solver.problem import Incumbent, Put, SolveRequest
from tests.property.solver_worlds import World, worlds
from tests.unit.solver.small import solved


def waiting(built: Built, start: Incumbent) -> list[int]:
    placed = [0] * len(built.gangs)
    for put in start.puts:
        placed[put.gang] += put.count
    bounds = Bounds(built, {})
    return [index for index, gang in enumerate(built.gangs) if placed[index] < gang.pods and not bounds.of(index)]


def best(built: Built, start: Incumbent) -> tuple[Put, ...]:
    if not built.gangs:
        return ()
    last = solved(SolveRequest(built.problem, start, wall_seconds=20.0))
    assume(last.end == "optimal")  # counts of a class that do not expand to its nodes leave a gap
    return start.puts if last.incumbent is None else last.incumbent.puts


def served(built: Built, puts: tuple[Put, ...]) -> list[TierScore]:
    return [score for score in scores(built.problem, puts) if score.tier.startswith("served-value")]


@settings(max_examples=80, deadline=None)
@given(worlds(nodes_max=6, gangs_max=5))
def test_the_rest_by_itself_loses_nothing(world: World) -> None:
    built = world.build(goals=("served-value",))
    start = place(built.problem)
    settled = uncontested(built.problem, start, waiting(built, start))
    note(f"settled: {settled}")
    rest, rest_start = without(built, start, settled)
    kept = [index for index in range(len(built.gangs)) if index not in settled]
    together = (
        *(put for put in start.puts if put.gang in settled),
        *(msgspec.structs.replace(put, gang=kept[put.gang]) for put in best(rest, rest_start)),
    )
    assert not broken(built.problem, together)
    assert served(built, together) == served(built, best(built, start))


@given(worlds())
def test_places_lead_back_to_the_puts_they_came_from(world: World) -> None:
    built = world.build()
    puts = place(built.problem).puts
    places = expand(built, puts)
    assert isinstance(places, tuple)
    assert contract(built, places) == puts
