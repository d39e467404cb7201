"""Sentences from facts: the one module that words a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from scheduler.model.plan import MOVE, Cause, Refusal, Taken, TierScore, Verdict
from scheduler.model.resources import quantity_text
from scheduler.model.work import Cost, GangKey, Grant, Terms

_FILTERS = {
    "modelled": "ask for something not supported",
    "unschedulable": "cordoned",
    "ready": "not ready",
    "taints": "with a taint it does not tolerate",
    "node-affinity": "outside its node selector or affinity",
    "gpu-model": "with another GPU model",
    "declared-features": "without a feature that it needs",
    "volume-restrictions": "barred because another pod uses its volume",
    "volume-limits": "that cannot attach its volumes",
    "volume-binding": "where its volume claims cannot be bound",
    "volume-zone": "in another zone than its volumes",
    "gpu-share": "whose GPUs cannot be had in such parts",
    "flavor": "of a flavor that it does not accept",
    "resources": "too small for one pod",
    "host-ports": "with a host port that is taken",
    "pod-affinity": "without the pods it must be near",
    "pod-anti-affinity": "near pods it must be apart from",
    "topology-spread": "where it would be spread too unevenly",
    "capacity": "without enough free",
    "exclusive-domains": "in domains that other gangs hold or use",
    "not-preemptible": "gangs that are not preemptible",
    "two-budgets": "gangs with pods under two PodDisruptionBudgets",
    "budget-spent": "gangs whose PodDisruptionBudget lets no pod go",
    "own-queue-priority": "gangs of its own queue that are not of lower priority",
    "minimum-run-time": "gangs within their minimum run time",
    "moving": "gangs that move for others in the same plan",
    "no-surplus": "gangs that need all their pods, and it asks for more than it needs",
}

_ONE_GANG = {
    "not-preemptible": "that is not preemptible",
    "own-queue-priority": "of its own queue that is not of lower priority",
    "minimum-run-time": "within its minimum run time",
    "moving": "that moves for others in the same plan",
    "no-surplus": "that needs all its pods, and it asks for more than it needs",
}
"""Where the words of `_FILTERS` are other ones for one gang."""

_TEMPLATES = {
    ("gang-minimum", "Incomplete"): "{offered} of at least {needed} pods exist",
    ("gang-minimum", "Gated"): "{offered} of its pods have scheduling gates; at least {needed} must be without",
    ("gang-minimum", "Suspended"): "it is suspended (spec.suspend)",
    ("gang-minimum", "UnknownMember"): "pod {where}, which does not exist",
    ("gang-minimum", "TemplateMismatch"): "pod {where}",
    (
        "gang-minimum",
        "UnlikePods",
    ): "pod {where} asks for something else than the other pods of its member; give them members of their own",
    ("gang-minimum", "UnlikeLabels"): (
        "the pods of its member {where} differ in labels that selectors look at; give them members of their own"
    ),
    ("gang-minimum", "TooFew"): "{offered} of at least {needed} pods fit at once",
    ("gang-minimum", "Missing"): "its PodGroup {where} does not exist",
    ("modelled", "NotModelled"): "{where} is not supported yet, so it is not placed rather than placed wrongly",
    ("volume-binding", "ClaimMissing"): "its claim {where} does not exist",
    ("volume-binding", "ClaimNotCreated"): "the claim {where} of its ephemeral volume is not created yet",
    ("volume-binding", "ClaimNotOwned"): "the claim {where} of its ephemeral volume belongs to somebody else",
    ("volume-binding", "ClaimLost"): "the volume of its claim {where} is lost",
    ("volume-binding", "ClaimLeaving"): "its claim {where} is being deleted",
    ("volume-binding", "ClaimUnbound"): "its claim {where} is not bound, and its class does not wait for a pod",
    ("volume-binding", "VolumeMissing"): "its claim {level} is bound to volume {domain}, which does not exist",
    ("volume-binding", "ClaimGone"): "claim {level} is gone; it was to be used on node {domain}",
    ("volume-binding", "BoundElsewhere"): "the volume of claim {level} cannot be used on node {domain}",
    ("volume-binding", "ProvisioningFailed"): "no volume could be made for claim {level} on node {domain}",
    ("volume-binding", "NoVolume"): "no volume is left for claim {level} on node {domain}",
    ("volume-binding", "NoPlace"): "the volumes of pod {where} cannot be used where its gang was to go",
    ("volume-binding", "NotBoundInTime"): "the claims of pod {where} were not bound in time",
    ("volumes", "NotEnough"): "needs {needed} {resource}; the cluster has {offered}",
    ("queue", "NoQueue"): "it names no queue, its namespace has no default queue and there is no queue named default",
    ("queue", "UnknownQueue"): "queue {where} does not exist",
    ("queue", "UnknownParent"): "queue {where}, which does not exist",
    ("queue", "ParentCycle"): "the parents of queue {first} form a cycle: {where}",
    (
        "queue",
        "LimitBelowGuarantee",
    ): "queue {where} has a limit of {offered} {resource} below its guarantee of {needed}",
    ("queue", "UnknownFlavor"): "its quota names the flavor {where}, which does not exist: that line counts no node",
    ("queue", "NotALeaf"): "queue {where} has child queues; gangs belong to leaves",
    ("queue", "NamespaceNotSelected"): "queue {level} does not select its namespace {domain}",
    ("queue", "QueueHold"): "queue {where} is on hold",
    ("queue", "QueueDrain"): "queue {where} is draining and admits nothing new",
    ("queue", "QueueLeaving"): "queue {where} is being deleted and admits nothing new",
    ("queue", "Terminating"): (
        "it is being deleted and admits nothing new; it stays while gangs hold places in it or below it: now {needed}"
    ),
    ("topology", "NoNodes"): "no node has a domain at every level",
    ("topology", "LabelsMissing"): "{needed} of {offered} nodes lack the label {first} of level {second}",
    ("topology", "NoPosition"): "{needed} of {offered} nodes have no position in the torus by their label {where}",
    ("flavor", "NoNodes"): "no node has the labels {where}",
    ("flavor", "EmptyFleet"): "there are no nodes",
    (
        "flavor",
        "CountedElsewhere",
    ): "{needed} of its {offered} nodes count for {where}, which is first by name",
    ("queue-limit", "Limit"): "needs {needed} {resource}; queue {where} may take {offered} more within its limit",
    ("queue-limit", "OverLimit"): "needs {needed} {resource}; queue {where} may take {offered} more within its limit",
    ("queue-limit", "AboveLimit"): "needs {needed} {resource}; queue {where} has a limit of {offered} in all",
    ("queue-limit", "OverGuarantee"): (
        "needs {needed} {resource} and is not preemptible; queue {where} guarantees {offered} more for such work"
    ),
    ("lendable", "NotLent"): (
        "needs {needed} {resource}; queue {where} may take {offered} more: the rest is kept by those who do not lend it"
    ),
    ("counts", "TooManyGangs"): "queue {where} may hold {offered} more gangs",
    ("counts", "TooMuch"): "needs {needed} {resource}; by the counts of queue {where} it may have {offered} more",
    ("queue-order", "Waits"): "its queue serves strictly in order, and {where} is in front of it",
    ("queue-limit", "NotTogether"): "{offered} of its {needed} pods fit at once within the limit of queue {where}",
    ("filters", "NoEligibleNode"): "none of {where} may take its pods: {refused}",
    ("capacity", "NotEnough"): "needs {needed} {resource}; all nodes it may use have {offered} free{pods}",
    ("capacity", "AboveFleet"): "needs {needed} {resource}; all nodes together have {offered}, even if all were free",
    ("capacity", "Fragmented"): "{offered} of {needed} pods fit: what is free is spread too thinly over the nodes",
    ("capacity", "NotTogether"): "{offered} of its {needed} pods fit at once, not all of them together",
    ("capacity", "NodeGone"): "node {where} is gone",
    ("capacity", "NodeFull"): "node {where} has {offered} {resource} free; {needed} are needed",
    ("pod-affinity", "NotTogether"): "its {needed} pods fit, but not near the pods that their affinity requires",
    ("pod-anti-affinity", "NotTogether"): "its {needed} pods fit, but not as far apart as their anti-affinity requires",
    ("topology-spread", "NotTogether"): "its {needed} pods fit, but not spread as their constraints require",
    ("devices", "NoSuchDevice"): "node {where} has no GPU {needed}",
    ("devices", "DeviceFull"): "{where} has {offered} of a GPU free; {needed} are needed",
    ("devices", "SliceTaken"): "the MIG slice on {where} is taken",
    ("devices", "NoIdleDevice"): "node {where} has {offered} whole GPUs free; {needed} are needed",
    ("required-topology", "NotEnough"): (
        "needs {needed} {resource} in one {level}; the best {level}, {domain}, has {offered} free"
    ),
    ("required-topology", "AboveDomain"): (
        "needs {needed} {resource} in one {level}; the best {level}, {domain}, has {offered}, even if all were free"
    ),
    ("required-topology", "TooManyForDomain"): (
        "{offered} of its {needed} pods fit in one {level}, even if all were free; the best is {level} {domain}"
    ),
    ("required-topology", "Fragmented"): (
        "{offered} of {needed} pods fit in one {level}; the best is {level} {domain}: what is free there is spread too "
        "thinly over its nodes"
    ),
    ("required-topology", "NotTogether"): "{offered} of its {needed} pods fit at once within one {level}",
    ("required-topology", "TooSmall"): (
        "one pod needs {needed} {resource}; the best {level}, {domain}, has {offered} free on one node"
    ),
    ("required-topology", "UnknownTopology"): "topology {where} does not exist",
    ("required-topology", "UnknownLevel"): "topology {level} has no level {domain}",
    ("required-topology", "NoDomain"): "no node it may use has a domain at level {where}",
    ("required-topology", "NoTopology"): "it asks for a topology level, but there is no Topology",
    ("required-topology", "AmbiguousTopology"): "several topologies exist ({where}); name one",
    ("required-topology", "WiderThanParent"): (
        "a part of it requires one {level}, which is wider than the {domain} that the part above it requires"
    ),
    ("required-topology", "WiderThanRequired"): (
        "its slices are to be in one {level}, which is wider than the {domain} that it requires as a whole"
    ),
    ("required-topology", "SlicesNotNested"): (
        "its slices do not nest: {offered} pods in one {where} do not divide the {needed} of the slices before them, "
        "or {where} is no finer level"
    ),
    ("required-topology", "NoWholeSlices"): "its {offered} pods are no whole number of slices of {needed}",
    ("required-topology", "NoShape"): "the boxes of torus {level} have {domain} nodes; it asks for {needed}",
    ("slices", "NotEnough"): "{offered} of {needed} slices{size} fit, each in one {where}",
    ("slices", "NotTogether"): "{offered} of its {needed} pods fit at once in whole slices, each in one {level}",
    ("slices", "PartOfSlice"): "{offered} pods in {where} are no whole number of slices of {needed}",
    ("slices", "NoDomain"): "{needed} pods of slices are on nodes without a domain at level {where}",
    ("leader", "NotTogether"): "its pods fit where its leader does not",
    ("leader", "Apart"): "its leader is outside the domains of the others",
    ("taking", "OutOfReach"): ("misses {needed} {resource}; what may be taken back from others sets {offered} free"),
    ("taking", "NotEntitled"): (
        "queue {where} would use {needed} {resource} with one more pod of it; it takes from others only up to "
        "{offered}, its guarantee or fair share"
    ),
    ("taking", "Protected"): "running work may not be taken: {refused}",
    ("taking", "Delay"): "it waits {needed} s longer before it may take running work",
    ("taking", "Never"): "its priority class never takes running work",
    (
        "taking",
        "GivesWay",
    ): "it gave its places to others; when all of its pods have left it may take from others itself",
    ("taking", "NotLeaving"): "it was to wait for {where} to leave, who stays",
    ("taking", "NoRoom"): "no set of victims makes room for it where it may go",
    ("taking", "NotPreemptible"): "{where} is not preemptible",
    ("taking", "NotNeeded"): "room came free meanwhile, so that {where} need not go",
    ("taking", "Budget"): "PodDisruptionBudget {where} lets {offered} of {needed} pods go",
    ("taking", "BudgetSpent"): "PodDisruptionBudget {where} lets {offered} pods go; {needed} would have to",
    ("taking", "WithinGuarantee"): (
        "{needed} {resource} of queue {where} would have to go before the last; it is {offered} above its guarantee"
    ),
    ("exclusive-domains", "Closed"): (
        "{offered} of {where} are closed to it: other gangs hold their domains exclusively, or use domains that it "
        "asks for exclusively"
    ),
    ("guards", "EvictionRefused"): (
        "pod {first} may not be evicted: its PodDisruptionBudget {second} does not allow it now"
    ),
    ("gang-minimum", "Stale"): "its gang has had {offered} of at least {needed} pods for too long",
    ("queue-limit", "Lowered"): "queue {where} runs {needed} {resource} and its limit was lowered to {offered}",
    ("taking", "VictimStuck"): "pod {where}, whose place it was to get, has been terminating for too long",
    ("exclusive-domains", "Shared"): "gang {where} is in a domain that only one of them may use",
}


def sentence(refusal: Refusal) -> str:
    """One reason in words."""
    words = _Words(refusal)
    template = _TEMPLATES.get((refusal.term, refusal.code))
    if template is not None:
        return template.format_map(words)
    where = f" ({refusal.where})" if refusal.where else ""
    return f"{refusal.term} {refusal.code}: needs {words['needed']} {words['resource']}, has {words['offered']}{where}"


class _Words(dict[str, str]):
    """The parts of a sentence by name."""

    def __init__(self, refusal: Refusal) -> None:
        counts = dict(refusal.counts)
        first, _, second = refusal.where.partition(" ")
        pods = f"; {counts['pods-fit']} of its {counts['pods-needed']} pods fit there" if "pods-fit" in counts else ""
        refused = ", ".join(f"{number} {_counted(name, number)}" for name, number in refusal.counts)
        super().__init__(
            needed=_amount(refusal.resource, refusal.needed),
            offered=_amount(refusal.resource, refusal.offered),
            resource=_noun(refusal.resource),
            where=refusal.where,
            first=first,
            second=second,
            level=first.rpartition("/")[2],
            domain=second.rpartition("/")[2],
            pods=pods,
            refused=refused,
            size=f" of {counts['size']}" if "size" in counts else "",
        )


def _counted(name: str, number: int) -> str:
    """What so many nodes, or gangs, have in common."""
    words = _FILTERS.get(name, name)
    if number == 1 and words.startswith("gangs "):
        return "gang " + _ONE_GANG.get(name, words.removeprefix("gangs "))
    return words


def _amount(resource: str, value: int) -> str:
    return quantity_text(resource, value) if resource else str(value)


def _noun(resource: str) -> str:
    if not resource:
        return "pods"
    return "GPUs" if resource == "nvidia.com/gpu" else resource


class Reason(msgspec.Struct, frozen=True):
    """Why a pod is evicted: one word for programs, a sentence for people."""

    word: str
    sentence: str


GRANTS_MAX = 256
"""Permissions that a record names: those of queues first, then of gangs for which another one holds."""


def terms_of(taken: Taken | None, before: Sequence[Grant] = ()) -> Terms:
    """What a record says of how others give way for it: the permission that holds for most of each queue, and for whom
    another one does. Those who leave already do so by the grants of ``before``."""
    losses = () if taken is None else [loss for loss in taken.losses if loss.right != MOVE]
    rights: dict[str, Counter[str]] = {}
    for loss in losses:
        rights.setdefault(loss.queue, Counter())[loss.right] += loss.pods
    most = {queue: max(counts, key=lambda right: counts[right]) for queue, counts in rights.items()}
    grants = [Grant(right, queue) for queue, right in most.items()]
    grants += [Grant(loss.right, loss.queue, loss.gang) for loss in losses if loss.right != most[loss.queue]]
    grants = list(dict.fromkeys((*grants, *before)))[:GRANTS_MAX]
    if taken is None:
        return Terms(tuple(grants))
    costs = (Cost(each.tier, -each.value, _least(each)) for each in taken.costs if each.value)
    return Terms(tuple(grants), tuple(costs), taken.proven)


def _least(cost: TierScore) -> int | None:
    return None if cost.bound is None else -cost.bound


_RIGHTS = {
    "OwnQueue": "by priority in their queue {theirs}",
    "Guarantee": "within the guarantee of queue {ours}; queue {theirs} is above its own",
    "FairShare": "within the fair share of queue {ours}; queue {theirs} is above its own",
    "Borrowing": "by priority while queue {ours} borrows; queue {theirs} is above its guarantee",
}


_GIVES = "gives its place"


def reason_to_leave(
    beneficiary: GangKey, ours: str, theirs: str, gang: GangKey, terms: Terms, *, moved: bool
) -> Reason:
    """Why a pod of ``gang`` in queue ``theirs`` leaves for a beneficiary in queue ``ours``."""
    if moved:
        return Reason("Moved", f"makes room for {beneficiary}; its new place is reserved{_price(terms)}")
    word = "Preempted" if ours == theirs else "Reclaimed"
    right = _RIGHTS.get(terms.right_over(theirs, gang), "")
    under = f", {right.format(ours=ours, theirs=theirs)}" if right else f" of queue {ours}"
    return Reason(word, f"{_GIVES} to {beneficiary}{under}{_price(terms)}")


def loss_words(gang: GangKey, pods: int, reason: Reason) -> tuple[str, str]:
    """(for the gang, for its queue) that some of its pods leave."""
    count = "one pod" if pods == 1 else f"{pods} pods"
    rest = reason.sentence.removeprefix(_GIVES)
    if rest == reason.sentence:
        return f"{count}: {rest}", f"{count} of {gang}: {rest}"
    gives = _GIVES if pods == 1 else "give their places"
    return f"{count} {gives}{rest}", f"{count} of {gang} {gives}{rest}"


def _price(terms: Terms) -> str:
    """What the whole decision costs, and whether it is known to be the least."""
    if terms == Terms():
        return ""
    costs = ", ".join(f"{each.tier} {each.value}" for each in terms.costs)
    least = "no cheaper choice exists" if terms.proven else "a cheaper choice may exist"
    return f" (costs: {costs}; {least})" if costs else f" ({least})"


def _joined(sentences: Iterable[str]) -> str:
    """One sentence after the other; what a gang needs ("needs 8 GPUs; ...") is said once."""
    said: list[str] = []
    begun: set[str] = set()
    for each in dict.fromkeys(sentences):
        start, parted, rest = each.partition("; ")
        said.append(rest if start in begun and parted else each)
        begun.add(start)
    return "; ".join(said)


def message(verdict: Verdict) -> str:
    """A verdict in words, most important reason first."""
    reasons = _joined(sentence(each) for each in verdict.refusals)
    match verdict.cause:
        case Cause.PLACED:
            return "placed"
        case Cause.OUTRANKED if reasons:
            return reasons
        case Cause.OUTRANKED:
            names = ", ".join(verdict.by[:3])
            more = f" and {len(verdict.by) - 3} more" if len(verdict.by) > 3 else ""
            return f"it would fit alone; outranked by {names}{more}" if names else "it would fit alone; others go first"
        case Cause.OUTSIDE_WINDOW:
            return "too many gangs are ahead of it to be looked at in this cycle"
        case Cause.BLOCKED if not verdict.proven:
            return f"{reasons}; no placement was found in time, though one may exist"
        case _:
            return reasons or verdict.cause.value
