"""What stands in the audit log of a bed's API server: requests that were answered with success."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Answered:
    """A request by verb, object and user, with the moment when it came; ``body`` where the bed records it."""

    verb: str
    resource: str
    subresource: str
    name: str
    uid: str
    user: str
    at_seconds: float
    body: dict[str, Any]


def answered(log: Path) -> Iterator[Answered]:
    """The successful requests in the order of their answers. A last line that is still being written is left out."""
    with log.open() as lines:
        for line in lines:
            if not line.endswith("\n"):
                return
            entry = json.loads(line)
            if entry["stage"] != "ResponseComplete" or not 200 <= entry["responseStatus"]["code"] < 300:
                continue
            about = entry.get("objectRef") or {}
            yield Answered(
                entry["verb"],
                about.get("resource", ""),
                about.get("subresource", ""),
                about.get("name", ""),
                about.get("uid", ""),
                entry["user"]["username"],
                datetime.fromisoformat(entry["requestReceivedTimestamp"]).timestamp(),
                entry.get("requestObject") or {},
            )
