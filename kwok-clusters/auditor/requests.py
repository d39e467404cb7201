"""Quantities and what a pod takes of a node, by kube-scheduler's formula. Integers throughout.

CPU is counted in milli-CPU, everything else in its own unit (bytes, devices, pods), fractions rounded up as
Kubernetes does for requests.
"""

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

from auditor.objects import Container, ContainerStatus, Pod, Quantity

Resources = dict[str, int]

_NUMBER = re.compile(r"^([+-]?[0-9]*\.?[0-9]*)(?:[eE]([+-]?[0-9]+)|(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E)?)$")
_SCALE: Mapping[str | None, Fraction] = MappingProxyType(
    {
        None: Fraction(1),
        **{suffix: Fraction(1024) ** (i + 1) for i, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))},
        **{suffix: Fraction(1000) ** (i + 1) for i, suffix in enumerate(("k", "M", "G", "T", "P", "E"))},
        **{suffix: Fraction(1, 1000) ** (i + 1) for i, suffix in enumerate(("m", "u", "n"))},
    }
)


@lru_cache(maxsize=4096)
def amount(resource: str, quantity: Quantity) -> int:
    """A Kubernetes quantity as an integer: milli for ``cpu``, else whole units, rounded up. ValueError if malformed."""
    match = _NUMBER.match(str(quantity))
    if match is None or match[1] in ("", "+", "-", "."):
        raise ValueError(f"{resource}: {quantity!r} is not a quantity")
    exact = Fraction(match[1]) * (Fraction(10) ** int(match[2]) if match[2] else _SCALE[match[3]])
    return -int(-(exact * (1000 if resource == "cpu" else 1)) // 1)


def amounts(quantities: Mapping[str, Quantity]) -> Resources:
    """A map of quantities as integers."""
    return {resource: amount(resource, quantity) for resource, quantity in quantities.items()}


def add(total: Resources, part: Resources, times: int) -> None:
    """Add ``times`` the part to a running total, in place."""
    for resource, value in part.items():
        total[resource] = total.get(resource, 0) + times * value


def smallest(parts: Iterable[Resources]) -> Resources:
    """The element-wise minimum; nothing of nothing."""
    every = list(parts)
    return {resource: min(part.get(resource, 0) for part in every) for resource in every[0]} if every else {}


def spoken(resource: str, value: int) -> str:
    """An integer amount in the words of a report."""
    return f"{value / 1000:g}" if resource == "cpu" else str(value)


def pod_request(pod: Pod) -> Resources:
    """What one pod takes: the larger of the running containers and the init phase, pod-level values, overhead.

    A pod that runs already counts the largest of spec, allocated and actual per container (in-place resize); a
    resize that the kubelet found infeasible does not count. ``pods`` is always 1.
    """
    infeasible = any(c.type == "PodResizePending" and c.reason == "Infeasible" for c in pod.status.conditions)
    statuses = {s.name: s for s in (*pod.status.container_statuses, *pod.status.init_container_statuses)}

    def of(container: Container) -> Resources:
        return _resized(amounts(container.resources.requests), statuses.get(container.name), infeasible)

    sidecars: Resources = {}
    init: Resources = {}
    for container in pod.spec.init_containers:
        if container.restart_policy == "Always":
            sidecars = _sum((sidecars, of(container)))
            init = _largest(init, sidecars)
        else:
            init = _largest(init, _sum((sidecars, of(container))))
    total = _largest(_sum((*map(of, pod.spec.containers), sidecars)), init)
    if pod.spec.resources is not None:
        total |= _pod_level(pod, infeasible)
    return _sum((total, amounts(pod.spec.overhead), {"pods": 1}))


def _pod_level(pod: Pod, infeasible: bool) -> Resources:
    """Pod-level requests replace the containers' sum for cpu, memory and huge pages only."""
    assert pod.spec.resources is not None
    actual = pod.status.resources.requests if pod.status.resources else {}
    running = _largest(amounts(pod.status.allocated_resources), amounts(actual))
    level = amounts(pod.spec.resources.requests)
    wanted = running if infeasible and running else _largest(level, running)
    return {
        name: value
        for name, value in wanted.items()
        if name in level and (name in ("cpu", "memory") or name.startswith("hugepages-"))
    }


def _resized(spec: Resources, status: ContainerStatus | None, infeasible: bool) -> Resources:
    if status is None:
        return spec
    actual = amounts(status.resources.requests) if status.resources else {}
    running = _largest(amounts(status.allocated_resources), actual)
    return running if infeasible and running else _largest(spec, running)


def _sum(parts: Iterable[Resources]) -> Resources:
    total: Resources = {}
    for part in parts:
        for resource, value in part.items():
            total[resource] = total.get(resource, 0) + value
    return total


def _largest(a: Resources, b: Resources) -> Resources:
    return {resource: max(a.get(resource, 0), b.get(resource, 0)) for resource in a.keys() | b.keys()}
