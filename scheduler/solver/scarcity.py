"""Which resources are scarce: devices and other extended resources before CPU, CPU before memory."""

from __future__ import annotations

from scheduler.model.resources import CPU, MEMORY, PODS, is_gpu


def is_extended(resource: str) -> bool:
    """Kubernetes' extended resources carry a domain, native ones do not."""
    return "/" in resource


def by_scarcity(resources: tuple[str, ...]) -> tuple[int, ...]:
    """Columns from scarce to plentiful: GPUs, other extended resources, CPU, memory, the rest, pods."""
    return tuple(sorted(range(len(resources)), key=lambda column: (_rank(resources[column]), column)))


def scarce_column(resources: tuple[str, ...], request: tuple[int, ...]) -> int:
    """The scarcest resource that a request takes; 0 for a request of nothing."""
    return next((column for column in by_scarcity(resources) if request[column] > 0), 0)


def _rank(resource: str) -> int:
    if is_gpu(resource):
        return 0
    if is_extended(resource):
        return 1
    return {CPU: 2, MEMORY: 3, PODS: 5}.get(resource, 4)
