"""What users and controllers do, one act at a time, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from scheduler.model.work import MemberSpec
from tests.sim.interleaving.server import NODES, Server
from tests.unit.core.world import group, pod, shape

PODS_MAX = 24
GROUPS_MAX = 5

CALM = (
    *["make_group"] * 4,
    *["add_pod"] * 3,
    *["add_single"] * 2,
    *["finish_pod"] * 2,
    *["delete_pod", "leave", "delete_group", "delete_all", "edit_group", "resume", "ungate"],
)
FAILING_NODES = (*CALM, "lose_node", "return_node", "collect_pods")
NEW_LEADERS = (*CALM, "change_leader")


class Users:
    """``acts`` are drawn with equal chance; ``templates`` is the share of groups whose members have a template."""

    def __init__(self, server: Server, acts: Sequence[str], templates: float) -> None:
        self._server = server
        self._chance = server.chance
        self._acts = acts
        self._templates = templates
        self._made = 0
        self.edited: set[str] = set()

    def act(self) -> None:
        ACTS[self._chance.choice(self._acts)](self)

    def make_group(self) -> None:
        name = self._chance.choice("ghijk")
        if name in self._server.groups or len(self._server.groups) >= GROUPS_MAX:
            return
        pods = self._chance.randint(1, 4)
        facts: dict[str, object] = {"created_seconds": self._server.now_seconds}
        if self._chance.random() < self._templates:
            facts["members"] = (MemberSpec("w", pods, pods, shape(1)),)
        if self._chance.random() < 0.3:
            facts["required"] = "rack"
        self._made += 1
        made = group(name, self._chance.randint(1, pods), **facts)  # type: ignore[arg-type]
        self._server.put_group(replace(made, uid=f"{name}{self._made}"))
        self.edited.discard(name)
        for _ in range(pods):
            self._add(name)

    def add_pod(self) -> None:
        if self._server.groups:
            self._add(self._chance.choice(list(self._server.groups)), gated=self._chance.random() < 0.2)

    def add_single(self) -> None:
        self._add("", gpus=self._chance.choice([1, 1, 1, 2]))

    def _add(self, group_name: str, *, gpus: int = 1, gated: bool = False) -> None:
        if len(self._server.pods) < PODS_MAX:
            self._made += 1
            at = self._server.now_seconds
            self._server.put_pod(pod(f"p{self._made}", group=group_name, gpus=gpus, created_seconds=at, gated=gated))

    def ungate(self) -> None:
        gated = next((each for each in self._server.pods.values() if each.gated), None)
        if gated is not None:
            self._server.put_pod(replace(gated, gated=False))

    def finish_pod(self) -> None:
        running = [each for each in self._server.pods.values() if each.node]
        if running:
            done = replace(self._chance.choice(running), finished=True, succeeded=self._chance.random() < 0.7)
            self._server.put_pod(done)

    def delete_pod(self) -> None:
        if self._server.pods:
            self._server.delete_pod(self._chance.choice(list(self._server.pods)))

    def leave(self) -> None:
        if self._server.pods:
            self._server.put_pod(replace(self._chance.choice(list(self._server.pods.values())), leaving=True))

    def delete_group(self) -> None:
        if self._server.groups:
            self._server.delete_group(self._chance.choice(list(self._server.groups)))

    def delete_all(self) -> None:
        """A group together with its pods."""
        if self._server.groups:
            name = self._chance.choice(list(self._server.groups))
            for each in [each for each in self._server.pods.values() if each.group == name]:
                self._server.delete_pod(each.uid)
            self._server.delete_group(name)

    def edit_group(self) -> None:
        if self._server.groups:
            old = self._chance.choice(list(self._server.groups.values()))
            self.edited.add(old.name)
            suspend = self._chance.random() < 0.2
            least = self._chance.randint(1, 4)
            self._server.put_group(replace(old, generation=old.generation + 1, min_member=least, suspend=suspend))

    def resume(self) -> None:
        for each in list(self._server.groups.values()):
            if each.suspend:
                self._server.put_group(replace(each, generation=each.generation + 1, suspend=False))

    def lose_node(self) -> None:
        if len(self._server.nodes) > 2:
            self._server.lose_node(self._chance.choice(list(self._server.nodes)))

    def return_node(self) -> None:
        number = self._chance.randrange(NODES)
        if f"n{number}" not in self._server.nodes:
            self._server.put_node(number)

    def collect_pods(self) -> None:
        """What the pod garbage collector does with pods of nodes that are gone."""
        for each in list(self._server.pods.values()):
            if each.node and each.node not in self._server.nodes:
                self._server.delete_pod(each.uid)

    def change_leader(self) -> None:
        self._server.change_leader()

    def go_home(self) -> None:
        """Nobody is in anybody's way any more: gates open, leaving pods are gone."""
        for each in list(self._server.pods.values()):
            if each.gated:
                self._server.put_pod(replace(each, gated=False))
        for each in list(self._server.pods.values()):
            if each.leaving:
                self._server.delete_pod(each.uid)
        self.collect_pods()


ACTS: Mapping[str, Callable[[Users], None]] = {
    name: getattr(Users, name) for name in {*CALM, *FAILING_NODES, *NEW_LEADERS}
}
