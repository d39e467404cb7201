"""The world of a scenario at one moment: which pods have places, and what of every gang waits. A value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from scheduler.core.facts.devices import Uses
from scheduler.model.cluster import Held, Node, NodeTable, Standing
from scheduler.model.flavor import FlavorChoice
from scheduler.model.queue import Queue
from scheduler.model.running import Guards, Running, RunningPod
from scheduler.model.work import Branch, Gang, Member, NodeCount, Place
from scheduler.scenario import fleet
from scheduler.scenario.gangs import NAMESPACE, GangPlan, MemberPlan, gangs
from scheduler.scenario.names import names
from scheduler.scenario.parts import Parts
from scheduler.scenario.scenario import Scenario

STARTED_BEFORE_SECONDS = 3600.0
"""Running work that gives no ``started`` began all at once, so long before the scenario's ``now``."""


class PodAt(msgspec.Struct, frozen=True):
    """A pod with a place. It runs, or is ``leaving`` (terminates), or ``stuck`` in termination, or ``awaits`` others:
    a decision stands that promises it the place, and it is bound once these pods (UIDs) are gone."""

    uid: str
    gang: str
    member: str
    node: str
    devices: Uses = ()
    started_seconds: float = 0.0
    leaving: bool = False
    stuck: bool = False
    awaits: tuple[str, ...] = ()

    @property
    def stays(self) -> bool:
        return not self.leaving and not self.stuck


@dataclass(frozen=True)
class GangState:
    """A gang and its pods that have places, until they are gone. ``made`` numbers the pods that it ever had; ``lost``
    are pods by member that nobody makes anew. One that has ``ended`` asks for nothing."""

    plan: GangPlan
    pods: tuple[PodAt, ...] = ()
    made: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)
    ended: bool = False

    @cached_property
    def staying(self) -> Mapping[str, Counter[str]]:
        """member -> node -> pods that stay, promised places included."""
        found: dict[str, Counter[str]] = {}
        for pod in self.pods:
            if pod.stays:
                found.setdefault(pod.member, Counter())[pod.node] += 1
        return found

    def missing(self, member: MemberPlan) -> int:
        """Pods of a member that have no place, or are about to lose it and will be made anew."""
        return member.pods - self._stay(member) - self.lost.get(member.name, 0)

    @property
    def waits(self) -> bool:
        return self.plan.may_wait and not self.ended and any(self.missing(member) > 0 for member in self.plan.members)

    def gang(self) -> Gang:
        """What still needs places: minima less what has them already."""
        plan = self.plan
        placed = self._stay_below()
        branches = tuple(
            Branch(
                branch.name,
                branch.parent,
                max(0, branch.minimum - placed[index]),
                branch.min_branches,
                branch.topology,
            )
            for index, branch in enumerate(plan.branches)
        )
        members = tuple(
            Member(
                name=member.name,
                shape=member.shape,
                count=count,
                minimum=min(count, max(0, member.minimum - self._stay(member))),
                branch=member.branch,
            )
            for member in plan.members
            if (count := self.missing(member)) > 0
        )
        held = [member for member in plan.members if self._stay(member)]
        return Gang(
            key=plan.key,
            name=plan.name,
            queue=plan.queue,
            priority=plan.priority,
            arrived_seconds=plan.arrived_seconds,
            members=members,
            branches=branches,
            preemptible=plan.preemptible,
            held=tuple(
                Place(member.name, tuple(NodeCount(*each) for each in sorted(self.staying[member.name].items())))
                for member in held
            ),
            flavors=_flavors(plan),
            held_branches=tuple(member.branch for member in held),
            leader=plan.form.leader,
            preempts=plan.preempts,
            delay_seconds=plan.form.preemption_delay,
            user=plan.form.user,
        )

    def running(self, guards: Mapping[str, tuple[str, ...]]) -> Running | None:
        """It as what may be asked to give way; None where it has no pod that could. ``guards`` are by gang."""
        pods = tuple(
            RunningPod(
                uid=pod.uid,
                namespace=NAMESPACE,
                name=pod.uid.replace("/", "-"),
                node=pod.node,
                member=pod.member,
                started_seconds=pod.started_seconds,
                leaving=pod.leaving,
                guards=guards.get(pod.gang, ()),
                devices=pod.devices,
            )
            for pod in self.pods
            if not pod.stuck and not pod.awaits
        )
        if not pods:
            return None
        plan = self.plan
        started = min(pod.started_seconds for pod in pods)
        return Running(
            key=plan.key,
            name=plan.name,
            queue=plan.queue,
            priority=plan.priority,
            members=tuple(
                Member(member.name, member.shape, member.pods, member.minimum, member.branch) for member in plan.members
            ),
            branches=plan.branches,
            pods=pods,
            arrived_seconds=plan.arrived_seconds,
            started_seconds=started,
            saved_seconds=max(started, started if plan.form.last_checkpoint is None else plan.form.last_checkpoint),
            preemptible=plan.preemptible,
            movable=plan.form.movable,
            flavors=_flavors(plan),
            waits=self.waits,
            user=plan.form.user,
        )

    def standing(self) -> Standing:
        """Where it has places, and what of them it holds exclusively."""
        plan = self.plan
        branch_of = {member.name: member.branch for member in plan.members}
        nodes: dict[int, list[str]] = {}
        for pod in self.pods:
            branch = branch_of[pod.member]
            while branch >= 0:
                nodes.setdefault(branch, []).append(pod.node)
                branch = plan.branches[branch].parent
        exclusive = (
            Held(ask.topology, ask.exclusive, tuple(dict.fromkeys(nodes.get(index, ()))))
            for index, branch in enumerate(plan.branches)
            if (ask := branch.topology) is not None and ask.exclusive
        )
        return Standing(plan.key, tuple(dict.fromkeys(nodes[0])), tuple(exclusive))

    def _stay(self, member: MemberPlan) -> int:
        return sum(self.staying.get(member.name, Counter()).values())

    def _stay_below(self) -> list[int]:
        """Pods that stay at or below each branch."""
        found = [0] * len(self.plan.branches)
        for member in self.plan.members:
            branch = member.branch
            while branch >= 0:
                found[branch] += self._stay(member)
                branch = self.plan.branches[branch].parent
        return found


