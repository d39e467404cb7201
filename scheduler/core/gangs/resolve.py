"""From what a PodGroup and its pods say to a gang that can be decided on, or the reason why not yet."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from scheduler.core.gangs.tree import branch_name, branches_of, least_pods, member_minimum
from scheduler.model.plan import Cause, Refusal, Verdict
from scheduler.model.relations import LabelSet
from scheduler.model.resources import quantity_text
from scheduler.model.shape import Shape, VolumeAsk
from scheduler.model.work import Assignment, Branch, Gang, Member, MemberSpec, Place, Pod, PodGroup, single_key


class Resolved(msgspec.Struct, frozen=True):
    """What stands behind a PodGroup: the shape of each member, and which member each pod is one of."""

    shapes: dict[str, Shape]
    member_of: dict[str, str]
    mismatches: tuple[Refusal, ...]
    minimum: int
    expected: int
    volumes: dict[str, VolumeAsk] = {}
    """What the volumes of pods (by UID) ask for; pods without volumes of interest are not in it."""
    label_sets: dict[str, tuple[LabelSet, ...]] = {}
    """The distinct labels of each member's pods."""

    @property
    def labels(self) -> dict[str, LabelSet]:
        """What the pods of each member look like to others; selectors do not tell its pods apart."""
        return {member: found[0] for member, found in self.label_sets.items()}


SINGLE_MEMBER = "pod"
"""The only member of a gang of one."""

PART = "/"
"""Between the name of a member and the number of its part: no member's name holds it."""


def single_gang(pod: Pod, queue: str, since_seconds: float | None = None) -> Gang:
    """A pod without a group, which waits since then (None: since it was made): a gang of one. The pod's shape says what
    its volumes ask for (`Store.with_volumes`)."""
    return Gang(
        key=single_key(pod.uid),
        name=f"{pod.namespace}/{pod.name}",
        queue=queue,
        priority=pod.priority,
        arrived_seconds=pod.created_seconds if since_seconds is None else since_seconds,
        members=(Member(SINGLE_MEMBER, pod.shape, 1, 1, label_sets=(pod.label_set,)),),
        branches=(Branch("", -1, minimum=1, topology=pod.topology),),
        preemptible=pod.preemptible,
        single=True,
        preempts=pod.preempts,
        user=pod.user or pod.namespace,
    )


def resolve(group: PodGroup, pods: Iterable[Pod], known: Mapping[str, str] | None = None) -> Resolved:
    """Match pods to members: by the label ``muster.dev/subgroup``, else by what the members' templates say.

    Without declared members each shape in a subgroup is a member of its own, named after the subgroup and the shape,
    so that a successor finds the same names. ``known`` is what pods (by UID) that stand somewhere are already.
    """
    live = sorted((pod for pod in pods if not (pod.finished and not pod.succeeded)), key=lambda pod: pod.name)
    shapes: dict[str, Shape] = {}
    member_of: dict[str, str] = {}
    mismatches: list[Refusal] = []
    if group.members:
        shapes = {spec.name: spec.shape for spec in group.members if spec.shape is not None}
        first: dict[str, Shape] = {}
        for pod in live:
            spec, refusal = _declared(group.members, pod)
            if refusal is not None:
                mismatches.append(refusal)
                continue
            assert spec is not None
            alike = first.setdefault(spec.name, pod.shape)
            member_of[pod.uid] = spec.name
            if alike != pod.shape if spec.shape is None else alike.relations != pod.shape.relations:
                mismatches.append(Refusal("gang-minimum", "UnlikePods", where=pod.name))
            shapes[spec.name] = pod.shape
        expected = sum(spec.count or 0 for spec in group.members)
    else:
        for pod in live:
            name = (known or {}).get(pod.uid) or f"{pod.member or 'pods'}-{_digest(pod.shape)}"
            name = SINGLE_MEMBER if group.for_pod else name
            shapes.setdefault(name, pod.shape)
            member_of[pod.uid] = name
        expected = 0
    expected = max(expected, len(member_of))
    by_member: dict[str, dict[LabelSet, None]] = {}
    for pod in live:
        if pod.uid in member_of:
            by_member.setdefault(member_of[pod.uid], {})[pod.label_set] = None
    label_sets = {member: tuple(found) for member, found in by_member.items()}
    minimum = _minimum(group, expected, Counter(member_of.values()))
    return Resolved(shapes, member_of, tuple(mismatches), minimum, expected, label_sets=label_sets)


