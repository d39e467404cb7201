"""Watch streams, one per kind: from the initial list to every later change, through whatever breaks in between.

Read from the inside out: `_stream` is one response, `_follow` goes on from the last version, `_kind` lists again where
that is no longer possible. Objects that vanished meanwhile become "gone" events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

import aiohttp
import msgspec
import structlog

from scheduler.kube.client import ApiClient
from scheduler.model import events as ev
from scheduler.model.events import Event
from scheduler.wire import names
from scheduler.wire.decode import Bookmark, Decoder, Malformed, StreamError

QUIET_SECONDS = 90.0
"""The server sends a bookmark about every minute: a longer silence means a dead connection."""

SERVER_SECONDS = 1800
RETRY_SECONDS_MAX = 10.0
REOPEN_SECONDS = 0.05

PATHS = {
    "nodes": "/api/v1/nodes",
    "pods": "/api/v1/pods",
    "namespaces": "/api/v1/namespaces",
    "priorityclasses": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "queues": f"/apis/{names.GROUP}/{names.VERSION}/queues",
    "topologies": f"/apis/{names.GROUP}/{names.VERSION}/topologies",
    "resourceflavors": f"/apis/{names.GROUP}/{names.VERSION}/resourceflavors",
    "podgroups": f"/apis/{names.GROUP}/{names.VERSION}/podgroups",
    "poddisruptionbudgets": "/apis/policy/v1/poddisruptionbudgets",
    "persistentvolumeclaims": "/api/v1/persistentvolumeclaims",
    "persistentvolumes": "/api/v1/persistentvolumes",
    "storageclasses": "/apis/storage.k8s.io/v1/storageclasses",
    "csinodes": "/apis/storage.k8s.io/v1/csinodes",
    "csidrivers": "/apis/storage.k8s.io/v1/csidrivers",
    "csistoragecapacities": "/apis/storage.k8s.io/v1/csistoragecapacities",
    "volumeattachments": "/apis/storage.k8s.io/v1/volumeattachments",
}

Sink = Callable[[list[Event]], None]


class RefusedError(Exception):
    """The server will not serve a kind at all: the CRDs are missing, or we have no permission."""


class ListAgainError(Exception):
    """The last version is too old for the server: everything has to be told again."""


def _stream_error(seen: StreamError) -> Exception:
    if seen.code == 410:
        return ListAgainError()
    return aiohttp.ClientError(f"the stream ended with {seen.code}: {seen.message}")


def gone_event(kind: str, key: str) -> Event:
    """What it means that an object of a kind vanished; ``key`` as in `_key`."""
    match kind:
        case "nodes":
            return ev.NodeGone(key)
        case "pods":
            return ev.PodGone(key)
        case "podgroups":
            namespace, _, name = key.partition("/")
            return ev.PodGroupGone(namespace, name)
        case "queues":
            return ev.QueueGone(key)
        case "topologies":
            return ev.TopologyGone(key)
        case "resourceflavors":
            return ev.FlavorGone(key)
        case "namespaces":
            return ev.NamespaceGone(key)
        case "priorityclasses":
            return ev.PriorityClassGone(key)
        case "poddisruptionbudgets":
            return ev.GuardGone(key)
        case _:
            assert kind in PATHS, f"unknown kind {kind}"
            return ev.StorageGone(kind, key)


def _key(event: Event) -> tuple[str, bool]:
    """(what names the object within its kind, whether it is gone)."""
    match event:
        case ev.NodeSeen(node):
            return node.name, False
        case ev.PodSeen(pod):
            return pod.uid, False
        case ev.PodGroupSeen(group):
            return f"{group.namespace}/{group.name}", False
        case ev.QueueSeen(found) | ev.TopologySeen(found) | ev.FlavorSeen(found):
            return found.name, False
        case ev.NamespaceSeen(name) | ev.PriorityClassSeen(name):
            return name, False
        case ev.StorageSeen(_, watched) | ev.GuardSeen(watched):
            return watched.key, False
        case ev.StorageGone(_, key) | ev.GuardGone(key):
            return key, True
        case ev.PodGone(uid):
            return uid, True
        case ev.PodGroupGone(namespace, name):
            return f"{namespace}/{name}", True
        case ev.NodeGone(name) | ev.QueueGone(name) | ev.TopologyGone(name) | ev.FlavorGone(name):
            return name, True
        case ev.NamespaceGone(name) | ev.PriorityClassGone(name):
            return name, True
        case _:
            raise AssertionError(f"not a watched object: {event!r}")


class Watcher:
    """Follows every kind until it is stopped. `synced` is set once all initial lists have been told."""

    def __init__(self, client: ApiClient, decoder: Decoder, sink: Sink) -> None:
        self._client = client
        self._decoder = decoder
        self._sink = sink
        self._log = structlog.get_logger("watch")
        self._told: dict[str, set[str]] = {kind: set() for kind in PATHS}
        self._version = dict.fromkeys(PATHS, "")
        self._ready: dict[str, asyncio.Event] = {kind: asyncio.Event() for kind in PATHS}
        self._following: dict[str, asyncio.Task[None]] = {}
        self._restarting: set[str] = set()
        self._malformed: set[tuple[str, str]] = set()
        self._said_away: dict[str, float] = {}
        self.relists = 0

    async def run(self) -> None:
        """Follow all kinds; a task that dies takes the others along, so that nothing fails silently."""
        async with asyncio.TaskGroup() as tasks:
            for kind in PATHS:
                tasks.create_task(self._kind(kind), name=f"watch {kind}")

    async def synced(self) -> None:
        for ready in self._ready.values():
            await ready.wait()

    def tell_again(self) -> None:
        """List every kind anew: what the streams told last may be too old. Await `synced` afterwards."""
        for kind, ready in self._ready.items():
            ready.clear()
            following = self._following.get(kind)
            if following is not None:
                self._restarting.add(kind)
                following.cancel()

    async def _kind(self, kind: str) -> None:
        """List and follow, for ever: the outermost loop, which only decides how long to wait."""
        wait_seconds = 0.5
        while True:
            self._following[kind] = asyncio.create_task(self._follow(kind), name=f"follow {kind}")
            try:
                await self._following[kind]
            except asyncio.CancelledError:
                if kind not in self._restarting:
                    self._following[kind].cancel()
                    raise
                self._restarting.discard(kind)
            except ListAgainError:
                self.relists += 1
                wait_seconds = 0.5
            except RefusedError as refusal:
                self._log.error("kind refused", kind=kind, reason=str(refusal))
                await asyncio.sleep(RETRY_SECONDS_MAX)
            except (aiohttp.ClientError, TimeoutError, OSError) as trouble:
                self._say_away(f"{type(trouble).__name__}: {trouble}", wait_seconds)
                await asyncio.sleep(wait_seconds)
                wait_seconds = min(RETRY_SECONDS_MAX, wait_seconds * 2)

    async def _follow(self, kind: str) -> None:
        """One initial list, then stream after stream from the last version."""
        self._version[kind] = ""
        while True:
            try:
                await self._stream(kind)
                await asyncio.sleep(REOPEN_SECONDS)
            except (aiohttp.ClientError, TimeoutError, OSError):
                if not self._version[kind]:
                    raise
                # A broken or silent stream is normal: go on where it ended; all is told again only if that is refused.
                await asyncio.sleep(0.2)
                await self._reachable()

    def _say_away(self, error: str, retry_seconds: float) -> None:
        """Said once for all kinds that meet the same trouble at the same time, and again when they try again."""
        now = asyncio.get_running_loop().time()
        if now - self._said_away.get(error, -inf) >= retry_seconds / 4:
            self._said_away[error] = now
            self._log.warning("API server away", error=error, retry_seconds=retry_seconds)

    async def _reachable(self) -> None:
        """Wait until the server answers again."""
        wait_seconds = 0.5
        while True:
            try:
                status, _ = await self._client.get("/readyz")
                if status < 500:
                    return
            except Exception as trouble:
                self._say_away(f"{type(trouble).__name__}: {trouble}", wait_seconds)
            await asyncio.sleep(wait_seconds)
            wait_seconds = min(RETRY_SECONDS_MAX, wait_seconds * 2)

    def _path(self, kind: str) -> str:
        version = self._version[kind]
        start = (
            f"&resourceVersion={version}" if version else "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        )
        return f"{PATHS[kind]}?watch=1&allowWatchBookmarks=true&timeoutSeconds={SERVER_SECONDS}{start}"

    async def _stream(self, kind: str) -> None:
        """One response from begin to end."""
        initial: set[str] | None = None if self._version[kind] else set()
        async with self._client.stream(self._path(kind), QUIET_SECONDS) as answer:
            if answer.status == 410:
                raise ListAgainError
            if answer.status == 429 or answer.status >= 500:
                raise aiohttp.ClientError(f"the server cannot serve {kind} right now (HTTP {answer.status})")
            if answer.status != 200:
                raise RefusedError(self._why(kind, answer.status, await answer.read()))
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                initial = self._tell(kind, lines, initial)
        if initial is not None:
            raise aiohttp.ClientError("the stream ended before the initial list was complete")

    def _tell(self, kind: str, lines: list[bytes], initial: set[str] | None) -> set[str] | None:
        """Tell what some lines say, as one batch; ``initial`` collects what the initial list names, None after it."""
        events: list[Event] = []
        try:
            for line in lines:
                if not line:
                    continue
                try:
                    seen, version = self._decoder.line(kind, line)
                except msgspec.MsgspecError as trouble:
                    raise aiohttp.ClientError(f"not a watch line: {trouble}") from trouble
                if isinstance(seen, Bookmark):
                    self._version[kind] = version
                    if seen.initial_end and initial is not None:
                        events += self._vanished(kind, initial)
                        initial = None
                        self._ready[kind].set()
                elif isinstance(seen, StreamError):
                    raise _stream_error(seen)
                elif isinstance(seen, Malformed):
                    self._skip(seen)
                    if initial is not None:
                        initial.add(seen.key)  # what is known of it stays as it was
                else:
                    events.append(seen)
                    key, gone = _key(seen)
                    (self._told[kind].discard if gone else self._told[kind].add)(key)
                    if initial is not None:
                        initial.add(key)
                    else:
                        self._version[kind] = version
        finally:
            if events:
                self._sink(events)
        return initial

    def _vanished(self, kind: str, initial: set[str]) -> list[Event]:
        vanished = sorted(self._told[kind] - initial)
        self._told[kind] = set(initial)
        return [gone_event(kind, key) for key in vanished]

    def _skip(self, seen: Malformed) -> None:
        if (seen.kind, seen.name) not in self._malformed:
            self._malformed.add((seen.kind, seen.name))
            self._log.warning("object skipped", kind=seen.kind, name=seen.name, reason=seen.message)

    @property
    def malformed(self) -> int:
        """How many objects could not be read."""
        return len(self._malformed)

    def _why(self, kind: str, status: int, body: bytes) -> str:
        try:
            said = msgspec.json.decode(body)["message"]
        except (msgspec.MsgspecError, KeyError, TypeError):
            said = body[:200].decode(errors="replace").strip()
        match status:
            case 404 if kind in ("queues", "topologies", "resourceflavors", "podgroups"):
                remedy = "run: kubectl apply --server-side -f manifests/crds"
                return f"the CRD of {kind}.muster.dev is not installed; {remedy} ({said})"
            case 401:
                return f"the API server does not know us; check the token or certificate ({said})"
            case 403:
                return f"no permission to watch {kind}; see manifests/rbac.yaml ({said})"
            case _:
                return f"HTTP {status}: {said}"
