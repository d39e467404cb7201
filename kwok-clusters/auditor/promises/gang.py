"""A gang is at or above its minimum, or entirely absent; in between only for a grace, while its pods are being bound.

Whose effect it is: a gang that the scheduler began to bind, or took pods from, is the scheduler's to complete. One that
others hurt (its pods deleted or failed, its minimum raised) is degraded, which is a note.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from auditor.facts import Elapsed, Fact, Finished, GangTouched, Started
from auditor.objects import Member, PodGroupSpec, SubGroup
from auditor.records import GangName
from auditor.report import Finding
from auditor.tracked import Gang, TrackedPod
from auditor.world import World

PROMISE = "gang minimum"


@dataclass(slots=True)
class _Partial:
    """A gang bound in part: since when, and whether the scheduler made it so."""

    since: float
    ours: bool
    reported: bool = False


class GangMinimum:
    """Gangs bound in part, by the time of the events."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._partial: dict[GangName, _Partial] = {}
        self._lost: dict[GangName, dict[str, TrackedPod]] = {}
        # How many pods a gang without a declared minimum had when all of them were there.
        self._complete_size: dict[GangName, int] = {}

    def judge(self, fact: Fact) -> Iterator[Finding]:
        match fact:
            case Started():
                for name in self._world.book.gangs:
                    self._weigh(name, by_us=True)
            case GangTouched(gang=name, pod=pod, bound_now=bound_now):
                if pod is not None and (pod.leaving or pod.ended) and not pod.succeeded and not pod.named_by:
                    self._lost.setdefault(name, {})[pod.uid] = pod
                taken = pod is not None and pod.leaving and bool(pod.named_by)
                self._weigh(name, by_us=taken or (bound_now and pod is not None and pod.bound_by_us))
            case Elapsed(now=now):
                for name, partial in self._partial.items():
                    if now - partial.since > self._world.settings.grace_seconds and not partial.reported:
                        partial.reported = True
                        yield self._overdue(name, partial, now)
            case Finished(now=now):
                yield from self._still_partial(now)

    def _weigh(self, name: GangName, by_us: bool) -> None:
        """Note whether the gang is bound in part now, and since when."""
        gang = self._world.book.gang(name)
        if not gang.active or not _shortfall(gang, self._complete_size.get(name, 0)):
            self._complete_size[name] = len(gang.active) + len(gang.succeeded) if gang.active else 0
            self._partial.pop(name, None)
            self._lost.pop(name, None)
        elif name not in self._partial:
            self._partial[name] = _Partial(self._world.now, by_us)
        elif by_us and not self._partial[name].ours:
            # Binding more pods of a hurt gang is repair; only taking more away makes the shortfall ours.
            self._partial[name].ours = self._taken_from(gang)

    def _taken_from(self, gang: Gang) -> bool:
        return any(pod.leaving and pod.named_by for pod in gang.pods.values())

    def _overdue(self, name: GangName, partial: _Partial, now: float) -> Finding:
        gang = self._world.book.gang(name)
        size = self._complete_size.get(name, 0)
        lost = self._lost.get(name, {})
        hurt = not _shortfall(gang, size, lost)
        message = (
            f"{len(gang.active)} pods bound, but {_shortfall(gang, size)}, "
            f"for {now - partial.since:.1f} s (grace {self._world.settings.grace_seconds:g} s)"
        )
        if partial.ours and not hurt:
            return self._world.finding("violation", PROMISE, gang.subject, message, at=now)
        cause = f": others took {len(lost)} of its pods" if lost else ""
        return self._world.finding("note", PROMISE, gang.subject, f"degraded{cause}: {message}", at=now)

    def _still_partial(self, now: float) -> Iterator[Finding]:
        for name, partial in self._partial.items():
            if partial.reported:
                continue
            if now - partial.since >= self._world.settings.grace_seconds:
                yield self._overdue(name, partial, now)
            else:
                gang = self._world.book.gang(name)
                short = _shortfall(gang, self._complete_size.get(name, 0))
                message = f"{len(gang.active)} pods bound when the audit ended, {short}, within the grace"
                yield self._world.finding("note", PROMISE, gang.subject, message, at=now)


