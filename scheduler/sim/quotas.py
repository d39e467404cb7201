"""The tree of queues on the simulated server, read for the audit: who is above whom, what is stated, and what is used.

It reads objects as JSON and shares no code with the ledger of the scheduler.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from scheduler.model.resources import amount
from scheduler.sim.ledger import Amounts, Ledger, ended
from scheduler.sim.objects import Object, Objects
from scheduler.wire import names


class Quotas:
    """Amounts of a queue are of its whole subtree."""

    def __init__(self, objects: Objects, ledger: Ledger) -> None:
        self._objects = objects
        self._ledger = ledger

    def line(self, queue: str) -> list[str]:
        """A queue and everything above it, the queue first."""
        specs = self._specs()
        found: list[str] = []
        while queue in specs and queue not in found:
            found.append(queue)
            queue = str(specs[queue].get("parent", ""))
        return found

    def below_common(self, queue: str, other: str) -> list[str]:
        """The line of a queue up to where that of another one joins it, that one left out."""
        shared = self.line(other)
        return [name for name in self.line(queue) if name not in shared]

    def limits(self, queue: str) -> Amounts:
        return self._stated(queue, "limit")

    def guaranteed(self, queue: str) -> Amounts:
        """What is stated, else the sum of the children's; nothing for a resource of which nobody says anything."""
        found = self._stated(queue, "guaranteed")
        below: Amounts = Counter()
        for name, spec in self._specs().items():
            if spec.get("parent", "") == queue:
                below.update(self.guaranteed(name))
        return Counter({**below, **found})

    def use(self, queue: str, *, without: Collection[str] = (), firm: bool = False, promised: bool = True) -> Amounts:
        """Observed and, with ``promised``, owed by records; not of some pods (by UID), and with ``firm`` only of what
        is not preemptible."""
        total: Amounts = Counter()
        for amounts in self.by_owner(queue, without=without, firm=firm, promised=promised).values():
            total.update(amounts)
        return total

    def by_owner(
        self, queue: str, *, without: Collection[str] = (), firm: bool = False, promised: bool = True
    ) -> dict[str, Amounts]:
        """The same for each PodGroup and each single pod (by UID)."""
        found: dict[str, Amounts] = {}
        for pod in self._objects.all("pods"):
            ours = pod["spec"].get("schedulerName") == names.SCHEDULER and pod["spec"].get("nodeName")
            if not ours or ended(pod) or pod["metadata"]["uid"] in without:
                continue
            owner = self._ledger.group_of(pod) or pod
            if queue in self.line(self._ledger.queue_of(owner)) and (not firm or is_firm(owner)):
                found.setdefault(owner["metadata"]["uid"], Counter()).update(self._ledger.request(pod))
        for group in self._objects.all("podgroups") if promised else ():
            if queue in self.line(self._ledger.queue_of(group)) and (not firm or is_firm(group)):
                for (member, _), count in self._ledger.owed(group).items():
                    own = found.setdefault(group["metadata"]["uid"], Counter())
                    for resource, value in self._ledger.member_request(group, member).items():
                        own[resource] += value * count
        return found

    def _specs(self) -> dict[str, Object]:
        return {each["metadata"]["name"]: each["spec"] for each in self._objects.all("queues")}

    def _stated(self, queue: str, which: str) -> Amounts:
        quotas = self._specs().get(queue, {}).get("resources", [])
        return Counter({each["name"]: amount(each["name"], each[which]) for each in quotas if which in each})


def is_firm(owner: Object) -> bool:
    """Whether a PodGroup, or a single pod, says that it is not preemptible."""
    if owner["kind"] == "PodGroup":
        return not owner["spec"].get("preemptible", True)
    annotations = owner["metadata"].get("annotations", {})
    return str(annotations.get(names.ANNOTATION_PREEMPTIBLE, "true")) == "false"
