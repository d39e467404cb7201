"""From options to a running supervisor: the home of a bed with all its files, its ports and its lock."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from testbed import locations, registry
from testbed.certificates import Authority, write_service_account_keys
from testbed.components import PORT_COUNT, Layout, component_specs, write_component_files
from testbed.errors import BedError
from testbed.kubeconfig import write_kubeconfig
from testbed.options import BedOptions
from testbed.ports import reserve_ports
from testbed.registry import Facts

ADMIN = "admin"
# Each component is a user of its own, so that an audit log tells who did what.
TOKEN_USERS = (ADMIN, "kwok", "system:kube-controller-manager", "system:kube-scheduler")
START_TIMEOUT_SECONDS = 10.0
_POLL_SECONDS = 0.02


class Supervisor:
    """The supervisor as its launcher sees it: a child process and the pipe whose closing ends the bed."""

    def __init__(self, home: Path, held: list[int]) -> None:
        """Start it in a session of its own, out of the terminal's reach. It inherits the descriptors in `held`."""
        reading, self._lifeline = os.pipe()
        script = Path(__file__).with_name("supervisor.py")
        log_file = home / "logs" / "supervisor.log"
        with log_file.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(script), str(home)],
                stdin=reading,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=held,
            )
        os.close(reading)
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not (home / "control.sock").exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                raise BedError(f"the supervisor of the bed did not start: {log_file.read_text()}")
            time.sleep(_POLL_SECONDS)

    @property
    def pid(self) -> int:
        return self._process.pid

    def release(self) -> None:
        """Close the lifeline and wait for the end of the process, which the closing brings about."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        self._process.wait()


def launch(name: str, options: BedOptions, binaries: Mapping[str, Path]) -> tuple[Facts, Supervisor]:
    """Write a bed's files and start its supervisor, which as yet has nothing running."""
    home, lock = registry.claim(name)
    held = [lock]
    try:
        data = Path(tempfile.mkdtemp(prefix=f"muster-bed-{name}-", dir=locations.data_parent(home)))
        # Noted at once, so that a later sweep finds the data of a bed that was killed half-way.
        registry.note_data_folder(home, data)
        ports, port_locks = reserve_ports(PORT_COUNT, locations.beds_folder() / "ports")
        held += port_locks
        layout = _layout(home, data, binaries, ports)
        tokens = _write_users(layout)
        write_component_files(layout, options)
        components = {"data": str(data), "components": component_specs(layout, options)}
        (home / "components.json").write_text(json.dumps(components))
        supervisor = Supervisor(home, held)
        facts = Facts(
            name=name,
            server=layout.server,
            token=tokens[ADMIN],
            ca_file=str(layout.ca_file),
            kubeconfig=str(layout.kubeconfig(ADMIN)),
            audit_log=str(layout.audit_log) if options.audit else None,
            kubectl=str(binaries["kubectl"]),
            supervisor_pid=supervisor.pid,
            options=asdict(options) | {"fleet": str(options.fleet) if options.fleet else None},
        )
        registry.write_facts(home, facts)
    except BaseException:
        registry.remove_files(home)
        raise
    else:
        return facts, supervisor
    finally:
        # The supervisor holds its own copies; without ours, its death frees the name and the ports.
        for descriptor in held:
            os.close(descriptor)


def _layout(home: Path, data: Path, binaries: Mapping[str, Path], ports: list[int]) -> Layout:
    folder = home / "certificates"
    authority = Authority(folder)
    server_certificate, server_key = authority.server_certificate()
    service_account_public, service_account_key = write_service_account_keys(folder)
    etcd, etcd_peer, api, controller_manager, scheduler, kwok = ports
    return Layout(
        home=home,
        data=data,
        binaries=binaries,
        etcd_port=etcd,
        etcd_peer_port=etcd_peer,
        api_port=api,
        controller_manager_port=controller_manager,
        scheduler_port=scheduler,
        kwok_port=kwok,
        ca_file=authority.ca_file,
        server_certificate=server_certificate,
        server_key=server_key,
        service_account_public=service_account_public,
        service_account_key=service_account_key,
    )


def _write_users(layout: Layout) -> dict[str, str]:
    """Write the token file and one kubeconfig per user; returns tokens by user."""
    tokens = {user: secrets.token_urlsafe(24) for user in TOKEN_USERS}
    layout.tokens.touch(mode=0o600)
    layout.tokens.write_text("".join(f'{token},{user},{user},"system:masters"\n' for user, token in tokens.items()))
    for user, token in tokens.items():
        write_kubeconfig(layout.kubeconfig(user), layout.server, layout.ca_file, user, {"token": token})
    return tokens