@dataclass(frozen=True)
class World:
    """Everything that a decision is made from: ``guards`` are the budgets, ``guarded`` the budgets of each gang."""

    scenario: Scenario
    now_seconds: float
    nodes: tuple[Node, ...]
    queues: Mapping[str, Queue]
    gangs: Mapping[str, GangState]
    guards: Guards
    guarded: Mapping[str, tuple[str, ...]]


def world_of(scenario: Scenario) -> World:
    """The world as the file states it, at its ``now``."""
    guarded: dict[str, tuple[str, ...]] = {}
    for pdb in scenario.pdbs:
        for name in (each for pattern in pdb.gangs for each in names(pattern)):
            guarded[name] = (*guarded.get(name, ()), f"{NAMESPACE}/{pdb.name}")
    return World(
        scenario=scenario,
        now_seconds=scenario.now,
        nodes=fleet.nodes(scenario),
        queues=fleet.queues(scenario),
        gangs={state.plan.name: state for state in stated_gangs(scenario)},
        guards={f"{NAMESPACE}/{pdb.name}": pdb.allowed for pdb in scenario.pdbs},
        guarded=guarded,
    )


def stated_gangs(scenario: Scenario) -> tuple[GangState, ...]:
    """The gangs of the file with the pods that run from the beginning."""
    plans = gangs(scenario)
    held = Parts(NodeTable.of(fleet.nodes(scenario), fleet.flavors(scenario))).take(plans)
    return tuple(_stated(plan, held, scenario.now) for plan in plans)


def pod_uid(gang: str, number: int) -> str:
    """The UID of a pod of a scenario; `gang_of_pod` is its way back."""
    return f"{gang}/{number}"


def gang_of_pod(uid: str) -> str:
    return uid.rsplit("/", 1)[0]


def _stated(plan: GangPlan, held: Mapping[tuple[str, str, str], list[Uses]], now_seconds: float) -> GangState:
    form = plan.form
    started = now_seconds - STARTED_BEFORE_SECONDS if form.started is None else form.started
    leaving, stuck = _picked(form.leaving), _picked(form.stuck)
    pods: list[PodAt] = []
    for member in plan.members:
        for node, count in member.on.items():
            for uses in held.get((plan.name, member.name, node), [()] * count):
                is_stuck = _take(stuck, node)
                pods.append(
                    PodAt(
                        uid=pod_uid(plan.name, len(pods)),
                        gang=plan.name,
                        member=member.name,
                        node=node,
                        devices=uses,
                        started_seconds=started,
                        leaving=not is_stuck and _take(leaving, node),
                        stuck=is_stuck,
                    )
                )
    lost = Counter(pod.member for pod in pods if not pod.stays)
    return GangState(plan, tuple(pods), len(pods), lost)


def _picked(which: bool | Mapping[str, int]) -> Counter[str] | None:
    """Pods by node; None: all."""
    return None if which is True else Counter(which or {})


def _take(left: Counter[str] | None, node: str) -> bool:
    if left is None:
        return True
    if not left[node]:
        return False
    left[node] -= 1
    return True


def _flavors(plan: GangPlan) -> tuple[FlavorChoice, ...]:
    return tuple(FlavorChoice(choice.name, choice.preference) for choice in plan.form.flavors)
