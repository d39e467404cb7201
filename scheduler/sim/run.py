"""A whole world in virtual time: API server, nodes, audit, and the scheduler processes that come and go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from scheduler.core.drive import greedy_only
from scheduler.model.effects import Effect
from scheduler.model.policy import Policy
from scheduler.sim import manifests
from scheduler.sim.audit import Auditor
from scheduler.sim.chance import Chance, Odds
from scheduler.sim.clock import Clock
from scheduler.sim.controllers import DisruptionController, Replacements
from scheduler.sim.kinds import KIND
from scheduler.sim.kubelet import Kubelets
from scheduler.sim.log import EventLog
from scheduler.sim.objects import Change, Object
from scheduler.sim.process import Moment, Process, Solve
from scheduler.sim.schema import Schemas
from scheduler.sim.server import ApiServer
from scheduler.sim.storage import VolumeController
from scheduler.solver.problem import SolveRequest, SolveResult
from scheduler.wire.requests import JSON, MERGE, Request

RESTART_SECONDS = 2.0
"""How long a successor takes to notice that the lease is free."""

BOOKMARK_SECONDS = 60.0

Interrupt = Callable[[Process, Effect, Moment], bool]


class Simulation:
    """One world. Equal arguments and equal calls give equal `log` digests, on every machine."""

    def __init__(
        self,
        seed: int = 0,
        *,
        odds: Odds | None = None,
        policy: Policy | None = None,
        solve: Solve = greedy_only,
        schemas: Schemas | None = None,
        namespace: str = "team",
    ) -> None:
        self.clock = Clock()
        self.log = EventLog()
        self.chance = Chance(seed, odds)
        self.server = ApiServer(self.clock, schemas)
        self.policy = policy or Policy()
        self.namespace = namespace
        self.auditor = Auditor(self.server, loses=self.chance.odds.lost_request > 0)
        self.kubelets = Kubelets(self.server, self.chance)
        self.volumes = VolumeController(self.server, self.chance)
        self.replacements = Replacements(self.server, self.chance)
        self.disruption = DisruptionController(self.server, self.chance)
        self.processes: list[Process] = []
        self.interrupt: Interrupt = lambda _process, _effect, _moment: False
        self.sent_survives = False
        self._solve = solve
        self.server.objects.listeners.append(self._note)
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        self.clock.after(1.0, self._look)
        self.clock.after(BOOKMARK_SECONDS, self._bookmark)

    # -- what users do ---------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Any = None, content_type: str = JSON) -> Object:
        """One request of a user, which must succeed."""
        answer = self.server.handle(Request(method, path, msgspec.json.encode(body), content_type), "user")
        assert answer.status < 300, (method, path, answer)
        found: Object = msgspec.json.decode(answer.body)
        return found

    def add(self, *bodies: Object) -> None:
        """Create objects of `manifests`; each kind goes where it belongs."""
        for body in bodies:
            self.ask("POST", self._collection(body), body)

    def gang(
        self,
        name: str,
        pods: int,
        *,
        gpus: int = 1,
        run_seconds: float | None = None,
        grace_seconds: int = 5,
        **group: Any,
    ) -> None:
        """Create a PodGroup and its pods, named ``name-0`` and so on."""
        self.add(manifests.pod_group(name, pods, gpus=gpus, **group))
        for index in range(pods):
            self.add(
                manifests.pod(
                    f"{name}-{index}", group=name, gpus=gpus, run_seconds=run_seconds, grace_seconds=grace_seconds
                )
            )

    def remove(self, plural: str, name: str) -> None:
        self.ask("DELETE", f"{self._base(plural)}/{name}")

    def change(self, plural: str, name: str, body: Object) -> None:
        """Merge a change into an object's specification or metadata."""
        self.ask("PATCH", f"{self._base(plural)}/{name}", body, MERGE)

    def pods(self, prefix: str = "") -> dict[str, str]:
        """Where the pods are whose names begin so: node by pod name, empty while unbound."""
        found = self.server.objects.all("pods", self.namespace)
        placed = {pod["metadata"]["name"]: str(pod["spec"].get("nodeName", "")) for pod in found}
        return {name: node for name, node in placed.items() if name.startswith(prefix)}

    def status(self, group: str) -> Object:
        found = [each for each in self.server.objects.all("podgroups") if each["metadata"]["name"] == group]
        return dict(found[0].get("status", {}))

    # -- scheduler processes ---------------------------------------------------------------------------------------

    def start_scheduler(self) -> Process:
        """A process takes the lease. When it dies another one follows."""
        epoch = len(self.processes) + 1
        name = f"muster-{epoch}"
        process = Process(name, epoch, self.policy, self.server, self.chance, self.log, self._solve)
        process.interrupt = lambda effect, moment: self.interrupt(process, effect, moment)
        process.on_death = lambda: self.clock.after(RESTART_SECONDS, lambda: self._succeed(process))
        process.sent_survives = self.sent_survives
        self.processes.append(process)
        process.start()
        return process

    def _succeed(self, dead: Process) -> None:
        if self.processes[-1] is dead:
            self.start_scheduler()

    # -- time ------------------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        self.clock.run_until(self.clock.now_seconds + seconds)

    def run_until(self, reached: Callable[[], bool], limit_seconds: float) -> bool:
        """Run until something is so, looking once a virtual second; whether it came to be."""
        end_seconds = self.clock.now_seconds + limit_seconds
        while not reached() and self.clock.now_seconds < end_seconds:
            self.run(1.0)
        return reached()

    def _look(self) -> None:
        self.auditor.look()
        self.clock.after(1.0, self._look)

    def _bookmark(self) -> None:
        self.server.bookmark()
        self.clock.after(BOOKMARK_SECONDS, self._bookmark)

    def _note(self, change: Change) -> None:
        meta = change.object["metadata"]
        name = f"{change.kind.plural}/{meta.get('namespace', '')}/{meta['name']}"
        spec, status = change.object.get("spec", {}), change.object.get("status", {})
        state = spec.get("nodeName", "") if change.kind.plural == "pods" else status.get("assignment")
        text = f"{change.type} {name} {change.version} by {change.user}: {status.get('phase', '')} {state or ''}"
        self.log.note(self.clock.now_seconds, text.rstrip())

    def _base(self, plural: str) -> str:
        kind = KIND[plural]
        root = "/api/v1" if kind.api_version == "v1" else f"/apis/{kind.api_version}"
        return f"{root}/namespaces/{self.namespace}/{plural}" if kind.namespaced else f"{root}/{plural}"

    def _collection(self, body: Object) -> str:
        return self._base(next(kind.plural for kind in KIND.values() if kind.name == body["kind"]))


def improved_by_solver(request: SolveRequest) -> SolveResult:
    """The real solver in this process. OR-Tools is loaded on first use; give the policy a deterministic work budget."""
    from scheduler.solver.improve import solve

    best = SolveResult(incumbent=None, end="skipped")
    for result in solve(request):
        best = result if result.incumbent is not None else msgspec.structs.replace(result, incumbent=best.incumbent)
    return best
