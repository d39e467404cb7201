"""What stands on the simulated server, read for the audit: who uses what, where, and what was promised to whom.

It reads objects as JSON and shares no code with the engine, the solver or the decoder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from scheduler.model.resources import amount
from scheduler.sim.objects import Change, Object, Objects
from scheduler.sim.pods import TERMINAL
from scheduler.wire import names

Amounts = Counter[str]
Spot = tuple[str, str]
"""(member, node)."""
Spots = Counter[Spot]
"""How many pods of a member on a node."""

GIVEN_SECONDS = 60.0
"""A gang has so long to write that it goes on without pods that left for others: budgets may make it wait."""

REACTION_SECONDS = 2.0
"""What happened so lately may not be known yet to whoever writes a record."""


class Ledger:
    """Answers are computed from the objects as they are now. Kept are only what can not change (a pod's request), what
    nobody could tell from the objects (places whose pods succeeded and are gone, or left for somebody) and, for as long
    as nothing changes at all, which pods belong to which group."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._requests: dict[str, Amounts] = {}
        self._indexed_version = -1
        self._by_group: dict[tuple[str, str], list[Object]] = {}
        self._spent: dict[tuple[str, str], list[tuple[float, Spot]]] = {}
        self._given: dict[tuple[str, str], dict[str, tuple[float, Spot]]] = {}

    def pods_on(self, node: str) -> list[Object]:
        """Pods that hold room on a node: bound there and not ended; deleted ones until they are gone."""
        return [pod for pod in self._objects.all("pods") if pod["spec"].get("nodeName") == node and not ended(pod)]

    def request(self, pod: Object) -> Amounts:
        uid = pod["metadata"]["uid"]
        found = self._requests.get(uid)
        if found is None:
            found = self._requests[uid] = _sum_of_containers(pod["spec"])
        return found

    def used(self, node: str) -> Amounts:
        """By observed pods."""
        total: Amounts = Counter()
        for pod in self.pods_on(node):
            total.update(self.request(pod))
        return total

    def promised(self, node: str) -> Amounts:
        """By records, for pods that are not bound there yet."""
        total: Amounts = Counter()
        for group in self._objects.all("podgroups"):
            for (member, where), count in self.owed(group).items():
                if where == node:
                    for resource, value in self.member_request(group, member).items():
                        total[resource] += value * count
        return total

    def capacity(self, node: Object) -> Amounts:
        allocatable = node.get("status", {}).get("allocatable", {})
        return Counter({resource: amount(resource, text) for resource, text in allocatable.items()})

    def pods_of(self, group: Object) -> list[Object]:
        if self._indexed_version != self._objects.version:
            self._indexed_version, self._by_group = self._objects.version, {}
            for pod in self._objects.all("pods"):
                key = (pod["metadata"]["namespace"], _label(pod, names.LABEL_POD_GROUP))
                self._by_group.setdefault(key, []).append(pod)
        alone = _made_for(group)
        if alone:
            return [pod for pod in self._objects.all("pods") if pod["metadata"]["uid"] == alone]
        return self._by_group.get((group["metadata"]["namespace"], group["metadata"]["name"]), [])

    def group_of(self, pod: Object) -> Object | None:
        for group in self._objects.all("podgroups", pod["metadata"]["namespace"]):
            if any(each is pod for each in self.pods_of(group)):
                return group
        return None

    def taken(self, group: Object) -> Spots:
        """Where the gang's pods stand; those that have succeeded keep their place in its record, and those that its
        own record names as leaving have none in it any more."""
        found: Spots = Counter()
        victims = victims_of(record_of(group))
        for pod in self.pods_of(group):
            node = pod["spec"].get("nodeName")
            if node and not _given_up(pod, victims) and pod["status"].get("phase") != "Failed":
                found[(member_of(pod, group), node)] += 1
        return found

    def keeps_place(self, pod: Object) -> bool:
        """Whether the record of a pod's gang has its place."""
        group = self.group_of(pod)
        if group is None or leaves(group):
            return False
        return spots(group)[(member_of(pod, group), pod["spec"].get("nodeName", ""))] > 0

    def owed(self, group: Object) -> Spots:
        """Recorded places that no pod has taken yet. A deleted gang is owed nothing: none of its pods will come."""
        if leaves(group):
            return Counter()
        return spots(group) - self.taken(group) - self.spent(group) - self._given_by(group)

    def spent(self, group: Object) -> Spots:
        """Recorded places whose pods succeeded and were deleted: until the record is written again without them."""
        return Counter(spot for _, spot in self._spent.get(_key(group), ()))

    def _given_by(self, group: Object) -> Spots:
        """Recorded places whose pods left because another's record names them, which still stands: the room is that
        one's, though the record of their own gang may say so only a while later."""
        since_seconds = self._objects.clock.now_seconds - GIVEN_SECONDS
        given = {uid: spot for uid, (at, spot) in self._given.get(_key(group), {}).items() if at > since_seconds}
        if not given:
            return Counter()
        named = {uid for each in self._objects.all("podgroups") for uid in pods_named(record_of(each))}
        return Counter(spot for uid, spot in given.items() if uid in named)

    def hear(self, change: Change) -> None:
        """What is to be remembered of a change; where nobody says, nothing is known to be spent."""
        body = change.object
        if change.kind.plural == "podgroups":
            before, now = spots(change.before or {}), spots(body)
            if change.type == "DELETED" or before != now:
                self._given.pop(_key(body), None)
            if change.type == "DELETED":
                self._spent.pop(_key(body), None)
            elif _key(body) in self._spent:
                again = _decision(change.before or {}) == _decision(body)
                self._spent[_key(body)] = list(self._not_told(_key(body), before - now, again))
        elif change.kind.plural == "pods" and change.type == "DELETED" and body["spec"].get("nodeName"):
            name = _label(body, names.LABEL_POD_GROUP)
            for group in self._objects.all("podgroups", body["metadata"]["namespace"]):
                if name and group["metadata"]["name"] == name and not _given_up(body, victims_of(record_of(group))):
                    spot = (member_of(body, group), body["spec"]["nodeName"])
                    if body["status"].get("phase") == "Succeeded":
                        spent = self._spent.setdefault(_key(group), [])
                        spent.append((self._objects.clock.now_seconds, spot))
                    else:
                        now_seconds = self._objects.clock.now_seconds
                        self._given.setdefault(_key(group), {})[body["metadata"]["uid"]] = (now_seconds, spot)

    def _not_told(self, key: tuple[str, str], lost: Spots, again: bool) -> Iterator[tuple[float, Spot]]:
        """The spent places that a record still has: all that it did not lose where it is only written ``again``, of
        another decision those of which it can not have known."""
        for seconds, spot in self._spent[key]:
            if lost[spot] > 0:
                lost[spot] -= 1
            elif again or self._objects.clock.now_seconds - seconds <= REACTION_SECONDS:
                yield seconds, spot

    def member_request(self, group: Object, member: str) -> Amounts:
        """From the member's template, else from one of its pods."""
        for spec in group["spec"].get("members", []):
            if spec["name"] == member and "template" in spec:
                requests = spec["template"].get("requests", {})
                return Counter({name: amount(name, text) for name, text in requests.items()}) + Counter(pods=1)
        for pod in self.pods_of(group):
            if member_of(pod, group) == member:
                return self.request(pod)
        return Counter()

    def queue_of(self, pod_or_group: Object) -> str:
        if pod_or_group["kind"] == "PodGroup":
            return str(pod_or_group["spec"].get("queue") or "default")
        return _label(pod_or_group, names.LABEL_QUEUE) or "default"

    def domain(self, node: str, level: str) -> str | None:
        """The domain of a node at a level of the only topology, as the path of its labels; None without one."""
        labels = self.labels(node)
        path = []
        for each in self._objects.all("topologies")[0]["spec"]["levels"]:
            path.append(labels.get(each["nodeLabel"], ""))
            if level in (each["name"], each["nodeLabel"]):
                return None if "" in path else "/".join(path)
        return None

    def labels(self, node: str) -> dict[str, str]:
        for each in self._objects.all("nodes"):
            if each["metadata"]["name"] == node:
                return dict(each["metadata"].get("labels", {}))
        return {}


def _key(group: Object) -> tuple[str, str]:
    return group["metadata"]["namespace"], group["metadata"]["name"]


def _decision(group: Object) -> tuple[Any, ...]:
    """What tells the decisions about a gang apart; a record that is only written again has the same."""
    record = record_of(group)
    return record.get("epoch"), record.get("madeFrom"), record.get("decidedAt")


def takes_pods(node: Object) -> bool:
    """Whether a node is ready, and nobody keeps pods off it."""
    ready = any(
        each["type"] == "Ready" and each["status"] == "True" for each in node.get("status", {}).get("conditions", [])
    )
    return ready and not node.get("spec", {}).get("unschedulable") and not node.get("spec", {}).get("taints")


def record_of(group: Object) -> dict[str, Any]:
    """The decision that is written in a PodGroup; empty without one."""
    return (group.get("status") or {}).get("assignment") or {}


def pods_named(record: dict[str, Any]) -> list[str]:
    """The pods (by UID) that a record names as leaving first."""
    moved = (pod for move in record.get("moves", []) for pod in move.get("pods", []))
    return [pod["uid"] for pod in (*record.get("victims", []), *moved)]


def victims_of(record: dict[str, Any]) -> set[str]:
    """The pods (by UID) that leave for good, or that the gang whose record it is goes on without."""
    return {pod["uid"] for pod in record.get("victims") or ()}


def _given_up(pod: Object, victims: set[str]) -> bool:
    """Whether a pod's gang goes on without it, by the victims of its own record. One that ended before it was asked to
    leave had been of use; one that was asked says in its last moments what it likes."""
    return pod["metadata"]["uid"] in victims and (not ended(pod) or leaves(pod))


def leaves(body: Object) -> bool:
    """Whether an object is being deleted."""
    return "deletionTimestamp" in body["metadata"]


def ended(pod: Object) -> bool:
    return pod["status"].get("phase") in TERMINAL


def spots(group: Object) -> Spots:
    """What the record of a PodGroup promises."""
    found: Spots = Counter()
    for place in record_of(group).get("places", []):
        for each in place["nodes"]:
            found[(place["member"], each["name"])] += each["count"]
    return found


def minimum(group: Object) -> int:
    """How many pods a gang needs to be of use."""
    stated = group["spec"].get("minMember")
    return int(stated) if stated else sum(each.get("count", 0) for each in group["spec"].get("members", [])) or 1


def member_of(pod: Object, group: Object) -> str:
    """By the pod's label, else the only member there is."""
    if _made_for(group):
        return "pod"
    label = _label(pod, names.LABEL_SUBGROUP)
    members = group["spec"].get("members", [])
    return label or (members[0]["name"] if len(members) == 1 else "")


def over(need: Amounts, room: Amounts) -> str:
    """The first resource of which more is needed than there is room, in words; empty when all fits."""
    for resource in sorted(need):
        if need[resource] > room[resource]:
            return f"{need[resource]} of {resource}, there are {room[resource]}"
    return ""


def _sum_of_containers(spec: dict[str, Any]) -> Amounts:
    """The pods of a simulated world have plain containers only."""
    assert not spec.get("initContainers"), "the audit does not count init containers"
    total: Amounts = Counter(pods=1)
    for container in spec["containers"]:
        for resource, text in container.get("resources", {}).get("requests", {}).items():
            total[resource] += amount(resource, text)
    return total


def _made_for(group: Object) -> str:
    """The UID of the single pod that a PodGroup was made for by the scheduler; empty for all others."""
    return str(group["metadata"].get("annotations", {}).get(names.ANNOTATION_FOR_POD, ""))


def _label(body: Object, key: str) -> str:
    return str(body["metadata"].get("labels", {}).get(key, ""))
