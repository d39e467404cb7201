"""What making room works on: what stands, who asks for room, what it came to, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.model.cluster import Mask
from scheduler.model.resources import Matrix
from scheduler.solver.giving import Lane, Tier

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Want:
    """Interchangeable pods of a taker: ``request`` [R] and ``charge`` [K] of each, ``mask`` [N] where they may go."""

    request: Matrix
    charge: Matrix
    count: int
    minimum: int
    mask: Mask


@dataclass(frozen=True, eq=False)
class Taker:
    """``wants`` are its members, ``minimum`` what they need together, ``rows`` its queue's line up to the top.
    ``domains`` [N] are the codes of the level that it requires (None: none; -1: no domain). Of a ``bundle`` any number
    of pods may be placed."""

    wants: tuple[Want, ...]
    minimum: int
    rows: tuple[int, ...]
    domains: Indices | None = None
    bundle: bool = False


@dataclass(frozen=True, eq=False)
class Ground:
    """Everything that stands, pod by pod: ``node``, ``gang`` [P], ``room`` [P x R], ``charge`` [P x K], ``weights``
    [P x T] per tier, ``guard`` [P] (-1: none).

    Of gangs [G]: ``lane`` (-1: not to be evicted), ``whole`` whether all of it may go, ``movable``, ``slack`` how many
    pods may go one by one, ``rows`` its line up to the top and ``branch`` how many of these a right protects; gangs of
    one ``group`` agree in lane and line. ``targets`` says where the pods of a gang may be moved.

    ``free`` [N x R] and ``use`` [queues x K] are as things stand; ``limit`` [queues x K] is never exceeded. ``firm``
    [queues x K] is what work that cannot be taken back may still use: whoever is evicted leaves no more of that. None
    where the takers can be taken back.
    """

    free: Matrix
    node: Indices
    gang: Indices
    room: Matrix
    charge: Matrix
    weights: Matrix
    guard: Indices
    tiers: tuple[Tier, ...]
    lane: Indices
    whole: Mask
    movable: Mask
    slack: Indices
    rows: tuple[tuple[int, ...], ...]
    branch: tuple[int, ...]
    group: Indices
    lanes: tuple[Lane, ...]
    use: Matrix
    limit: Matrix
    guards: tuple[int, ...]
    targets: Callable[[int], Mask]
    firm: Matrix | None = None


@dataclass(eq=False)
class Cleared:
    """What it came to: places as (member, node, pods), pods evicted, new nodes of moved pods, and the cost per tier."""

    places: list[tuple[int, int, int]]
    evicted: list[int]
    moved: dict[int, int]
    cost: tuple[int, ...]


def cost_of(ground: Ground, evicted: Sequence[int], moved: Sequence[int]) -> tuple[int, ...]:
    """The cost of each tier."""
    lost = ground.weights[list(evicted)]
    gone = np.bincount(ground.gang[list(evicted)], minlength=len(ground.lane))
    stood = np.bincount(ground.gang, minlength=len(ground.lane))
    all_gone = (gone == stood)[ground.gang[list(evicted)]]
    found = []
    for index, tier in enumerate(ground.tiers):
        if tier.kind == "moved":
            found.append(int(ground.weights[list(moved), index].sum()))
        elif tier.kind == "highest":
            found.append(int(lost[:, index].max(initial=0)))
        elif tier.kind == "whole":
            found.append(int(lost[all_gone, index].sum()))
        else:
            found.append(int(lost[:, index].sum()))
    return tuple(found)


def classes_of(ground: Ground) -> list[Mask]:
    """Who may be taken, class by class of what comes before everything that adds up: the highest weights of the policy
    and the own queue. Each class has everybody of the cheaper ones; whoever may only move is in all of them."""
    ranks = [index for index, tier in enumerate(ground.tiers) if tier.kind == "highest" or tier.name == "own-queue"]
    may_go = (ground.lane >= 0)[ground.gang]
    if not may_go.any():
        return []
    code = np.zeros(len(may_go), dtype=np.int64)
    for index in ranks:
        _, step = np.unique(ground.weights[:, index], return_inverse=True)
        _, code = np.unique(code * (int(step.max()) + 1) + step, return_inverse=True)
    return [np.asarray(~may_go | (code <= each)) for each in np.unique(code[may_go]).tolist()]


def joined(ground: Ground, parts: Sequence[Cleared]) -> Cleared:
    """Several pieces of one taker as one."""
    if len(parts) == 1:
        return parts[0]
    moved = {pod: node for part in parts for pod, node in part.moved.items()}
    evicted = [pod for part in parts for pod in part.evicted]
    places = [each for part in parts for each in part.places]
    return Cleared(places, evicted, moved, cost_of(ground, evicted, list(moved)))
