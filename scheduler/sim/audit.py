"""The audit of a simulated world: the promises of the scheduler, checked at every change, by code of its own.

Only what our effects do is a violation: a bind or a record that makes things wrong, never a node that shrinks.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from scheduler.sim.audit_evictions import REPEAT_SECONDS, EvictionAudit
from scheduler.sim.ledger import (
    REACTION_SECONDS,
    Ledger,
    Spot,
    Spots,
    ended,
    leaves,
    member_of,
    minimum,
    over,
    pods_named,
    record_of,
    spots,
    takes_pods,
)
from scheduler.sim.objects import Change, Object
from scheduler.sim.quotas import Quotas, is_firm
from scheduler.sim.server import Answer, ApiServer
from scheduler.wire import names
from scheduler.wire.requests import Request

PARTLY_BOUND_SECONDS = 60.0
"""How long a gang may stand below its minimum with some of its pods bound."""

UNTAKEN_SECONDS = 60.0
"""How long places have to wait for pods before a gang that has its minimum may give them back."""


class Violation(msgspec.Struct, frozen=True):
    seconds: float
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.seconds:.3f} {self.rule}: {self.text}"


class Auditor:
    """Listens to a server. ``violations`` grows; ``raise_if_any`` says what it holds. Where the network ``loses``
    requests, a plan may be written in parts for longer."""

    def __init__(self, server: ApiServer, *, loses: bool = False) -> None:
        self.violations: list[Violation] = []
        self.binds = 0
        self.records = 0
        self.ledger = Ledger(server.objects)
        self.quotas = Quotas(server.objects, self.ledger)
        settled_seconds = REPEAT_SECONDS if loses else REACTION_SECONDS
        self.eviction = EvictionAudit(server.objects, self.ledger, self.quotas, self._say, settled_seconds)
        self._objects = server.objects
        self._clock = server.clock
        self._partly_since: dict[str, float] = {}
        self._untaken_since: dict[str, dict[Spot, float]] = {}
        self._unfit_until: dict[str, float] = {}
        server.objects.listeners.append(self._hear)
        server.on_request.append(self._hear_request)
        server.on_request.append(self.eviction.hear_request)

    def raise_if_any(self) -> None:
        assert not self.violations, "\n".join(str(each) for each in self.violations)

    def look(self) -> None:
        """What only time makes wrong: to be called about once a virtual second."""
        for group in self._objects.all("podgroups"):
            key = _key(group)
            before, now_seconds = self._untaken_since.get(key, {}), self._clock.now_seconds
            self._untaken_since[key] = {spot: before.get(spot, now_seconds) for spot in self.ledger.owed(group)}
            bound = sum(self.ledger.taken(group).values())
            # A gang that has begun to end, or that its owner takes away, is not partly bound but partly gone.
            going = any(ended(pod) or leaves(pod) for pod in self.ledger.pods_of(group)) or leaves(group)
            if going or not 0 < bound < minimum(group):
                self._partly_since.pop(key, None)
                continue
            since = self._partly_since.setdefault(key, self._clock.now_seconds)
            if self._clock.now_seconds - since > PARTLY_BOUND_SECONDS:
                self._partly_since[key] = float("inf")  # said once
                self._say("gang-partly-bound", f"{key} has {bound} of at least {minimum(group)} pods bound")

    def _hear(self, change: Change) -> None:
        kind = change.kind.plural
        spent = self.ledger.spent(change.object) if kind == "podgroups" else Counter()
        self.ledger.hear(change)
        if kind == "nodes":
            self._hear_node(change)
        if kind == "pods":
            self.eviction.hear_pod(change)
        if kind == "pods" and change.type != "DELETED":
            self._hear_pod(change)
        elif kind == "podgroups":
            self.eviction.hear_group(change)
            if change.type != "DELETED":
                self._hear_group(change, spent)

    def _hear_request(self, user: str, request: Request, answer: Answer) -> None:
        """A scheduler may be too late (404, 409) or too early (429), but what it asks for must make sense."""
        if not user.startswith(names.SCHEDULER) or answer.status < 300 or answer.status in (404, 409, 429):
            return
        if b"metadata.uid" not in answer.body:  # a pod of that name, but not the one that was meant
            self._say("malformed-request", f"{user} {request.method} {request.path}: {answer.body.decode()}")

    def _hear_node(self, change: Change) -> None:
        name = change.object["metadata"]["name"]
        if change.type == "DELETED" or not takes_pods(change.object):
            self._unfit_until[name] = float("inf")
        elif self._unfit_until.get(name) == float("inf"):
            self._unfit_until[name] = self._clock.now_seconds

    def _hear_pod(self, change: Change) -> None:
        before = "" if change.before is None else change.before["spec"].get("nodeName", "")
        node = change.object["spec"].get("nodeName", "")
        if node == before:
            return
        name = _key(change.object)
        self.binds += 1
        if before:
            self._say("double-bind", f"pod {name} was on {before} and is bound to {node}")
        self._check_node(node, f"pod {name}")
        self._check_queue(self._owner(change.object), f"pod {name}")
        group = self.ledger.group_of(change.object)
        if group is not None:
            self._check_record(group, change.object, node)
            self._check_topology(group, name)

    def _hear_group(self, change: Change, spent: Spots) -> None:
        before, record = record_of(change.before or {}), record_of(change.object)
        if record == before:
            return
        if not record:
            if any(self._is_unfit(node) for _, node in spots(change.before or {})):
                self.eviction.begin_anew(change.object)
            return
        self.records += 1
        key = _key(change.object)
        if before and change.before is not None and self._lost(change, spent):
            self._say("record-changed", f"{key}: {before['places']} became {record['places']} without a release")
        self.eviction.hear_record(change)
        for node in sorted({where for _, where in spots(change.object)}):
            self._check_node(node, f"the record of {key}")
        self._check_queue(change.object, f"the record of {key}")
        self._check_topology(change.object, f"the record of {key}")

    def _lost(self, change: Change, spent: Spots) -> bool:
        """Whether a record has fewer places than before, though not for pods of its own that leave, or that had
        succeeded and are gone, nor of those that nobody has taken where it may give such back."""
        before: Object = change.before or {}
        untaken = spots(before) - self.ledger.taken(change.object)
        given_back = Counter({spot: count for spot, count in untaken.items() if self._may_give_back(change, spot)})
        lost = spots(before) - spots(change.object) - spent - given_back
        own = {pod["metadata"]["uid"] for pod in self.ledger.pods_of(change.object)}
        present = {pod["metadata"]["uid"] for pod in self._objects.all("pods")}
        leave = {uid for uid in pods_named(record_of(change.object)) if uid in own or uid not in present}
        return lost.total() > len(leave - set(pods_named(record_of(before))))

    def _may_give_back(self, change: Change, spot: Spot) -> bool:
        """Whether a record may lose a place that nobody has taken: it is beyond reach, it has waited for long while
        enough others stand, or pods that were to leave for the record stay after all and it keeps no open place."""
        group, taken = change.object, self.ledger.taken(change.object)
        waited_seconds = self._clock.now_seconds - self._untaken_since.get(_key(group), {}).get(spot, float("inf"))
        if self._is_unfit(spot[1]):
            return True
        if waited_seconds > UNTAKEN_SECONDS - 1.0 and taken.total() >= minimum(group):  # looked at once a second
            return True
        spared = set(pods_named(record_of(change.before or {}))) - set(pods_named(record_of(group)))
        stay = any(pod["metadata"]["uid"] in spared and not leaves(pod) for pod in self._objects.all("pods"))
        return stay and not spots(group) - taken

    def _is_unfit(self, node: str) -> bool:
        """Whether a node takes no pods, or did not a moment ago."""
        return self._clock.now_seconds - self._unfit_until.get(node, float("-inf")) <= REACTION_SECONDS

    def _check_node(self, name: str, what: str) -> None:
        for node in self._objects.all("nodes"):
            if node["metadata"]["name"] == name:
                capacity, used = self.ledger.capacity(node), self.ledger.used(name)
                if over(used, capacity):
                    self._say("over-commit", f"{what}: {name} uses {over(used, capacity)}")
                    return
                owed = used + self.ledger.promised(name)
                owed.subtract(self.eviction.leaving_on(name))
                if over(owed, capacity):
                    self._say("over-promise", f"{what}: {name} holds and owes {over(owed, capacity)}")
                return
        self._say("no-such-node", f"{what} on {name}")

    def _check_queue(self, owner: Object, what: str) -> None:
        """Every queue on the way up: its limit, and its guarantee for what is not preemptible. What stands there now
        keeps them; and so does what is left of it with all that is promised, once those who leave are gone."""
        leaving = self.eviction.leaving(moved=False)
        for queue in self.quotas.line(self.ledger.queue_of(owner)):
            for rule, bounds, firm in (
                ("limit", self.quotas.limits(queue), False),
                ("guarantee", self.quotas.guaranteed(queue), True),
            ):
                if not bounds or (firm and not is_firm(owner)):
                    continue
                now = self.quotas.use(queue, firm=firm, promised=False)
                later = self.quotas.use(queue, without=leaving, firm=firm)
                for resource in sorted(bounds):
                    use = max(now[resource], later[resource])
                    if use > bounds[resource]:
                        self._say(
                            f"queue-{rule}", f"{what}: {queue} uses {use} of {resource}, {rule} {bounds[resource]}"
                        )

    def _check_record(self, group: Object, pod: Object, node: str) -> None:
        spot = (member_of(pod, group), node)
        promised, taken = spots(group)[spot], self.ledger.taken(group)[spot]
        if taken > promised:
            text = f"{taken} pods of {spot[0]} on {node}, the record of {_key(group)} says {promised}"
            self._say("off-the-record", f"pod {_key(pod)}: {text}")

    def _check_topology(self, group: Object, what: str) -> None:
        level = group["spec"].get("topology", {}).get("required", "")
        if not level:
            return
        where = {node for _, node in (self.ledger.taken(group) | spots(group))}
        domains = {self.ledger.domain(node, level) for node in where}
        if len(domains) > 1 or None in domains:
            self._say("topology", f"{what}: {_key(group)} needs one {level} and has {sorted(map(str, domains))}")

    def _owner(self, pod: Object) -> Object:
        return self.ledger.group_of(pod) or pod

    def _say(self, rule: str, text: str) -> None:
        self.violations.append(Violation(self._clock.now_seconds, rule, text))


def _key(body: Object) -> str:
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"
