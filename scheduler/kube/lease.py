"""Leader election on a coordination.k8s.io Lease, as client-go does it, with the transition count as our epoch.

A holder that finds its own identity on the lease at its start takes a new transition too: what an earlier process of
that name had on its way must be told apart from ours.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import msgspec
import structlog

from scheduler.kube.client import ApiClient, UnreachableError
from scheduler.wire.requests import Request, message_of

_encode = msgspec.json.Encoder().encode


class LeaseSettings(msgspec.Struct, frozen=True):
    namespace: str = "muster-system"
    name: str = "muster"
    identity: str = "muster"
    duration_seconds: float = 15.0
    renew_deadline_seconds: float = 10.0
    retry_seconds: float = 2.0


class LeaseRefusedError(Exception):
    """The lease can never be had as things stand: no namespace, or no permission. The message names the remedy."""


class Elector:
    """Holds, or waits for, the lease. Calls ``gained(epoch)`` and ``lost()`` as that changes."""

    def __init__(
        self, client: ApiClient, settings: LeaseSettings, gained: Callable[[int], None], lost: Callable[[], None]
    ) -> None:
        self._client = client
        self._settings = settings
        self._gained = gained
        self._lost = lost
        self._log = structlog.get_logger("lease")
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{settings.namespace}/leases"
        self._seen: tuple[str, str] = ("", "")
        self._seen_at = 0.0
        self._renewed_at = 0.0
        self._refusal = ""
        self._epoch = 0
        self.leading = False

    async def run(self) -> None:
        """Until cancelled, or until a right was missing for a whole lease duration (LeaseRefusedError): a server that
        has just started also refuses what it will allow once it has read its rules."""
        allowed_at = monotonic()
        while True:
            started = monotonic()
            self._refusal = ""
            held = await self._try_in_time()
            now = monotonic()
            if not self._refusal:
                allowed_at = now
            elif now - allowed_at > self._settings.duration_seconds:
                raise LeaseRefusedError(self._refusal)
            if held:
                self._renewed_at = started
            elif self.leading and self._seconds_left() <= 0:
                self.leading = False
                self._log.error("lease lost", reason="not renewed in time")
                self._lost()
            pause_seconds = self._settings.retry_seconds
            await asyncio.sleep(min(pause_seconds, self._seconds_left()) if self.leading else pause_seconds)

    def _seconds_left(self) -> float:
        """Until the renew deadline: from then on somebody else may lead soon, so we must not."""
        return max(0.0, self._renewed_at + self._settings.renew_deadline_seconds - monotonic())

    async def _try_in_time(self) -> bool:
        """A try that ends at the renew deadline, however slow the server is."""
        if not self.leading:
            return await self._try()
        try:
            async with asyncio.timeout(self._seconds_left()):
                return await self._try()
        except TimeoutError:
            return False

    async def release(self) -> None:
        """Give the lease up, so that a successor need not wait for it to expire."""
        if not self.leading:
            return
        self.leading = False
        try:
            status, body = await self._client.get(f"{self._path}/{self._settings.name}")
            if status == 200:
                lease = msgspec.json.decode(body)
                if lease["spec"].get("holderIdentity") == self._settings.identity:
                    lease["spec"]["holderIdentity"] = ""
                    lease["spec"]["leaseDurationSeconds"] = 1
                    await self._client.send(
                        Request("PUT", f"{self._path}/{self._settings.name}", _encode(lease)), urgent=True
                    )
        except UnreachableError as trouble:
            self._log.warning("lease not released", error=str(trouble))

    async def _try(self) -> bool:
        """One attempt to take or renew the lease; False when somebody else holds it or the server is away."""
        try:
            status, body = await self._client.get(f"{self._path}/{self._settings.name}")
            if status == 404:
                return await self._create()
            if status != 200:
                self._refuse(status, body)
                return False
            return await self._update(msgspec.json.decode(body))
        except UnreachableError as trouble:
            self._log.warning("lease not reachable", error=str(trouble))
            return False

    async def _create(self) -> bool:
        """Make the lease; deleted while we held it, it is lost like any other, and epochs go on growing."""
        if self.leading:
            self.leading = False
            self._log.error("lease lost", reason="it was deleted")
            self._lost()
        epoch = self._epoch + 1
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._settings.name, "namespace": self._settings.namespace},
            "spec": self._spec(epoch, datetime.now(UTC)),
        }
        status, body = await self._client.send(Request("POST", self._path, _encode(lease)), urgent=True)
        if status == 404:
            raise LeaseRefusedError(
                f"namespace {self._settings.namespace} for the lease does not exist; create it "
                "(manifests/namespace.yaml), or name another with --lease-namespace"
            )
        if status >= 300:
            self._refuse(status, body)
            return False
        self._lead(epoch)
        return True

    def _refuse(self, status: int, body: bytes) -> None:
        said = message_of(body)
        if status in (401, 403):
            self._refusal = f"no permission on the lease {self._settings.namespace}/{self._settings.name}: {said}"
        if status != 409:
            self._log.warning("lease refused", status=status, answer=said)

    async def _update(self, lease: dict[str, Any]) -> bool:
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        seen = (holder, spec.get("renewTime") or "")
        if seen != self._seen:
            self._seen, self._seen_at = seen, monotonic()
        ours = holder == self._settings.identity
        duration = float(spec.get("leaseDurationSeconds") or 0)
        if holder and not ours:
            if self.leading:
                self.leading = False
                self._log.error("lease lost", holder=holder)
                self._lost()
            if monotonic() - self._seen_at < duration:
                return False
        epoch = int(spec.get("leaseTransitions") or 0) + (0 if self.leading else 1)
        now = datetime.now(UTC)
        acquired = spec.get("acquireTime") if self.leading else None
        lease["spec"] = self._spec(epoch, now, acquired)
        status, body = await self._client.send(
            Request("PUT", f"{self._path}/{self._settings.name}", _encode(lease)), urgent=True
        )
        if status >= 300:
            self._refuse(status, body)
            return False
        if not self.leading:
            self._lead(epoch)
        return True

    def _lead(self, epoch: int) -> None:
        self.leading = True
        self._epoch = epoch
        self._renewed_at = monotonic()
        self._log.info("leading", epoch=epoch, identity=self._settings.identity)
        self._gained(epoch)

    def _spec(self, epoch: int, now: datetime, acquired: str | None = None) -> dict[str, Any]:
        stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "holderIdentity": self._settings.identity,
            "leaseDurationSeconds": math.ceil(self._settings.duration_seconds),
            "acquireTime": acquired or stamp,
            "renewTime": stamp,
            "leaseTransitions": epoch,
        }
