"""Where two judgements of the same pod differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.parity.cluster import Judgement
from tests.parity.ours import Opinion


@dataclass(frozen=True, slots=True)
class Difference:
    """One pod and one node. ``refused_by`` are Muster's filters; empty when kube-scheduler alone refuses, and then
    ``message`` is what it says about all nodes of this pod."""

    seed: int
    pod: str
    node: str
    refused_by: tuple[str, ...]
    message: str

    def __str__(self) -> str:
        if self.refused_by:
            words = f"only Muster refuses it: {', '.join(self.refused_by)}"
        else:
            words = f"only kube-scheduler refuses it, saying of all nodes: {self.message}"
        return f"seed {self.seed}: {self.pod} on {self.node}: {words}"


def differences(seed: int, theirs: Mapping[str, Judgement], ours: Mapping[str, Opinion]) -> Iterator[Difference]:
    """All differences, in the order of pods and nodes. A node that one side does not know at all counts as refused."""
    for pod, judgement in sorted(theirs.items()):
        opinion = ours[pod]
        for node in sorted(judgement.feasible ^ opinion.feasible):
            refused_by = opinion.refused_by.get(node, ("unknown node",))
            yield Difference(seed, pod, node, refused_by, judgement.message)
