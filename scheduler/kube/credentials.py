"""Where the API server is and how to prove who we are: in a cluster, or from a kubeconfig.

Static kubeconfig entries are read here: loading the official client costs 1.4 s and 38 MB. An ``exec`` plugin or an
auth provider is left to the official client in a short-lived child process, which prints the token it gets.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class CredentialsError(Exception):
    """No usable credentials; the message names the file, the entry and the remedy."""


class Credentials(NamedTuple):
    """``token_file`` wins over ``token``; it has to be read again now and then, because such tokens rotate."""

    server: str
    ssl_context: ssl.SSLContext | bool
    token: str = ""
    token_file: Path | None = None

    def headers(self) -> dict[str, str]:
        token = self.token_file.read_text().strip() if self.token_file is not None else self.token
        return {"Authorization": f"Bearer {token}"} if token else {}


def in_cluster() -> Credentials | None:
    """The service account of the pod we run in; None outside a cluster."""
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
    if not host or not (SERVICE_ACCOUNT / "token").exists():
        return None
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    context = ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt"))
    return Credentials(f"https://{host}:{port}", context, token_file=SERVICE_ACCOUNT / "token")


def from_kubeconfig(path: Path, context_name: str = "") -> Credentials:
    """The credentials of a kubeconfig's context (empty: the current one)."""
    try:
        config = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise CredentialsError(f"kubeconfig {path} does not exist; name another with --kubeconfig") from None
    except (OSError, UnicodeDecodeError) as trouble:
        raise CredentialsError(f"kubeconfig {path} cannot be read: {trouble}") from None
    except yaml.YAMLError as trouble:
        mark = getattr(trouble, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        why = getattr(trouble, "problem", trouble)
        raise CredentialsError(f"kubeconfig {path} is not YAML{line}: {why}; name another with --kubeconfig") from None
    if not isinstance(config, dict):
        raise CredentialsError(f"kubeconfig {path} is not a kubeconfig: its top level must be a map")
    name = context_name or config.get("current-context") or ""
    context = _entry(path, config, "contexts", "context", name)
    cluster = _entry(path, config, "clusters", "cluster", context.get("cluster", ""))
    user = _entry(path, config, "users", "user", context.get("user", ""))
    server = cluster.get("server", "")
    if not server:
        raise CredentialsError(f"kubeconfig {path}: cluster {context.get('cluster')} has no server")
    token = user.get("token", "")
    token_file = path.parent / user["tokenFile"] if "tokenFile" in user else None
    if "exec" in user or "auth-provider" in user:
        token = _token_of_plugin(path, name)
    return Credentials(server.rstrip("/"), _ssl(path, cluster, user), token, token_file)


def _entry(path: Path, config: dict[str, Any], section: str, key: str, name: str) -> dict[str, Any]:
    for each in config.get(section) or ():
        if each.get("name") == name:
            return dict(each.get(key) or {})
    known = ", ".join(str(each.get("name")) for each in config.get(section) or ()) or "none"
    raise CredentialsError(f"kubeconfig {path}: no entry {name!r} under {section} (there are: {known})")


def _ssl(path: Path, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext | bool:
    if cluster.get("server", "").startswith("http://"):
        return False
    if cluster.get("insecure-skip-tls-verify"):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif "certificate-authority-data" in cluster:
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    elif "certificate-authority" in cluster:
        context = ssl.create_default_context(cafile=str(path.parent / cluster["certificate-authority"]))
    else:
        context = ssl.create_default_context()
    if "client-certificate-data" in user:
        _load_pair(context, user["client-certificate-data"], user.get("client-key-data", ""))
    elif "client-certificate" in user:
        context.load_cert_chain(path.parent / user["client-certificate"], path.parent / user.get("client-key", ""))
    return context


def _load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a client certificate from its base64 text: the ssl module reads files only, so in memory."""
    pair = base64.b64decode(certificate) + b"\n" + base64.b64decode(key)
    try:
        memory = os.memfd_create("client-certificate")
        os.write(memory, pair)
        context.load_cert_chain(f"/proc/self/fd/{memory}")
        os.close(memory)
    except (OSError, ssl.SSLError) as trouble:
        raise CredentialsError(f"the client certificate of the kubeconfig cannot be loaded: {trouble}") from None


_PLUGIN = """
import json, sys
from kubernetes import client, config
configuration = client.Configuration()
config.load_kube_config(sys.argv[1], context=sys.argv[2] or None, client_configuration=configuration)
token = configuration.get_api_key_with_prefix("authorization") or ""
print(json.dumps(token.removeprefix("Bearer ")))
"""


def _token_of_plugin(path: Path, context_name: str) -> str:
    command = [sys.executable, "-c", _PLUGIN, str(path), context_name]
    child = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if child.returncode != 0:
        last = child.stderr.strip().splitlines()[-1:] or ["no output"]
        raise CredentialsError(f"kubeconfig {path}: the credential plugin of {context_name} failed: {last[0]}")
    return str(json.loads(child.stdout))
