"""Ports of 127.0.0.1 that stay ours while a component is away.

A port from bind(0) lies in the ephemeral range: while kube-apiserver restarts, any outgoing connection of the machine
could take it as its source port. So we choose below that range, and a lock file per port keeps beds apart.
"""

import os
import random
import socket
from pathlib import Path

from testbed.errors import BedError
from testbed.locks import try_lock

PORTS = range(20000, 32000)


def reserve_ports(count: int, folder: Path) -> tuple[list[int], list[int]]:
    """Reserve free ports; returns them and the descriptors that hold them (pass on to a process, then close)."""
    ports: list[int] = []
    descriptors: list[int] = []
    # In random order: beds that start together would otherwise all contend for the same few.
    for port in random.sample(PORTS, len(PORTS)):
        if len(ports) == count:
            return ports, descriptors
        descriptor = try_lock(folder / f"{port}.lock")
        if descriptor is None:
            continue
        if _is_free(port):
            ports.append(port)
            descriptors.append(descriptor)
        else:
            os.close(descriptor)
    raise BedError(f"no {count} free ports of 127.0.0.1 between {PORTS.start} and {PORTS.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        # As Go's servers do: connections of an earlier server that linger in TIME_WAIT do not matter.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
