"""What pods take: of every node, and of every queue. A pod counts until it is terminal or gone, leaving or not."""

from dataclasses import dataclass

from auditor.requests import Resources, add
from auditor.tracked import TrackedPod


@dataclass(frozen=True, slots=True)
class _Entry:
    node: str
    queue: str
    request: Resources


class Occupancy:
    """Running sums, kept by entering each pod again whenever it changes."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._pods_on: dict[str, dict[str, TrackedPod]] = {}
        self._of_node: dict[str, Resources] = {}
        self._of_queue: dict[str, Resources] = {}

    def enter(self, pod: TrackedPod) -> None:
        """Count the pod as it is now, in place of how it was counted before."""
        before = self._entries.pop(pod.uid, None)
        if before is not None:
            add(self._of_node[before.node], before.request, -1)
            add(self._of_queue[before.queue], before.request, -1)
            del self._pods_on[before.node][pod.uid]
        if pod.occupies:
            # Foreign pods take room of nodes but no queue's share.
            entry = _Entry(pod.node, pod.queue if pod.ours else "", pod.request)
            self._entries[pod.uid] = entry
            add(self._of_node.setdefault(entry.node, {}), entry.request, 1)
            add(self._of_queue.setdefault(entry.queue, {}), entry.request, 1)
            self._pods_on.setdefault(entry.node, {})[pod.uid] = pod

    def of_node(self, node: str) -> Resources:
        return self._of_node.get(node, {})

    def of_queue(self, queue: str) -> Resources:
        return self._of_queue.get(queue, {})

    def pods_on(self, node: str) -> list[TrackedPod]:
        return list(self._pods_on.get(node, {}).values())
