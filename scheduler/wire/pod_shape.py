"""What a pod asks of its node, read from its specification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from scheduler.model.relations import LabelSet
from scheduler.model.resources import CPU, MEMORY, PODS, Resources, amount, resources
from scheduler.model.selector import Requirement
from scheduler.model.shape import NodeTerm, Shape, Toleration
from scheduler.wire import names, raw
from scheduler.wire.device_ask import annotated, templated
from scheduler.wire.pod_relations import pod_relations

Amounts = Counter[str]

DEFAULT_TOLERATIONS = (
    Toleration("node.kubernetes.io/not-ready", "Exists", "", "NoExecute"),
    Toleration("node.kubernetes.io/unreachable", "Exists", "", "NoExecute"),
)
"""What the DefaultTolerationSeconds admission plugin adds to every pod; a template says the same as its pods."""


DEVICE_CLASS_RESOURCE = "deviceclass.resource.kubernetes.io/"
"""How the name of an extended resource begins that only dynamic resource allocation serves."""


def pod_requests(spec: raw.PodSpec, status: raw.PodStatus | None = None) -> Resources:
    """The request formula of kube-scheduler 1.37: containers and sidecars, against each init container with the
    sidecars started before it; pod-level values replace; overhead is added; one pod. For a pod that runs (``status``)
    the largest of what is specified, allocated and actual counts, each summed up for itself; a resize that the kubelet
    calls infeasible takes the specification out. Source: k8s.io/component-helpers resource.PodRequests."""
    status = status or raw.PodStatus()
    infeasible = resize_infeasible(status)
    total = _reported(spec, status, infeasible)
    if not infeasible:
        total |= _aggregate(spec, _specified)
    for name, value in _pod_level(spec, status, infeasible).items():
        if _is_pod_level(name):
            total[name] = value
    total.update(_amounts(spec.overhead))
    total[PODS] = 1
    return resources(total)


def resize_infeasible(status: raw.PodStatus) -> bool:
    """Whether the kubelet has said that it will never resize the pod as its specification asks."""
    for condition in status.conditions or ():
        if condition.type == "PodResizePending":
            return condition.reason == "Infeasible"
    return False


def _aggregate(spec: raw.PodSpec, amounts_of: Callable[[raw.Container], Amounts]) -> Amounts:
    """The containers' amounts as one: an init container runs beside the sidecars that were started before it."""
    total: Amounts = Counter()
    for container in spec.containers or ():
        total.update(amounts_of(container))
    sidecars: Amounts = Counter()
    largest_init: Amounts = Counter()
    for container in spec.initContainers or ():
        own = amounts_of(container)
        if container.restartPolicy == "Always":
            sidecars.update(own)
            largest_init |= sidecars
        else:
            largest_init |= own + sidecars
    return (total + sidecars) | largest_init


def _reported(spec: raw.PodSpec, status: raw.PodStatus, infeasible: bool) -> Amounts:
    """The larger of what is allocated and what is actual: the pod's own figures, else those of its containers."""
    if status.allocatedResources is not None and status.resources is not None and status.resources.requests is not None:
        return _amounts(status.allocatedResources) | _amounts(status.resources.requests)
    statuses = {each.name: each for each in (*(status.initContainerStatuses or ()), *(status.containerStatuses or ()))}
    if not statuses and not infeasible:
        return Counter()  # a pod that has not started: nothing but its specification counts

    def allocated(container: raw.Container) -> Amounts:
        own = statuses.get(container.name)
        if own is not None and own.allocatedResources is not None:
            return _amounts(own.allocatedResources)
        return Counter() if infeasible else _specified(container)

    def actual(container: raw.Container) -> Amounts:
        own = statuses.get(container.name)
        if own is not None and own.resources is not None and own.resources.requests is not None:
            return _amounts(own.resources.requests)
        return allocated(container)

    return _aggregate(spec, allocated) | _aggregate(spec, actual)


def _pod_level(spec: raw.PodSpec, status: raw.PodStatus, infeasible: bool) -> Amounts:
    """The amounts that stand for the whole pod; none unless the specification has any."""
    asked = spec.resources.requests if spec.resources is not None else None
    if not asked or not any(_is_pod_level(name) for name in asked):
        return Counter()
    if status.resources is None:
        return _amounts(asked)
    reported = _amounts(status.resources.requests) | _amounts(status.allocatedResources)
    return reported if infeasible else reported | _amounts(asked)


def _is_pod_level(resource: str) -> bool:
    return resource in (CPU, MEMORY) or resource.startswith("hugepages-")


