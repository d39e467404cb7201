"""Watch streams as raw lines, never parsed on the way: the same for judging live and for recording cheaply.

Each kind is one stream that begins with its complete content (WatchList) and goes on from where it ended when the
server closes it. Only when the server has forgotten that place (410) it begins again, and history is lost.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import aiohttp
import msgspec

from auditor.objects import KINDS, Kind
from auditor.sources.cluster import Cluster, path_of

RETRY_SECONDS = 0.25
TICK_SECONDS = 0.1
# After the order to stop, streams are read on until they have been silent for so long, or at most for the second time.
SILENCE_SECONDS = 0.5
DRAIN_SECONDS_MAX = 5.0

# "begin": the complete content of the kind follows. "absent": the server does not know the kind (yet).
Mark = Literal["begin", "absent"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a watch stream, or a mark between lines. ``at``: when it was received, in seconds since 1970."""

    kind: Kind
    at: float
    content: bytes | Mark


Sink = Callable[[Line], None]


class AccessDeniedError(Exception):
    """The auditor may not read what it has to judge; the message is the API server's."""


class _Versioned(msgspec.Struct):
    """The one field that is read of the last line when a stream has ended."""

    class Object(msgspec.Struct):
        class Metadata(msgspec.Struct):
            resource_version: str = msgspec.field(name="resourceVersion", default="")

        metadata: Metadata = msgspec.field(default_factory=Metadata)

    object: Object


class Watch:
    """The streams of all kinds, fed to one sink."""

    def __init__(self, cluster: Cluster, sink: Sink) -> None:
        self._cluster = cluster
        self._sink = sink
        self._begun: set[Kind] = set()
        self._received_at = 0.0

    async def run(self, stop: asyncio.Event, on_begun: Callable[[], None], on_tick: Callable[[], None]) -> None:
        """Feed lines until told to stop and the streams have fallen silent.

        ``on_begun`` is called once, when every stream has begun: from then on nothing is missed. ``on_tick`` is called
        every TICK_SECONDS, and a last time when all is over.
        """
        watching = asyncio.create_task(self._watch())
        announced = False
        stopped_at = 0.0
        try:
            while not (stopped_at and self._is_drained(stopped_at)):
                await asyncio.wait([watching], timeout=TICK_SECONDS)
                if watching.done():
                    watching.result()
                if not announced and self._begun.issuperset(KINDS):
                    announced = True
                    on_begun()
                if stop.is_set() and not stopped_at:
                    stopped_at = time.time()
                on_tick()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            on_tick()

    async def _watch(self) -> None:
        async with self._cluster.session() as session:
            try:
                async with asyncio.TaskGroup() as group:
                    for kind in KINDS:
                        group.create_task(_watch_kind(session, kind, self._take))
            except ExceptionGroup as failures:
                raise failures.exceptions[0] from None

    def _take(self, line: Line) -> None:
        self._received_at = line.at
        if isinstance(line.content, str):
            self._begun.add(line.kind)
        self._sink(line)

    def _is_drained(self, stopped_at: float) -> bool:
        now = time.time()
        return now - max(self._received_at, stopped_at) > SILENCE_SECONDS or now - stopped_at > DRAIN_SECONDS_MAX


async def _watch_kind(session: aiohttp.ClientSession, kind: Kind, sink: Sink) -> None:
    place = ""  # The resource version to go on from; empty to begin with the complete content.
    was_allowed = False
    while True:
        stream = _Stream(kind, place, sink)
        try:
            place = await stream.run(session)
            was_allowed = True
        except AccessDeniedError:
            # A server that has just come back may refuse until it has read its roles.
            if not was_allowed:
                raise
            await asyncio.sleep(RETRY_SECONDS)
        except (aiohttp.ClientError, TimeoutError, OSError):
            # The API server may be away for a while. What it forgets meanwhile it answers with 410.
            place = stream.reached()
            await asyncio.sleep(RETRY_SECONDS)


class _Stream:
    """One watch request, from its first line to its end."""

    def __init__(self, kind: Kind, place: str, sink: Sink) -> None:
        self._kind = kind
        self._place = place
        self._sink = sink
        self._listing = not place
        self._last = b""

    async def run(self, session: aiohttp.ClientSession) -> str:
        """Feed lines until the server ends the stream; returns the place to go on from, "" to begin anew."""
        async with session.get(path_of(self._kind), params=self._parameters()) as response:
            if response.status in (401, 403) and self._listing:
                raise AccessDeniedError(f"{response.url}: {response.status} {(await response.text())[:200]}")
            if response.status == 404 and self._listing:
                self._sink(Line(self._kind, time.time(), "absent"))
                await asyncio.sleep(RETRY_SECONDS)
                return ""
            if response.status == 410:
                return ""
            response.raise_for_status()
            if self._listing:
                self._sink(Line(self._kind, time.time(), "begin"))
            rest = b""
            async for chunk in response.content.iter_any():
                now = time.time()
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.startswith(b'{"type":"ERROR"'):
                        return ""
                    self._take(line, now)
        if self._last == b"":
            await asyncio.sleep(RETRY_SECONDS)
        return self.reached()

    def reached(self) -> str:
        """The place after the last line; "" when the stream broke before its first content was complete."""
        if self._listing:
            return ""
        if self._last:
            return msgspec.json.decode(self._last, type=_Versioned).object.metadata.resource_version
        return self._place

    def _take(self, line: bytes, now: float) -> None:
        self._last = line
        if self._listing and line.startswith(b'{"type":"BOOKMARK"') and b'"k8s.io/initial-events-end"' in line:
            self._listing = False
        self._sink(Line(self._kind, now, line))

    def _parameters(self) -> dict[str, str]:
        common = {"watch": "1", "allowWatchBookmarks": "true"}
        if self._place:
            return common | {"resourceVersion": self._place}
        return common | {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
