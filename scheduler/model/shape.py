"""What one pod asks of the node it runs on. Pods of equal shape are interchangeable."""

from __future__ import annotations

import msgspec

from scheduler.model.devices import DeviceAsk
from scheduler.model.relations import PodSelector, Relations
from scheduler.model.resources import Resources
from scheduler.model.selector import Requirement


class Taint(msgspec.Struct, frozen=True):
    key: str
    value: str = ""
    effect: str = "NoSchedule"


class Toleration(msgspec.Struct, frozen=True):
    """Kubernetes' meaning: an empty key with Exists tolerates every taint, an empty effect matches every effect."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class NodeTerm(msgspec.Struct, frozen=True):
    """One alternative of required node affinity: all expressions and all fields hold. An empty term matches nothing."""

    expressions: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()


class Shape(msgspec.Struct, frozen=True):
    """What one pod asks of its node.

    ``requests`` follow the formula of kube-scheduler (pods: 1 included). ``node_affinity`` is None when nothing is
    required. ``gpu_models`` are the accepted values of the node's GPU model label (empty: any). ``devices`` is what it
    asks of GPUs besides whole ones, which are in ``requests``.
    ``unmodelled`` names what the pod asks for and this scheduler does not decide on: such a pod is refused loudly.
    """

    requests: Resources
    node_selector: tuple[tuple[str, str], ...] = ()
    node_affinity: tuple[NodeTerm, ...] | None = None
    tolerations: tuple[Toleration, ...] = ()
    gpu_models: tuple[str, ...] = ()
    devices: DeviceAsk | None = None
    unmodelled: tuple[str, ...] = ()
    relations: Relations | None = None
    """What it asks of the pods around it; None for nothing, as most pods do."""
    matched: tuple[PodSelector, ...] = ()
    """The selectors that look at this pod. They come and go, so they are found out when a decision is made
    (`scheduler.solver.filters.seen`) and are empty before."""
