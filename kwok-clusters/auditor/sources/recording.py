"""Recordings: watch lines as they came, each wrapped with its kind and the time it was received.

One JSON object per line: ``{"kind": "pods", "at": 1700000000.123, "event": <the watch event as received>}`` or, between
events, ``{"kind": "pods", "at": ..., "mark": "begin" | "absent"}``. Writing one needs no parsing, so that recording
takes next to nothing from what is measured.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from auditor.objects import Kind
from auditor.sources.watch import Line, Mark


class RecordingError(Exception):
    """A recording cannot be read; the message says which line."""


class _Written(msgspec.Struct):
    kind: Kind
    at: float
    mark: Mark | None = None
    event: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


def write_line(file: IO[bytes], line: Line) -> None:
    """Append one line to a recording."""
    if isinstance(line.content, str):
        file.write(b'{"kind":"%b","at":%.6f,"mark":"%b"}\n' % (line.kind.encode(), line.at, line.content.encode()))
    else:
        file.write(b'{"kind":"%b","at":%.6f,"event":%b}\n' % (line.kind.encode(), line.at, line.content))


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a recording. A last line that was cut off is left out; RecordingError for any other bad one."""
    decoder = msgspec.json.Decoder(_Written)
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if not raw.endswith(b"\n"):
                return
            try:
                written = decoder.decode(raw)
            except msgspec.DecodeError as error:
                raise RecordingError(f"{path}:{number}: {error}") from error
            yield Line(written.kind, written.at, written.mark or bytes(written.event))
