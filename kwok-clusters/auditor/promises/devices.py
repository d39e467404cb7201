"""No device is over-committed: what pods hold of each GPU of a node is at most the whole of it, MIG slices do not
overlap, and GPUs that are held in part or whole are no more than the node has.

The scheduler says what a pod holds in the annotation ``muster.dev/gpu-devices``: ``0:500``, ``2:125:1g.5gb@3``.
"""

import re
from collections import Counter
from collections.abc import Iterator

from auditor.facts import Bound, Fact
from auditor.report import Finding
from auditor.requests import amounts
from auditor.tracked import TrackedPod
from auditor.world import World

PROMISE = "devices"
ANNOTATION = "muster.dev/gpu-devices"
GPU = "nvidia.com/gpu"
WHOLE_MILLI = 1000
_USE = re.compile(r"(?P<index>\d+):(?P<milli>\d+)(:(?P<profile>[^@]+)@(?P<start>\d+))?")
_PROFILE = re.compile(r"(?P<sevenths>\d)g\..*")


class Devices:
    """The devices of a node, judged whenever one more pod that holds parts of some, or whole ones, is bound there."""

    def __init__(self, world: World) -> None:
        self._world = world

    def judge(self, fact: Fact) -> Iterator[Finding]:
        match fact:
            case Bound(pod=pod) if pod.bound_by_us and pod.occupies:
                here = self._world.occupancy.pods_on(pod.node)
                if any(_held(each) for each in here):
                    yield from self._over(pod, here)

    def _over(self, bound: TrackedPod, here: list[TrackedPod]) -> Iterator[Finding]:
        by = f"after {bound.subject} was bound"
        milli: Counter[int] = Counter()
        slots: dict[tuple[int, int], str] = {}
        for pod in here:
            for part in _held(pod).split(",") if _held(pod) else ():
                use = _USE.fullmatch(part.strip())
                if use is None:
                    yield self._finding(bound.node, f"{pod.subject} says {part!r}, which names no part of a device")
                    continue
                index = int(use["index"])
                milli[index] += int(use["milli"])
                for slot in _slots(use):
                    other = slots.setdefault((index, slot), pod.name)
                    if other != pod.name:
                        yield self._finding(
                            bound.node, f"device {index}: {other} and {pod.name} share slot {slot}, {by}"
                        )
        for index, taken in sorted(milli.items()):
            if taken > WHOLE_MILLI:
                yield self._finding(bound.node, f"device {index}: {taken} of {WHOLE_MILLI} thousandths taken, {by}")
        versions = self._world.nodes.get(bound.node)
        node = versions.latest if versions else None
        have = amounts(node.status.allocatable).get(GPU, 0) if node else 0
        whole = sum(pod.request.get(GPU, 0) for pod in here)
        if whole + len(milli) > have:
            yield self._finding(bound.node, f"{whole} whole devices and parts of {len(milli)} taken of {have}, {by}")

    def _finding(self, node: str, message: str) -> Finding:
        return self._world.finding("violation", PROMISE, f"node {node}", message)


def _held(pod: TrackedPod) -> str:
    return pod.pod.metadata.annotations.get(ANNOTATION, "")


def _slots(use: re.Match[str]) -> range:
    """The slots that a MIG slice takes at least: one for each seventh that its profile names."""
    profile = _PROFILE.fullmatch(use["profile"] or "")
    if profile is None:
        return range(0)
    return range(int(use["start"]), int(use["start"]) + int(profile["sevenths"]))
