"""Durations and moments as users write them."""

from __future__ import annotations

import re
from datetime import datetime

_PART = re.compile(r"(\d{1,5})(ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def duration_seconds(text: str) -> float | None:
    """``1h30m``, ``90s`` or ``500ms``, as our CRDs admit them; None where nothing is stated."""
    if not text:
        return None
    parts = _PART.findall(text)
    if "".join(count + unit for count, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration")
    return sum(int(count) * _SECONDS[unit] for count, unit in parts)


def moment_seconds(text: str) -> float:
    """A moment in an annotation (RFC 3339), in seconds since 1970; 0 for none and for what is no moment."""
    try:
        return datetime.fromisoformat(text).timestamp() if text else 0.0
    except ValueError:
        return 0.0
