"""Room for one more pod by moving others: three ways, each where the one before finds nothing.

Devices of one node are emptied into holes elsewhere (`Repacking.fit_in`); where devices are free and CPU is not,
pods make way (`scheduler.solver.packing.relieving`); where no hole matches, a few devices are cut anew together
(`scheduler.solver.packing.rejoining`).
"""

from __future__ import annotations

from collections.abc import Collection

from scheduler.solver.packing.rejoining import Place, rejoin
from scheduler.solver.packing.relieving import Movable, relieve
from scheduler.solver.packing.repacking import Repacking

_UNBOUNDED = 2**62


def make_room(
    packing: Repacking,
    pod: int,
    shape: int,
    movable: Collection[int],
    stuck: set[Place],
    most_milli: int = _UNBOUNDED,
) -> int | None:
    """Places a pod that fits nowhere, where moving some of ``movable`` allows it. Answers with the thousandths moved,
    at most ``most_milli``; None when nothing was found, and then everything is where it was.

    ``stuck`` is what searches in one window have learned: devices that are not worth cutting anew (`rejoin`).
    """
    moved = packing.fit_in(pod, shape, movable, most_milli)
    if moved is None:
        moved = relieve(packing, pod, shape, Movable(packing, movable), most_milli)
    return rejoin(packing, pod, shape, movable, stuck, most_milli) if moved is None else moved
