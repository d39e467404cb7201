"""Which pod of a gang takes which recorded place, where pods are not interchangeable because of their volumes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence


def seated(
    pods: Sequence[str], places: Sequence[str], kept: Mapping[str, str], may: Callable[[str, str], bool]
) -> dict[str, str]:
    """As many pods as possible, each on a place of its own: a maximum matching by augmenting paths.

    ``places`` are nodes, once per place. ``kept`` are pods that have a node already and keep it while a place is there;
    ``may`` says whether another pod may go to a node.
    """
    held: dict[str, int] = {}
    for pod in pods:
        taken = set(held.values())
        free = (index for index, node in enumerate(places) if node == kept.get(pod) and index not in taken)
        place = next(free, None)
        if place is not None:
            held[pod] = place
    open_places = sorted(set(range(len(places))) - set(held.values()))
    choices = {pod: [index for index in open_places if may(pod, places[index])] for pod in pods if pod not in held}
    for pod in choices:
        _seat(pod, choices, held)
    return {pod: places[index] for pod, index in held.items()}


def _seat(pod: str, choices: Mapping[str, Sequence[int]], held: dict[str, int]) -> None:
    """Find a place for a pod, moving others that can go elsewhere; nothing happens when there is none."""
    holder = {index: other for other, index in held.items()}
    wanted_by: dict[int, str] = {}
    seekers = deque([pod])
    while seekers:
        seeker = seekers.popleft()
        for index in choices[seeker]:
            if index in wanted_by:
                continue
            wanted_by[index] = seeker
            if index in holder:
                seekers.append(holder[index])
                continue
            while True:  # back along the path: everybody on it takes the place it wanted
                mover = wanted_by[index]
                left = held.get(mover)
                held[mover] = index
                if left is None:
                    return
                index = left
