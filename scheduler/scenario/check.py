"""Comparing a plan with ``expect``: every difference, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from scheduler.core.explain import message
from scheduler.model.cluster import Snapshot
from scheduler.model.plan import Plan, Refusal, Verdict
from scheduler.model.policy import Policy
from scheduler.model.resources import amount, quantity_text
from scheduler.scenario import arithmetic
from scheduler.scenario.build import snapshot_of
from scheduler.scenario.difference import Difference
from scheduler.scenario.expectation import ExpectForm, VerdictForm, WhoForm
from scheduler.scenario.form import resource_name
from scheduler.scenario.gangs import GangPlan
from scheduler.scenario.names import names
from scheduler.scenario.outcome import Changes
from scheduler.scenario.places import Places
from scheduler.scenario.play import Moment
from scheduler.scenario.promises import use_of
from scheduler.scenario.scenario import Scenario
from scheduler.scenario.state import stated_gangs
from scheduler.scenario.undecided import undecided


def check(scenario: Scenario, snapshot: Snapshot, plan: Plan, policy: Policy) -> list[Difference]:
    """Where a plan is not what the scenario expects. What this engine does not decide on is a difference too: a row
    never passes because the rule it is about was left out."""
    assert scenario.expect is not None, "a scenario without expect has nothing to compare"
    found = [Difference(each.subject, "an answer", each.why) for each in undecided(scenario)]
    found += arithmetic.differences(scenario, snapshot, policy, scenario.expect)
    states = {state.plan.name: state for state in stated_gangs(scenario)}
    changes = Changes.of(plan, {state.plan.key: state.plan for state in states.values()})
    world = _World(
        plan=plan,
        gangs={name: state.plan for name, state in states.items()},
        changes=changes,
        places=Places.of(scenario),
        missing={name: state.plan.pods - state.plan.running for name, state in states.items()},
        running={name: state.plan.running for name, state in states.items()},
    )
    return found + list(_expectation(world, scenario.expect, inside_alternative=False))


def check_moment(moment: Moment, policy: Policy) -> list[Difference]:
    """Where a moment of a world that unfolds is not what is expected of it."""
    scenario = moment.world.scenario
    found = list(arithmetic.differences(scenario, snapshot_of(moment.world), policy, moment.expect))
    world = _World(
        plan=moment.plan,
        gangs={name: state.plan for name, state in moment.world.gangs.items()},
        changes=moment.changes,
        places=Places.of(scenario),
        missing=moment.missing,
        running=moment.running,
    )
    found += _use(moment)
    return found + list(_expectation(world, moment.expect, inside_alternative=False))


def _use(moment: Moment) -> Iterator[Difference]:
    held = use_of(moment.world)
    for queue, flavored in moment.expect.use.items():
        for flavor, amounts in flavored.items():
            for resource, wanted in amounts.items():
                found = held[queue, flavor, resource]
                if found != amount(resource, wanted):
                    yield Difference(f"use of {queue}", f"{wanted} {resource}", quantity_text(resource, found))


@dataclass(frozen=True)
class _World:
    plan: Plan
    gangs: Mapping[str, GangPlan]
    changes: Changes
    places: Places
    missing: Mapping[str, int]
    running: Mapping[str, int]

    def verdict(self, gang: str) -> Verdict | None:
        return self.plan.verdicts.get(self.gangs[gang].key) if gang in self.gangs else None

    def name_of(self, key: str) -> str:
        return next((name for name, each in self.gangs.items() if each.key == key), key)

    def why(self, gang: str) -> str:
        """Why a gang has no place, to end a difference with."""
        verdict = self.verdict(gang)
        return f" ({verdict.cause}: {message(verdict)})" if verdict is not None else ""


def _expectation(world: _World, expect: ExpectForm, inside_alternative: bool) -> Iterator[Difference]:
    yield from _who(world, expect, inside_alternative)
    for gang in _each(expect.pending):
        count = sum(world.changes.nodes(gang).values())
        if count:
            yield Difference(gang, "to wait", f"{count} pods placed on {_counts(world.changes.nodes(gang))}")
    for subject, wanted in expect.where.items():
        yield from _where(world, subject, wanted)
    for subject, levels in expect.spread.items():
        for level, asked in levels.items():
            yield from _spread(world, subject, level, asked)
    for pattern, verdict in expect.verdicts.items():
        for gang in names(pattern):
            yield from _verdict(world, gang, verdict)
    if expect.alternatives:
        tried = [list(_expectation(world, each, inside_alternative=True)) for each in expect.alternatives]
        if all(tried):
            nearest = min(tried, key=len)
            text = "; ".join(str(each) for each in nearest)
            yield Difference("alternatives", f"one of {len(tried)} to hold", f"none, the nearest lacks: {text}")


# Who is placed, evicted, moved --------------------------------------------------------------------------------------


def _who(world: _World, expect: ExpectForm, inside_alternative: bool) -> Iterator[Difference]:
    """Counts of the named, and silence about everybody else."""
    waiting, running = world.missing, world.running
    placed = {gang: sum(spots.values()) for gang, spots in world.changes.placed.items()}
    moved = {gang: sum(spots.values()) for gang, spots in world.changes.moved.items()}
    alternatives = [_Named.of(each) for each in expect.alternatives]
    named = _Named.of(expect)
    waits = set(_each(expect.pending))
    # A gang that 'where' names is placed whole; an alternative speaks of its place alone.
    implied = frozenset() if inside_alternative else named.whole - named.placed - named.moved
    for gang in sorted(implied):
        yield from _count(world, gang, "placed", waiting[gang], placed.get(gang, 0))
    for verb, who, found, whole, own, others in (
        (
            "placed",
            expect.placed,
            placed,
            waiting,
            named.placed | named.shown,
            [each.placed | each.shown for each in alternatives],
        ),
        (
            "evicted",
            expect.evicted,
            world.changes.evicted,
            running,
            named.evicted,
            [each.evicted for each in alternatives],
        ),
        ("moved", expect.moved, moved, running, named.moved, [each.moved for each in alternatives]),
    ):
        yield from _group(world, verb, who, found, whole)
        if expect.others == "any" or inside_alternative:
            continue
        for gang, count in sorted(found.items()):
            if count and gang not in own.union(*others) and not (verb == "placed" and gang in waits):
                yield Difference(gang, f"not to be {verb}", f"{count} pods {verb}")


@dataclass(frozen=True)
class _Named:
    """The gangs that are named; ``shown`` by a ``where`` or ``spread``, ``whole`` by one of all their pods."""

    placed: frozenset[str]
    evicted: frozenset[str]
    moved: frozenset[str]
    shown: frozenset[str]
    whole: frozenset[str]

    @classmethod
    def of(cls, expect: ExpectForm) -> _Named:
        placed, evicted, moved = (
            frozenset(_each((*who.names, *who.pods, *who.candidates)))
            for who in (expect.placed, expect.evicted, expect.moved)
        )
        subjects = (*expect.where, *expect.spread)
        shown = frozenset(subject.partition("/")[0] for subject in subjects)
        return cls(placed, evicted, moved, shown, frozenset(each for each in subjects if "/" not in each))


def _group(
    world: _World, verb: str, who: WhoForm, found: Mapping[str, int], whole: Mapping[str, int]
) -> Iterator[Difference]:
    for gang in _each(who.names):
        yield from _count(world, gang, verb, whole[gang], found.get(gang, 0))
    for pattern, pods in who.pods.items():
        for gang in names(pattern):
            yield from _count(world, gang, verb, pods, found.get(gang, 0))
    if not who.candidates:
        return
    candidates = list(_each(who.candidates))
    pods_of = [found.get(gang, 0) for gang in candidates]
    shown = _counts({gang: count for gang, count in zip(candidates, pods_of, strict=True) if count})
    of = f"of {', '.join(who.candidates)}"
    if who.count is not None and sum(pods_of) != who.count:
        yield Difference(verb, f"{who.count} pods {of}", f"{sum(pods_of)} ({shown})")
    gangs_hit = sum(1 for count in pods_of if count)
    if who.gangs is not None and gangs_hit != who.gangs:
        yield Difference(verb, f"{who.gangs} gangs {of}", f"{gangs_hit} ({shown})")
    if who.split is not None and sorted(pods_of, reverse=True) != sorted(who.split, reverse=True):
        yield Difference(verb, f"{_plus(who.split)} pods {of}", _plus(pods_of))


def _count(world: _World, gang: str, verb: str, expected: int, found: int) -> Iterator[Difference]:
    if expected != found:
        yield Difference(gang, f"{expected} pods {verb}", f"{found}" + (world.why(gang) if verb == "placed" else ""))


# Where --------------------------------------------------------------------------------------------------------------


def _where(world: _World, subject: str, wanted: Mapping[str, int] | tuple[str, ...]) -> Iterator[Difference]:
    pods = _pods(world, subject)
    if any(Places.names_device(place) for place in wanted):
        pods = world.changes.devices(subject)
    if not pods:
        yield Difference(subject, f"pods on {', '.join(wanted)}", "none placed" + world.why(subject.partition("/")[0]))
        return
    inside: Counter[str] = Counter()
    covered: set[str] = set()
    for place in wanted:
        nodes = frozenset((place,)) if Places.names_device(place) else world.places.nodes_of(place)
        covered |= nodes
        inside[place] = sum(count for node, count in pods.items() if node in nodes)
    outside = {node: count for node, count in pods.items() if node not in covered}
    if isinstance(wanted, tuple):
        if outside or any(not inside[place] for place in wanted):
            yield Difference(subject, f"all pods on {', '.join(wanted)}", _counts(pods))
    elif outside or any(inside[place] != count for place, count in wanted.items()):
        yield Difference(subject, _counts(wanted), _counts(pods))


def _spread(world: _World, subject: str, level: str, asked: int | tuple[int, ...]) -> Iterator[Difference]:
    domains = world.places.spread(level, _pods(world, subject))
    if isinstance(asked, int):
        if len(domains) != asked:
            yield Difference(subject, f"{asked} {level} domains used", f"{len(domains)} ({_counts(domains)})")
    elif sorted(domains.values(), reverse=True) != sorted((each for each in asked if each), reverse=True):
        yield Difference(subject, f"{_plus(asked)} pods per {level}", _counts(domains) or "none")


def _pods(world: _World, subject: str) -> Counter[str]:
    """Pods by node of a gang, a member, or everything below a subgroup."""
    gang, slash, part = subject.partition("/")
    if not slash:
        return world.changes.nodes(gang)
    plan = world.gangs[gang]
    chosen = []
    for member in plan.members:
        branch, above = member.branch, {member.name}
        while branch > 0:
            above.add(plan.branches[branch].name)
            branch = plan.branches[branch].parent
        if part in above:
            chosen.append(member.name)
    return world.changes.nodes(gang, chosen)


# Verdicts -----------------------------------------------------------------------------------------------------------


def _verdict(world: _World, gang: str, expected: VerdictForm) -> Iterator[Difference]:
    verdict = world.verdict(gang)
    if verdict is None:
        yield Difference(gang, "a verdict", "none")
        return
    if expected.cause is not None and verdict.cause is not expected.cause:
        yield Difference(gang, f"verdict {expected.cause}", f"{verdict.cause}: {message(verdict)}")
    if _asks_facts(expected) and not any(_matches(expected, each) for each in verdict.refusals):
        facts = "; ".join(_facts(each) for each in verdict.refusals) or "no facts"
        yield Difference(gang, f"a reason with {_wish(expected)}", facts)
    for part in expected.message:
        if part not in message(verdict):
            yield Difference(gang, f"a message with {part!r}", repr(message(verdict)))
    by = {world.name_of(key) for key in verdict.by} if expected.by else set()
    for name in _each(expected.by):
        if name not in by:
            yield Difference(gang, f"to be outranked by {name}", ", ".join(sorted(by)) or "nobody")


def _asks_facts(expected: VerdictForm) -> bool:
    return bool(expected.term or expected.code or expected.where or expected.resource) or not (
        expected.needed is None and expected.offered is None
    )


def _matches(expected: VerdictForm, refusal: Refusal) -> bool:
    resource = resource_name(expected.resource) if expected.resource else refusal.resource
    texts = ((expected.term, refusal.term), (expected.code, refusal.code), (resource, refusal.resource))
    if any(wish and wish != fact for wish, fact in texts):
        return False
    if expected.where and expected.where not in refusal.where:
        return False
    numbers = ((expected.needed, refusal.needed), (expected.offered, refusal.offered))
    return all(wish is None or amount(resource or "pods", wish) == fact for wish, fact in numbers)


def _wish(expected: VerdictForm) -> str:
    stated = expected.model_dump(exclude_defaults=True, exclude={"cause", "message", "by"})
    return ", ".join(f"{key} {value}" for key, value in stated.items())


def _facts(refusal: Refusal) -> str:
    where = f" at {refusal.where}" if refusal.where else ""
    return f"{refusal.term}/{refusal.code} needed {refusal.needed} offered {refusal.offered} {refusal.resource}{where}"


# Words --------------------------------------------------------------------------------------------------------------


def _each(patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        yield from names(pattern)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name or 'no domain'} {count}" for name, count in sorted(counts.items()))


def _plus(counts: Iterable[int]) -> str:
    return " + ".join(str(count) for count in sorted(counts, reverse=True))
