"""Lines of watch streams to events: first content to one listing, then change by change."""

from typing import Any, Literal

import msgspec

from auditor.events import Changed, Listed
from auditor.objects import KINDS, ApiObject, Kind, Metadata, type_of
from auditor.sources.watch import Line

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class _Envelope(msgspec.Struct):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: msgspec.Raw


class _Bookmark(msgspec.Struct):
    """A bookmark is an empty object of its kind with nulls in required places: only its metadata is read."""

    class Metadata(msgspec.Struct, rename="camel"):
        resource_version: str
        annotations: dict[str, str] = {}

    metadata: Metadata


class Reader:
    """Decodes the lines of all kinds, each kind's in the order in which they were received."""

    def __init__(self) -> None:
        self._envelope = msgspec.json.Decoder(_Envelope)
        self._bookmark = msgspec.json.Decoder(_Bookmark)
        self._objects: dict[Kind, msgspec.json.Decoder[Any]] = {
            kind: msgspec.json.Decoder(type_of(kind)) for kind in KINDS
        }
        self._listing: dict[Kind, list[ApiObject]] = {}
        self._revisions: dict[Kind, int] = {}

    def read(self, line: Line) -> list[Changed | Listed]:
        """The events that a line amounts to. msgspec.DecodeError for one of another shape."""
        if isinstance(line.content, str):
            return self._mark(line)
        envelope = self._envelope.decode(line.content)
        if envelope.type == "BOOKMARK":
            return self._read_bookmark(line, self._bookmark.decode(envelope.object))
        decoded: ApiObject = self._objects[line.kind].decode(envelope.object)
        if line.kind in self._listing:
            self._listing[line.kind].append(decoded)
            return []
        revision = self._revisions[line.kind] = _revision(decoded.metadata)
        return [Changed(revision, line.at, line.kind, envelope.type, decoded)]

    def _mark(self, line: Line) -> list[Changed | Listed]:
        kind = line.kind
        if line.content == "begin":
            self._listing[kind] = []
            return []
        if kind in self._revisions:
            return []
        # An API server without this kind has an empty list of it.
        self._revisions[kind] = 0
        return [Listed(0, line.at, kind, ())]

    def _read_bookmark(self, line: Line, bookmark: _Bookmark) -> list[Changed | Listed]:
        kind, revision = line.kind, int(bookmark.metadata.resource_version)
        if INITIAL_EVENTS_END not in bookmark.metadata.annotations or kind not in self._listing:
            return []
        reached = self._revisions.get(kind, 0)
        self._revisions[kind] = revision
        # A listing after a gap shows what came about somewhere in it. What pods depend on is taken as it is from the
        # gap's beginning, pods from its end: a record written in the gap is then not held to be missing.
        position = reached if reached and kind != "pods" else revision
        return [Listed(position, line.at, kind, tuple(self._listing.pop(kind)))]


def _revision(metadata: Metadata) -> int:
    return int(metadata.resource_version)
