"""A connection to one API server, as a kubeconfig describes it: a token, or a client certificate."""

import base64
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from auditor.objects import Kind

CONNECT_TIMEOUT_SECONDS = 10.0


class KubeconfigError(Exception):
    """The kubeconfig cannot be used; the message says what is missing in which file."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the API server is and how to be let in."""

    server: str
    headers: Mapping[str, str]
    tls: ssl.SSLContext | bool

    def session(self) -> aiohttp.ClientSession:
        """A session for streams: only connecting is bounded in time. Watches are not compressed."""
        return aiohttp.ClientSession(
            base_url=self.server,
            headers={"Accept": "application/json", "Accept-Encoding": "identity", **self.headers},
            connector=aiohttp.TCPConnector(ssl=self.tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_SECONDS),
            read_bufsize=1 << 20,
        )


def path_of(kind: Kind) -> str:
    """The URL path of a kind, over all namespaces."""
    return f"/api/v1/{kind}" if kind in ("pods", "nodes") else f"/apis/muster.dev/v1alpha1/{kind}"


def read_kubeconfig(path: Path) -> Cluster:
    """The current context of a kubeconfig. Raises KubeconfigError; exec and auth-provider entries are not supported."""
    try:
        config = yaml.safe_load(path.read_text())
        context = _entry(config, "contexts", "context", config["current-context"])
        cluster = _entry(config, "clusters", "cluster", context["cluster"])
        user = _entry(config, "users", "user", context["user"])
        server = str(cluster["server"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise KubeconfigError(f"{path}: not a usable kubeconfig: {error!r}") from error
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    tls = _tls(path.parent, cluster, user) if server.startswith("https:") else True
    return Cluster(server, headers, tls)


def _entry(config: Any, plural: str, singular: str, name: str) -> dict[str, Any]:
    for entry in config[plural]:
        if entry["name"] == name:
            return dict(entry[singular])
    raise KeyError(f"{plural}[name={name}]")


def _tls(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    authority = _bytes(folder, cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    certificate, key = _bytes(folder, user, "client-certificate"), _bytes(folder, user, "client-key")
    if certificate and key:
        # The ssl module loads a client certificate from a file only.
        with tempfile.NamedTemporaryFile() as both:
            both.write(certificate + b"\n" + key)
            both.flush()
            context.load_cert_chain(both.name)
    return context


def _bytes(folder: Path, entry: dict[str, Any], name: str) -> bytes | None:
    if f"{name}-data" in entry:
        return base64.b64decode(entry[f"{name}-data"])
    return (folder / entry[name]).read_bytes() if name in entry else None
