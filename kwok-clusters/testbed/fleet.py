"""Fleets: nodes described by their shapes and by how many stand in each rack, read strictly from YAML."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from testbed import locations
from testbed.errors import BedError

ZONE_LABEL = "topology.muster.dev/zone"
BLOCK_LABEL = "topology.muster.dev/block"
RACK_LABEL = "topology.muster.dev/rack"
KUBERNETES_ZONE_LABEL = "topology.kubernetes.io/zone"
HOSTNAME_LABEL = "kubernetes.io/hostname"
FLEET_LABEL = "muster.dev/fleet"
GPU_MODEL_LABEL = "nvidia.com/gpu.product"
GPU_RESOURCE = "nvidia.com/gpu"
DEFAULT_PODS_PER_NODE = 110

# A fixed time keeps nodes equal from run to run; nothing reads it but people.
_READY_SINCE = "2026-01-01T00:00:00Z"


def _quantity(value: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?", value):
        raise ValueError(f'{value!r} is no quantity of Kubernetes; write "96", "500m" or "2Ti"')
    return value


def _dns_label(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", value):
        raise ValueError(f"{value!r} cannot be part of a node name: lower-case letters, digits, inner hyphens and dots")
    return value


Quantity = Annotated[str, Field(coerce_numbers_to_str=True), AfterValidator(_quantity)]
NodeName = Annotated[str, AfterValidator(_dns_label)]
Count = Annotated[int, Field(ge=1, le=100_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Taint(_Strict):
    """A taint of a node, as in the Kubernetes API."""

    key: str
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class Shape(_Strict):
    """What one node offers. `extended` holds further resources by name, `labels` what every such node carries."""

    cpu: Quantity
    memory: Quantity
    pods: Annotated[int, Field(ge=0)] = DEFAULT_PODS_PER_NODE
    gpus: Annotated[int, Field(ge=0)] = 0
    gpu_model: str | None = None
    extended: dict[str, Quantity] = {}
    labels: dict[str, str] = {}
    taints: tuple[Taint, ...] = ()

    @model_validator(mode="after")
    def _model_needs_gpus(self) -> Self:
        if self.gpu_model is not None and self.gpus == 0:
            raise ValueError("gpu_model is set, but gpus is 0")
        return self

    def allocatable(self) -> dict[str, str]:
        """Resources by their names in Kubernetes."""
        resources = {"cpu": self.cpu, "memory": self.memory, "pods": str(self.pods)}
        if self.gpus:
            resources[GPU_RESOURCE] = str(self.gpus)
        return resources | self.extended


class RackGroup(_Strict):
    """Equal nodes in equal racks. Domains are named by their path (z1, z1-b2, z1-b2-r3), nodes after their rack.

    `first_zone`, `first_block` and `first_rack` let a group stand in, or beside, the domains of another one.
    """

    shape: str
    zones: Count = 1
    blocks_per_zone: Count = 1
    racks_per_block: Count = 1
    nodes_per_rack: Count
    name_prefix: NodeName | None = None
    first_zone: Count = 1
    first_block: Count = 1
    first_rack: Count = 1

    def places(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Name and topology labels of each node, rack by rack."""
        prefix = self.name_prefix or self.shape
        for z in range(self.first_zone, self.first_zone + self.zones):
            for b in range(self.first_block, self.first_block + self.blocks_per_zone):
                for r in range(self.first_rack, self.first_rack + self.racks_per_block):
                    zone, block, rack = f"z{z}", f"z{z}-b{b}", f"z{z}-b{b}-r{r}"
                    labels = {ZONE_LABEL: zone, BLOCK_LABEL: block, RACK_LABEL: rack, KUBERNETES_ZONE_LABEL: zone}
                    for n in range(1, self.nodes_per_rack + 1):
                        yield f"{prefix}-{rack}-n{n}", labels


class NamedGroup(_Strict):
    """Nodes of one shape by their names, without a topology: how imported node lists come."""

    shape: str
    names: Annotated[tuple[NodeName, ...], Field(min_length=1)]

    def places(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Name and (no) topology labels of each node."""
        for name in self.names:
            yield name, {}


class Fleet(_Strict):
    """A fleet file. Every group names one of the shapes; every node name occurs once."""

    name: Annotated[str, AfterValidator(_dns_label)]
    description: str = ""
    shapes: Annotated[dict[NodeName, Shape], Field(min_length=1)]
    groups: Annotated[tuple[RackGroup | NamedGroup, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for number, group in enumerate(self.groups):
            if group.shape not in self.shapes:
                known = ", ".join(self.shapes)
                raise ValueError(f"groups[{number}]: no shape is named {group.shape!r}; there are {known}")
        seen: set[str] = set()
        for group in self.groups:
            for name, _ in group.places():
                if name in seen:
                    raise ValueError(f"node name {name} occurs twice; give one of the groups a name_prefix of its own")
                seen.add(name)
        return self

    def node_count(self) -> int:
        return sum(1 for group in self.groups for _ in group.places())

    def gpu_count(self) -> int:
        return sum(self.shapes[group.shape].gpus for group in self.groups for _ in group.places())

    def nodes(self) -> Iterator[dict[str, Any]]:
        """Node objects of the Kubernetes API, with resources and a Ready condition, in the order of the file."""
        for group in self.groups:
            for name, topology in group.places():
                yield _node(name, self.name, self.shapes[group.shape], topology)


def load_fleet(source: str | Path) -> Fleet:
    """Read a fleet by its name in `fleets/` or from a file; raises BedError with file, place and reason."""
    path = fleet_file(source)
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise BedError(f"cannot read the fleet {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise BedError(f"{path} is no valid YAML: {error}") from error
    try:
        return Fleet.model_validate(content)
    except ValidationError as error:
        places = [f"  {_place(item['loc'])}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors()]
        raise BedError(f"{path} is no valid fleet:\n" + "\n".join(places)) from error


def fleet_file(source: str | Path) -> Path:
    """The file of a fleet given by name or path."""
    if isinstance(source, str) and re.fullmatch(r"[a-z0-9-]+", source):
        path = locations.FLEETS / f"{source}.yaml"
        if not path.exists():
            raise BedError(f"no fleet is named {source!r}; there are {', '.join(fleet_names())}")
        return path
    return Path(source)


def fleet_names() -> list[str]:
    """Names of the fleets in `fleets/`."""
    return sorted(path.stem for path in locations.FLEETS.glob("*.yaml"))


def _node(name: str, fleet: str, shape: Shape, topology: dict[str, str]) -> dict[str, Any]:
    labels = {HOSTNAME_LABEL: name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", FLEET_LABEL: fleet}
    if shape.gpu_model is not None:
        labels[GPU_MODEL_LABEL] = shape.gpu_model
    allocatable = shape.allocatable()
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels | topology | shape.labels},
        "spec": {"taints": [taint.model_dump(exclude_defaults=True) for taint in shape.taints]},
        "status": {
            "allocatable": allocatable,
            "capacity": allocatable,
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "KubeletReady",
                    "message": "simulated node",
                    "lastHeartbeatTime": _READY_SINCE,
                    "lastTransitionTime": _READY_SINCE,
                }
            ],
            "addresses": [{"type": "Hostname", "address": name}],
        },
    }


def _place(location: tuple[int | str, ...]) -> str:
    """`groups[1].shape`; the members of a union show up as an element of their own, which says nothing to a reader."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part not in ("RackGroup", "NamedGroup"):
            text += f".{part}" if text else part
    return text or "the file"
