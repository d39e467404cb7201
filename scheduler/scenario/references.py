"""What a well-formed scenario may still get wrong: names that nothing carries, nodes too small for what runs there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from scheduler.model.cluster import NodeTable
from scheduler.model.policy import COSTS
from scheduler.model.resources import quantity_text
from scheduler.model.topology import TORUS, Topology
from scheduler.scenario import fleet
from scheduler.scenario.expectation import ExpectForm
from scheduler.scenario.form import short_resource
from scheduler.scenario.gangs import GangPlan, gangs
from scheduler.scenario.names import expand, names
from scheduler.scenario.parts import Parts
from scheduler.scenario.places import PlaceError, Places
from scheduler.scenario.problems import Fault, suggest
from scheduler.scenario.scenario import Scenario
from scheduler.scenario.work import GangForm, TopologyAskForm
from scheduler.scenario.world import BUILT_IN_CLASSES, COMMON_LEVELS, NodeForm
from scheduler.solver.devices.scores import DEVICE_SCORES
from scheduler.solver.greedy.node_scores import NODE_SCORES
from scheduler.solver.terms.table import FILTERS, GOALS, RULES

Location = tuple[str | int, ...]


def faults(scenario: Scenario) -> tuple[Fault, ...]:
    """Every wrong reference of a scenario; later kinds are looked for only when the earlier ones are right."""
    for check in (_policy, _fleet, _queues, _gangs, _running, _steps, _expectation):
        found = tuple(check(scenario))
        if found:
            return found
    return ()


def _policy(scenario: Scenario) -> Iterator[Fault]:
    form = scenario.policy
    score = () if form.node_score is None else (form.node_score,)
    for key, words, known in (
        ("filters", form.filters, FILTERS),
        ("rules", form.rules, RULES),
        ("goals", form.goals, GOALS),
        ("nodeScore", score, NODE_SCORES),
        ("deviceScore", () if form.device_score is None else (form.device_score,), DEVICE_SCORES),
        ("costOrder", form.cost_order, COSTS),
    ):
        for word in words or ():
            if word not in known:
                yield Fault(("policy", key), f"{word!r} is not known", suggest(word, known))


# Fleet and queues ---------------------------------------------------------------------------------------------------


def _fleet(scenario: Scenario) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    levels = {name for topology in fleet.topologies(scenario).values() for name in topology.level_names}
    for index, form in enumerate(scenario.nodes):
        for name, _ in form.expanded():
            if seen.setdefault(name, index) != index:
                yield Fault(("nodes", index), f"node {name!r} stands twice", "give each node a name of its own")
                break
        for key in form.domains:
            if key not in levels:
                known = NodeForm.known_keys() | levels | (set() if scenario.topologies else set(COMMON_LEVELS))
                remedy = f"{suggest(key, known)} (a new level is declared in topology)"
                yield Fault(("nodes", index, key), "is neither a key of a node nor a level", remedy)
    yield from _twice("topologies", (form.name for form in scenario.topologies))
    yield from _twice("flavors", (form.name for form in scenario.flavors))


def _queues(scenario: Scenario) -> Iterator[Fault]:
    known = {form.name for form in scenario.queues}
    flavors = {form.name for form in scenario.flavors}
    yield from _twice("queues", (form.name for form in scenario.queues))
    for index, form in enumerate(scenario.queues):
        if form.parent and form.parent not in known:
            yield Fault(
                ("queues", index, "parent"), f"queue {form.parent!r} is not defined", suggest(form.parent, known)
            )
        for key, amounts in (("guaranteed", form.guaranteed), ("limit", form.limit), ("lendable", form.lendable)):
            for flavor in amounts:
                if flavor and flavor not in flavors:
                    yield Fault(("queues", index, key), f"flavor {flavor!r} is not defined", suggest(flavor, flavors))
    parents = {form.name: form.parent for form in scenario.queues}
    for index, form in enumerate(scenario.queues):
        above, path = form.parent, [form.name]
        while above in parents and above not in path:
            path.append(above)
            above = parents[above]
        if above == form.name:
            chain = " -> ".join([*path, above])
            yield Fault(("queues", index, "parent"), f"the parents run in a circle: {chain}", "cut it at one queue")


def _twice(key: str, found: Iterable[str]) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, name in enumerate(found):
        if name in seen:
            yield Fault((key, index), f"{name!r} stands twice", "give each a name of its own")
        seen.add(name)


# Gangs --------------------------------------------------------------------------------------------------------------


def _gangs(scenario: Scenario) -> Iterator[Fault]:
    seen: set[str] = set()
    yield from _gang_forms(scenario, scenario.gangs, ("gangs",), seen)
    yield from _twice("pdbs", (form.name for form in scenario.pdbs))
    for index, form in enumerate(scenario.pdbs):
        for name in _each(form.gangs):
            if name not in seen:
                yield Fault(("pdbs", index, "gangs"), f"gang {name!r} is not defined", suggest(name, seen))


def _gang_forms(scenario: Scenario, forms: Iterable[GangForm], at: Location, seen: set[str]) -> Iterator[Fault]:
    queues = fleet.queues(scenario)
    parents = {form.parent for form in scenario.queues if form.parent}
    classes = {**BUILT_IN_CLASSES, **{form.name: form for form in scenario.classes}}
    for index, form in enumerate(forms):
        where = (*at, index)
        try:
            pattern = form.name if form.count is None else f"{form.name}[0-{form.count - 1}]"
            expanded = expand(pattern)
        except ValueError as error:
            yield Fault((*where, "name"), str(error), "see names with ranges in the guide")
            continue
        for name, _ in expanded:
            if name in seen:
                yield Fault((*where, "name"), f"gang {name!r} stands twice", "give each gang a name of its own")
            seen.add(name)
        if not form.queue and len(queues) > 1 and fleet.DEFAULT_QUEUE not in queues:
            yield Fault(where, "names no queue and there are several", f"add queue; {suggest('', queues)}")
        elif form.queue and "{" not in form.queue and form.queue not in queues:
            yield Fault((*where, "queue"), f"queue {form.queue!r} is not defined", suggest(form.queue, queues))
        elif form.queue in parents:
            yield Fault((*where, "queue"), f"queue {form.queue!r} has children", "gangs belong to leaves")
        if form.priority_class and form.priority_class not in classes:
            fault = f"class {form.priority_class!r} is not defined"
            yield Fault((*where, "class"), fault, suggest(form.priority_class, classes))
        yield from _tree(form, where)
        yield from _asks(scenario, form, where)


def _tree(form: GangForm, where: Location) -> Iterator[Fault]:
    earlier: set[str] = set()
    for index, sub in enumerate(form.subgroups):
        place = (*where, "subgroups", index)
        if sub.parent and sub.parent not in earlier:
            remedy = (
                "list a parent before its children"
                if sub.parent in {s.name for s in form.subgroups}
                else suggest(sub.parent, earlier)
            )
            yield Fault((*place, "parent"), f"subgroup {sub.parent!r} does not stand above it", remedy)
        copies = [sub.name] if sub.count is None else [f"{sub.name}{number}" for number in range(sub.count)]
        for name in copies:
            if name in earlier:
                yield Fault((*place, "name"), f"subgroup {name!r} stands twice", "give each a name of its own")
            earlier.add(name)
    for index, member in enumerate(form.members):
        if member.subgroup and member.subgroup not in earlier:
            place = (*where, "members", index, "subgroup")
            yield Fault(place, f"subgroup {member.subgroup!r} is not defined", suggest(member.subgroup, earlier))
    named = {member.name for member in form.members} | {sub.name for sub in form.subgroups if sub.pods}
    if form.leader and form.leader not in named:
        yield Fault((*where, "leader"), f"member {form.leader!r} is not defined", suggest(form.leader, named))


def _asks(scenario: Scenario, form: GangForm, where: Location) -> Iterator[Fault]:
    topologies = fleet.topologies(scenario)
    asks: list[tuple[Location, TopologyAskForm]] = []
    if form.topology is not None:
        asks.append(((*where, "topology"), form.topology))
    for index, sub in enumerate(form.subgroups):
        if sub.topology is not None:
            asks.append(((*where, "subgroups", index, "topology"), sub.topology))
    for place, ask in asks:
        if ask.name and ask.name not in topologies:
            yield Fault((*place, "name"), f"topology {ask.name!r} is not defined", suggest(ask.name, topologies))
            continue
        if not ask.name and len(topologies) > 1:
            yield Fault(place, "names no topology and there are several", f"add name; {suggest('', topologies)}")
            continue
        yield from _levels(ask, topologies[ask.name] if ask.name else next(iter(topologies.values())), place)


def _levels(ask: TopologyAskForm, topology: Topology, place: Location) -> Iterator[Fault]:
    named = [("required", ask.required), ("preferred", ask.preferred), ("exclusive", ask.exclusive)]
    named += [("slices", each.required) for each in ask.slices]
    for key, level in named:
        if level and topology.depth_of(level) is None and not (level == TORUS and topology.torus is not None):
            known = topology.level_names
            yield Fault((*place, key), f"level {level!r} is not in topology {topology.name!r}", suggest(level, known))


# What runs ----------------------------------------------------------------------------------------------------------


def _running(scenario: Scenario) -> Iterator[Fault]:
    nodes = {node.name: node for node in fleet.nodes(scenario)}
    used: dict[str, Counter[str]] = {name: Counter() for name in nodes}
    try:
        plans = gangs(scenario)
    except ValueError as error:  # a {2} that no range of the name fills
        yield Fault(("gangs",), str(error), "see names with ranges in the guide")
        return
    for plan in plans:
        where: Location = ("gangs", plan.index)
        for key, listed in (("leaving", plan.form.leaving), ("stuck", plan.form.stuck)):
            for node_name in () if isinstance(listed, bool) else listed:
                if all(node_name not in member.on for member in plan.members):
                    yield Fault((*where, key), f"{plan.name} has no pods on {node_name!r}", "name nodes of its 'on'")
        for member in plan.members:
            if member.running > member.pods:
                fault = f"{plan.name}: {member.running} pods run, but it has {member.pods}"
                yield Fault((*where, "on"), fault, "raise pods or list fewer places")
            for node_name, count in member.on.items():
                if node_name not in nodes:
                    yield Fault((*where, "on"), f"node {node_name!r} is not defined", suggest(node_name, nodes))
                    return
                for resource, value in member.shape.requests:
                    used[node_name][resource] += count * value
                    capacity = dict(nodes[node_name].allocatable).get(resource, 0)
                    if used[node_name][resource] > capacity:
                        has = f"{quantity_text(resource, capacity)} {short_resource(resource)}"
                        fault = f"{plan.name} does not fit on {node_name}, which has {has}"
                        yield Fault((*where, "on"), fault, "correct the places, or the node")
                        return
    yield from _devices(scenario, plans)


def _devices(scenario: Scenario, plans: Sequence[GangPlan]) -> Iterator[Fault]:
    """Running pods with parts of devices need devices that have room for them."""
    if any(member.shape.devices is not None for plan in plans for member in plan.members):
        try:
            Parts(NodeTable.of(fleet.nodes(scenario))).take(plans)
        except ValueError as error:
            yield Fault(("gangs",), str(error), "correct the places, or the node")


def _steps(scenario: Scenario) -> Iterator[Fault]:
    seen = _gang_names(scenario.gangs)
    nodes = {node.name for node in fleet.nodes(scenario)}
    queues = fleet.queues(scenario)
    for index, step in enumerate(scenario.steps):
        where: Location = ("steps", index)
        if step.submit is not None:
            yield from _gang_forms(scenario, step.submit, (*where, "submit"), seen)
        for form in step.add_nodes or ():
            nodes |= {name for name, _ in form.expanded()}
        for key, listed in (("finish", step.finish), ("delete", step.delete), ("gone", step.gone)):
            for name in _each(listed or ()):
                if name not in seen:
                    yield Fault((*where, key), f"gang {name!r} is not defined", suggest(name, seen))
        node_events = {
            "nodeFails": step.node_fails,
            "nodeRecovers": step.node_recovers,
            "cordon": step.cordon,
            "uncordon": step.uncordon,
            "removeNodes": step.remove_nodes,
        }
        for key, listed in node_events.items():
            for name in _each(listed or ()):
                if name not in nodes:
                    yield Fault((*where, key), f"node {name!r} is not defined", suggest(name, nodes))
        if step.change_queue is not None and step.change_queue.name not in queues:
            name = step.change_queue.name
            yield Fault((*where, "changeQueue", "name"), f"queue {name!r} is not defined", suggest(name, queues))
        if step.expect is not None:
            yield from _expect(scenario, step.expect, (*where, "expect"), seen)
    if [step.at for step in scenario.steps] != sorted(step.at for step in scenario.steps):
        yield Fault(("steps",), "are not in order of time", "sort them by 'at'")


# Expectations -------------------------------------------------------------------------------------------------------


def _expectation(scenario: Scenario) -> Iterator[Fault]:
    if scenario.expect is None:
        return
    seen = _gang_names(scenario.gangs)
    for step in scenario.steps:
        seen |= _gang_names(step.submit or ())
    yield from _expect(scenario, scenario.expect, ("expect",), seen)
    if scenario.instead is not None:
        yield from _expect(scenario, scenario.instead, ("instead",), seen)


def _expect(scenario: Scenario, expect: ExpectForm, at: Location, known: set[str]) -> Iterator[Fault]:
    plans = {plan.name: plan for plan in (*gangs(scenario), *_submitted(scenario))}
    queues = {form.name for form in scenario.queues}
    for key, who in (("placed", expect.placed), ("evicted", expect.evicted), ("moved", expect.moved)):
        for name in _each((*who.names, *who.pods, *who.candidates)):
            if name not in known:
                yield Fault((*at, key), f"gang {name!r} is not defined", suggest(name, known))
    gang_keys: list[tuple[str, Iterable[str]]] = [
        ("pending", expect.pending),
        ("verdicts", expect.verdicts),
        ("planned", expect.planned),
    ]
    for key, listed in gang_keys:
        for name in _each(listed):
            if name not in known:
                yield Fault((*at, key), f"gang {name!r} is not defined", suggest(name, known))
    yield from _where(scenario, expect, at, plans)
    queue_keys: list[tuple[str, Iterable[str]]] = [
        ("shares", expect.shares),
        ("dominantShares", expect.dominant_shares),
        ("use", expect.use),
        ("mayReclaim", [name for each in expect.may_reclaim for name in (each.by, each.victim)]),
    ]
    for key, listed in queue_keys:
        for name in listed:
            if name not in queues:
                yield Fault((*at, key), f"queue {name!r} is not defined", suggest(name, queues))
    for name in _each(expect.order):
        if name not in queues | known:
            fault = f"{name!r} is neither a queue nor a gang"
            yield Fault((*at, "order"), fault, suggest(name, queues | known))
    for index, alternative in enumerate(expect.alternatives):
        yield from _expect(scenario, alternative, (*at, "alternatives", index), known)


def _where(scenario: Scenario, expect: ExpectForm, at: Location, plans: Mapping[str, GangPlan]) -> Iterator[Fault]:
    places = Places.of(scenario)
    for subject, wanted in expect.where.items():
        yield from _subject(subject, (*at, "where"), plans)
        for place in wanted:
            try:
                places.nodes_of(place)
            except PlaceError as error:
                yield Fault((*at, "where", subject), error.fault, error.remedy)
    for subject, levels in expect.spread.items():
        yield from _subject(subject, (*at, "spread"), plans)
        for level in levels:
            if level not in places.levels:
                yield Fault((*at, "spread", subject), f"level {level!r} is not defined", suggest(level, places.levels))


def _subject(subject: str, at: Location, plans: Mapping[str, GangPlan]) -> Iterator[Fault]:
    name, slash, part = subject.partition("/")
    if name not in plans:
        yield Fault((*at, subject), f"gang {name!r} is not defined", suggest(name, plans))
    elif slash:
        parts = {member.name for member in plans[name].members} | {branch.name for branch in plans[name].branches[1:]}
        if part not in parts:
            fault = f"{part!r} is neither a member nor a subgroup of {name}"
            yield Fault((*at, subject), fault, suggest(part, parts))


def _submitted(scenario: Scenario) -> Iterator[GangPlan]:
    for step in scenario.steps:
        if step.submit is not None:
            yield from gangs(scenario, step.submit)


def _gang_names(forms: Iterable[GangForm]) -> set[str]:
    found: set[str] = set()
    for form in forms:
        found |= set(names(form.name if form.count is None else f"{form.name}[0-{form.count - 1}]"))
    return found


def _each(patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        yield from names(pattern)