def _shortfall(gang: Gang, size: int, excused: Mapping[str, TrackedPod] = MappingProxyType({})) -> str:
    """What the gang lacks, in numbers; empty when it is at its minimum. Succeeded pods are present, removed or not.

    ``size`` is how many pods it had when it was complete, for a gang that declares no minimum: all are needed then.
    ``excused`` pods count as present, too.
    """
    spec = gang.group.spec if gang.group else PodGroupSpec()
    total = len(gang.active) + len(gang.succeeded) + len(excused)
    least = _minimum(gang, spec, size)
    if total < least:
        return f"{total} of a minimum of {least} present"
    if not spec.sub_groups and not spec.members:
        return ""
    pods = [*gang.active.values(), *gang.succeeded.values(), *excused.values()]
    return _branch_shortfall(_Tree.of(gang, spec, pods), "", spec.min_sub_group)


def _minimum(gang: Gang, spec: PodGroupSpec, size: int) -> int:
    """The minimum of the gang as a whole. Where it has subgroups, the tree says what is needed."""
    if spec.min_member is not None:
        return spec.min_member
    if spec.sub_groups:
        return 0
    if spec.members:
        return sum(_least(member) for member in spec.members)
    return max(size, sum(1 for pod in gang.pods.values() if pod.succeeded or not (pod.leaving or pod.ended)))


def _least(member: Member) -> int:
    return member.count if member.min_count is None else member.min_count


@dataclass(frozen=True, slots=True)
class _Tree:
    """A gang's tree with its present pods by branch and by member (empty when some pod's member is not known)."""

    spec: PodGroupSpec
    branches: Counter[str]
    members: Counter[str]

    @classmethod
    def of(cls, gang: Gang, spec: PodGroupSpec, pods: Iterable[TrackedPod]) -> "_Tree":
        branches = Counter(gang.branch_of(pod) for pod in pods)
        members = Counter(gang.member_of(pod) for pod in pods)
        return cls(spec, branches, members if not members[""] else Counter())

    def below(self, parent: str) -> list[SubGroup]:
        return [subgroup for subgroup in self.spec.sub_groups if subgroup.parent == parent]

    def members_in(self, branch: str) -> list[Member]:
        return [member for member in self.spec.members if member.sub_group == branch]

    def total(self, branch: str) -> int:
        return self.branches[branch] + sum(self.total(subgroup.name) for subgroup in self.below(branch))


def _branch_shortfall(tree: _Tree, branch: str, branches_min: int | None) -> str:
    """What a branch lacks. All branches below it are required, unless it says how many."""
    for member in tree.members_in(branch) if tree.members else ():
        if member.min_count is not None and tree.members[member.name] < member.min_count:
            return f"{tree.members[member.name]} of a minimum of {member.min_count} of member {member.name} present"
    below = tree.below(branch)
    lacking = [short for subgroup in below if (short := _subgroup_shortfall(tree, subgroup))]
    complete = len(below) - len(lacking)
    if branches_min is None:
        return lacking[0] if lacking else ""
    if complete < branches_min:
        return f"{complete} of a minimum of {branches_min} subgroups of {branch or 'the gang'} complete"
    return ""


def _subgroup_shortfall(tree: _Tree, subgroup: SubGroup) -> str:
    least = subgroup.min_member
    if least is None and not tree.below(subgroup.name):
        # A subgroup without a minimum of its own needs the minima of its members.
        least = sum(_least(member) for member in tree.members_in(subgroup.name))
    if least is not None and tree.total(subgroup.name) < least:
        return f"{tree.total(subgroup.name)} of a minimum of {least} present in subgroup {subgroup.name}"
    return _branch_shortfall(tree, subgroup.name, subgroup.min_sub_group)
