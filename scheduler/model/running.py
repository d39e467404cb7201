"""Work that has places, as what may be asked to give way: the other side of `scheduler.model.work.Gang`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from scheduler.model.devices import DeviceUse
from scheduler.model.flavor import FlavorChoice
from scheduler.model.selector import LabelSelector
from scheduler.model.work import Branch, GangKey, Member


class RunningPod(msgspec.Struct, frozen=True):
    """One pod that takes room on a node.

    ``leaving`` pods go anyway: they terminate, or a record that stands names them as victims. They cost nothing, and
    whoever is placed in their room waits until they are gone. A pod stuck in termination is not listed at all: it is
    neither future room nor a victim. ``guards`` are keys of the PodDisruptionBudgets that select it.
    """

    uid: str
    namespace: str
    name: str
    node: str
    member: str
    started_seconds: float = 0.0
    leaving: bool = False
    guards: tuple[str, ...] = ()
    devices: tuple[DeviceUse, ...] = ()


class Running(msgspec.Struct, frozen=True):
    """A gang with places. ``members`` and ``branches`` are as in `Gang`, but for the whole gang: ``count`` is what it
    asks for in all, ``minimum`` its full minimum. Pods above the minima are surplus.

    Work since ``saved_seconds`` (its last checkpoint, else its start) is lost by an eviction. ``waits`` says that a
    part of it still waits for places.
    """

    key: GangKey
    name: str
    queue: str
    priority: int
    members: tuple[Member, ...]
    branches: tuple[Branch, ...]
    pods: tuple[RunningPod, ...]
    arrived_seconds: float = 0.0
    started_seconds: float = 0.0
    saved_seconds: float = 0.0
    preemptible: bool = True
    movable: bool = True
    single: bool = False
    flavors: tuple[FlavorChoice, ...] = ()
    waits: bool = False
    user: str = ""


class Guard(msgspec.Struct, frozen=True):
    """A PodDisruptionBudget as observed. ``allowed`` is how many of the pods that it selects may be evicted now; 0
    while its status is not about its newest generation."""

    namespace: str
    name: str
    selector: LabelSelector
    allowed: int = 0

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


Guards = Mapping[str, int]
"""PodDisruptionBudget (``namespace/name``) -> how many more of its pods may be evicted now."""
