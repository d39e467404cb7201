"""The judgement: figures and troubles, made from the workload that was submitted and from what the API server said."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from testbed.fleet import GPU_RESOURCE

from demo.observer import SeenNode, SeenPod, Sightings
from demo.workload import LEVELS, Gang, Single, Wave


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it has come. `gangs` and `singles` count what should run."""

    gangs_placed: int
    gangs: int
    singles_bound: int
    singles: int
    pods_bound: int
    pods: int
    gpus_used: int
    gpus: int
    explained: int
    unfit: int

    @property
    def complete(self) -> bool:
        return self.pods_bound == self.pods and self.explained == self.unfit


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds: median, 99th percentile and largest of `count` values (nearest rank)."""

    count: int
    p50: float
    p99: float
    largest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        """None for no values."""
        ordered = sorted(values)
        if not ordered:
            return None
        last = len(ordered) - 1
        ranks = [min(last, -(-len(ordered) * percent // 100) - 1) for percent in (50, 99)]
        return cls(len(ordered), ordered[ranks[0]], ordered[ranks[1]], ordered[last])


@dataclass(frozen=True, slots=True)
class Domains:
    """Of the placed gangs that ask for a level: the domains they touch, and the fewest an empty fleet would need."""

    kind: str
    level: str
    gangs: int
    used: int
    fewest: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something cannot run: what was submitted, and what the API server shows."""

    name: str
    why: str
    cause: str
    message: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What the closing table shows."""

    progress: Progress
    gang_seconds: tuple[Spread | None, ...]
    single_seconds: tuple[Spread | None, ...]
    wave_pods_per_second: tuple[float, float]
    busiest_second: int
    domains: tuple[Domains, ...]
    surplus: tuple[int, int]
    ahead: tuple[float, Spread | None]
    reasons: tuple[Reason, ...]
    troubles: tuple[str, ...]


class Judge:
    """Knows what was submitted, wave by wave."""

    def __init__(self, waves: Sequence[Wave]) -> None:
        self.waves = waves
        self._gangs = [gang for wave in waves for gang in wave.gangs]
        self._singles = [single for wave in waves for single in wave.singles]

    def progress(self, seen: Sightings) -> Progress:
        fit_gangs = [gang for gang in self._gangs if gang.waits is None]
        fit_singles = [single for single in self._singles if single.waits is None]
        bound = Counter((pod.namespace, pod.gang) for pod in seen.pods.values() if pod.node and pod.gang)
        placed = sum(bound[(gang.namespace, gang.name)] >= gang.minimum for gang in fit_gangs)
        singles_bound = sum(_bound(seen, single) for single in fit_singles)
        return Progress(
            gangs_placed=placed,
            gangs=len(fit_gangs),
            singles_bound=singles_bound,
            singles=len(fit_singles),
            pods_bound=singles_bound + sum(bound[(gang.namespace, gang.name)] for gang in fit_gangs),
            pods=len(fit_singles) + sum(gang.pods for gang in fit_gangs),
            gpus_used=sum(pod.gpus for pod in seen.pods.values() if pod.node and not pod.finished),
            gpus=sum(int(node.allocatable.get(GPU_RESOURCE, 0)) for node in seen.nodes.values()),
            explained=sum(not _complaint(reason, each) for each, reason in self._reasons(seen)),
            unfit=len(self._gangs) + len(self._singles) - len(fit_gangs) - len(fit_singles),
        )

    def figures(self, seen: Sightings) -> Figures:
        per_second = Counter(int(pod.bound_at) for pod in seen.pods.values() if pod.node)
        reasons = list(self._reasons(seen))
        return Figures(
            progress=self.progress(seen),
            gang_seconds=tuple(Spread.of(_gang_seconds(seen, wave.gangs)) for wave in self.waves),
            single_seconds=tuple(Spread.of(_single_seconds(seen, wave.singles)) for wave in self.waves),
            wave_pods_per_second=_rates(seen, self.waves[0]),
            busiest_second=max(per_second.values(), default=0),
            domains=tuple(self._domains(seen)),
            surplus=self._surplus(seen),
            ahead=self._ahead(seen),
            reasons=tuple(reason for _, reason in reasons),
            troubles=(*self._troubles(seen), *filter(None, (_complaint(reason, each) for each, reason in reasons))),
        )

    def _reasons(self, seen: Sightings) -> Iterable[tuple[Gang | Single, Reason]]:
        """What is said of each thing that cannot run: on its PodGroup, or on the single pod."""
        for gang in self._gangs:
            if gang.waits is not None:
                status = seen.gangs.get((gang.namespace, gang.name))
                cause, message = ("", "") if status is None else (status.cause, status.message)
                yield gang, Reason(gang.name, gang.waits.why, cause, message)
        for single in self._singles:
            if single.waits is not None:
                pod = seen.pods.get((single.namespace, single.name))
                cause, message = ("", "") if pod is None else (pod.reason, pod.message)
                yield single, Reason(single.name, single.waits.why, cause, message)

    def _troubles(self, seen: Sightings) -> Iterable[str]:
        """What is not as it should be, in words."""
        for gang in self._gangs:
            pods = seen.pods_of(gang.namespace, gang.name)
            bound = sum(bool(pod.node) for pod in pods)
            if gang.waits is not None:
                if bound:
                    yield f"gang {gang.name} cannot run, yet {bound} of its pods are bound"
            elif 0 < bound < gang.minimum:
                yield f"gang {gang.name} is bound in part: {bound} pods of at least {gang.minimum}{_said(seen, gang)}"
            elif not bound:
                yield f"gang {gang.name} should run and does not{_said(seen, gang)}"
            if bound and gang.required and len(_touched(pods, seen.nodes, gang.required)) > 1:
                yield f"gang {gang.name} is spread over several domains of level {gang.required}"
        waiting = [single.name for single in self._singles if single.waits is None and not _bound(seen, single)]
        if waiting:
            yield f"{len(waiting)} single pods should run and do not, {waiting[0]} among them"
        if moved := [name for (_, name), pod in seen.pods.items() if pod.moved]:
            yield f"{len(moved)} pods changed their node, {moved[0]} among them"

    def _domains(self, seen: Sightings) -> Iterable[Domains]:
        for kind in ("required", "preferred"):
            for level in LEVELS:
                used = fewest = gangs = 0
                for gang in self._gangs:
                    pods = seen.pods_of(gang.namespace, gang.name)
                    if getattr(gang, kind) == level and pods and all(pod.node for pod in pods):
                        gangs += 1
                        used += len(_touched(pods, seen.nodes, level))
                        fewest += fewest_domains(gang, seen.nodes, level)
                if gangs:
                    yield Domains(kind, level, gangs, used, fewest)

    def _surplus(self, seen: Sightings) -> tuple[int, int]:
        """(elastic gangs at or above their minimum, pods bound above it)."""
        counts = [
            sum(bool(pod.node) for pod in seen.pods_of(gang.namespace, gang.name)) - gang.minimum
            for gang in self._gangs
            if gang.waits is None and gang.minimum < gang.pods
        ]
        return sum(count >= 0 for count in counts), sum(max(0, count) for count in counts)

    def _ahead(self, seen: Sightings) -> tuple[float, Spread | None]:
        """Of templated gangs: seconds from commit record to first pod, and from the last pod to the last bind."""
        leads, delays = [], []
        for gang in self._gangs:
            pods = seen.pods_of(gang.namespace, gang.name)
            if gang.templated and pods:
                recorded_at = seen.gangs[(gang.namespace, gang.name)].recorded_at
                leads.append(min(pod.created_at for pod in pods) - recorded_at if recorded_at else 0.0)
                delays += _gang_seconds(seen, [gang])
        return min(leads, default=0.0), Spread.of(delays)


def fewest_domains(gang: Gang, nodes: Mapping[str, SeenNode], level: str) -> int:
    """Domains of a level that the gang's pods need when every node is empty, counted by GPUs."""
    room: Counter[str] = Counter()
    for node in nodes.values():
        if LEVELS[level] in node.labels:
            room[node.labels[LEVELS[level]]] += int(node.allocatable.get(GPU_RESOURCE, 0)) // max(1, gang.gpus)
    left, domains = gang.pods, 0
    for pods in sorted(room.values(), reverse=True):
        if left <= 0:
            break
        left -= pods
        domains += 1
    return domains


