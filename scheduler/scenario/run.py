"""Deciding a scenario in this process, with a budget that makes the answer the same on every machine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from scheduler.core.decide import decide
from scheduler.core.drive import run as drive
from scheduler.model.cluster import Snapshot
from scheduler.model.plan import Plan
from scheduler.model.policy import Policy, SolverBudget
from scheduler.scenario.again import needless, unsettled
from scheduler.scenario.build import snapshot_of
from scheduler.scenario.check import check, check_moment
from scheduler.scenario.difference import Difference
from scheduler.scenario.play import Play
from scheduler.scenario.promises import broken
from scheduler.scenario.scenario import PolicyForm, Scenario
from scheduler.scenario.state import World, world_of
from scheduler.scenario.undecided import undecided
from scheduler.solver.problem import SolveRequest, SolveResult

BUDGET = SolverBudget(wall_seconds=60.0, work=2.0, workers=1, seed=0)
"""Deterministic work is the limit; the wall clock only guards against a hang."""

PEER_PROFILES = ("kueue-classic", "kueue-fair", "volcano-capacity", "kai", "yunikorn", "koordinator", "slurm")
"""Profiles that a scenario may name before they are written: until then it runs under ``default``, and says so."""

SWITCHES = {each: each for each in ("filters", "rules", "goals", "node_score", "device_score", "value_resource")}
TAKING_SWITCHES = {
    "after_loss": "after_loss",
    "reclaim_rule": "rule",
    "fair_rules": "fair_rules",
    "cost_order": "costs",
    "flavor_order": "flavor_order",
    "moves": "moves",
    "preempts": "preempt",
    "reclaims": "reclaim",
    "growth": "growth",
    "borrowing": "borrowing",
    "min_runtime_at": "min_runtime_at",
    "break_pdbs": "break_guards",
}
"""Switches of a scenario -> the fields of `Policy`, and of `Policy.taking`, that they set."""

PlayEngine = Callable[[Scenario, Policy], list[Difference]]
"""Plays a scenario with the whole engine on a control plane; what is not as expected."""

FindPolicy = Callable[[str], Policy | None]
"""A policy by its profile's name, None when there is none."""


@dataclass(frozen=True)
class ChosenPolicy:
    """The policy a scenario runs under; ``label`` says which, and what of the scenario's wish it could not follow."""

    policy: Policy
    label: str


@dataclass(frozen=True)
class Outcome:
    """What came of a scenario. ``differences`` is empty when everything expected holds, or nothing was expected;
    ``instead`` are those to what comes out instead, where a row differs on purpose."""

    scenario: Scenario
    snapshot: Snapshot
    plan: Plan
    policy: str
    differences: tuple[Difference, ...]
    instead: tuple[Difference, ...] = ()
    left: bool = False

    @property
    def status(self) -> str:
        """``decided`` (nothing expected), ``pass``, ``differ``, ``fail``, ``expected-fail``, ``unexpected-pass``, or
        ``left`` to whoever plays the whole engine."""
        if self.scenario.expect is None:
            return "decided"
        if self.left:
            return "left"
        if self.scenario.expected == "differ":
            return "unexpected-pass" if not self.differences else "fail" if self.instead else "differ"
        if self.scenario.expected == "fail":
            return "expected-fail" if self.differences else "unexpected-pass"
        return "fail" if self.differences else "pass"


def only_default(profile: str) -> Policy | None:
    """Knows the built-in default policy and nothing else."""
    return Policy() if profile == "default" else None


def choose_policy(form: PolicyForm, find: FindPolicy = only_default) -> ChosenPolicy:
    """The policy of a scenario: its profile with its switches on top. ValueError for a profile that nobody knows."""
    policy = find(form.profile)
    label = form.profile
    if policy is None:
        fallback = find("default")
        if form.profile not in PEER_PROFILES or fallback is None:
            raise ValueError(f"policy {form.profile!r} does not exist")
        policy, label = fallback, f"default ({form.profile} is not written yet)"
    of_policy, of_taking = _stated(form, SWITCHES), _stated(form, TAKING_SWITCHES)
    if of_taking:
        of_policy["taking"] = msgspec.structs.replace(policy.taking, **of_taking)
    if of_policy:
        policy = msgspec.structs.replace(policy, **of_policy)
        stated = (name for name in (*SWITCHES, *TAKING_SWITCHES) if getattr(form, name) is not None)
        label += " with " + ", ".join(sorted(stated))
    return ChosenPolicy(policy, label)


def _stated(form: PolicyForm, switches: Mapping[str, str]) -> dict[str, Any]:
    return {field: value for name, field in switches.items() if (value := getattr(form, name)) is not None}


def run(scenario: Scenario, policy: Policy, label: str = "", play_engine: PlayEngine | None = None) -> Outcome:
    """Decide a scenario, play its steps, and compare what comes out with what it expects, and with what is promised of
    every plan. Loads the solver. ``play_engine`` is for scenarios that are about the whole engine."""
    world = world_of(scenario)
    snapshot = snapshot_of(world)
    plan = _decide(snapshot, policy, scenario.now)
    found: list[tuple[Difference, ...]] = []
    for expect in (scenario.expect, scenario.instead):
        if expect is None:
            found.append(())
            continue
        asked = scenario.model_copy(update={"expect": expect})
        if asked.engine is not None:
            found.append(() if play_engine is None else tuple(play_engine(asked, policy)))
        elif asked.unfolds:
            found.append(tuple(_play(asked, policy)))
        else:
            promised = _promises(world, plan, policy, expect.take_next)
            found.append((*check(asked, snapshot, plan, policy), *promised))
    left = scenario.engine is not None and play_engine is None
    return Outcome(scenario, snapshot, plan, label or policy.name, found[0], found[1], left)


def _promises(world: World, plan: Plan, policy: Policy, take_next: Collection[str]) -> Iterator[Difference]:
    """The promises that a plan breaks."""
    yield from broken(world, plan, policy.taking.break_guards)
    if plan.decisions:

        def again(then: Snapshot) -> Plan:
            return _decide(then, policy, world.now_seconds)

        yield from unsettled(world, plan, again, moves=policy.taking.moves, take_next=take_next)
        yield from needless(world, plan, again)


def _play(scenario: Scenario, policy: Policy) -> Iterator[Difference]:
    """What is not as expected, of the first play in which anything is not."""
    yield from (Difference(each.subject, "an answer", each.why) for each in undecided(scenario))
    for seed in range(scenario.termination.seeds):
        play = Play(scenario, lambda then, now: _decide(then, policy, now), seed, policy.taking.break_guards)
        play.run()
        found = [*play.trouble, *(each for moment in play.moments for each in check_moment(moment, policy))]
        if found:
            yield from found
            return


def _decide(snapshot: Snapshot, policy: Policy, now_seconds: float) -> Plan:
    return drive(decide(snapshot, policy, now_seconds, BUDGET), _solve)


def _solve(request: SolveRequest) -> SolveResult:
    """The last and best of the solver's answers."""
    from scheduler.solver.improve import solve  # OR-Tools is heavy: only a run pays for it

    answers = list(solve(request))
    return answers[-1] if answers else SolveResult(incumbent=None, end="failed")
