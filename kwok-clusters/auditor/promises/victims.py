"""Whoever a commit record makes leave is needed for it, and leaves once: putting one gang or one surplus pod back would
leave no room for the record's places, and no gang goes as a whole by two decisions for one beneficiary.

Room and limits are what this sees. Where a record also moves somebody, or its gang asks for more than room, somebody
may have to leave who takes no room of it: such records are not judged, nor those of PodGroups made for single pods.
"""

from collections.abc import Iterable, Iterator, Mapping

from auditor.facts import Fact, GangTouched, Leaving, RecordWritten
from auditor.objects import Assignment
from auditor.records import GangName
from auditor.report import Finding
from auditor.requests import Resources, add, amounts
from auditor.tracked import Gang, TrackedPod
from auditor.world import World

PROMISE = "victims"

Decision = tuple[object, ...]


class Victims:
    """Records against the room beside those whom they name, and against the records before them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._named: dict[GangName, set[str]] = {}
        self._whole: dict[tuple[GangName, GangName], Decision] = {}
        """(beneficiary, gang that goes as a whole) -> the decision by which it does."""
        self._left: dict[tuple[str, str], Decision] = {}
        """The same, by the UIDs of the PodGroups, for those of which pods have begun to leave."""
        self._freed: list[tuple[float, str, Resources]] = []
        """Room that came free of late: moment, node, how much."""
        self._ended: set[str] = set()

    def judge(self, fact: Fact) -> Iterator[Finding]:
        match fact:
            case RecordWritten(gang=name):
                yield from self._written(self._world.book.gang(name))
            case Leaving(pod=pod) if pod.marked_evicted and pod.gang:
                yield from self._twice(pod)
            case GangTouched(pod=pod) if pod is not None and pod.node and pod.ended and pod.uid not in self._ended:
                self._ended.add(pod.uid)
                since = self._world.now - self._world.settings.reaction_seconds
                self._freed = [each for each in self._freed if each[0] >= since]
                self._freed.append((self._world.now, pod.node, pod.request))

    def _written(self, gang: Gang) -> Iterator[Finding]:
        assert gang.group is not None
        record = gang.group.status.assignment
        assert record is not None
        named = {victim.uid for victim in record.victims}
        fresh = [self._world.pods[uid] for uid in sorted(named - self._named.get(gang.name, set())) if self._stays(uid)]
        self._named[gang.name] = named
        units = list(
            self._units([pod for pod in fresh if pod.gang != gang.name and len(self._naming(pod)) == 1], named)
        )
        for unit in units:
            if unit[0].gang and len(unit) == len(self._world.book.gang(unit[0].gang).active):
                self._whole[gang.name, unit[0].gang] = _decision(record)
        if record.moves or not self._asks_for_room_alone(gang):
            return
        for unit in units:
            plain = not any(pod.asks_more_than_room for pod in unit)
            if plain and not self._entitles(unit, gang, units) and self._fits(unit):
                shown = ", ".join(pod.subject for pod in unit[:4])
                yield self._world.finding("violation", PROMISE, gang.subject, f"has room for its places beside {shown}")

    def _stays(self, uid: str) -> bool:
        pod = self._world.pods.get(uid)
        return pod is not None and pod.occupies and not pod.leaving

    def _naming(self, pod: TrackedPod) -> set[GangName]:
        return self._world.book.naming(pod)

    def _units(self, pods: Iterable[TrackedPod], named: set[str]) -> Iterator[list[TrackedPod]]:
        """Gangs of which nothing is to stay, and pods one by one."""
        done: set[GangName] = set()
        for pod in pods:
            active = list(self._world.book.gang(pod.gang).active.values()) if pod.gang else [pod]
            running = [each for each in active if each.uid in named]
            if any(each.uid not in named and not self._naming(each) for each in active):
                yield [pod]
            elif pod.gang not in done:
                done.add(pod.gang or "")
                yield running

    def _asks_for_room_alone(self, gang: Gang) -> bool:
        """Whether nothing but room and limits could make others leave for a gang."""
        assert gang.group is not None
        pods = list(gang.pods.values())
        plain = all(not pod.asks_more_than_room for pod in pods)
        topology = gang.group.spec.topology
        return bool(pods) and plain and not (topology is not None and topology.exclusive)

    def _entitles(self, unit: list[TrackedPod], gang: Gang, units: list[list[TrackedPod]]) -> bool:
        """Whether a unit of the own queue may go so that its queue is entitled to take from others."""
        own = gang.group.spec.queue if gang.group else ""
        return unit[0].queue == own and any(each[0].queue != own for each in units)

    def _fits(self, unit: list[TrackedPod]) -> bool:
        """Whether every node of a unit has room for it beside all that stays, all that is promised, and what came free
        so lately that nobody need know. Limits of queues make room short, too: with one in force this is not judged."""
        if any(self._limited(pod.queue) for pod in unit):
            return False
        since = self._world.now - self._world.settings.reaction_seconds
        for node in {pod.node for pod in unit}:
            total: Resources = dict(self._world.book.committed(node, self._world.occupancy))
            for pod in unit:
                if pod.node == node:
                    add(total, pod.request, 1)
            for seconds, where, freed in self._freed:
                if where == node and seconds >= since:
                    add(total, freed, 1)
            have = self._allocatable(node)
            if any(value > have.get(resource, 0) for resource, value in total.items()):
                return False
        return True

    def _limited(self, name: str) -> bool:
        seen: set[str] = set()
        while name in self._world.queues and name not in seen:
            seen.add(name)
            queue = self._world.queues[name].latest
            if queue is None or any(each.limit is not None for each in queue.spec.resources):
                return True
            name = queue.spec.parent
        return False

    def _allocatable(self, node: str) -> Mapping[str, int]:
        versions = self._world.nodes.get(node)
        return amounts(versions.latest.status.allocatable) if versions and versions.latest else {}

    def _twice(self, pod: TrackedPod) -> Iterator[Finding]:
        for beneficiary in sorted(pod.named_by):
            pair = (beneficiary, pod.gang or "")
            decision = self._whole.get(pair)
            if decision is None:
                continue
            left = (self._uid(pair[0]), self._uid(pair[1]))  # a namesake is somebody else
            earlier = self._left.setdefault(left, decision)
            if earlier != decision:
                self._left[left] = decision
                message = f"left for podgroup {beneficiary} by two decisions: {_shown(earlier)} and {_shown(decision)}"
                yield self._world.finding("violation", PROMISE, f"podgroup {pod.gang}", message)

    def _uid(self, name: GangName) -> str:
        group = self._world.book.gang(name).group
        return name if group is None else group.metadata.uid


def _decision(record: Assignment) -> Decision:
    return record.epoch, record.made_from, record.decided_at


def _shown(decision: Decision) -> str:
    return "/".join(map(str, decision))
