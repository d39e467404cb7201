"""The table of bad input: what somebody submits, and what Muster says about it, where. Data only.

Every message is one that a user reads; `docs/reference/troubles.md` has the same rows with cause and remedy, which
`tests/unit/test_troubles.py` checks.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.e2e.work import GPU, Document, gang, group, members, pod, queue


@dataclass(frozen=True, slots=True)
class BadWork:
    """Work that must not be placed, beside what stands around it.

    ``name`` is the PodGroup, or the pod where there is none. ``said`` is in the verdict of the PodGroup and in the
    condition PodScheduled of the pod ``told``, whose reason is ``reason``; ``cause`` is the verdict's.
    """

    id: str
    work: list[Document]
    name: str
    cause: str
    said: str
    told: str = ""
    reason: str = ""
    around: list[Document] = field(default_factory=list)


_CLAIM = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
_DEVICE_CLAIM = [{"name": "gpu", "resourceClaimName": "gpu"}]


def _unsupported(what: str, **spec: Any) -> BadWork:
    """A single pod that asks for something Muster does not decide on: it is named, and the pod is not placed."""
    field = next(iter(spec))
    name = f"asks-{field.lower()}"
    said = f"{what} is not supported yet, so it is not placed rather than placed wrongly"
    return BadWork(f"unsupported-{field}", [pod(name, **spec)], "", "", said, name, "SchedulerError")


BAD_WORK = [
    BadWork(
        "unknown-queue",
        gang("astray", 2, queue="resarch"),
        "astray",
        "Invalid",
        "queue resarch does not exist",
        "astray-0",
        "SchedulerError",
    ),
    BadWork(
        "inner-queue",
        gang("in-the-middle", 2, queue="team"),
        "in-the-middle",
        "Invalid",
        "queue team has child queues; gangs belong to leaves",
        "in-the-middle-0",
        "SchedulerError",
        around=[queue("team"), queue("team-a", parent="team")],
    ),
    BadWork(
        "queue-in-a-cycle",
        gang("around", 2, queue="hen"),
        "around",
        "Invalid",
        "the parents of queue hen form a cycle: hen -> egg -> hen",
        "around-0",
        "SchedulerError",
        around=[queue("hen", parent="egg"), queue("egg", parent="hen")],
    ),
    BadWork(
        "queue-on-hold",
        gang("on-hold", 2, queue="closed"),
        "on-hold",
        "QueueHeld",
        "queue closed is on hold",
        "on-hold-0",
        "QueueHeld",
        around=[queue("closed", state="Hold")],
    ),
    BadWork(
        "queue-draining",
        gang("too-late", 2, queue="emptying"),
        "too-late",
        "QueueHeld",
        "queue emptying is draining and admits nothing new",
        "too-late-0",
        "QueueHeld",
        around=[queue("emptying", state="Drain")],
    ),
    BadWork(
        "suspended",
        gang("asleep", 2, suspend=True),
        "asleep",
        "QueueHeld",
        "it is suspended (spec.suspend)",
        "asleep-0",
        "QueueHeld",
    ),
    BadWork(
        "unknown-level",
        gang("levelled", 2, topology={"required": "row"}),
        "levelled",
        "Invalid",
        "topology dc has no level row (there are: ",
        "levelled-0",
        "SchedulerError",
    ),
    BadWork(
        "unknown-topology",
        gang("mapped", 2, topology={"name": "elsewhere", "required": "rack"}),
        "mapped",
        "Invalid",
        "topology elsewhere does not exist",
        "mapped-0",
        "SchedulerError",
    ),
    BadWork(
        "template-mismatch",
        [
            group("mistaken", members=[{"name": "worker", "count": 2, "template": {"requests": {"cpu": 1, GPU: 2}}}]),
            *members("mistaken", 2, gpus=1),
        ],
        "mistaken",
        "Invalid",
        "pod mistaken-0: requests 1 of nvidia.com/gpu, its template 2",
        "mistaken-0",
        "SchedulerError",
    ),
    BadWork(
        "unknown-member",
        [
            group("parted", members=[{"name": "worker", "count": 2, "template": {"requests": {"cpu": 1, GPU: 1}}}]),
            *members("parted", 2, labels={"muster.dev/subgroup": "driver"}),
        ],
        "parted",
        "Invalid",
        "pod parted-0 names the member driver (there are: worker), which does not exist",
        "parted-0",
        "SchedulerError",
    ),
    BadWork(
        "too-few-pods",
        [group("short-handed", minMember=3), *members("short-handed", 2)],
        "short-handed",
        "Incomplete",
        "2 of at least 3 pods exist",
        "short-handed-0",
        "GangIncomplete",
    ),
    BadWork(
        "no-pod-group",
        [pod("orphan", gang="nowhere")],
        "",
        "",
        "its PodGroup default/nowhere does not exist",
        "orphan",
        "GangIncomplete",
    ),
    BadWork(
        "too-large-for-any-node",
        gang("giant", 2, gpus=9),
        "giant",
        "Blocked",
        "none of 4 nodes may take its pods: 4 too small for one pod",
        "giant-0",
        "Unschedulable",
    ),
    BadWork(
        "no-such-node",
        [pod("picky", nodeSelector={"example.com/colour": "blue"})],
        "",
        "",
        "none of 4 nodes may take its pods: 4 outside its node selector or affinity",
        "picky",
        "Unschedulable",
    ),
    BadWork(
        "no-whole-slices",
        gang("sliced", 4, topology={"slices": [{"size": 3, "required": "rack"}]}),
        "sliced",
        "Invalid",
        "its 4 pods are no whole number of slices of 3",
        "sliced-0",
        "SchedulerError",
    ),
    BadWork(
        "missing-claim",
        [pod("asks-claim", volumes=_CLAIM)],
        "",
        "",
        "its claim data does not exist",
        "asks-claim",
        "Unschedulable",
    ),
    _unsupported("resourceClaims (dynamic resource allocation)", resourceClaims=_DEVICE_CLAIM),
]


@dataclass(frozen=True, slots=True)
class BadStart:
    """Arguments and a policy file with which `muster run` must not start: exit code 2 and ``said``.

    ``{policy}`` and ``{missing}`` stand for the policy file and for a path that does not exist.
    """

    id: str
    said: str
    policy: str = "name: fine\n"
    arguments: tuple[str, ...] = ("--policy", "{policy}")


BAD_SETTINGS = [
    BadStart(
        "policy-unknown-key",
        "{policy}:2: bugdet: no such key; see docs/reference/policy.md for all of them",
        "name: typo\nbugdet: {wall_seconds: 1.0}\n",
    ),
    BadStart(
        "policy-unknown-inner-key",
        "{policy}:3: budget.wall_second: no such key; see docs/reference/policy.md for all of them",
        "name: typo\nbudget:\n  wall_second: 1.0\n",
    ),
    BadStart(
        "policy-unknown-term",
        "{policy}:2: rules: unknown rule 'gravity'; there are: capacity, counts, devices, disruption-budget, "
        "exclusive-domains, gang-minimum, leader, lendable, one-flavor, permission, pod-affinity, pod-anti-affinity, "
        "queue-limit, queue-order, required-topology, slices, topology-spread",
        "name: term\nrules: [capacity, gravity]\n",
    ),
    BadStart(
        "policy-wrong-type",
        "{policy}:2: budget.workers: Input should be a valid integer",
        "name: type\nbudget: {workers: many}\n",
    ),
    BadStart(
        "policy-out-of-range",
        "{policy}:2: budget.wall_seconds: Input should be greater than 0",
        "name: range\nbudget: {wall_seconds: 0.0}\n",
    ),
    BadStart("policy-without-a-name", "{policy}:1: name: is required", "budget: {workers: 1}\n"),
    BadStart("policy-not-yaml", "{policy}:3: not YAML: ", "name: broken\nrules: [capacity\nbudget: {}\n"),
    BadStart("policy-not-a-map", "{policy}:1: a policy is a map of keys, for example `name: default`", "- name\n"),
    BadStart(
        "policy-missing", "{missing}: cannot be read: No such file or directory", arguments=("--policy", "{missing}")
    ),
    BadStart(
        "flag-out-of-range",
        "--connections: Input should be greater than or equal to 1",
        arguments=("--connections", "0"),
    ),
    BadStart(
        "flag-not-one-of",
        "--log-level: Input should be 'debug', 'info', 'warning' or 'error'",
        arguments=("--log-level", "loud"),
    ),
    BadStart(
        "solver-endpoint-no-address",
        "--solver-endpoint: 'nonsense' is no address of a solver; write host:port or unix:PATH, or leave it out to "
        "start one",
        arguments=("--solver-endpoint", "nonsense"),
    ),
    BadStart(
        "policy-unknown-name",
        "policy kueue-clasic does not exist; name a file, or one of ./policies (there are: ",
        arguments=("--policy", "kueue-clasic"),
    ),
]
"""Told before anything is connected to."""

BAD_STARTS = [
    BadStart(
        "kubeconfig-missing",
        "kubeconfig {missing} does not exist; name another with --kubeconfig",
        arguments=("--kubeconfig", "{missing}"),
    ),
    BadStart(
        "kubeconfig-not-one",
        "kubeconfig {policy} is not a kubeconfig: its top level must be a map",
        "- name\n",
        ("--kubeconfig", "{policy}"),
    ),
    BadStart(
        "kubeconfig-not-yaml",
        "kubeconfig {policy} is not YAML, line 2: mapping values are not allowed here; name another with --kubeconfig",
        "word\nkey: value\n",
        ("--kubeconfig", "{policy}"),
    ),
    BadStart("context-unknown", "no entry 'other' under contexts (there are: ", arguments=("--context", "other")),
    BadStart(
        "lease-namespace-missing",
        "namespace nowhere for the lease does not exist; create it (manifests/namespace.yaml), or name another with "
        "--lease-namespace",
        arguments=("--lease-namespace", "nowhere"),
    ),
]
"""Told by the process that tries to connect."""
