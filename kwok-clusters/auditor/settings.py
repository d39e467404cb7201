"""What the auditor takes for granted: names and tolerances, each with its unit and its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Names and tolerances of one audit.

    ``grace_seconds``: how long a gang may be bound in part before that is a violation.
    ``reaction_seconds``: how long the scheduler may act on a picture that others have just changed. A bind that was
    right on any version of the node, of its foreign pods or of the queue's limit within that time is a note.
    ``scheduler_users``: user names (as in the audit log) whose evictions and deletes are the scheduler's.
    """

    scheduler_name: str = "muster"
    scheduler_users: frozenset[str] = frozenset({"muster", "system:serviceaccount:muster-system:muster"})
    grace_seconds: float = 10.0
    reaction_seconds: float = 1.0
