"""A plan as people read it, and as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from scheduler.core.explain import message, sentence
from scheduler.core.facts.books import taken_by
from scheduler.model.plan import Decision, Refusal, SolveEnd, Verdict
from scheduler.model.resources import GPU, quantity_text
from scheduler.model.work import Place
from scheduler.scenario.gangs import GangPlan, gangs
from scheduler.scenario.run import Outcome


def as_data(outcome: Outcome) -> dict[str, Any]:
    """The whole plan: places per node, victims, moves, verdicts with facts and sentences, scores with bounds."""
    plans = {plan.key: plan for plan in gangs(outcome.scenario)}
    return {
        "id": outcome.scenario.id,
        "policy": outcome.policy,
        "status": outcome.status,
        "decisions": [_decision(each, plans) for each in outcome.plan.decisions],
        "verdicts": {plans[key].name: _verdict(verdict) for key, verdict in outcome.plan.verdicts.items()},
        "solves": [_solve(each) for each in outcome.plan.solves],
        "differences": [str(each) for each in outcome.differences],
    }


def _decision(decision: Decision, plans: dict[Any, GangPlan]) -> dict[str, Any]:
    return {
        "gang": plans[decision.gang].name,
        "queue": plans[decision.gang].queue,
        "places": _places(decision.places),
        "victims": [f"{victim.namespace}/{victim.name}" for victim in decision.victims],
        "moves": [{"gang": plans[move.gang].name, "places": _places(move.places)} for move in decision.moves],
    }


def _places(places: Iterable[Place]) -> list[dict[str, Any]]:
    return [{"member": place.member, "nodes": {each.node: each.count for each in place.nodes}} for place in places]


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "cause": str(verdict.cause),
        "message": message(verdict),
        "proven": verdict.proven,
        "by": [str(key) for key in verdict.by],
        "reasons": [_reason(each) for each in verdict.refusals],
    }


def _reason(refusal: Refusal) -> dict[str, Any]:
    return {
        "term": refusal.term,
        "code": refusal.code,
        "needed": refusal.needed,
        "offered": refusal.offered,
        "resource": refusal.resource,
        "where": refusal.where,
        "nodes": dict(refusal.counts),
        "sentence": sentence(refusal),
    }


def _solve(solve: SolveEnd) -> dict[str, Any]:
    return {
        "band": solve.band,
        "end": solve.end,
        "used": solve.used,
        "variables": solve.variables,
        "scores": [{"tier": each.tier, "value": each.value, "bound": each.bound} for each in solve.scores],
    }


def as_text(outcome: Outcome) -> str:
    """Two tables: who got which places, and who waits and why."""
    plans = {plan.key: plan for plan in gangs(outcome.scenario)}
    placed = [
        (
            plans[each.gang].name,
            plans[each.gang].queue,
            f"{_count(each.places)} of {plans[each.gang].pods - plans[each.gang].running}",
            _gpus(plans[each.gang], each.places),
            _where(each.places),
        )
        for each in outcome.plan.decisions
    ]
    victims = [(victim.name, plans[each.gang].name) for each in outcome.plan.decisions for victim in each.victims]
    waiting = [
        (plans[key].name, plans[key].queue, str(verdict.cause), message(verdict))
        for key, verdict in outcome.plan.verdicts.items()
        if verdict.cause != "Placed"
    ]
    parts = [f"{outcome.scenario.id}  (policy {outcome.policy})"]
    parts += _table(("PLACED", "QUEUE", "PODS", "GPUS", "WHERE"), placed)
    parts += _table(("EVICTED", "FOR"), victims)
    parts += _table(("WAITS", "QUEUE", "CAUSE", "WHY"), waiting)
    if not placed and not waiting:
        parts.append("nothing waits")
    parts += [_solve_line(each) for each in outcome.plan.solves]
    return "\n".join(parts)


def _count(places: Iterable[Place]) -> int:
    return sum(each.count for place in places for each in place.nodes)


def _gpus(plan: GangPlan, places: Iterable[Place]) -> str:
    shapes = {member.name: member.shape for member in plan.members}
    return quantity_text(
        GPU,
        sum(
            dict(taken_by(shapes[place.member], each.devices)).get(GPU, 0) * each.count
            for place in places
            for each in place.nodes
        ),
    )


def _where(places: Sequence[Place]) -> str:
    texts = []
    for place in places:
        nodes = ", ".join(each.node if each.count == 1 else f"{each.node} x{each.count}" for each in place.nodes)
        texts.append(nodes if len(places) == 1 else f"{place.member}: {nodes}")
    return "; ".join(texts)


def _solve_line(solve: SolveEnd) -> str:
    scores = ", ".join(
        f"{each.tier} {each.value}" + ("" if each.bound is None else f" (bound {each.bound})") for each in solve.scores
    )
    return f"solve: {solve.end}, plan by {solve.used}" + (f"; {scores}" if scores else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
