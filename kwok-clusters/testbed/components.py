"""The command lines of a bed's components, and the files they read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from testbed import locations
from testbed.options import BedOptions

PORT_COUNT = 6

# With kube-controller-manager the bed has service accounts, and taints of nodes that are not ready.
_CONTROLLERS = (
    "namespace-controller",
    "clusterrole-aggregation-controller",
    "serviceaccount-controller",
    "garbage-collector-controller",
    "pod-garbage-collector-controller",
    "job-controller",
    "replicaset-controller",
    "deployment-controller",
    "statefulset-controller",
    "disruption-controller",
    "node-lifecycle-controller",
    "taint-eviction-controller",
    "ttl-after-finished-controller",
    "persistentvolume-binder-controller",
)

# Without kube-controller-manager nobody makes service accounts, and nobody would ever lift the taint of a new node.
_PLUGINS_OF_CONTROLLER_MANAGER = ("ServiceAccount", "TaintNodesByCondition")

# Bindings need the request: at Metadata level the target node is not in the record. So do statuses of queues, to show
# that each write says something new.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Request", "verbs": ["create"], "resources": [{"group": "", "resources": ["pods/binding"]}]},
        {"level": "Request", "verbs": ["patch"], "resources": [{"group": "*", "resources": ["queues/status"]}]},
        {"level": "Metadata", "verbs": ["create"], "resources": [{"group": "", "resources": ["pods/eviction"]}]},
        {
            "level": "Metadata",
            "verbs": ["delete", "deletecollection"],
            "resources": [{"group": "", "resources": ["pods"]}],
        },
        {
            "level": "Metadata",
            "verbs": ["update", "patch"],
            "resources": [{"group": "*", "resources": ["podgroups/status"]}],
        },
        {"level": "None"},
    ],
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Files and ports of one bed. Everything but etcd's data lies in `home`."""

    home: Path
    data: Path
    binaries: Mapping[str, Path]
    etcd_port: int
    etcd_peer_port: int
    api_port: int
    controller_manager_port: int
    scheduler_port: int
    kwok_port: int
    ca_file: Path
    server_certificate: Path
    server_key: Path
    service_account_public: Path
    service_account_key: Path

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def tokens(self) -> Path:
        return self.home / "tokens.csv"

    @property
    def audit_log(self) -> Path:
        return self.home / "logs" / "audit.log"

    def kubeconfig(self, user: str) -> Path:
        return self.home / f"{user}.kubeconfig"


def component_specs(layout: Layout, options: BedOptions) -> list[dict[str, Any]]:
    """What the supervisor needs of each component, whether it is started now or perhaps later."""
    return [
        _spec("etcd", layout, etcd_flags(layout), f"http://127.0.0.1:{layout.etcd_port}/health"),
        _spec("kube-apiserver", layout, apiserver_flags(layout, options), f"{layout.server}/readyz"),
        _spec(
            "kube-controller-manager",
            layout,
            controller_manager_flags(layout, options),
            f"https://127.0.0.1:{layout.controller_manager_port}/healthz",
        ),
        _spec(
            "kube-scheduler",
            layout,
            scheduler_flags(layout, options),
            f"https://127.0.0.1:{layout.scheduler_port}/healthz",
        ),
        _spec("kwok", layout, kwok_flags(layout), f"http://127.0.0.1:{layout.kwok_port}/healthz"),
    ]


def etcd_flags(layout: Layout) -> list[str]:
    """Without fsync: what a power cut would take from a bed, nobody misses."""
    client, peer = f"http://127.0.0.1:{layout.etcd_port}", f"http://127.0.0.1:{layout.etcd_peer_port}"
    return [
        "--name=bed",
        f"--data-dir={layout.data / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=bed={peer}",
        "--unsafe-no-fsync",
        "--quota-backend-bytes=8589934592",
        "--snapshot-count=100000",
        "--log-level=error",
    ]


