"""Many requests to the API server over a few connections: how fleets and workloads are made in seconds."""

import asyncio
import json
import ssl
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from testbed.errors import BedError

# Measured against one kube-apiserver: 16 to 32 connections saturate it, more slow it down.
CONNECTIONS = 16
ATTEMPTS = 5
REQUEST_TIMEOUT_SECONDS = 60.0
_FIRST_BACKOFF_SECONDS = 0.2
_SHOWN_FAILURES = 3
# Both say that the request was not carried out; after any other failure a repeated create might meet its own work.
_RETRIED_STATUS = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Target:
    """An API server and how to authenticate to it."""

    server: str
    token: str
    ca_file: Path

    def session(self, connections: int = CONNECTIONS) -> aiohttp.ClientSession:
        """A session bound to this server; close it with `async with`."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        return aiohttp.ClientSession(
            base_url=self.server,
            connector=aiohttp.TCPConnector(ssl=context, limit=connections, limit_per_host=connections),
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS),
        )


@dataclass(frozen=True, slots=True)
class Request:
    """One call: method, path under the server, and the encoded body."""

    method: str
    path: str
    body: bytes | None = None
    content_type: str = "application/json"


@dataclass(slots=True)
class BulkResult:
    """How a bulk run went: answers by status code (0 for none at all), and its wall time."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def count(self) -> int:
        return self.statuses.total()

    @property
    def per_second(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0


async def run(
    target: Target, requests: Iterable[Request], *, connections: int = CONNECTIONS, accept: frozenset[int] = frozenset()
) -> BulkResult:
    """Send all requests, each connection taking the next one when it is free, so they start in the given order.

    An overloaded or absent server is asked again a few times. Answers other than 2xx raise BedError, once all requests
    are through, except the status codes in `accept` (409 for "may exist already", 404 for "may be gone already").
    """
    result = BulkResult()
    failures: list[str] = []
    source = iter(requests)
    started = time.monotonic()
    async with target.session(connections) as session:

        async def work() -> None:
            for request in source:
                status, text = await _send(session, request, _RETRIED_STATUS - accept)
                result.statuses[status] += 1
                if not (200 <= status < 300 or status in accept):
                    failures.append(f"{request.method} {request.path}: {status} {text}")

        async with asyncio.TaskGroup() as workers:
            for _ in range(connections):
                workers.create_task(work())
    result.seconds = time.monotonic() - started
    if failures:
        shown = "\n  ".join(failures[:_SHOWN_FAILURES])
        raise BedError(f"{len(failures)} of {result.count} requests failed:\n  {shown}")
    return result


async def create(
    target: Target,
    objects: Iterable[Mapping[str, Any]],
    *,
    connections: int = CONNECTIONS,
    accept: frozenset[int] = frozenset(),
) -> BulkResult:
    """Create Kubernetes objects of any kind, in order; see `run`."""
    requests = (Request("POST", collection_path(item), json.dumps(item).encode()) for item in objects)
    return await run(target, requests, connections=connections, accept=accept)


def collection_path(item: Mapping[str, Any]) -> str:
    """The path that an object is POSTed to; namespaced when its metadata names a namespace."""
    group_version, kind = item["apiVersion"], str(item["kind"]).lower()
    root = f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"
    if kind.endswith("y"):
        plural = kind[:-1] + "ies"
    elif kind.endswith(("s", "x", "ch")):
        plural = kind + "es"
    else:
        plural = kind + "s"
    namespace = item["metadata"].get("namespace")
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


async def _send(session: aiohttp.ClientSession, request: Request, retried: frozenset[int]) -> tuple[int, str]:
    """Status code and, of a failure, what the server says about it."""
    headers = {"Content-Type": request.content_type}
    backoff_seconds = _FIRST_BACKOFF_SECONDS
    for attempts_left in reversed(range(ATTEMPTS)):
        try:
            async with session.request(request.method, request.path, data=request.body, headers=headers) as response:
                # The body of a success is not worth parsing, but must be read for the connection to be used again.
                body = await response.read()
                answer = response.status, "" if response.ok else _message(body)
        except aiohttp.ClientConnectorError as error:
            answer = 0, str(error)
        except (aiohttp.ClientError, TimeoutError) as error:
            return 0, f"{type(error).__name__}: {error}"
        if answer[0] not in retried | {0} or not attempts_left:
            return answer
        await asyncio.sleep(backoff_seconds)
        backoff_seconds *= 2
    raise AssertionError("the last attempt returns")


def _message(body: bytes) -> str:
    """What a Status object says; the start of the body when it is none."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:300].decode(errors="replace")
