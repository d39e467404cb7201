"""Which resources are scarce: devices and other extended resources before CPU, CPU before memory."""

from __future__ import annotations

from scheduler.model.resources import CPU, MEMORY, PODS, is_gpu


def is_extended(resource: str) -> bool:
    """Kubernetes' extended resources carry a domain, native ones do not; with a space it is one of `one_per_node`."""
    return "/" in resource and " " not in resource


def by_scarcity(resources: tuple[str, ...]) -> tuple[int, ...]:
    """Columns from scarce to plentiful: GPUs, other extended resources, CPU, memory, the rest, pods."""
    return tuple(sorted(range(len(resources)), key=lambda column: (_rank(resources[column]), column)))


def packing_columns(resources: tuple[str, ...]) -> tuple[int, ...]:
    """The columns of which as much as possible is to stay free in one piece: GPUs, without any the scarcest."""
    gpus = tuple(column for column, name in enumerate(resources) if is_gpu(name))
    return gpus or by_scarcity(resources)[:1]


def _rank(resource: str) -> int:
    if is_gpu(resource):
        return 0
    if is_extended(resource):
        return 1
    return {CPU: 2, MEMORY: 3, PODS: 5}.get(resource, 4)
