"""The report: what was seen, what was broken, what is worth knowing. Human table or JSON."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct, json

Severity = Literal["violation", "note"]
LINES_PER_PROMISE_MAX = 40


class Finding(Struct, frozen=True, rename="camel"):
    """One broken promise, or a note. ``promise`` is its short name, ``subject`` the object's ``kind namespace/name``.

    ``revision`` is the resource version of the event that showed it (0 for the audit log's), ``at`` seconds since 1970.
    """

    severity: Severity
    promise: str
    subject: str
    message: str
    revision: int
    at: float

    def to_line(self) -> str:
        return f"{self.severity} [{self.promise}] {self.subject}: {self.message} (resource version {self.revision})"


class Seen(Struct, frozen=True, rename="camel"):
    """What the judgement rests on, so that "0 violations" over nothing is visible.

    ``binds`` were seen to happen; ``found`` are pods that were bound already when the audit began.
    """

    events: int = 0
    pods: int = 0
    binds: int = 0
    found: int = 0
    gangs: int = 0
    records: int = 0
    nodes: int = 0
    requests: int = 0
    revision_first: int = 0
    revision_last: int = 0


class Report(Struct, frozen=True, rename="camel"):
    """The outcome of an audit."""

    seen: Seen
    violations: list[Finding]
    notes: list[Finding]

    def too_little(self, binds_min: int, with_found: bool = False) -> str:
        """Why the audit saw too little to mean anything, or an empty string. A listing has but what it found."""
        binds = self.seen.binds + (self.seen.found if with_found else 0)
        if binds >= binds_min:
            return ""
        return f"the auditor saw {binds} binds, fewer than the {binds_min} it was told to expect"

    @classmethod
    def from_json(cls, written: bytes) -> "Report":
        return json.decode(written, type=cls)

    def to_json(self) -> bytes:
        return json.format(json.encode(self), indent=2)

    def to_text(self) -> str:
        """A table for people: what was seen, then violations, then notes, at most some lines of each promise."""
        seen = self.seen
        rests_on = (
            f"{seen.events} events (resource versions {seen.revision_first}..{seen.revision_last}), "
            f"{seen.nodes} nodes, {seen.pods} pods, {seen.binds} binds ({seen.found} found bound), {seen.gangs} gangs, "
            f"{seen.records} commit records, {seen.requests} audited requests"
        )
        return "\n".join(
            [
                f"auditor: {_count(len(self.violations), 'violation')}, {_count(len(self.notes), 'note')}",
                f"  seen: {rests_on}",
                *_lines(self.violations),
                *_lines(self.notes),
            ]
        )


def _lines(findings: Sequence[Finding]) -> list[str]:
    shown: Counter[str] = Counter()
    lines = []
    for finding in findings:
        shown[finding.promise] += 1
        if shown[finding.promise] <= LINES_PER_PROMISE_MAX:
            lines.append(f"  {finding.to_line()}")
    hidden = {promise: count - LINES_PER_PROMISE_MAX for promise, count in shown.items()}
    return lines + [f"  ... {count} more of [{promise}]" for promise, count in hidden.items() if count > 0]


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
