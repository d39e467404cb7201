"""Room for one more pod by moving others: three ways, each where the one before finds nothing.

Devices of one node are emptied into holes elsewhere (`Repacking.fit_in`); where devices are free and CPU is not, one
pod makes way (`scheduler.solver.swapping`); where no hole matches, a few devices are cut anew together
(`scheduler.solver.rejoining`).
"""

from __future__ import annotations

from collections.abc import Collection

from scheduler.solver.rejoining import rejoin
from scheduler.solver.repacking import Repacking
from scheduler.solver.swapping import Movable, swap_in

_UNBOUNDED = 2**62


def make_room(
    packing: Repacking, pod: int, shape: int, movable: Collection[int], most_milli: int = _UNBOUNDED
) -> int | None:
    """Places a pod that fits nowhere, where moving some of ``movable`` allows it. Answers with the thousandths moved,
    at most ``most_milli``; None when nothing was found, and then everything is where it was."""
    moved = packing.fit_in(pod, shape, movable, most_milli)
    if moved is None:
        moved = swap_in(packing, pod, shape, Movable.of(packing, movable), most_milli)
    return rejoin(packing, pod, shape, movable, most_milli) if moved is None else moved