def apiserver_flags(layout: Layout, options: BedOptions) -> list[str]:
    """kube-apiserver with RBAC, tokens from a file, and client certificates of the bed's own authority."""
    issuer = "https://kubernetes.default.svc"
    flags = [
        f"--etcd-servers=http://127.0.0.1:{layout.etcd_port}",
        "--bind-address=127.0.0.1",
        f"--secure-port={layout.api_port}",
        f"--cert-dir={layout.home / 'certificates'}",
        f"--tls-cert-file={layout.server_certificate}",
        f"--tls-private-key-file={layout.server_key}",
        f"--client-ca-file={layout.ca_file}",
        f"--token-auth-file={layout.tokens}",
        "--authorization-mode=RBAC",
        f"--service-account-issuer={issuer}",
        f"--api-audiences={issuer}",
        f"--service-account-key-file={layout.service_account_public}",
        f"--service-account-signing-key-file={layout.service_account_key}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--endpoint-reconciler-type=none",
        "--allow-privileged",
        "--event-ttl=5m",
    ]
    without = (*options.without_admission, *(() if options.controller_manager else _PLUGINS_OF_CONTROLLER_MANAGER))
    if without:
        flags.append(f"--disable-admission-plugins={','.join(without)}")
    if options.throughput:
        flags += [
            "--max-requests-inflight=0",
            "--max-mutating-requests-inflight=0",
            "--enable-priority-and-fairness=false",
        ]
    if options.audit:
        flags += [f"--audit-policy-file={layout.home / 'audit-policy.json'}", f"--audit-log-path={layout.audit_log}"]
    if options.runtime_config:
        flags.append(f"--runtime-config={','.join(options.runtime_config)}")
    return flags + _feature_gates(options)


def controller_manager_flags(layout: Layout, options: BedOptions) -> list[str]:
    """The controllers that tests lean on; nodes never time out, as their heartbeat is off."""
    return [
        f"--kubeconfig={layout.kubeconfig('system:kube-controller-manager')}",
        f"--service-account-private-key-file={layout.service_account_key}",
        f"--root-ca-file={layout.ca_file}",
        f"--controllers={','.join(_CONTROLLERS)}",
        "--use-service-account-credentials=false",
        "--kube-api-qps=5000",
        "--kube-api-burst=10000",
        "--node-monitor-grace-period=1h",
        "--leader-elect=false",
        *_serving_flags(layout, layout.controller_manager_port),
        *_feature_gates(options),
    ]


def scheduler_flags(layout: Layout, options: BedOptions) -> list[str]:
    """kube-scheduler; its configuration file lifts the client limits that would throttle it."""
    return [
        f"--config={layout.home / 'kube-scheduler.json'}",
        *_serving_flags(layout, layout.scheduler_port),
        *_feature_gates(options),
    ]


def kwok_flags(layout: Layout) -> list[str]:
    """kwok for all nodes, without node leases: a bed's heartbeat would cost more than its work."""
    return [
        f"--kubeconfig={layout.kubeconfig('kwok')}",
        f"--config={layout.home / 'kwok.yaml'}",
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=0",
        "--v=WARN",
        f"--server-address=127.0.0.1:{layout.kwok_port}",
    ]


def write_component_files(layout: Layout, options: BedOptions) -> None:
    """The configuration files that the command lines name."""
    (layout.home / "audit-policy.json").write_text(json.dumps(AUDIT_POLICY))
    scheduler = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {
            "kubeconfig": str(layout.kubeconfig("system:kube-scheduler")),
            "qps": 10000,
            "burst": 20000,
        },
        "leaderElection": {"leaderElect": False},
        **options.scheduler_configuration,
    }
    (layout.home / "kube-scheduler.json").write_text(json.dumps(scheduler))
    kwok = {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {"podPlayStageParallelism": 32, "nodePlayStageParallelism": 16},
    }
    stages = [path.read_text() for path in sorted(locations.STAGES.glob("*.yaml"))]
    (layout.home / "kwok.yaml").write_text("\n---\n".join([yaml.safe_dump(kwok), *stages]))


def _spec(name: str, layout: Layout, flags: list[str], ready_url: str) -> dict[str, Any]:
    return {
        "name": name,
        "arguments": [str(layout.binaries[name]), *flags],
        "ready_url": ready_url,
        "ca_file": str(layout.ca_file),
    }


def _serving_flags(layout: Layout, port: int) -> list[str]:
    return [
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={layout.server_certificate}",
        f"--tls-private-key-file={layout.server_key}",
        "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics",
    ]


def _feature_gates(options: BedOptions) -> list[str]:
    return [f"--feature-gates={','.join(options.feature_gates)}"] if options.feature_gates else []
