"""One way to talk to an API server, and its two kinds: the simulated one and the real one of the test bed."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from scheduler.sim.refusal import Refused
from scheduler.sim.server import ApiServer
from scheduler.wire.requests import JSON, Request

Object = dict[str, Any]

SECONDS_PER_STREAM = 5.0
"""How long a stream of the real server is read for the line that a story waits for."""

TRIES = 5


class StreamRefused(Exception):  # noqa: N818 - an answer of the server, not an error of the program
    """The server would not open a watch."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Api(Protocol):
    def call(self, method: str, path: str, body: Any = None, content_type: str = JSON) -> tuple[int, Object]:
        """One request: (HTTP status, the answer's JSON)."""
        ...

    def lines(self, path: str, enough: Callable[[list[Object]], bool]) -> list[Object]:
        """Open a watch and read its lines until there are enough; the stream is closed then. `StreamRefused`."""
        ...

    def wait(self) -> None:
        """Give the controllers of the cluster a moment."""
        ...


class SimulatedApi:
    def __init__(self, server: ApiServer) -> None:
        self.server = server

    def call(self, method: str, path: str, body: Any = None, content_type: str = JSON) -> tuple[int, Object]:
        data = b"" if body is None else json.dumps(body).encode()
        answer = self.server.handle(Request(method, path, data, content_type), "story")
        return answer.status, json.loads(answer.body)

    def lines(self, path: str, enough: Callable[[list[Object]], bool]) -> list[Object]:
        found: list[Object] = []
        try:
            self.server.watch(path, lambda line: found.append(json.loads(line))).close()
        except Refused as refusal:
            raise StreamRefused(refusal.code) from None
        assert enough(found), f"the stream of {path} said only {found}"
        return found

    def wait(self) -> None:
        self.server.clock.run_until(self.server.clock.now_seconds + 1.0)


class RealApi:
    def __init__(self, server: str, token: str, ca_file: Path) -> None:
        self._address = urlsplit(server).netloc
        self._headers = {"Authorization": f"Bearer {token}", "Accept": JSON}
        self._tls = ssl.create_default_context(cafile=str(ca_file))

    def call(self, method: str, path: str, body: Any = None, content_type: str = JSON) -> tuple[int, Object]:
        connection = self._connect()
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, self._headers | {"Content-Type": content_type})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def lines(self, path: str, enough: Callable[[list[Object]], bool]) -> list[Object]:
        connection = self._connect()
        found: list[Object] = []
        try:
            answer = self._open(connection, path)
            if answer.status != 200:
                raise StreamRefused(answer.status)
            while not enough(found):
                line = answer.readline()
                assert line, f"the stream of {path} ended after {found}"
                found.append(json.loads(line))
        except TimeoutError:
            raise AssertionError(f"the stream of {path} said only {found}") from None
        finally:
            connection.close()
        return found

    def wait(self) -> None:
        time.sleep(0.2)

    def _open(self, connection: http.client.HTTPSConnection, path: str) -> http.client.HTTPResponse:
        """The cache of a kind that was just defined is not filled yet: the server asks to come again (429)."""
        for _ in range(TRIES):
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            if answer.status != 429:
                break
            answer.read()
            time.sleep(float(answer.headers.get("Retry-After", "1")))
        return answer

    def _connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._address, timeout=SECONDS_PER_STREAM, context=self._tls)
