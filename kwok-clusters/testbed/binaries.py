"""Which binaries a bed needs, and under which key their builds are cached."""

import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path

from testbed import locations

KUBERNETES_VERSION = "v1.37.1"

# Without -mod=readonly a build could rewrite go.sum; the other flags make a build depend on its sources alone.
GO_FLAGS = "-mod=readonly -trimpath -buildvcs=false"
BUILD_ENVIRONMENT = {"GOFLAGS": GO_FLAGS, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOWORK": "off"}

_STRIPPED = "-s -w"
# The first is what a binary reports and judges features by, the second what it calls itself to the API server.
_VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


@dataclass(frozen=True, slots=True)
class Module:
    """One upstream, pinned by a Go module of its own: the three pin different versions of each other."""

    name: str
    link_flags: str

    @property
    def folder(self) -> Path:
        return locations.MODULES / self.name


@dataclass(frozen=True, slots=True)
class Binary:
    """A command to build. `cold_seconds` is its measured share of a cold build, for the estimate of what is left."""

    name: str
    module: Module
    package: str
    cold_seconds: int


def _version_stamp(package: str) -> str:
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor}
    return " ".join(f"-X {package}.{name}={value}" for name, value in values.items())


ETCD = Module("etcd", _STRIPPED)
KUBERNETES = Module(
    "kubernetes",
    # Unstamped binaries call themselves v0.0.0-master, and some components misjudge features by that.
    " ".join([_STRIPPED, *(_version_stamp(package) for package in _VERSION_PACKAGES)]),
)
KWOK = Module("kwok", _STRIPPED)
MODULES = (ETCD, KUBERNETES, KWOK)

# In build order: kube-apiserver compiles most of what the three after it share.
BINARIES = (
    Binary("etcd", ETCD, "go.etcd.io/etcd/server/v3", 25),
    Binary("etcdctl", ETCD, "go.etcd.io/etcd/etcdctl/v3", 6),
    Binary("kube-apiserver", KUBERNETES, "k8s.io/kubernetes/cmd/kube-apiserver", 262),
    Binary("kube-controller-manager", KUBERNETES, "k8s.io/kubernetes/cmd/kube-controller-manager", 70),
    Binary("kube-scheduler", KUBERNETES, "k8s.io/kubernetes/cmd/kube-scheduler", 20),
    Binary("kubectl", KUBERNETES, "k8s.io/kubernetes/cmd/kubectl", 30),
    Binary("kwok", KWOK, "sigs.k8s.io/kwok/cmd/kwok", 88),
)


def content_key(module: Module, go_version: str) -> str:
    """Name of the cache folder of a module's binaries: the same inputs give the same key on every machine."""
    digest = hashlib.sha256()
    for part in (
        (module.folder / "go.mod").read_text(),
        (module.folder / "go.sum").read_text(),
        module.link_flags,
        repr(sorted(BUILD_ENVIRONMENT.items())),
        f"{platform.system()}/{platform.machine()}",
        go_version,
    ):
        # The length keeps two different splits of the same text apart.
        digest.update(f"{len(part)}:{part}".encode())
    return f"{module.name}-{digest.hexdigest()[:16]}"


def binary_paths(go_version: str) -> dict[str, Path]:
    """Where each binary lies, or will lie once it is built."""
    folders = {module: locations.cache_folder() / "bed" / content_key(module, go_version) for module in MODULES}
    return {binary.name: folders[binary.module] / binary.name for binary in BINARIES}
