"""The audit of who is made to leave: named by a record, preemptible, needed, and not twice for one beneficiary.

It reads objects and requests as JSON and shares no code with the engine or the solver.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from scheduler.sim.ledger import (
    REACTION_SECONDS,
    Amounts,
    Ledger,
    ended,
    leaves,
    minimum,
    over,
    pods_named,
    record_of,
    victims_of,
)
from scheduler.sim.objects import Change, Object, Objects
from scheduler.sim.quotas import Quotas, is_firm
from scheduler.sim.server import Answer
from scheduler.wire import names
from scheduler.wire.requests import Request

Say = Callable[[str, str], None]

REPEAT_SECONDS = 8.0
"""Where writes are lost, one has been made again after so long."""

_POD = re.compile(r"/api/v1/namespaces/([^/]+)/pods/([^/]+)(/eviction)?$")


class _Freed(NamedTuple):
    """What a pod took of its node and its queue until a moment."""

    seconds: float
    uid: str
    node: str
    queue: str
    amounts: Amounts


class EvictionAudit:
    """``say`` is told (rule, text) of every violation. ``evictions`` counts those that were accepted. All records of a
    plan are written ``settled_seconds`` after the first of them."""

    def __init__(self, objects: Objects, ledger: Ledger, quotas: Quotas, say: Say, settled_seconds: float) -> None:
        self.evictions = 0
        self._objects = objects
        self._ledger = ledger
        self._quotas = quotas
        self._say = say
        self._settled_seconds = settled_seconds
        self._asked: dict[str, dict[str, str]] = {}
        """Beneficiary (by UID) -> work that left for it -> the decision for which it did."""
        self._freed: list[_Freed] = []
        """What came free lately."""
        self._named_until: dict[str, float] = {}
        """Pods (by UID) that a record named until a moment."""

    def hear_pod(self, change: Change) -> None:
        """Room came free, where a pod ended or went."""
        before, node = change.before, change.object["spec"].get("nodeName", "")
        if before is None or not node or ended(before) or not (change.type == "DELETED" or ended(change.object)):
            return
        now = self._objects.clock.now_seconds
        self._freed = [each for each in self._freed if now - each.seconds <= self._settled_seconds + REACTION_SECONDS]
        owner = self._ledger.queue_of(self._ledger.group_of(before) or before)
        self._freed.append(_Freed(now, before["metadata"]["uid"], node, owner, self._ledger.request(before)))

    def hear_group(self, change: Change) -> None:
        """A record that named pods is gone; who asks them to leave may not know yet."""
        now = set() if change.type == "DELETED" else set(pods_named(record_of(change.object)))
        for uid in set(pods_named(record_of(change.before or {}))) - now:
            self._named_until[uid] = self._objects.clock.now_seconds

    def begin_anew(self, group: Object) -> None:
        """A gang has to leave itself, or lost its nodes: what it takes when it comes back is for another start."""
        self._asked.pop(group["metadata"]["uid"], None)

    def hear_request(self, user: str, request: Request, answer: Answer) -> None:
        found = _POD.fullmatch(request.path)
        if found is None or not user.startswith(names.SCHEDULER) or answer.status >= 300:
            return
        namespace, name, eviction = found.groups()
        if request.method == "DELETE":
            self._say("deleted-pod", f"{user} deleted pod {namespace}/{name} past its PodDisruptionBudgets")
        elif request.method == "POST" and eviction:
            self.evictions += 1
            pods = (each for each in self._objects.all("pods", namespace) if each["metadata"]["name"] == name)
            for pod in pods:
                self._check(pod)

    def hear_record(self, change: Change) -> None:
        """A record was written: nobody whom it names could have stayed."""
        group, record = change.object, record_of(change.object)
        known = set(pods_named(record_of(change.before or {})))
        new = [pod for pod in self.pods_of(record) if pod["metadata"]["uid"] not in known]
        for unit in self._units([pod for pod in new if not self._goes_anyway(pod, group)]):
            if self._could_stay(unit, group):
                self._objects.clock.after(self._settled_seconds, partial(self._look_again, unit, group, self.leaving()))
        self._check_right([pod for pod in new if not self._goes_anyway(pod, group)], group)

    def _look_again(self, unit: list[Object], group: Object, known: frozenset[str]) -> None:
        """What is left of the room may be another's, of the same plan or of one before, whose record is written later.
        What came free meanwhile was not there."""
        if self._could_stay(unit, group, self._settled_seconds + REACTION_SECONDS, known):
            shown = ", ".join(_key(pod) for pod in unit)
            self._say("needless-victim", f"the record of {_key(group)} has room for its places beside {shown}")

    def pods_of(self, record: Object) -> list[Object]:
        """The pods that a record names and that still take room."""
        named = set(pods_named(record))
        return [pod for pod in self._objects.all("pods") if pod["metadata"]["uid"] in named and not ended(pod)]

    def leaving_on(self, node: str) -> Amounts:
        """What pods on a node take that leave it."""
        leaving = self.leaving()
        total: Amounts = Amounts()
        for pod in self._ledger.pods_on(node):
            if pod["metadata"]["uid"] in leaving:
                total.update(self._ledger.request(pod))
        return total

    def leaving(self, *, moved: bool = True) -> frozenset[str]:
        """The pods (by UID) that a record names, or that are being deleted and leave no place behind: that of a gang's
        pod which nobody made leave is its successor's. Those that are ``moved`` leave their nodes and not their
        queues."""
        records = [record_of(group) for group in self._objects.all("podgroups")]
        named = {uid for each in records for uid in (pods_named(each) if moved else victims_of(each))}
        going = filter(leaves, self._objects.all("pods"))
        return frozenset(named | {pod["metadata"]["uid"] for pod in going if not self._ledger.keeps_place(pod)})

    def _check(self, pod: Object) -> None:
        uid, name, reason = pod["metadata"]["uid"], _key(pod), _reason(pod)
        group = self._ledger.group_of(pod)
        if group is not None and self._is_going(group):
            self.begin_anew(group)
        firm = is_firm(group or pod)
        if firm and reason != "StaleGang":
            self._say("not-preemptible", f"pod {name} was evicted ({reason})")
        for beneficiary in self._objects.all("podgroups"):
            record = record_of(beneficiary)
            if uid in pods_named(record) and beneficiary is not group:
                if any(victim["uid"] == uid for victim in record.get("victims") or ()):  # a move costs no turn
                    self._check_once(pod, beneficiary, record)
                return
        if reason == "Drained" and self._drains(self._ledger.queue_of(group or pod)):
            return
        if self._objects.clock.now_seconds - self._named_until.get(uid, float("-inf")) <= REACTION_SECONDS:
            return
        if reason not in ("StaleGang", "OverLimit"):
            self._say("unnamed-eviction", f"pod {name} was evicted ({reason}), and no record in force names it")

    def _is_going(self, group: Object) -> bool:
        """Whether less than its minimum stays of a gang."""
        leaving = self.leaving()
        stay = [
            pod
            for pod in self._ledger.pods_of(group)
            if pod["spec"].get("nodeName") and not leaves(pod) and pod["metadata"]["uid"] not in leaving
        ]
        return len(stay) < minimum(group)

    def _check_once(self, pod: Object, beneficiary: Object, record: Object) -> None:
        """Work comes back under other names: what they have in common says that it is the same."""
        key, decision = beneficiary["metadata"]["uid"], f"{record['epoch']}/{record['madeFrom']}/{record['decidedAt']}"
        stem = _key(pod).partition(".")[0]
        earlier = self._asked.setdefault(key, {}).setdefault(stem, decision)
        if earlier != decision:
            self._say("evicted-twice", f"{stem} left for {_key(beneficiary)} by two decisions: {earlier}, {decision}")

    def _check_right(self, taken: list[Object], group: Object) -> None:
        """By what right the pods go that a record newly names for good: in the own queue those of higher or equal
        priority stay, older ones where equals may be taken; elsewhere all but the last unit keep a queue above what it
        is guaranteed."""
        moved = {pod["uid"] for move in record_of(group).get("moves") or () for pod in move.get("pods") or ()}
        units = list(self._units([pod for pod in taken if pod["metadata"]["uid"] not in moved]))
        own, leaving = self._ledger.queue_of(group), self.leaving(moved=False)
        lost: dict[str, list[tuple[list[Object], Amounts]]] = {}
        for unit in units:
            queue = self._queue_of(unit[0])
            if queue == own and self._priority(unit[0]) > self._priority(group):
                shown = f"{_key(unit[0])} of priority {self._priority(unit[0])}"
                self._say("outranked", f"{_key(group)} of priority {self._priority(group)} takes {shown}")
            for name in self._quotas.below_common(queue, own):
                amounts: Amounts = Counter()
                for pod in unit:
                    amounts.update(self._ledger.request(pod))
                lost.setdefault(name, []).append((unit, amounts))
        for name, parts in lost.items():
            guaranteed = self._quotas.guaranteed(name)
            gone = {pod["metadata"]["uid"] for unit, _ in parts for pod in unit}
            use = self._quotas.use(name, without=leaving - gone)
            use.update(self._lately(name))
            short: Amounts = Counter()
            """What the queue would have to use more, so that all but the last unit leave it above."""
            asked = [resource for resource in guaranteed if self._asks(group, resource)]
            for resource in asked:
                taken_before = sum(each[resource] for _, each in parts) - max(each[resource] for _, each in parts)
                if taken_before >= use[resource] - guaranteed[resource]:
                    short[resource] = taken_before + guaranteed[resource] - use[resource]
            if asked and len(short) == len(asked):
                text = f"{name} uses {use[asked[0]]} of {asked[0]}, guaranteed {guaranteed[asked[0]]}"
                said = f"{_key(group)} takes {len(gone)} pods while {text}"
                doubt = partial(self._settle, name, short, self._quotas.by_owner(name), said)
                self._objects.clock.after(REACTION_SECONDS, doubt)

    def _settle(self, queue: str, short: Amounts, before: dict[str, Amounts], said: str) -> None:
        """The other decisions of one plan may be written later, by which a queue uses as much as was counted on."""
        more: Amounts = Counter()
        for owner, amounts in self._quotas.by_owner(queue).items():
            more.update(+(amounts - before.get(owner, Counter())))
        if all(more[resource] <= amount for resource, amount in short.items()):
            self._say("below-guarantee", said)

    def _lately(self, queue: str) -> Amounts:
        """What a queue used until a moment ago, which may not be known yet."""
        total: Amounts = Counter()
        for each in self._freed:
            lately = self._objects.clock.now_seconds - each.seconds <= REACTION_SECONDS
            if lately and queue in self._quotas.line(each.queue):
                total.update(each.amounts)
        return total

    def _asks(self, group: Object, resource: str) -> bool:
        return any(self._ledger.request(pod)[resource] for pod in self._ledger.pods_of(group)) or any(
            self._ledger.member_request(group, each["name"])[resource] for each in group["spec"].get("members", [])
        )

    def _priority(self, owner: Object) -> int:
        """By the class of its PodGroup, else by the pod itself."""
        group = owner if owner["kind"] == "PodGroup" else self._ledger.group_of(owner)
        wanted = "" if group is None else group["spec"].get("priorityClassName", "")
        found = [each["value"] for each in self._objects.all("priorityclasses") if each["metadata"]["name"] == wanted]
        pods = [owner] if group is None else self._ledger.pods_of(group)
        return int(found[0]) if found else max((pod["spec"].get("priority", 0) for pod in pods), default=0)

    def _goes_anyway(self, pod: Object, group: Object) -> bool:
        """Whether somebody else makes a pod leave: not one that is being deleted itself, and needs no room."""
        uid = pod["metadata"]["uid"]
        others = (each for each in self._objects.all("podgroups") if each is not group and not leaves(each))
        return leaves(pod) or any(uid in pods_named(record_of(each)) for each in others)

    def _units(self, pods: list[Object]) -> Iterator[list[Object]]:
        """Gangs of which nothing is to stay, and pods one by one."""
        leaving = self.leaving()
        named = {pod["metadata"]["uid"] for pod in pods}
        done: set[str] = set()
        for pod in pods:
            group = self._ledger.group_of(pod)
            if group is None:
                yield [pod]
                continue
            standing = [
                each
                for each in self._ledger.pods_of(group)
                if each["spec"].get("nodeName") and not ended(each) and not leaves(each)
            ]
            if any(each["metadata"]["uid"] not in leaving for each in standing):
                yield [pod]
            elif _key(group) not in done:
                done.add(_key(group))
                yield [each for each in standing if each["metadata"]["uid"] in named]

    def _could_stay(
        self,
        unit: list[Object],
        group: Object,
        lately_seconds: float = REACTION_SECONDS,
        known: frozenset[str] = frozenset(),
    ) -> bool:
        """Whether there would be room and quota beside a unit, with all others gone that leave, though not in what came
        free lately, but for the pods (by UID) that were ``known`` to leave."""
        if self._entitles(unit, group):
            return False
        kept = {pod["metadata"]["uid"] for pod in unit}
        for node in self._objects.all("nodes"):
            name = node["metadata"]["name"]
            here = [pod for pod in unit if pod["spec"]["nodeName"] == name]
            if not here:
                continue
            need = self._ledger.used(name) + self._ledger.promised(name)
            need.subtract(self.leaving_on(name))
            for pod in (*here, *self._moved_to(name, group)):
                need.update(self._ledger.request(pod))
            for each in self._freed:
                lately = self._objects.clock.now_seconds - each.seconds <= lately_seconds
                if each.node == name and lately and each.uid not in known:
                    need.update(each.amounts)
            if over(need, self._ledger.capacity(node)):
                return False
        without = self.leaving(moved=False) - kept
        for queue in self._quotas.line(self._ledger.queue_of(group)):
            limits = self._quotas.limits(queue)
            if limits and over(
                Counter({each: self._quotas.use(queue, without=without)[each] for each in limits}), limits
            ):
                return False
        return True

    def _entitles(self, unit: list[Object], group: Object) -> bool:
        """Whether a unit of the own queue may have to go for its queue to be entitled to take from others: with it,
        some queue on the line would be above its guarantee."""
        queue = self._ledger.queue_of(group)
        if self._queue_of(unit[0]) != queue or all(
            self._queue_of(pod) == queue for pod in self.pods_of(record_of(group))
        ):
            return False
        without = self.leaving(moved=False) - {pod["metadata"]["uid"] for pod in unit}
        for name in self._quotas.line(queue):
            use, guaranteed = self._quotas.use(name, without=without), self._quotas.guaranteed(name)
            if any(use[resource] > guaranteed[resource] for resource in guaranteed):
                return True
        return False

    def _queue_of(self, pod: Object) -> str:
        return self._ledger.queue_of(self._ledger.group_of(pod) or pod)

    def _moved_to(self, node: str, group: Object) -> Iterator[Object]:
        """Pods that the record of a gang moves to a node, which is promised there once their gangs' records say so."""
        record = record_of(group)
        for move in record.get("moves") or ():
            named = {pod["uid"] for pod in move.get("pods") or ()}
            pods = [pod for pod in self.pods_of(record) if pod["metadata"]["uid"] in named]
            counts = (each["count"] for place in move["places"] for each in place["nodes"] if each["name"] == node)
            yield from pods[: sum(counts)]

    def _drains(self, queue: str) -> bool:
        queues = {each["metadata"]["name"]: each["spec"] for each in self._objects.all("queues")}
        while queue in queues:
            if queues[queue].get("state") == "Drain":
                return True
            queue = queues[queue].get("parent", "")
        return False


def _reason(pod: Object) -> str:
    said = (each for each in pod["status"].get("conditions", []) if each["type"] == names.CONDITION_EVICTED)
    return next((str(each.get("reason", "")) for each in said), "without a condition")


def _key(body: Object) -> str:
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"
