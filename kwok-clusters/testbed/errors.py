"""What can go wrong with a bed, as exceptions whose message a person can act on."""


class BedError(Exception):
    """Something a person can act on: a missing tool, a failed build, a name in use, a malformed fleet."""


class ComponentDiedError(BedError):
    """A process of the bed ended by itself; the message has its name, its exit code and its last log lines."""
