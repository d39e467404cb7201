"""In which order effects become requests."""

from __future__ import annotations

import asyncio

from scheduler.kube.client import ApiClient
from scheduler.kube.credentials import Credentials
from scheduler.kube.perform import Performer
from scheduler.model.effects import Bind, Effect, GroupStatus, Tell, WriteStatus
from scheduler.model.work import GangKey
from scheduler.wire.requests import Request


class Server(ApiClient):
    """Says yes to everything; remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(Credentials("https://nowhere", ssl_context=False))
        self.paths: list[str] = []

    async def send(self, request: Request, *, urgent: bool = False) -> tuple[int, bytes]:
        await asyncio.sleep(0)
        self.paths.append(request.path)
        return 201, b'{"metadata":{"resourceVersion":"2"}}'


async def performed(effects: list[Effect]) -> list[str]:
    server = Server()
    performer = Performer(server, lambda _: None)
    await performer.open()
    performer.take(effects)
    working = asyncio.create_task(performer.run())
    while performer.waiting or performer.in_flight:
        await asyncio.sleep(0)
    working.cancel()
    return server.paths


def test_a_status_does_not_wait_behind_events() -> None:
    """A gang goes on when its status is written, and thousands may be told of meanwhile."""
    tells = [Tell("Pod", "team", f"p{number}", f"uid-{number}", "Preempted", "Evicting", "why") for number in range(9)]
    status = WriteStatus("team", "gang", "1", GroupStatus("Preparing", 0, 0.0, 1))
    paths = asyncio.run(performed([*tells, status]))
    assert len(paths) == 10
    assert paths[0].endswith("/podgroups/gang/status")


async def still_unsaid(phase: str) -> bool:
    """Whether a gang's status waits while more binds are to be made than there are connections."""
    server = Server()
    performer = Performer(server, lambda _: None, workers=1)
    await performer.open()
    binds = [Bind("team", f"p{number}", f"uid-{number}", "1", "n1", GangKey("team/gang")) for number in range(50)]
    performer.take([*binds, WriteStatus("team", "gang", "1", GroupStatus(phase, 0, 0.0, 1))])
    working = asyncio.create_task(performer.run())
    while len(server.paths) < 40:
        await asyncio.sleep(0)
    working.cancel()
    return not any("podgroups" in path for path in server.paths)


def test_only_a_gang_that_runs_has_time_for_its_status() -> None:
    assert not asyncio.run(still_unsaid("Preparing"))
    assert asyncio.run(still_unsaid("Running"))