def _said(seen: Sightings, gang: Gang) -> str:
    status = seen.gangs.get((gang.namespace, gang.name))
    return "" if status is None else f"; its PodGroup says {status.phase} {status.cause} {status.message}".rstrip()


def _touched(pods: Sequence[SeenPod], nodes: Mapping[str, SeenNode], level: str) -> set[str]:
    return {nodes[pod.node].labels.get(LEVELS[level], f"({pod.node})") for pod in pods if pod.node}


def _bound(seen: Sightings, single: Single) -> bool:
    pod = seen.pods.get((single.namespace, single.name))
    return pod is not None and bool(pod.node)


def _gang_seconds(seen: Sightings, gangs: Iterable[Gang]) -> list[float]:
    """Per gang with a place for every pod: from the creation of its last pod to its last bind."""
    found = []
    for gang in gangs:
        pods = seen.pods_of(gang.namespace, gang.name)
        if gang.waits is None and len(pods) == gang.pods and all(pod.node for pod in pods):
            found.append(max(pod.bound_at for pod in pods) - max(pod.created_at for pod in pods))
    return found


def _single_seconds(seen: Sightings, singles: Iterable[Single]) -> list[float]:
    pods = [seen.pods.get((single.namespace, single.name)) for single in singles]
    return [pod.bound_at - pod.created_at for pod in pods if pod is not None and pod.node]


def _rates(seen: Sightings, wave: Wave) -> tuple[float, float]:
    """Pods created and bound per second of one wave, without gangs whose pods were created later."""
    keys = {(gang.namespace, gang.name) for gang in wave.gangs if not gang.templated and gang.waits is None}
    names = {(single.namespace, single.name) for single in wave.singles if single.waits is None}
    pods = [pod for key, pod in seen.pods.items() if key in names or (pod.namespace, pod.gang) in keys]
    return _per_second([pod.created_at for pod in pods]), _per_second([pod.bound_at for pod in pods if pod.node])


def _per_second(moments: Sequence[float]) -> float:
    span_seconds = max(moments, default=0.0) - min(moments, default=0.0)
    return len(moments) / span_seconds if span_seconds > 0 else 0.0


def _complaint(reason: Reason, expected: Gang | Single) -> str:
    """What is wrong with an explanation; empty when it says what it should."""
    waits = expected.waits
    assert waits is not None
    if reason.cause == waits.cause and waits.words in reason.message:
        return ""
    said = f"{reason.cause}: {reason.message}" if reason.cause else "nothing"
    return f"{expected.name} should say {waits.cause} with {waits.words!r}, and says {said}"
