"""Gangs of a scenario with every shorthand resolved: names, shapes, members, the tree, and where pods run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from scheduler.model.devices import DEVICE_MILLI, DeviceAsk
from scheduler.model.resources import CPU, GPU, MEMORY, PODS, amount, from_quantities
from scheduler.model.selector import Requirement
from scheduler.model.shape import NodeTerm, Shape
from scheduler.model.topology import Slice, TopologyAsk
from scheduler.model.work import Branch, GangKey, group_key
from scheduler.scenario.names import expand, fill
from scheduler.scenario.scenario import Scenario
from scheduler.scenario.work import GangForm, PodForm, SubgroupForm, TopologyAskForm
from scheduler.scenario.world import BUILT_IN_CLASSES, ClassForm

Value = TypeVar("Value")

NAMESPACE = "default"
ONLY_MEMBER = "pods"
"""The member of a gang that declares none."""

SECONDS_BETWEEN_ARRIVALS = 0.001
"""Gangs that give no ``arrived`` are this far apart, in the order of the file."""


@dataclass(frozen=True)
class MemberPlan:
    """A member: ``on`` counts its running pods by node, the rest of ``pods`` waits. ``named`` are those of which the
    file says the devices: (node, numbers, pods)."""

    name: str
    shape: Shape
    pods: int
    minimum: int
    branch: int
    on: Mapping[str, int]
    named: tuple[tuple[str, tuple[int, ...], int], ...] = ()

    @property
    def running(self) -> int:
        return sum(self.on.values())


@dataclass(frozen=True)
class GangPlan:
    """A gang as the scenario means it; ``index`` is its entry in the file. ``preempts`` is False where its class never
    takes from others."""

    name: str
    index: int
    form: GangForm
    queue: str
    priority: int
    preemptible: bool
    arrived_seconds: float
    members: tuple[MemberPlan, ...]
    branches: tuple[Branch, ...]
    preempts: bool = True

    @property
    def key(self) -> GangKey:
        return group_key(NAMESPACE, self.name)

    @property
    def running(self) -> int:
        return sum(member.running for member in self.members)

    @property
    def pods(self) -> int:
        return sum(member.pods for member in self.members)

    @property
    def may_wait(self) -> bool:
        """Whether pods of it without a place ask for one. Suspended gangs and those that leave ask for nothing."""
        return not self.form.suspend and self.form.leaving is not True


@dataclass
class _Tree:
    """The branches of a gang while they are collected; branch 0 is the root."""

    branches: list[Branch] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)
    member_branch: dict[str, int] = field(default_factory=dict)


def gangs(scenario: Scenario, forms: Sequence[GangForm] | None = None) -> tuple[GangPlan, ...]:
    """Every gang of a scenario (or of a step's ``forms``), in file order; names with ranges are several gangs."""
    classes = {**BUILT_IN_CLASSES, **{form.name: form for form in scenario.classes}}
    only_queue = scenario.queues[0].name if len(scenario.queues) == 1 else "default"
    found: list[GangPlan] = []
    for index, form in enumerate(scenario.gangs if forms is None else forms):
        pattern = form.name if form.count is None else f"{form.name}[0-{form.count - 1}]"
        for name, chosen in expand(pattern):
            arrived = len(found) * SECONDS_BETWEEN_ARRIVALS if form.arrived is None else form.arrived
            found.append(_gang(form, index, name, chosen, classes, fill(form.queue, chosen) or only_queue, arrived))
    return tuple(found)


def _gang(
    form: GangForm,
    index: int,
    name: str,
    chosen: tuple[str, ...],
    classes: Mapping[str, ClassForm],
    queue: str,
    arrived: float,
) -> GangPlan:
    priority_class = classes.get(form.priority_class)
    subgroups = tuple(_copies(form.subgroups))
    tree = _tree(form, subgroups)
    members = tuple(_members(form, subgroups, tree, chosen))
    total = sum(member.pods for member in members)
    minimum = form.min if form.min is not None else _default_minimum(form, members, total)
    tree.branches[0] = Branch("", -1, minimum, tree.branches[0].min_branches, topology_ask(form.topology))
    return GangPlan(
        name=name,
        index=index,
        form=form,
        queue=queue,
        priority=_first(form.priority, priority_class.priority if priority_class else None, 0),
        preemptible=_first(form.preemptible, priority_class.preemptible if priority_class else None, True),
        arrived_seconds=arrived,
        members=members,
        branches=tuple(tree.branches),
        preempts=priority_class is None or not priority_class.never_preempts,
    )


def _default_minimum(form: GangForm, members: Sequence[MemberPlan], total: int) -> int:
    """Pods that the whole gang needs: all of them, unless members or branches state minima of their own."""
    if form.subgroups:
        return 0
    if any(member.min is not None for member in form.members):
        return sum(member.minimum or member.pods for member in members)
    return total


def _copies(subgroups: Iterable[SubgroupForm]) -> Iterable[SubgroupForm]:
    for form in subgroups:
        if form.count is None:
            yield form
        else:
            for number in range(form.count):
                yield form.model_copy(update={"name": f"{form.name}{number}", "count": None})


def _tree(form: GangForm, subgroups: Sequence[SubgroupForm]) -> _Tree:
    tree = _Tree(branches=[Branch("", -1)], index={"": 0})
    for sub in subgroups:
        tree.index[sub.name] = len(tree.index)
    children = [sum(1 for sub in subgroups if sub.parent == name) for name in tree.index]
    tree.branches[0] = Branch("", -1, 0, _first(form.min_subgroups, None, children[0]))
    for number, sub in enumerate(subgroups, start=1):
        pods = _pods_of(form, sub)
        minimum = sub.min if sub.min is not None else (0 if children[number] else pods)
        wanted = _first(sub.min_subgroups, None, children[number])
        tree.branches.append(Branch(sub.name, tree.index[sub.parent], minimum, wanted, topology_ask(sub.topology)))
    if subgroups and form.min is None and form.min_subgroups is None:
        _give_root_members_branches(form, tree)
    return tree


def _give_root_members_branches(form: GangForm, tree: _Tree) -> None:
    """A member outside the subgroups (a master beside its workers) is a branch of its own, so that it is required."""
    root = tree.branches[0]
    outside = [member for member in form.members if not member.subgroup]
    tree.branches[0] = Branch("", -1, 0, root.min_branches + len(outside))
    for member in outside:
        tree.member_branch[member.name] = len(tree.branches)
        tree.branches.append(Branch(member.name, 0, _first(member.min, None, member.pods)))


def _pods_of(form: GangForm, sub: SubgroupForm) -> int:
    own = sub.pods or 0
    return own + sum(member.pods for member in form.members if member.subgroup == sub.name)


def _members(
    form: GangForm, subgroups: Sequence[SubgroupForm], tree: _Tree, chosen: tuple[str, ...]
) -> Iterable[MemberPlan]:
    if not form.members and not any(sub.pods for sub in subgroups):
        pods = form.pods if form.pods is not None else max(1, sum(form.on.values()))
        yield MemberPlan(ONLY_MEMBER, shape(form, form), pods, 0, 0, *_filled(form.on, chosen))
    for member in form.members:
        branch = tree.member_branch.get(member.name, tree.index[member.subgroup])
        yield MemberPlan(
            member.name, shape(member, form), member.pods, member.min or 0, branch, *_filled(member.on, chosen)
        )
    for sub in subgroups:
        if sub.pods:
            yield MemberPlan(sub.name, shape(sub, form), sub.pods, 0, tree.index[sub.name], *_filled(sub.on, chosen))


def _filled(
    on: Mapping[str, int], chosen: tuple[str, ...]
) -> tuple[dict[str, int], tuple[tuple[str, tuple[int, ...], int], ...]]:
    """Pods by node, and those of which the devices are named: ``n0/g1``, ``n0/g0+g1``."""
    found: dict[str, int] = {}
    named = []
    for place, count in on.items():
        node, _, devices = fill(place, chosen).partition("/")
        found[node] = found.get(node, 0) + count
        if devices:
            named.append((node, device_numbers(devices), count))
    return found, tuple(named)


def device_numbers(text: str) -> tuple[int, ...]:
    """``g0+g1`` as numbers; ValueError for anything else."""
    parts = text.split("+")
    if not all(part[:1] == "g" and part[1:].isdecimal() for part in parts):
        raise ValueError(f"{text!r} names no devices (examples: n0/g1, n0/g0+g1)")
    return tuple(int(part[1:]) for part in parts)


def shape(part: PodForm, gang: GangForm) -> Shape:
    """What a pod of a part asks for, taking from its gang what it does not state."""
    devices = _device_ask(part, gang)
    requests = {
        GPU: "0" if devices else _first(part.gpu, gang.gpu, "0"),
        CPU: _first(part.cpu, gang.cpu, "0"),
        MEMORY: _first(part.memory, gang.memory, "0"),
        PODS: "1",
        **_first(part.resources, gang.resources, {}),
    }
    affinity = part.affinity if part.affinity is not None else gang.affinity
    return Shape(
        requests=from_quantities(requests),
        node_selector=tuple(sorted(_first(part.node_selector, gang.node_selector, {}).items())),
        node_affinity=None if affinity is None else tuple(_term(each) for each in affinity),
        tolerations=_first(part.tolerations, gang.tolerations, ()),
        gpu_models=_first(part.model, gang.model, ()),
        devices=devices,
        flavors=tuple(choice.name for choice in gang.flavors),
    )


def _term(labels: Mapping[str, tuple[str, ...]]) -> NodeTerm:
    return NodeTerm(tuple(Requirement(key, "In", values) for key, values in sorted(labels.items())))


def _device_ask(part: PodForm, gang: GangForm) -> DeviceAsk | None:
    """What a pod asks of parts of devices; less than one GPU is a share of one."""
    owner = part if part.asks_for_gpus else gang
    count = owner.gpu_count or 1
    if owner.gpu_milli is not None:
        return DeviceAsk(count, milli=owner.gpu_milli)
    if owner.gpu_memory is not None:
        return DeviceAsk(count, memory_mib=-(-amount(MEMORY, owner.gpu_memory) // 2**20))
    if owner.mig_profile is not None:
        return DeviceAsk(count, profile=owner.mig_profile)
    milli = amount(GPU, owner.gpu or "0")
    return DeviceAsk(count, milli=milli) if milli % DEVICE_MILLI else None


def topology_ask(form: TopologyAskForm | None) -> TopologyAsk | None:
    if form is None:
        return None
    return TopologyAsk(
        topology=form.name,
        required=form.required,
        preferred=form.preferred,
        slices=tuple(Slice(each.size, each.required) for each in form.slices),
        exclusive=form.exclusive,
        balance=form.balance,
    )


def _first(own: Value | None, inherited: Value | None, otherwise: Value) -> Value:
    """The value a part states, else the one it inherits, else what holds without any."""
    return own if own is not None else inherited if inherited is not None else otherwise
