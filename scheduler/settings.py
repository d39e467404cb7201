"""Settings of the running process: from flags, else from the environment (``MUSTER_...``), else their defaults."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Literal
from uuid import uuid4

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

PORT_MAX = 65535

_ENDPOINT = re.compile(r"unix:.+|(?P<host>[^\s/]+|dns:///[^\s/]+):(?P<port>[0-9]{1,5})")


def _own_identity() -> str:
    """The pod's name in a cluster (a restarted container of it resumes at once), else a name of this process alone."""
    return os.environ.get("POD_NAME") or f"{socket.gethostname()}-{uuid4().hex[:8]}"


class Settings(BaseSettings):
    """Each field is a flag of ``muster run`` too; units stand last in the names."""

    model_config = SettingsConfigDict(env_prefix="MUSTER_", frozen=True)

    kubeconfig: Path | None = Field(None, description="kubeconfig file; unset: in-cluster, else $KUBECONFIG")
    context: str = Field("", description="context of the kubeconfig; empty: its current one")
    scheduler_name: str = Field("muster", description="pods with this spec.schedulerName are ours")
    policy: Path | None = Field(None, description="policy file; unset: the default policy")
    lease_namespace: str = Field("muster-system", description="namespace of the leader election lease")
    lease_name: str = Field("muster", description="name of the leader election lease")
    identity: str = Field(default_factory=_own_identity, description="our name on the lease")
    lease_duration_seconds: float = Field(15.0, ge=1, description="how long a lease holds without renewal")
    connections: int = Field(24, ge=1, le=256, description="connections to the API server for effects")
    solver_endpoint: str = Field("", description="host:port or unix:PATH of a solver; empty: start one ourselves")
    listen: str = Field(
        "127.0.0.1:8080",
        pattern=r"^$|^(.*:)?[0-9]{1,5}$",
        description="address of /metrics, /healthz and /readyz; empty: none",
    )
    log_format: Literal["console", "json"] = Field("console", description="console or json")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")

    @field_validator("solver_endpoint")
    @classmethod
    def _is_an_address(cls, given: str) -> str:
        """gRPC would take any text for a name to look up, and the scheduler would wait for it without end."""
        found = _ENDPOINT.fullmatch(given)
        if given and (found is None or not 0 < int(found["port"] or 1) <= PORT_MAX):
            raise PydanticCustomError(
                "endpoint",
                "'{given}' is no address of a solver; write host:port or unix:PATH, or leave it out to start one",
                {"given": given},
            )
        return given
