"""The test bed: a real Kubernetes control plane on this machine, without containers.

What belongs here: building the pinned upstream binaries, running them as beds (one etcd, one kube-apiserver and what
else was asked for), describing fleets of nodes, and bulk access to the API for tests, demo and benchmarks.
What does not: anything of the scheduler. The bed is a stranger to it and only shares the Kubernetes API with it.
Who may import it: tests, the demo and the benchmarks. `scheduler` never does, and nothing here imports `scheduler`.

    with Bed.up(BedOptions(fleet="tiny")) as bed:
        bed.kubectl("get", "nodes")
"""

from testbed.bed import Bed
from testbed.errors import BedError, ComponentDiedError
from testbed.options import BedOptions

__all__ = ["Bed", "BedError", "BedOptions", "ComponentDiedError"]
