"""The rows distilled from the peers' tests, as a table: ``make conformance ARGS='tests/conformance/kai_RE.yaml'``."""

from __future__ import annotations

import sys
from pathlib import Path

from scheduler.scenario.command import decide_command
from tests.conformance.control_plane import play
from tests.conformance.test_rows import HERE, find

if __name__ == "__main__":
    files = [Path(each) for each in sys.argv[1:]] or [HERE]
    sys.exit(decide_command(files, True, "text", None, find, play))
