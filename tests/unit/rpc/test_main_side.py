"""What the scheduler's main process imports of this package never loads the solver."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import scheduler.rpc.client, scheduler.rpc.supervise, scheduler.rpc.endpoint, scheduler.rpc.convert
print(*sorted(sys.modules), sep="\\n")
"""


def test_the_main_side_loads_neither_ortools_nor_the_solver_nor_the_worker() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "scheduler.rpc.client" in loaded
    heavy = {name for name in loaded if name.split(".")[0] in {"ortools", "pandas"}}
    assert not heavy
    assert not loaded & {"scheduler.rpc.worker", "scheduler.rpc.service"}
    assert {name for name in loaded if name.startswith("scheduler.solver")} == {
        "scheduler.solver",
        "scheduler.solver.devices",
        "scheduler.solver.devices.devices",
        "scheduler.solver.giving",
        "scheduler.solver.problem",
        "scheduler.solver.quota",
    }
