"""What one pod asks of the node it runs on. Pods of equal shape are interchangeable."""

from __future__ import annotations

import msgspec

from scheduler.model.devices import DeviceAsk
from scheduler.model.relations import PodSelector, Relations
from scheduler.model.resources import Resources
from scheduler.model.selector import LabelSelector, Requirement


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


class Reach(msgspec.Struct, frozen=True):
    """Where a bound volume can be used: its node affinity (None: everywhere), and its zone and region labels as
    (key, accepted values)."""

    node_terms: tuple[NodeTerm, ...] | None = None
    zones: tuple[tuple[str, tuple[str, ...]], ...] = ()


class ClaimAsk(msgspec.Struct, frozen=True):
    """A claim that is bound where its pod goes. Claims that ask for the same are interchangeable.

    ``selector`` is None where the claim has none. ``selected_node`` is the node that was chosen for it already,
    ``prebound`` the volume that is reserved for this very claim, ``shared`` its name where several pods use it.
    """

    storage_class: str
    request: int
    modes: tuple[str, ...]
    volume_mode: str = "Filesystem"
    attributes_class: str = ""
    selector: LabelSelector = None
    selected_node: str = ""
    prebound: str = ""
    shared: str = ""


class Disk(msgspec.Struct, frozen=True):
    """A disk named in the pod itself (``kind``: gce, ebs, rbd or iscsi); ``hosts`` are the monitors of an RBD image."""

    kind: str
    name: str
    read_only: bool = False
    hosts: tuple[str, ...] = ()


class VolumeTrouble(msgspec.Struct, frozen=True):
    """Why a pod's claim keeps it from every node; ``code`` is the case of the refusal `volume-binding`."""

    code: str
    where: str


class VolumeAsk(msgspec.Struct, frozen=True):
    """What the volumes of a pod ask of its node, as far as their claims say now.

    ``attach`` are (CSI driver, distinct volumes), ``shared`` those of them that other pods use too as (driver, handle).
    ``once`` are the claims that only one pod in the cluster may use; ``in_tree`` the plugins whose volumes a node may
    have handed over to a CSI driver.
    """

    troubles: tuple[VolumeTrouble, ...] = ()
    reaches: tuple[Reach, ...] = ()
    unbound: tuple[ClaimAsk, ...] = ()
    attach: tuple[tuple[str, int], ...] = ()
    shared: tuple[tuple[str, str], ...] = ()
    once: tuple[str, ...] = ()
    disks: tuple[Disk, ...] = ()
    in_tree: tuple[str, ...] = ()


class Shape(msgspec.Struct, frozen=True):
    """What one pod asks of its node.

    ``requests`` follow the formula of kube-scheduler (pods: 1 included). ``node_affinity`` is None when nothing is
    required. ``gpu_models`` are the accepted values of the node's GPU model label (empty: any). ``devices`` is what it
    asks of GPUs besides whole ones, which are in ``requests``. ``flavors`` are those that its gang accepts (none: any).
    ``unmodelled`` names what the pod asks for and this scheduler does not decide on: such a pod is refused loudly.
    ``features`` are what the node must declare (status.declaredFeatures). ``volumes`` is known for waiting pods only.
    """

    requests: Resources
    node_selector: tuple[tuple[str, str], ...] = ()
    node_affinity: tuple[NodeTerm, ...] | None = None
    tolerations: tuple[Toleration, ...] = ()
    gpu_models: tuple[str, ...] = ()
    devices: DeviceAsk | None = None
    flavors: tuple[str, ...] = ()
    unmodelled: tuple[str, ...] = ()
    relations: Relations | None = None
    """What it asks of the pods around it; None for nothing, as most pods do."""
    matched: tuple[PodSelector, ...] = ()
    """The selectors that look at this pod. They come and go, so they are found out when a decision is made
    (`scheduler.solver.asks.filters.seen`) and are empty before."""
    features: tuple[str, ...] = ()
    preferred: tuple[tuple[int, NodeTerm], ...] = ()
    """Preferred node affinity: (weight, term)."""
    volumes: VolumeAsk | None = None
    only_flavor: str | None = None
    """Inside a decision: it is looked at on nodes of this flavor alone (empty: on those of none)."""
