"""Watch streams: the same JSON lines as the real server's, handed over as they happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from scheduler.sim.kinds import Kind, Route
from scheduler.sim.objects import Change, Object, Objects
from scheduler.sim.refusal import Refused

Deliver = Callable[[bytes], None]

_encode = msgspec.json.Encoder().encode


class Selector(msgspec.Struct, frozen=True):
    """A field selector, as far as ``==``, ``=`` and ``!=`` on strings go: (path, value, equal) each."""

    demands: tuple[tuple[tuple[str, ...], str, bool], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Selector:
        demands = []
        for each in filter(None, text.split(",")):
            path, equal, value = each.partition("!=")
            if not equal:
                path, _, value = each.partition("=")
            demands.append((tuple(path.split(".")), value.lstrip("="), not equal))
        return cls(tuple(demands))

    def matches(self, body: Object) -> bool:
        return all((_field(body, path) == value) == equal for path, value, equal in self.demands)


def _field(body: Object, path: tuple[str, ...]) -> str:
    found: Any = body
    for part in path:
        found = found.get(part, "") if isinstance(found, dict) else ""
    return str(found)


class Watch:
    """One open stream. It is opened by a list, or from a version; `close` ends it."""

    def __init__(self, objects: Objects, route: Route, deliver: Deliver) -> None:
        self._objects = objects
        self._kind: Kind = route.kind
        self._namespace = route.namespace
        self._selector = Selector.parse(route.query.get("fieldSelector", ""))
        self._deliver = deliver
        self._bookmarks = route.query.get("allowWatchBookmarks") == "true"
        self._open(route.query)

    @property
    def is_open(self) -> bool:
        return self._hear in self._objects.listeners

    def close(self) -> None:
        """The client has gone."""
        if self.is_open:
            self._objects.listeners.remove(self._hear)

    def end(self) -> None:
        """The server ends the stream."""
        if self.is_open:
            self.close()
            self._deliver(b"")

    def bookmark(self) -> None:
        """Say that the stream is current up to now, as the real server does about once a minute."""
        if self.is_open and self._bookmarks:
            self._deliver(self._line("BOOKMARK", self._bookmark_object({})))

    def _open(self, query: Mapping[str, str]) -> None:
        since = query.get("resourceVersion", "")
        initial = query.get("sendInitialEvents") == "true"
        if initial and query.get("resourceVersionMatch") != "NotOlderThan":
            why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            raise Refused(
                422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: {why}'
            )
        if initial or since in ("", "0"):
            for each in self._objects.all(self._kind.plural, self._namespace):
                if self._selector.matches(each):
                    self._deliver(self._line("ADDED", each))
            if initial and self._bookmarks:
                self._deliver(self._line("BOOKMARK", self._bookmark_object({"k8s.io/initial-events-end": "true"})))
        elif int(since) < self._objects.oldest_version:
            # The request has been accepted by now, so the refusal comes as a line of the stream.
            message = f"too old resource version: {since} ({self._objects.oldest_version})"
            self._deliver(self._line("ERROR", Refused(410, "Expired", message).body()))
            return
        else:
            for change in tuple(self._objects.history):
                if change.version > int(since):
                    self._hear(change)
        self._objects.listeners.append(self._hear)

    def _hear(self, change: Change) -> None:
        """An object that comes into the selection is ADDED to it, one that leaves it is DELETED from it."""
        if change.kind != self._kind:
            return
        if self._namespace and change.object["metadata"].get("namespace") != self._namespace:
            return
        was = change.before is not None and self._selector.matches(change.before)
        now = change.type != "DELETED" and self._selector.matches(change.object)
        if now:
            self._deliver(self._line("MODIFIED" if was else "ADDED", change.object))
        elif was:
            last = change.object if change.type == "DELETED" or change.before is None else change.before
            meta = {**last["metadata"], "resourceVersion": str(change.version)}
            self._deliver(self._line("DELETED", {**last, "metadata": meta}))

    def _bookmark_object(self, annotations: dict[str, str]) -> Object:
        meta: Object = {"resourceVersion": str(self._objects.version), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = annotations
        body: Object = {"kind": self._kind.name, "apiVersion": self._kind.api_version, "metadata": meta}
        if self._kind.plural == "pods":
            body |= {"spec": {"containers": None}, "status": {}}  # as the real server writes an empty Pod
        return body

    def _line(self, kind: str, body: Object) -> bytes:
        return _encode({"type": kind, "object": body})
