"""Our kinds on a bed, and single requests to its API server for tests that look at the answer itself.

kubectl reads before it writes, so it can neither show that one verb alone is allowed nor that one alone is refused.
"""

import json
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import yaml
from testbed import Bed

CRDS = Path(__file__).parents[2] / "manifests" / "crds"
KINDS_PATH = "/apis/muster.dev/v1alpha1"
TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 0.1
MERGE = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status code, and the decoded object or the Status that says why not."""

    code: int
    body: dict[str, Any]

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))


@dataclass(frozen=True, slots=True)
class RawApi:
    """One user of one API server."""

    server: str
    token: str
    ca_file: Path

    @classmethod
    def admin(cls, bed: Bed) -> Self:
        return cls(bed.server, bed.token, bed.ca_file)

    @classmethod
    def service_account(cls, bed: Bed, namespace: str, name: str) -> Self:
        """The account of a pod, with a token of its own."""
        (user,) = yaml.safe_load(bed.service_account_kubeconfig(namespace, name).read_text())["users"]
        return cls(bed.server, user["user"]["token"], bed.ca_file)

    def send(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Answer:
        """One request; a refusal is an answer, not an error."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data, headers, method=method)
        context = ssl.create_default_context(cafile=str(self.ca_file))
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=context) as response:
                return Answer(response.status, json.load(response))
        except urllib.error.HTTPError as refusal:
            with refusal:
                return Answer(refusal.code, json.load(refusal))

    def put(self, path: str, document: dict[str, Any]) -> Answer:
        """Create the object at `path`, or change its fields if it exists; an unknown field is refused."""
        collection, _, _ = path.rpartition("/")
        created = self.send("POST", f"{collection}?fieldValidation=Strict", document)
        return (
            created if created.code != HTTPStatus.CONFLICT else self.merge(f"{path}?fieldValidation=Strict", document)
        )

    def merge(self, path: str, body: object) -> Answer:
        """Change the given fields only."""
        return self.send("PATCH", path, body, MERGE)


def install_kinds(bed: Bed) -> None:
    """Apply the custom resources and wait until they are discovered and serve.

    An established kind is not yet both: discovery lags, and a list answers 429 "storage is (re)initializing".
    """
    bed.apply(CRDS)
    names = {path.stem for path in CRDS.glob("*.yaml")}
    api = RawApi.admin(bed)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not (
        _discovered(bed) == names and all(api.send("GET", f"{KINDS_PATH}/{name}").code == 200 for name in names)
    ):
        assert time.monotonic() < deadline, f"of {names} only {_discovered(bed)} are discovered, or one does not list"
        time.sleep(POLL_SECONDS)


def _discovered(bed: Bed) -> set[str]:
    # Also renews the discovery cache of kubectl, which get and explain read.
    listed = bed.kubectl("api-resources", "--api-group=muster.dev", "--output=name").stdout.split()
    return {name.removesuffix(".muster.dev") for name in listed}
