"""Where traces and conformance notes lie, when there are any: one setting, absent in a user's clone."""

from __future__ import annotations

import os
from pathlib import Path

SHARED = Path(os.environ.get("MUSTER_SHARED") or Path(__file__).resolve().parents[2] / "shared")
