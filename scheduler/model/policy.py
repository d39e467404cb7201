"""Which rules are on, in which order, with what numbers. Loaded from ``policies/*.yaml`` by `scheduler.policyfile`."""

from __future__ import annotations

import msgspec


class SolverBudget(msgspec.Struct, frozen=True):
    """Limits of the solves of one decision. With ``work`` set (deterministic seconds) the answer does not depend on the
    machine."""

    wall_seconds: float = 2.0
    first_seconds: float = 0.4
    """Of these, before the first part of a contended plan is handed out. With ``work`` nothing is handed out early."""
    work: float = 0.0
    workers: int = 1
    seed: int = 0


class Limits(msgspec.Struct, frozen=True):
    """Bounds on what one cycle looks at."""

    window_gangs: int = 400
    window_singles: int = 20_000
    model_variables: int = 60_000
    explain_gangs: int = 50
    proofs: int = 4
    """Solves per cycle that only find out about one gang, each of at most ``proof_seconds``."""
    proof_seconds: float = 0.2


class VerdictPace(msgspec.Struct, frozen=True):
    """How often verdicts are written: first after a wait, then on change, else rarely, within a rate.

    That pods are missing is said once no pod has come for ``incomplete_seconds``: a controller may be creating them,
    and a write per pod would only delay it.
    """

    first_seconds: float = 1.0
    incomplete_seconds: float = 3.0
    repeat_seconds: float = 30.0
    writes_per_second: float = 20.0


class Patience(msgspec.Struct, frozen=True):
    """How long the scheduler waits for others before it says or does something."""

    incomplete_warning_seconds: float = 60.0
    pods_missing_seconds: float = 60.0
    bind_retry_seconds: float = 1.0
    claims_bound_seconds: float = 600.0
    claims_retry_seconds: float = 30.0
    stale_gang_seconds: float = 60.0
    """A gang below its minimum that is not repaired by then is cleaned up, unless it states another grace."""
    taking_retry_seconds: float = 10.0
    """After somebody might not be evicted, or did not leave, before the beneficiary is decided on again."""


class Entitlement(msgspec.Struct, frozen=True):
    """How fair shares and the right to take are counted.

    ``zero_weight``: queues of weight 0 share the surplus ``last``, or get ``none``. ``guarantee_at``: a reclaimer has
    to stay within the guarantee at ``every-ancestor`` below the common one, or at its ``leaf`` alone.

    ``between``: beyond guarantees queues are served by their ``dominant-share``, or by the ``priority`` and age of
    their work. ``order``: inside a tier of service ``value`` decides and turns break ties, or the order is ``strict``:
    nobody is left out for somebody later.
    """

    zero_weight: str = "last"
    guarantee_at: str = "every-ancestor"
    between: str = "dominant-share"
    order: str = "value"


COSTS = (
    "guards-broken",
    "own-priority",
    "own-queue",
    "least-above-share",
    "highest-priority",
    "lost-seconds",
    "gpus-evicted",
    "pods-evicted",
    "moved-seconds",
    "pods-moved",
)
"""What taking may cost, each a non-negative number; a policy puts those that count in order."""


FLAVOR_ORDER = ("costs", "preference", "evictions", "borrowing")


class Taking(msgspec.Struct, frozen=True):
    """Whether and how running work makes room.

    ``after_loss``: a victim taken whole may leave its branch below what protects it (``mayFallBelow``), or not
    (``mayNot``). ``rule``: how queues are compared: ``default`` by guarantee and fair share,
    ``kueue-classic`` by guarantee alone, ``kueue-fair`` by final and initial shares as ``fair_rules`` says.
    ``growth``: what an elastic gang may take to have more pods than it needs: ``Surplus`` of others alone, or ``Any``
    work, as for its minima. ``borrowing``: whom a gang may take that takes its queue above its guarantee, where its
    queue does not say.
    ``costs`` are minimised in this order.
    """

    preempt: bool = True
    reclaim: bool = True
    moves: bool = True
    after_loss: str = "mayFallBelow"
    rule: str = "default"
    fair_rules: tuple[str, ...] = ("FinalShare", "InitialShare")
    growth: str = "Surplus"
    borrowing: str = "Any"
    min_runtime_at: str = "queue"
    """``queue``: a victim is protected by its own queue's minimum run time; ``common-ancestor``: by that of its branch
    below the lowest common ancestor with the beneficiary."""
    break_guards: bool = False
    """PodDisruptionBudgets may be broken, last of all and never silently."""
    costs: tuple[str, ...] = (
        "guards-broken",
        "own-priority",
        "own-queue",
        "least-above-share",
        "highest-priority",
        "lost-seconds",
        "pods-evicted",
        "moved-seconds",
        "pods-moved",
    )
    flavor_order: tuple[str, ...] = ("costs", "preference")
    """What decides between flavors in which a gang could take back, the first that differs: what it ``costs``; its own
    ``preference``; whether there are ``evictions`` at all; whether its queue is ``borrowing`` then."""
    enforce_limits: bool = False
    """Whether running work above a limit that was lowered is evicted, as far as that does not take more than that."""
    stuck_seconds: float = 300.0
    """A pod that terminates for longer than its grace and this is stuck: neither room to come nor a victim."""


class Policy(msgspec.Struct, frozen=True):
    name: str = "default"
    filters: tuple[str, ...] = (
        "modelled",
        "unschedulable",
        "ready",
        "taints",
        "node-affinity",
        "gpu-model",
        "gpu-share",
        "flavor",
        "declared-features",
        "volume-restrictions",
        "volume-limits",
        "volume-binding",
        "volume-zone",
        "resources",
        "host-ports",
        "pod-affinity",
        "pod-anti-affinity",
        "topology-spread",
    )
    rules: tuple[str, ...] = (
        "capacity",
        "devices",
        "queue-limit",
        "lendable",
        "counts",
        "queue-order",
        "gang-minimum",
        "required-topology",
        "slices",
        "leader",
        "exclusive-domains",
        "pod-affinity",
        "pod-anti-affinity",
        "topology-spread",
        "one-flavor",
    )
    goals: tuple[str, ...] = (
        "served-value",
        "preferred-flavor",
        "preferred-topology",
        "balance",
        "preferences",
        "packing",
    )
    node_score: str = "pack"
    device_score: str = "pack"
    value_resource: str = "nvidia.com/gpu"
    budget: SolverBudget = SolverBudget()
    limits: Limits = Limits()
    verdicts: VerdictPace = VerdictPace()
    patience: Patience = Patience()
    entitlement: Entitlement = Entitlement()
    taking: Taking = Taking()
