"""Random small worlds: a fleet, queues with limits, and work that comes, runs, and goes, all drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from scheduler.sim import manifests
from scheduler.sim.chance import Chance
from scheduler.sim.objects import Object
from scheduler.sim.run import Simulation
from scheduler.wire.names import LABEL_POD_GROUP


class Size(msgspec.Struct, frozen=True):
    """How much happens in a random world; pairs are inclusive bounds."""

    racks: tuple[int, int] = (2, 4)
    nodes_per_rack: tuple[int, int] = (1, 3)
    gangs: int = 12
    singles: int = 8
    seconds: float = 120.0
    run_seconds: tuple[int, int] = (5, 40)
    node_failures: int = 1
    deletions: int = 2
    losses: int = 3
    deaths: int = 2
    server_restarts: int = 1
    budgets: float = 0.0
    """How likely a gang has a PodDisruptionBudget."""
    guarantees: bool = False
    """Whether queues are guaranteed something of the fleet, so that they take from one another, as priorities do."""
    grace_seconds: tuple[int, int] = (5, 5)
    claims: float = 0.0
    """How likely the pods of a gang have volume claims of their own, made on the node that they go to."""


_PRIORITIES = {"low": 1, "middle": 10, "high": 100}


def populate(world: Simulation, seed: int, size: Size | None = None) -> None:
    """Create the fleet and the queues now, and plan everything else for later."""
    _Population(world, Chance(seed), size or Size()).plan()


class _Population:
    """What will happen is drawn at once, apart from the world's own chance: it does not depend on the faults."""

    def __init__(self, world: Simulation, chance: Chance, size: Size) -> None:
        self._world = world
        self._chance = chance
        self._size = size

    def plan(self) -> None:
        nodes = self._fleet()
        queues = self._queues()
        names = [f"gang{index}" for index in range(self._size.gangs)]
        for name in names:
            self._later(self._gang(name, queues))
        for index in range(self._size.singles):
            self._later(self._single(f"single{index}", queues))
        for _ in range(self._size.node_failures):
            self._later(self._failure(self._chance.one_of(nodes)))
        for _ in range(self._size.deletions):
            self._later(self._deletion(self._chance.one_of(names)))
        for loss in range(self._size.losses):
            self._later(self._loss(self._chance.one_of(names), f"again{loss}"))
        for _ in range(self._size.deaths):
            self._later(lambda: self._world.processes[-1].die())
        for _ in range(self._size.server_restarts):
            self._later(self._world.server.restart)

    def _later(self, happen: Callable[[], None]) -> None:
        self._world.clock.after(self._chance.seconds((1.0, self._size.seconds)), happen)

    def _fleet(self) -> list[str]:
        self._world.add(manifests.topology())
        if self._size.claims:
            self._world.add(manifests.storage_class("made", "csi.example"))
        nodes = []
        for rack in range(self._chance.whole(*self._size.racks)):
            for index in range(self._chance.whole(*self._size.nodes_per_rack)):
                nodes.append(f"r{rack}n{index}")
                gpus = self._chance.one_of((4, 8))
                self._world.add(manifests.node(nodes[-1], f"r{rack}", gpus=gpus))
        return nodes

    def _queues(self) -> list[str]:
        if self._size.guarantees:
            return self._tree()
        self._world.add(manifests.queue("default"), manifests.queue("small", gpu_limit=self._chance.whole(2, 12)))
        return ["default", "small"]

    def _tree(self) -> list[str]:
        """Two departments of two teams each; what they are guaranteed may be more than there is."""
        for name, value in _PRIORITIES.items():
            self._world.add(manifests.priority_class(name, value))
        teams = []
        for department in ("left", "right"):
            guaranteed = self._chance.one_of((None, 8))
            self._world.add(manifests.queue(department, guaranteed=guaranteed, weight=self._chance.whole(1, 2)))
            for number in range(2):
                teams.append(f"{department}{number}")
                limit = self._chance.one_of((None, None, 8))
                guaranteed = self._chance.whole(0, 6)
                self._world.add(manifests.queue(teams[-1], limit, guaranteed=guaranteed, parent=department))
        self._world.add(manifests.queue("default"))
        return teams

    def _gang(self, name: str, queues: list[str]) -> Callable[[], None]:
        pods, gpus = self._chance.whole(1, 8), self._chance.one_of((1, 1, 2, 4))
        elastic = self._chance.happens(0.3)
        minimum = self._chance.whole(1, pods) if elastic else pods
        rack, queue = self._chance.happens(0.4), self._chance.one_of(queues)
        ends = self._chance.happens(0.8)
        run_seconds = float(self._chance.whole(*self._size.run_seconds)) if ends else None
        slow_controller = self._chance.happens(0.3)
        with_claims = self._chance.happens(self._size.claims)
        priority = self._chance.one_of(tuple(_PRIORITIES)) if self._size.guarantees else ""
        kept = self._chance.whole(0, pods) if self._chance.happens(self._size.budgets) else None
        grace_seconds = self._grace_seconds()

        def create() -> None:
            self._world.add(
                manifests.pod_group(name, pods, minimum=minimum, gpus=gpus, queue=queue, rack=rack, priority=priority)
            )
            if kept is not None:
                self._world.add(manifests.budget(name, {LABEL_POD_GROUP: name}, max_unavailable=pods - kept))
            for index in range(pods):
                claims = (f"data-{name}-{index}",) if with_claims else ()
                self._world.add(*(manifests.claim(each, "made") for each in claims))
                body = manifests.pod(
                    f"{name}-{index}",
                    group=name,
                    gpus=gpus,
                    run_seconds=run_seconds,
                    grace_seconds=grace_seconds,
                    claims=claims,
                )
                delay = index * 0.7 if slow_controller else 0.0
                self._world.clock.after(delay, partial(self._world.add, body))

        return create

    def _single(self, name: str, queues: list[str]) -> Callable[[], None]:
        gpus, queue = self._chance.one_of((0, 1, 2, 8)), self._chance.one_of(queues)
        run_seconds = float(self._chance.whole(*self._size.run_seconds))
        grace_seconds = self._grace_seconds()
        body = manifests.pod(name, gpus=gpus, queue=queue, run_seconds=run_seconds, grace_seconds=grace_seconds)
        return lambda: self._world.add(body)

    def _grace_seconds(self) -> int:
        low, high = self._size.grace_seconds
        return low if low == high else self._chance.whole(low, high)

    def _failure(self, node: str) -> Callable[[], None]:
        away_seconds = self._chance.seconds((5.0, 30.0))

        def fail() -> None:
            self._world.kubelets.fail(node)
            self._world.clock.after(away_seconds, lambda: self._world.kubelets.restore(node))

        return fail

    def _loss(self, gang: str, suffix: str) -> Callable[[], None]:
        """A pod of a running gang is deleted by hand; its controller makes another one."""

        def lose() -> None:
            running = [pod for pod in self._world.server.objects.all("pods") if _runs_in(pod, gang)]
            if not running:
                return
            lost = running[0]
            self._world.remove("pods", lost["metadata"]["name"])
            meta = {**lost["metadata"], "name": f"{lost['metadata']['name']}-{suffix}"}
            spec = {key: value for key, value in lost["spec"].items() if key != "nodeName"}
            replacement = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
            self._world.clock.after(1.0, lambda: self._world.add(replacement))

        return lose

    def _deletion(self, gang: str) -> Callable[[], None]:
        """Its owner takes a gang away with its pods, in whatever state it is by then."""

        def delete() -> None:
            found = {each["metadata"]["name"] for each in self._world.server.objects.all("podgroups")}
            if gang not in found:
                return
            for pod in self._world.pods(f"{gang}-"):
                self._world.remove("pods", pod)
            self._world.remove("podgroups", gang)

        return delete


def _runs_in(pod: Object, gang: str) -> bool:
    labels = pod["metadata"].get("labels", {})
    leaving = "deletionTimestamp" in pod["metadata"]
    return labels.get(LABEL_POD_GROUP) == gang and pod["status"].get("phase") == "Running" and not leaving
