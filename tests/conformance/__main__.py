"""The rows distilled from the peers' tests, as a table: ``make conformance ARGS='tests/conformance/kai_RE.yaml'``.

With ``--markdown`` nothing is decided: their part of docs/reference/conformance.md is written again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scheduler.scenario.command import decide_command
from tests.conformance.control_plane import play
from tests.conformance.page import BEGIN, END, page
from tests.conformance.test_rows import HERE, ROWS, find

PAGE = HERE.parents[1] / "docs/reference/conformance.md"

if __name__ == "__main__":
    if sys.argv[1:] == ["--markdown"]:
        text = PAGE.read_text(encoding="utf-8")
        head, tail = text.split(BEGIN)[0], text.split(END)[1]
        PAGE.write_text(f"{head}{BEGIN}\n{page(ROWS)}\n{END}{tail}", encoding="utf-8")
        sys.exit(0)
    files = [Path(each) for each in sys.argv[1:]] or [HERE]
    sys.exit(decide_command(files, True, "text", None, find, play))
