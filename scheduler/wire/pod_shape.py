"""What a pod asks of its node, read from its specification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from scheduler.model.resources import CPU, MEMORY, PODS, Resources, amount, resources
from scheduler.model.shape import NodeTerm, Requirement, Shape, Toleration
from scheduler.wire import names, raw

Amounts = Counter[str]

DEFAULT_TOLERATIONS = (
    Toleration("node.kubernetes.io/not-ready", "Exists", "", "NoExecute"),
    Toleration("node.kubernetes.io/unreachable", "Exists", "", "NoExecute"),
)
"""What the DefaultTolerationSeconds admission plugin adds to every pod; a template says the same as its pods."""


def pod_requests(spec: raw.PodSpec, status: raw.PodStatus | None = None) -> Resources:
    """The request formula of kube-scheduler: containers and sidecars, against each init container with the sidecars
    started before it; pod-level values replace; overhead is added; one pod. Source: k8s.io/component-helpers
    resource.PodRequests. For a running pod that is being resized the largest of specification, allocation and actual
    resources counts."""
    actual = _actual(status)
    total: Amounts = Counter()
    for container in spec.containers or ():
        total.update(_container(container, actual))
    sidecars: Amounts = Counter()
    largest_init: Amounts = Counter()
    for container in spec.initContainers or ():
        own = _container(container, actual)
        if container.restartPolicy == "Always":
            sidecars.update(own)
            largest_init |= sidecars
        else:
            largest_init |= own + sidecars
    total = (total + sidecars) | largest_init
    if spec.resources is not None and spec.resources.requests:
        for name, quantity in spec.resources.requests.items():
            if name in (CPU, MEMORY) or name.startswith("hugepages-"):
                total[name] = amount(name, quantity)
    for name, quantity in (spec.overhead or {}).items():
        total[name] += amount(name, quantity)
    total[PODS] = 1
    return resources(total)


def _amounts(quantities: Mapping[str, raw.Quantity] | None) -> Amounts:
    return Counter({name: amount(name, quantity) for name, quantity in (quantities or {}).items()})


def _container(container: raw.Container, actual: Mapping[str, Amounts]) -> Amounts:
    asked = _amounts(container.resources.requests if container.resources is not None else None)
    return asked | actual[container.name] if container.name in actual else asked


def _actual(status: raw.PodStatus | None) -> dict[str, Amounts]:
    """What is allocated to containers that have started, by container name."""
    found: dict[str, Amounts] = {}
    if status is None:
        return found
    for each in (*(status.containerStatuses or ()), *(status.initContainerStatuses or ())):
        running = _amounts(each.allocatedResources) | _amounts(each.resources.requests if each.resources else None)
        if running:
            found[each.name] = running
    return found


def pod_shape(spec: raw.PodSpec, annotations: Mapping[str, str], status: raw.PodStatus | None = None) -> Shape:
    """The shape of a pod; whatever it asks for beyond what is modelled is named in ``unmodelled``."""
    model = annotations.get(names.ANNOTATION_GPU_MODEL, "")
    return Shape(
        requests=pod_requests(spec, status),
        node_selector=tuple(sorted((spec.nodeSelector or {}).items())),
        node_affinity=node_terms(spec.affinity),
        tolerations=tolerations(spec.tolerations),
        gpu_models=tuple(sorted(model.split("|"))) if model else (),
        unmodelled=_unmodelled(spec, annotations),
    )


def template_shape(template: raw.Template) -> Shape:
    """The shape that a member's template promises, with what admission adds to every pod."""
    gpu = template.gpu or raw.GpuAsk()
    unmodelled = _unmodelled_affinity(template.affinity)
    if gpu.count is not None or gpu.milli is not None or gpu.memory is not None or gpu.migProfile:
        unmodelled = (*unmodelled, "shares of a GPU")
    asked = {name: amount(name, quantity) for name, quantity in (template.requests or {}).items()}
    return Shape(
        requests=resources({**asked, PODS: 1}),
        node_selector=tuple(sorted((template.nodeSelector or {}).items())),
        node_affinity=node_terms(template.affinity),
        tolerations=tuple(dict.fromkeys((*tolerations(template.tolerations), *DEFAULT_TOLERATIONS))),
        gpu_models=tuple(sorted(gpu.model.split("|"))) if gpu.model else (),
        unmodelled=unmodelled,
    )


def tolerations(found: list[raw.TolerationObject] | None) -> tuple[Toleration, ...]:
    return tuple(Toleration(each.key, each.operator or "Equal", each.value, each.effect) for each in found or ())


def node_terms(affinity: raw.Affinity | None) -> tuple[NodeTerm, ...] | None:
    """The required alternatives of node affinity, None when nothing is required."""
    if affinity is None or affinity.nodeAffinity is None:
        return None
    required = affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution
    if required is None:
        return None
    return tuple(
        NodeTerm(_requirements(term.matchExpressions), _requirements(term.matchFields))
        for term in required.nodeSelectorTerms or ()
    )


def _requirements(found: list[raw.SelectorExpression] | None) -> tuple[Requirement, ...]:
    return tuple(Requirement(each.key, each.operator, tuple(each.values or ())) for each in found or ())


def _unmodelled(spec: raw.PodSpec, annotations: Mapping[str, str]) -> tuple[str, ...]:
    found = list(_unmodelled_affinity(spec.affinity))
    if any(each.whenUnsatisfiable == "DoNotSchedule" for each in spec.topologySpreadConstraints or ()):
        found.append("topologySpreadConstraints with DoNotSchedule")
    containers = (*(spec.containers or ()), *(spec.initContainers or ()))
    if any(port.hostPort for container in containers for port in container.ports or ()):
        found.append("hostPort")
    if any(volume.persistentVolumeClaim or volume.ephemeral for volume in spec.volumes or ()):
        found.append("persistentVolumeClaim")
    if spec.resourceClaims:
        found.append("resourceClaims (dynamic resource allocation)")
    found += [f"annotation {name}" for name in names.UNMODELLED_ANNOTATIONS if name in annotations]
    return tuple(found)


def _unmodelled_affinity(affinity: raw.Affinity | None) -> tuple[str, ...]:
    found = []
    for field, ask in (
        ("podAffinity", affinity and affinity.podAffinity),
        ("podAntiAffinity", affinity and affinity.podAntiAffinity),
    ):
        if ask and ask.requiredDuringSchedulingIgnoredDuringExecution:
            found.append(f"required {field}")
    return tuple(found)
