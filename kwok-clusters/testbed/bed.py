"""A bed: one control plane of real processes, from `up` to `down`."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from testbed import bulk, registry
from testbed.build import ensure_binaries
from testbed.certificates import Authority
from testbed.control import Control
from testbed.errors import BedError, ComponentDiedError
from testbed.fleet import Fleet, load_fleet
from testbed.kubeconfig import write_kubeconfig
from testbed.launch import Supervisor, launch
from testbed.options import BedOptions, bed_name
from testbed.progress import Progress
from testbed.registry import Facts

DOWN_TIMEOUT_SECONDS = 15.0
SERVICE_ACCOUNT_TIMEOUT_SECONDS = 20.0
_POLL_SECONDS = 0.02

_T = TypeVar("_T")


class Bed:
    """A running bed. Its launcher ends it with `down` or by leaving the `with` block; so does the launcher's death."""

    def __init__(self, facts: Facts, supervisor: Supervisor | None = None) -> None:
        self.name = facts.name
        self.server = facts.server
        self.token = facts.token
        self.ca_file = Path(facts.ca_file)
        self.kubeconfig = Path(facts.kubeconfig)
        self.audit_log = Path(facts.audit_log) if facts.audit_log else None
        self.home = registry.home_of(facts.name)
        self.target = bulk.Target(self.server, self.token, self.ca_file)
        self._facts = facts
        self._control = Control(self.home)
        self._supervisor = supervisor

    @classmethod
    def up(cls, options: BedOptions, progress: Progress | None = None) -> Self:
        """Build what is missing, start the components and wait until they are ready; seconds, once built.

        Raises ComponentDiedError with the last log lines of a component that ends early, BedError for anything else a
        person can mend. Either way nothing is left running.
        """
        # A bad name or fleet is better told before minutes of building.
        name = bed_name(options.name)
        fleet = load_fleet(options.fleet) if options.fleet is not None else None
        binaries = ensure_binaries(progress)
        bed = cls(*launch(name, options, binaries))
        try:
            for components in (["etcd"], ["kube-apiserver"], _companions(options)):
                if progress is not None and components:
                    progress.done(f"starting {', '.join(components)}")
                bed._control.start(components)
            bed._prepare(options)
            if fleet is not None:
                bed.add_fleet(fleet)
        except BaseException:
            bed.down()
            raise
        return bed

    @classmethod
    def open(cls, name: str) -> Self:
        """A bed that another process started."""
        return cls(registry.read_facts(name))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def down(self) -> None:
        """End the bed and wait until its processes and files are gone. Doing it twice is no error."""
        # A supervisor that was killed cannot be asked, and has nothing left to end.
        with contextlib.suppress(BedError):
            self._control.down()
        registry.wait_until_gone(self.name, self._facts.supervisor_pid, DOWN_TIMEOUT_SECONDS)
        if self._supervisor is not None:
            self._supervisor.release()

    def detach(self) -> None:
        """Let the bed outlive this process; `Bed.open(name).down()` ends it."""
        self._control.detach()

    def kubectl(
        self,
        *arguments: str,
        input: str | None = None,  # noqa: A002 - as subprocess.run calls it
        check: bool = True,
        kubeconfig: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as admin, or as the user of another `kubeconfig`; raises BedError with what it said."""
        done = subprocess.run(
            self.kubectl_command(*arguments, kubeconfig=kubeconfig), input=input, capture_output=True, text=True
        )
        if check and done.returncode != 0:
            raise BedError(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done

    def kubectl_command(self, *arguments: str, kubeconfig: Path | None = None) -> list[str]:
        """The command line that runs kubectl against this bed."""
        # Its discovery cache goes with the bed: ports are used again, by other beds with other API groups.
        settings = [f"--kubeconfig={kubeconfig or self.kubeconfig}", f"--cache-dir={self.home / 'kubectl-cache'}"]
        return [self._facts.kubectl, *settings, *arguments]

    def apply(self, source: str | Path) -> None:
        """Apply manifests: a file, a folder, or the YAML text itself."""
        is_text = isinstance(source, str) and ("\n" in source or source.lstrip().startswith("{"))
        self.kubectl(
            "apply", "--server-side", "--force-conflicts", "--filename", "-" if is_text else str(source),
            input=str(source) if is_text else None,
        )  # fmt: skip

    def add_fleet(self, fleet: str | Path | Fleet) -> bulk.BulkResult:
        """Create the nodes of a fleet (a name in `fleets/` or a file), ready and with their resources."""
        return _in_own_loop(bulk.create(self.target, _fleet(fleet).nodes()))

    def remove_fleet(self, fleet: str | Path | Fleet) -> bulk.BulkResult:
        """Delete the nodes of a fleet; those that are gone already are no error."""
        nodes = _fleet(fleet).nodes()
        requests = (bulk.Request("DELETE", f"/api/v1/nodes/{node['metadata']['name']}") for node in nodes)
        return _in_own_loop(bulk.run(self.target, requests, accept=frozenset({404})))

    def create(self, objects: Sequence[dict[str, Any]]) -> bulk.BulkResult:
        """Create many objects at once over several connections."""
        return _in_own_loop(bulk.create(self.target, objects))

    def user_kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig whose client certificate says `user` and `groups`. What they may do is up to RBAC."""
        certificate, key = Authority(self.home / "certificates").client_certificate(user, groups)
        credentials = {"client-certificate": str(certificate), "client-key": str(key)}
        path = certificate.with_suffix(".kubeconfig")
        return write_kubeconfig(path, self.server, self.ca_file, user, credentials)

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a real token of an existing ServiceAccount, as its pod would carry it."""
        token = self.kubectl("create", "token", name, f"--namespace={namespace}").stdout.strip()
        path = self.home / f"service-account-{namespace}-{name}.kubeconfig"
        return write_kubeconfig(path, self.server, self.ca_file, f"{namespace}:{name}", {"token": token})

    def stop_component(self, name: str, signal_name: str = "SIGKILL") -> None:
        """End one component, e.g. `kube-apiserver`, and wait until it is gone. Its data and port stay reserved.

        The default is a crash. At SIGTERM, kube-apiserver first waits for its watchers, ten seconds at most here.
        """
        self._control.stop([name], signal_name)

    def start_component(self, name: str) -> None:
        """Start a component that was stopped, or that the bed came up without, and wait until it is ready."""
        self._control.start([name])

    def status(self) -> list[dict[str, Any]]:
        """One entry per component: name, state (absent, running, stopped, died), pid, message."""
        return self._control.status()

    def check(self) -> None:
        """Raise ComponentDiedError when a component ended that nobody stopped."""
        if died := [item["message"] for item in self.status() if item["state"] == "died"]:
            raise ComponentDiedError("\n".join(died))

    def pids(self) -> dict[str, int]:
        """Process ids of the running components by name, and of their `supervisor`."""
        running = {item["name"]: int(item["pid"]) for item in self.status() if item["pid"] is not None}
        return running | {"supervisor": self._facts.supervisor_pid}

    def logs(self, name: str) -> str:
        """All that a component has written so far; "" for one that never ran."""
        path = self.log_file(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def log_file(self, name: str) -> Path:
        """The file that a component's standard output and error go to."""
        return self.home / "logs" / f"{name}.log"

    def _prepare(self, options: BedOptions) -> None:
        """What a cluster has from the start and a bare API server has not."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}
        _in_own_loop(bulk.create(self.target, [namespace], accept=frozenset({409})))
        if options.controller_manager:
            # Until the account exists, admission refuses every pod of the namespace.
            deadline = time.monotonic() + SERVICE_ACCOUNT_TIMEOUT_SECONDS
            while self.kubectl("get", "serviceaccount", "default", check=False).returncode != 0:
                if time.monotonic() > deadline:
                    raise BedError("kube-controller-manager made no default ServiceAccount; see its log")
                time.sleep(_POLL_SECONDS)


def _companions(options: BedOptions) -> list[str]:
    chosen = {
        "kube-controller-manager": options.controller_manager,
        "kube-scheduler": options.kube_scheduler,
        "kwok": options.kwok,
    }
    return [name for name, wanted in chosen.items() if wanted]


def _fleet(fleet: str | Path | Fleet) -> Fleet:
    return fleet if isinstance(fleet, Fleet) else load_fleet(fleet)


def _in_own_loop(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine in a thread with a loop of its own, so that asynchronous tests may call it as well."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, work).result()
