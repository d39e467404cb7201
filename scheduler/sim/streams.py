"""One watch stream per kind, as the real edge keeps them: initial list, changes, broken streams, versions too old."""

from __future__ import annotations

from collections.abc import Callable

from scheduler.model import events as ev
from scheduler.model.events import Event
from scheduler.sim.chance import Chance
from scheduler.sim.server import ApiServer
from scheduler.sim.watch import Watch
from scheduler.wire.decode import Bookmark, Decoder, Malformed, StreamError

WATCH = "watch=1&allowWatchBookmarks=true"
WATCH_LIST = f"{WATCH}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
REOPEN_SECONDS = 0.5

_PATHS = {
    "nodes": "/api/v1/nodes",
    "pods": "/api/v1/pods",
    "namespaces": "/api/v1/namespaces",
    "priorityclasses": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "podgroups": "/apis/muster.dev/v1alpha1/podgroups",
    "queues": "/apis/muster.dev/v1alpha1/queues",
    "topologies": "/apis/muster.dev/v1alpha1/topologies",
    "resourceflavors": "/apis/muster.dev/v1alpha1/resourceflavors",
    "poddisruptionbudgets": "/apis/policy/v1/poddisruptionbudgets",
    "persistentvolumeclaims": "/api/v1/persistentvolumeclaims",
    "persistentvolumes": "/api/v1/persistentvolumes",
    "storageclasses": "/apis/storage.k8s.io/v1/storageclasses",
    "csinodes": "/apis/storage.k8s.io/v1/csinodes",
    "csidrivers": "/apis/storage.k8s.io/v1/csidrivers",
    "csistoragecapacities": "/apis/storage.k8s.io/v1/csistoragecapacities",
    "volumeattachments": "/apis/storage.k8s.io/v1/volumeattachments",
}


class Stream:
    """One kind's stream: lines come in order, each after a delay of its own."""

    def __init__(self, kind: str, owner: Streams) -> None:
        self.kind = kind
        self._owner = owner
        self._version = ""
        self._due_seconds = 0.0
        self._watch: Watch | None = None
        self._opened = 0
        self._known: dict[str, Event] = {}
        self._listed: dict[str, None] | None = None

    def open(self) -> None:
        """From the last version seen, or with a list of everything when there is none."""
        self._opened += 1
        opened = self._opened
        query = WATCH_LIST if not self._version else f"{WATCH}&resourceVersion={self._version}"
        if not self._version:
            self._listed = {}
        path = f"{_PATHS[self.kind]}?{query}"
        self._watch = self._owner.server.watch(path, lambda line: self._coming(opened, line))

    def close(self) -> None:
        self._opened += 1
        if self._watch is not None:
            self._watch.close()

    def _coming(self, opened: int, line: bytes) -> None:
        clock, chance = self._owner.server.clock, self._owner.chance
        delay = chance.seconds(chance.odds.watch_seconds)
        self._due_seconds = max(self._due_seconds, clock.now_seconds + delay)
        clock.at(self._due_seconds, lambda: self._hear(opened, line))

    def _hear(self, opened: int, line: bytes) -> None:
        if opened != self._opened or self._owner.dead():
            return
        if not line:
            if self._listed is not None:
                self._version = ""  # ended within its list: what came of it does not count as one
            self._reopen()
            return
        seen, version = self._owner.decoder.line(self.kind, line)
        match seen:
            case StreamError():
                self._version = ""
                self._reopen()
                return
            case Bookmark(_, initial_end):
                if initial_end:
                    self._listed_all()
            case Malformed():
                pass
            case _:
                self._remember(seen)
                self._owner.tell(seen)
        self._version = version
        if self._listed is None and self._owner.chance.happens(self._owner.chance.odds.broken_watch):
            self._reopen()

    def _reopen(self) -> None:
        self.close()
        self._owner.server.clock.after(REOPEN_SECONDS, lambda: None if self._owner.dead() else self.open())

    def _remember(self, event: Event) -> None:
        """Keep what would have to be said if the object vanished while we were not looking."""
        key, gone = _gone(event)
        if gone is None:
            self._known.pop(key, None)
            return
        self._known[key] = gone
        if self._listed is not None:
            self._listed[key] = None

    def _listed_all(self) -> None:
        assert self._listed is not None
        for key in [key for key in self._known if key not in self._listed]:
            self._owner.tell(self._known.pop(key))
        self._listed = None
        self._owner.listed(self.kind)


class Streams:
    """All kinds together; `Synced` is told once, when the first list of each has been heard to its end."""

    def __init__(
        self, server: ApiServer, chance: Chance, tell: Callable[[Event], None], dead: Callable[[], bool]
    ) -> None:
        self.server = server
        self.chance = chance
        self.tell = tell
        self.dead = dead
        self.decoder = Decoder()
        self._streams = [Stream(kind, self) for kind in self.decoder.kinds]
        self._missing = dict.fromkeys(self.decoder.kinds)

    def open(self) -> None:
        for stream in self._streams:
            stream.open()

    def close(self) -> None:
        for stream in self._streams:
            stream.close()

    def listed(self, kind: str) -> None:
        if kind in self._missing:
            del self._missing[kind]
            if not self._missing:
                self.tell(ev.Synced())


def _gone(event: Event) -> tuple[str, Event | None]:
    """(key, what to say when it vanishes); None when the event itself says that it is gone."""
    match event:
        case ev.NodeSeen(node):
            return node.name, ev.NodeGone(node.name)
        case ev.PodSeen(pod):
            return pod.uid, ev.PodGone(pod.uid)
        case ev.PodGroupSeen(group):
            return group.key, ev.PodGroupGone(group.namespace, group.name)
        case ev.QueueSeen(queue):
            return queue.name, ev.QueueGone(queue.name)
        case ev.TopologySeen(topology):
            return topology.name, ev.TopologyGone(topology.name)
        case ev.FlavorSeen(flavor):
            return flavor.name, ev.FlavorGone(flavor.name)
        case ev.NamespaceSeen(name):
            return name, ev.NamespaceGone(name)
        case ev.PriorityClassSeen(name):
            return name, ev.PriorityClassGone(name)
        case ev.StorageSeen(kind, found):
            return found.key, ev.StorageGone(kind, found.key)
        case ev.GuardSeen(found):
            return found.key, ev.GuardGone(found.key)
        case ev.PodGone(key) | ev.StorageGone(_, key) | ev.GuardGone(key):
            return key, None
        case ev.PodGroupGone(namespace, name):
            return f"{namespace}/{name}", None
        case (
            ev.NodeGone(name)
            | ev.QueueGone(name)
            | ev.TopologyGone(name)
            | ev.FlavorGone(name)
            | ev.NamespaceGone(name)
            | ev.PriorityClassGone(name)
        ):
            return name, None
        case _:
            raise AssertionError(f"{event!r} does not come from a watch")
