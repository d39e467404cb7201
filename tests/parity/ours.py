"""Muster's side: the same objects, read as the scheduler reads them, and its own filters on its own snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from scheduler.core.engine import Engine
from scheduler.core.gangs.resolve import single_gang
from scheduler.kube.watch import PATHS
from scheduler.model.bundle import Pending
from scheduler.model.policy import Policy
from scheduler.model.work import Pod
from scheduler.solver.asks.filters import refusals
from scheduler.wire import names
from scheduler.wire.decode import Bookmark, Decoder, Malformed, StreamError
from tests.parity.world import Document

SCHEDULER = "default-scheduler"
"""Whose pods are judged: they name kube-scheduler, so that it looks at them."""

ROOM = "capacity"
"""The name under which the check against what is free shows up beside the filters."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What Muster says of one pod: for each node the names of all that refuse it; none where it may go.

    ``unmodelled`` names what the scheduler itself does not decide on, so that it would let the pod go nowhere; what its
    filters say is compared all the same.
    """

    refused_by: Mapping[str, tuple[str, ...]]
    unmodelled: tuple[str, ...] = ()

    @property
    def feasible(self) -> frozenset[str]:
        return frozenset(node for node, names in self.refused_by.items() if not names)


class Muster:
    """A cluster as Muster has read it. Building it reads everything; judging a pod adds nothing to it."""

    def __init__(self, items: Callable[[str], list[Document]], policy: Policy | None = None) -> None:
        """``items`` gives the objects of a collection by its path; AssertionError shows one that can not be read."""
        self._engine = Engine(policy or Policy())
        decoder = Decoder(SCHEDULER)
        for kind in decoder.kinds:
            if names.GROUP in PATHS[kind]:
                continue  # worlds hold nothing of our own kinds, and the server does not know them
            for item in items(PATHS[kind]):
                event, _ = decoder.object(kind, msgspec.json.encode(item))
                assert not isinstance(event, Malformed | Bookmark | StreamError), event
                self._engine.handle([event], 0.0)

    def judge(self) -> dict[str, Opinion]:
        """One opinion on every pod without a node, by name."""
        waiting = [pod for pod in self._engine.store.pods.values() if not pod.node]
        return {pod.name: self._opinion(pod) for pod in waiting}

    def _opinion(self, pod: Pod) -> Opinion:
        pod = self._engine.store.with_volumes(pod)
        snapshot = self._engine.store.snapshot(Pending((single_gang(pod, ""),)))
        found = {"gates": np.full(len(snapshot.nodes), pod.gated), **refusals(snapshot, pod, self._engine.policy)}
        del found["modelled"]
        refused_by = {
            node.name: tuple(name for name, refused in found.items() if refused[row])
            for row, node in enumerate(snapshot.nodes.nodes)
        }
        return Opinion(refused_by, pod.shape.unmodelled)
