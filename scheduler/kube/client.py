"""Requests to one API server over a bounded number of connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from scheduler.kube.credentials import Credentials
from scheduler.wire.requests import JSON, Request

REQUEST_SECONDS_MAX = 4.0
"""Shorter than lease duration less renew deadline (15 s - 10 s), so that no request outlives our lease."""

TOKEN_SECONDS = 60.0


class UnreachableError(Exception):
    """No answer: the request may or may not have happened."""


class ApiClient:
    """A thin session: raw bytes in, (status, raw bytes) out. Use as an async context manager.

    What must not wait behind effects (the lease, a look whether the server is there) takes ``urgent`` connections.
    """

    def __init__(
        self, credentials: Credentials, connections: int = 24, request_seconds: float = REQUEST_SECONDS_MAX
    ) -> None:
        self._timeout = aiohttp.ClientTimeout(total=request_seconds)
        self._credentials = credentials
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._streams: aiohttp.ClientSession | None = None
        self._urgent: aiohttp.ClientSession | None = None
        self._headers: dict[str, str] = {}
        self._read_at = float("-inf")
        self.calls = 0

    async def __aenter__(self) -> Self:
        self._session = self._new_session(self._connections + 2)
        self._streams = self._new_session(0)
        self._urgent = self._new_session(2)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in (self._session, self._streams, self._urgent):
            if session is not None:
                await session.close()

    @property
    def server(self) -> str:
        return self._credentials.server

    def _new_session(self, connections: int) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=connections, ssl=self._credentials.ssl_context, keepalive_timeout=60)
        return aiohttp.ClientSession(connector=connector, auto_decompress=True, cookie_jar=aiohttp.DummyCookieJar())

    async def send(self, request: Request, *, urgent: bool = False) -> tuple[int, bytes]:
        """Perform one request; `UnreachableError` when there was no whole answer in time."""
        session = self._urgent if urgent else self._session
        assert session is not None
        self.calls += 1
        try:
            headers = {**self._authorization(), "Content-Type": request.content_type}
            async with session.request(
                request.method,
                URL(self._credentials.server + request.path, encoded=True),
                data=request.body or None,
                headers=headers,
                timeout=self._timeout,
            ) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as trouble:
            raise UnreachableError(f"{type(trouble).__name__}: {trouble}") from trouble

    def _authorization(self) -> dict[str, str]:
        """The headers that say who we are, read again now and then because service account tokens rotate."""
        now = monotonic()
        if now - self._read_at > TOKEN_SECONDS:
            self._headers, self._read_at = self._credentials.headers(), now
        return self._headers

    async def get(self, path: str) -> tuple[int, bytes]:
        return await self.send(Request("GET", path, b"", JSON), urgent=True)

    @asynccontextmanager
    async def stream(self, path: str, quiet_seconds: float) -> AsyncIterator[aiohttp.ClientResponse]:
        """A response to be read as it comes; reading fails with TimeoutError after a silence of ``quiet_seconds``."""
        assert self._streams is not None
        self.calls += 1
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS_MAX, sock_read=quiet_seconds)
        # A streamed list would be compressed, and every event after it by itself: that costs more than it saves.
        headers = {**self._authorization(), "Accept-Encoding": "identity"}
        async with self._streams.get(self._credentials.server + path, headers=headers, timeout=timeout) as answer:
            try:
                yield answer
            finally:
                # Left in its middle, a stream says no goodbye: the TLS farewell would outlive the session.
                if answer.connection is not None and answer.connection.transport is not None:
                    answer.connection.transport.abort()
