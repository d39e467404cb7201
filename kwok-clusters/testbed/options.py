"""What one bed consists of."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.errors import BedError

DEFAULT_NAME = "default"


@dataclass(frozen=True, slots=True)
class BedOptions:
    """What to run. `name` must be free; None takes a name nobody has. `fleet` is a name in `fleets/` or a file.

    `throughput` switches API priority and fairness and the in-flight limits off; `audit` records bindings,
    evictions, pod deletes and the status writes of PodGroups and Queues; `feature_gates` (`"GenericWorkload=true"`)
    go to every Kubernetes component, `runtime_config` (`"scheduling.k8s.io/v1beta1=true"`) to kube-apiserver;
    `without_admission` are plugins of it to be left out, `scheduler_configuration` further keys of kube-scheduler's
    KubeSchedulerConfiguration.
    """

    name: str | None = None
    fleet: str | Path | None = None
    kwok: bool = True
    controller_manager: bool = False
    kube_scheduler: bool = False
    throughput: bool = False
    audit: bool = False
    feature_gates: tuple[str, ...] = ()
    runtime_config: tuple[str, ...] = ()
    without_admission: tuple[str, ...] = ()
    scheduler_configuration: Mapping[str, Any] = field(default_factory=dict)


def bed_name(chosen: str | None) -> str:
    """The checked name of a bed; a fresh one when none was chosen."""
    if chosen is None:
        return f"bed-{os.getpid()}-{os.urandom(3).hex()}"
    # It becomes a folder that holds a Unix socket, whose whole path may have 107 bytes.
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", chosen):
        raise BedError(f"bed name {chosen!r}: use up to 40 lower-case letters, digits and inner hyphens")
    return chosen
