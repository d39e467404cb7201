"""What the watcher says when nobody answers: once for all kinds, each time that they try again."""

from __future__ import annotations

import asyncio
import socket

import structlog

from scheduler.kube.client import ApiClient
from scheduler.kube.credentials import Credentials
from scheduler.kube.watch import Watcher
from scheduler.wire.decode import Decoder


def test_a_server_that_is_away_is_one_line_for_all_kinds() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and never listening: connections are refused
        server = f"http://127.0.0.1:{closed.getsockname()[1]}"

        async def until_tried_twice() -> None:
            async with ApiClient(Credentials(server, ssl_context=False)) as client:
                watching = asyncio.create_task(Watcher(client, Decoder("muster"), lambda _: None).run())
                while len(lines) < 2:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.1)
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

        with structlog.testing.capture_logs() as lines:
            asyncio.run(asyncio.wait_for(until_tried_twice(), 10))
    assert [(line["event"], line["retry_seconds"]) for line in lines] == [
        ("API server away", 0.5),
        ("API server away", 1.0),
    ]
    assert all("Connect call failed" in line["error"] for line in lines)