def _amounts(quantities: Mapping[str, raw.Quantity] | None) -> Amounts:
    return Counter({name: amount(name, quantity) for name, quantity in (quantities or {}).items()})


def _specified(container: raw.Container) -> Amounts:
    return _amounts(container.resources.requests if container.resources is not None else None)


def pod_shape(
    spec: raw.PodSpec,
    annotations: Mapping[str, str],
    status: raw.PodStatus | None = None,
    label_set: LabelSet | None = None,
) -> Shape:
    """The shape of a pod; whatever it asks for beyond what is modelled is named in ``unmodelled``. Where the pod asks
    something of other pods its own labels count: ``label_set`` (None: it has none)."""
    model = annotations.get(names.ANNOTATION_GPU_MODEL, "")
    requests = pod_requests(spec, status)
    devices, troubles = annotated(annotations, requests)
    return Shape(
        requests=requests,
        node_selector=tuple(sorted((spec.nodeSelector or {}).items())),
        node_affinity=node_terms(spec.affinity),
        tolerations=tolerations(spec.tolerations),
        gpu_models=tuple(sorted(model.split("|"))) if model else (),
        devices=devices,
        unmodelled=(*_unmodelled(spec), *troubles),
        relations=pod_relations(spec, label_set or LabelSet("")),
        features=_features(spec),
        preferred=preferred_terms(spec.affinity),
    )


def template_shape(template: raw.Template, namespace: str = "") -> Shape:
    """The shape that a member's template promises, with what admission adds to every pod."""
    gpu = template.gpu or raw.GpuAsk()
    asked = {name: amount(name, quantity) for name, quantity in (template.requests or {}).items()}
    requests = resources({**asked, PODS: 1})
    devices, troubles = templated(gpu, requests)
    return Shape(
        requests=requests,
        node_selector=tuple(sorted((template.nodeSelector or {}).items())),
        node_affinity=node_terms(template.affinity),
        tolerations=tuple(dict.fromkeys((*tolerations(template.tolerations), *DEFAULT_TOLERATIONS))),
        gpu_models=tuple(sorted(gpu.model.split("|"))) if gpu.model else (),
        devices=devices,
        unmodelled=troubles,
        # A template has no labels of its own, so its pods' asks are as they would be without any.
        relations=pod_relations(raw.PodSpec(affinity=template.affinity), LabelSet(namespace)),
        preferred=preferred_terms(template.affinity),
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
    return tuple(_node_term(term) for term in required.nodeSelectorTerms or ())


def preferred_terms(affinity: raw.Affinity | None) -> tuple[tuple[int, NodeTerm], ...]:
    """Preferred node affinity as (weight, term)."""
    node = affinity.nodeAffinity if affinity is not None else None
    preferred = node.preferredDuringSchedulingIgnoredDuringExecution if node is not None else None
    return tuple((each.weight, _node_term(each.preference)) for each in preferred or ())


def _node_term(term: raw.SelectorTerm) -> NodeTerm:
    return NodeTerm(_requirements(term.matchExpressions), _requirements(term.matchFields))


def _requirements(found: list[raw.SelectorExpression] | None) -> tuple[Requirement, ...]:
    return tuple(Requirement(each.key, each.operator, tuple(each.values or ())) for each in found or ())


def _unmodelled(spec: raw.PodSpec) -> tuple[str, ...]:
    found = []
    if spec.resourceClaims:
        found.append("resourceClaims (dynamic resource allocation)")
    containers = (*(spec.containers or ()), *(spec.initContainers or ()))
    asked = {name for each in containers if each.resources is not None for name in each.resources.requests or ()}
    found += [
        f"{name} (dynamic resource allocation)" for name in sorted(asked) if name.startswith(DEVICE_CLASS_RESOURCE)
    ]
    return tuple(found)


def _features(spec: raw.PodSpec) -> tuple[str, ...]:
    """What the node must declare to run a pod: the features that Kubernetes 1.37 infers when it schedules. Source:
    k8s.io/component-helpers nodedeclaredfeatures, InferForScheduling."""
    found = []
    containers = (*(spec.containers or ()), *(spec.initContainers or ()))
    if any(rule.action == "RestartAllContainers" for each in containers for rule in each.restartPolicyRules or ()):
        found.append("RestartAllContainersOnContainerExits")
    if spec.hostNetwork and spec.hostUsers is False:
        found.append("UserNamespacesHostNetworkSupport")
    if any(mount.bindMountOptions for each in containers for mount in each.volumeMounts or ()):
        found.append("VolumeBindMountOptions")
    return tuple(found)
