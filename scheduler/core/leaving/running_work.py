"""What has places, as a decision may ask it to give way. Made anew only for what changed since the last snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache

from scheduler.core.facts.store import Store
from scheduler.core.gangs.resolve import SINGLE_MEMBER, Resolved, promises, whole_gang
from scheduler.core.leaving.giving_way import GivingWay
from scheduler.model.running import Running, RunningPod
from scheduler.model.shape import Shape
from scheduler.model.work import Branch, GangKey, Member, Pod, PodGroup, single_key

SHAPES_REMEMBERED_MAX = 10_000

Made = Callable[[GangKey, float], Iterable[Running]]
"""What a gang with a PodGroup has that runs at a moment."""


class RunningWork:
    """Told by `touch` whose pods, record or notices changed."""

    def __init__(self, store: Store, giving_way: GivingWay, of_gang: Made) -> None:
        self._store = store
        self._giving_way = giving_way
        self._of_gang = of_gang
        self._known: dict[GangKey, tuple[Running, ...]] = {}
        self._dirty: dict[GangKey, None] = {}
        self._ages: dict[GangKey, None] = {}
        """Those that look different as time goes by: with pods that leave, or with checkpoints every so often."""
        self._guards_version = 0
        self._all: tuple[Running, ...] = ()

    def touch(self, key: GangKey) -> None:
        self._dirty[key] = None

    def all(self, now_seconds: float) -> tuple[Running, ...]:
        if self._guards_version != self._store.guards.version:
            self._guards_version = self._store.guards.version
            self._dirty.update(dict.fromkeys(self._known))
        self._dirty.update(self._ages)
        if not self._dirty:
            return self._all
        for key in self._dirty:
            found = tuple(self._made(key, now_seconds))
            if found:
                self._known[key] = found
            else:
                self._known.pop(key, None)
        self._dirty.clear()
        self._all = tuple(each for found in self._known.values() for each in found)
        return self._all

    def _made(self, key: GangKey, now_seconds: float) -> Iterable[Running]:
        self._ages.pop(key, None)
        uid = key.removeprefix("pod/")
        if uid == key:
            found = tuple(self._of_gang(key, now_seconds))
        else:
            pod = self._store.pods.get(uid)
            charge = self._store.charges.get(uid)
            if pod is None or charge is None or not pod.ours or pod.group or not self.standing(pod, now_seconds):
                return ()
            found = (self.single(pod, charge.queue, now_seconds),)
        if any(pod.leaving for running in found for pod in running.pods):
            self._ages[key] = None
        return found

    def age(self, key: GangKey) -> None:
        """Make it anew for every snapshot."""
        self._ages[key] = None

    def standing(self, pod: Pod, now_seconds: float) -> bool:
        """Whether a pod takes room that may come free: bound, and not stuck in its termination."""
        return bool(pod.node) and not pod.finished and not self._giving_way.stuck(pod, now_seconds)

    def single(self, pod: Pod, queue: str, now_seconds: float) -> Running:
        """A pod by itself: one without a PodGroup, or one that its gang goes on without."""
        members, branches = _alone(pod.shape)
        charge = self._store.charges.get(pod.uid)
        started = pod.started_seconds or now_seconds
        return Running(
            key=single_key(pod.uid),
            name=f"{pod.namespace}/{pod.name}",
            queue=queue,
            priority=pod.priority,
            members=members,
            branches=branches,
            pods=(self.pod(pod, SINGLE_MEMBER, now_seconds),),
            arrived_seconds=self._store.ages.since_seconds(pod),
            started_seconds=started,
            saved_seconds=max(started, pod.saved_seconds),
            preemptible=pod.preemptible if charge is None else not charge.firm,
            movable=False,  # whoever comes back for it has another name and nothing in common with it that we know
            single=True,
            user=pod.user or pod.namespace,
        )

    def gang(
        self,
        group: PodGroup,
        resolved: Resolved,
        pods: Iterable[Pod],
        queue: str,
        priority: int,
        now_seconds: float,
        *,
        waits: bool,
    ) -> Running:
        """A gang with a PodGroup: its pods that take room, and what it asks for as a whole."""
        pods = list(pods)
        standing = [pod for pod in pods if self.standing(pod, now_seconds)]
        # Beside those that have ended: their places are in the record of the gang as long as they exist.
        ends = any(pod.finished for pod in pods) and (group.topology is not None or bool(group.sub_groups))
        started = min((pod.started_seconds or now_seconds for pod in standing), default=now_seconds)
        wanted = Counter(resolved.member_of.values())
        for spec in group.members:
            if promises(spec):
                wanted[spec.name] = max(wanted[spec.name], spec.count or 0)
        gang = whole_gang(group, resolved, queue, priority, wanted)
        if group.checkpoint_seconds is not None:
            self.age(group.key)
        return Running(
            key=group.key,
            name=gang.name,
            queue=queue,
            priority=priority,
            members=gang.members,
            branches=gang.branches,
            pods=tuple(self.pod(pod, resolved.member_of[pod.uid], now_seconds) for pod in standing),
            arrived_seconds=gang.arrived_seconds,
            started_seconds=started,
            saved_seconds=_saved_seconds(group, started, now_seconds),
            preemptible=group.preemptible,
            movable=group.movable and not ends,
            flavors=group.flavors,
            waits=waits,
            user=gang.user,
        )

    def pod(self, pod: Pod, member: str, now_seconds: float) -> RunningPod:
        charge = self._store.charges.get(pod.uid)
        return RunningPod(
            uid=pod.uid,
            namespace=pod.namespace,
            name=pod.name,
            node=pod.node,
            member=member,
            started_seconds=pod.started_seconds or now_seconds,
            leaving=pod.leaving or self._store.notices.given(pod.uid),
            guards=self._store.guards.of(pod.label_set),
            devices=() if charge is None else charge.devices,
        )


def _saved_seconds(group: PodGroup, started_seconds: float, now_seconds: float) -> float:
    """When a gang last saved its work: as it says, else as often as it promises to."""
    saved = max(started_seconds, group.saved_seconds)
    if group.checkpoint_seconds:
        saved = now_seconds - (now_seconds - saved) % group.checkpoint_seconds
    return saved


@lru_cache(maxsize=SHAPES_REMEMBERED_MAX)
def _alone(shape: Shape) -> tuple[tuple[Member, ...], tuple[Branch, ...]]:
    """The only member and the root of a pod by itself; one object for equal shapes."""
    return (Member(SINGLE_MEMBER, shape, 1, 1),), (Branch("", -1, minimum=1),)
