"""The auditor: an independent judge of the promises that are visible at the API server.

It watches pods, nodes, podgroups, queues and topologies (live, or on a recording) and, as a second source, reads the
API server's audit log. It reports what *the scheduler's effects* broke as violations and what others caused as notes.

What belongs here: the auditor's own reading of the Kubernetes rules (requests, taints, affinity), its own bookkeeping
of gangs and commit records, one file per promise under ``promises``, and its sources.
What does not: anything imported from ``scheduler``. A judge that shared arithmetic with the judged would share its
mistakes. Nor does it start control planes: it is given a kubeconfig.
Who may import it: tests, benchmarks and demos; ``scheduler`` never.

Inside, each line imports only what stands below it:
"""

from auditor.judge import Judge, judge
from auditor.report import Finding, Report, Seen
from auditor.running import Audit, auditing
from auditor.settings import Settings

__all__ = ["Audit", "Finding", "Judge", "Report", "Seen", "Settings", "auditing", "judge"]