def with_shapes(resolved: Resolved, record: Assignment, known: Mapping[str, Shape]) -> Resolved:
    """Also with the members that a record has places for and of which no pod is there just now."""
    away = {place.member for place in record.places} & known.keys() - resolved.shapes.keys()
    if not away:
        return resolved
    shapes = {**resolved.shapes, **{member: known[member] for member in sorted(away)}}
    return msgspec.structs.replace(resolved, shapes=shapes)


def _minimum(group: PodGroup, expected: int, pods: Mapping[str, int]) -> int:
    if group.sub_groups and group.min_member is None:
        return least_pods(group, pods)
    if group.min_member is not None and group.min_member > 0:
        return group.min_member
    if group.min_member is None:
        stated = [spec.minimum if spec.minimum is not None else spec.count for spec in group.members]
        return sum(each or 0 for each in stated) if any(each is not None for each in stated) else max(expected, 1)
    return 1


def _declared(members: tuple[MemberSpec, ...], pod: Pod) -> tuple[MemberSpec | None, Refusal | None]:
    if pod.member:
        named = [spec for spec in members if spec.name == pod.member]
        if not named:
            known = ", ".join(spec.name for spec in members)
            return None, Refusal(
                "gang-minimum", "UnknownMember", where=f"{pod.name} names the member {pod.member} (there are: {known})"
            )
        difference = template_difference(named[0].shape, pod.shape)
        if difference:
            return None, Refusal("gang-minimum", "TemplateMismatch", where=f"{pod.name}: {difference}")
        return named[0], None
    fitting = [spec for spec in members if not template_difference(spec.shape, pod.shape)]
    if fitting:
        return fitting[0], None
    difference = template_difference(members[0].shape, pod.shape)
    return None, Refusal("gang-minimum", "TemplateMismatch", where=f"{pod.name}: {difference}")


def promises(spec: MemberSpec) -> bool:
    """Whether a member's template says all there is to know of its pods before they exist. Not where they ask something
    of other pods: that goes by their labels, which only they have."""
    return spec.shape is not None and bool(spec.count) and spec.shape.relations is None


def template_difference(template: Shape | None, observed: Shape) -> str:
    """Where a pod does not match its template (empty: it does). Tolerations may be added by admission."""
    if template is None or template == observed:
        return ""
    wanted, found = dict(template.requests), dict(observed.requests)
    for name in sorted({*wanted, *found}):
        if wanted.get(name, 0) != found.get(name, 0):
            has, says = quantity_text(name, found.get(name, 0)), quantity_text(name, wanted.get(name, 0))
            return f"requests {has} of {name}, its template {says}"
    if template.node_selector != observed.node_selector:
        return "its nodeSelector differs from its template's"
    if template.node_affinity != observed.node_affinity:
        return "its node affinity differs from its template's"
    if template.gpu_models and observed.gpu_models and template.gpu_models != observed.gpu_models:
        return "its GPU models differ from its template's"
    if template.devices != observed.devices:
        return "its share of a GPU differs from its template's"
    missing = set(template.tolerations) - set(observed.tolerations)
    return "it lacks a toleration of its template" if missing else ""


def _digest(shape: Shape) -> str:
    return hashlib.sha256(msgspec.json.encode(shape)).hexdigest()[:6]


def gang_of(
    group: PodGroup,
    resolved: Resolved,
    pods: Mapping[str, Pod],
    queue: str,
    priority: int,
    missing: Mapping[str, int],
    held: tuple[Place, ...],
    *,
    promised: bool = True,
) -> Gang | Verdict:
    """The gang that still needs places, or why it is not decided on.

    ``missing`` is how many pods of each member need a place; ``held`` are the places it keeps; ``promised`` whether
    pods that its templates promise count before they exist.
    """
    if resolved.mismatches:
        return Verdict(Cause.INVALID, resolved.mismatches)
    if group.suspend:
        return Verdict(Cause.HELD, (Refusal("gang-minimum", "Suspended"),))
    templated = promised and bool(group.members) and all(promises(spec) for spec in group.members)
    have = resolved.expected if templated else len(resolved.member_of)
    if have < resolved.minimum or not resolved.shapes:
        short = Refusal("gang-minimum", "Incomplete", needed=max(resolved.minimum, 1), offered=have)
        return Verdict(Cause.INCOMPLETE, (short,))
    gated = sum(1 for uid in resolved.member_of if pods[uid].gated)
    if gated and len(resolved.member_of) - gated < resolved.minimum:
        return Verdict(Cause.HELD, (Refusal("gang-minimum", "Gated", needed=resolved.minimum, offered=gated),))
    return _gang(group, resolved, queue, priority, missing, held, pods)


