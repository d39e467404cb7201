"""What the running scheduler loads."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import scheduler.entry
from scheduler.core.decide import decide
from scheduler.core.drive import greedy_only, run
from scheduler.model.policy import Policy
from tests.unit.core.world import Bench, node, pod
bench = Bench(node("n1"))
bench.see(pod("a"))
assert bench.nodes_of("a") == ["n1"]
print([name for name in sys.modules if name.split(".")[0] in ("ortools", "pandas", "kubernetes")])
"""


def test_the_main_process_never_loads_ortools_nor_the_official_client() -> None:
    child = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"
