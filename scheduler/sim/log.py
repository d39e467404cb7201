"""The event log of a run: what happened when, in one line each, and a digest of all of it."""

from __future__ import annotations

import hashlib


class EventLog:
    """Two runs of one seed write the same lines; `digest` says so in one word."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._hash = hashlib.sha256()

    def note(self, seconds: float, text: str) -> None:
        line = f"{seconds:.6f} {text}"
        self.lines.append(line)
        self._hash.update(line.encode() + b"\n")

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()