def whole_gang(group: PodGroup, resolved: Resolved, queue: str, priority: int, wanted: Mapping[str, int]) -> Gang:
    """The gang with all that it asks for, wherever its pods are; ``wanted`` is how many there are of each member."""
    return _gang(group, msgspec.structs.replace(resolved, volumes={}), queue, priority, wanted, (), {})


def _gang(
    group: PodGroup,
    resolved: Resolved,
    queue: str,
    priority: int,
    missing: Mapping[str, int],
    held: tuple[Place, ...],
    pods: Mapping[str, Pod],
) -> Gang:
    placed = {place.member: sum(each.count for each in place.nodes) for place in held}
    stated = {spec.name: spec for spec in group.members}
    tree = branches_of(group, Counter(resolved.member_of.values()))
    index = {branch.name: number for number, branch in enumerate(tree)}
    minima = [resolved.minimum, *(branch.minimum for branch in tree[1:])]
    for name, count in placed.items():
        minima[index[branch_name(group, name)]] -= count if branch_name(group, name) else 0
    minima[0] -= sum(placed.values())
    branches = [
        msgspec.structs.replace(branch, minimum=max(0, least)) for branch, least in zip(tree, minima, strict=True)
    ]
    members = []
    for name, shape in sorted(resolved.shapes.items()):
        count = missing.get(name, 0)
        if not count:
            continue
        spec = stated.get(name)
        least = member_minimum(group, spec)
        least = min(count, max(0, least - placed.get(name, 0)))
        branch = index[branch_name(group, name)]
        if group.flavors:
            shape = msgspec.structs.replace(shape, flavors=tuple(choice.name for choice in group.flavors))
        member = Member(name, shape, count, least, branch, resolved.label_sets.get(name, ()))
        members += parted(member, resolved, pods)
    return Gang(
        key=group.key,
        name=group.key,
        queue=queue,
        priority=priority,
        arrived_seconds=group.queued_at_seconds or group.created_seconds,
        members=tuple(members),
        branches=tuple(branches),
        preemptible=group.preemptible,
        flavors=group.flavors,
        held=held,
        held_branches=tuple(index[branch_name(group, place.member)] for place in held),
        leader=_leader(group, resolved),
        preempts=all(pods[uid].preempts for uid in resolved.member_of if uid in pods),
        delay_seconds=group.delay_seconds,
        user=group.user or group.namespace,
    )


def _leader(group: PodGroup, resolved: Resolved) -> str:
    """The member that leads; pods of a subgroup without declared members are one by its name."""
    return next(
        (name for name in resolved.shapes if group.leader and group.leader in (name, name.rsplit("-", 1)[0])), ""
    )


def parted(member: Member, resolved: Resolved, pods: Mapping[str, Pod]) -> list[Member]:
    """A member as it is decided on: in parts where the volumes of its pods ask for unlike things.

    The pods that need a place are the last by name, as binding hands out recorded places in the order of names. Pods
    that are only promised are taken to be like the first. The member's minimum falls to its first parts.
    """
    if not resolved.volumes:
        return [member]
    waiting = [uid for uid, name in resolved.member_of.items() if name == member.name and _may_wait(pods[uid])]
    waiting = sorted(waiting, key=lambda uid: pods[uid].name)[-member.count :]
    asks = Counter(resolved.volumes.get(uid) for uid in waiting)
    if not asks:
        return [member]
    first = next(iter(asks))
    asks[first] += member.count - len(waiting)
    parts = []
    least = member.minimum
    for number, (asked, count) in enumerate(asks.items()):
        name = member.name if len(asks) == 1 else f"{member.name}{PART}{number}"
        shape = member.shape if asked is None else msgspec.structs.replace(member.shape, volumes=asked)
        parts.append(msgspec.structs.replace(member, name=name, shape=shape, count=count, minimum=min(least, count)))
        least -= min(least, count)
    return parts


def whole(places: Iterable[Place]) -> tuple[Place, ...]:
    """Places under the names of members as a record knows them, whatever parts they were decided in."""
    return tuple(Place(place.member.partition(PART)[0], place.nodes) for place in places)


def _may_wait(pod: Pod) -> bool:
    return not (pod.node or pod.gated or pod.finished)
