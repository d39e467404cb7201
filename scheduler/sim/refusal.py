"""How the API server says no: a `Status` object with a code, a reason and a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scheduler.sim.kinds import Kind


class Refused(Exception):  # noqa: N818 - an answer of the server, not an error of the program
    """A request that is answered with a failure."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message

    def body(self) -> dict[str, Any]:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }


def not_found(kind: Kind, name: str) -> Refused:
    return Refused(404, "NotFound", f'{kind.resource} "{name}" not found')


def conflict(resource: str, name: str, why: str) -> Refused:
    return Refused(409, "Conflict", f'Operation cannot be fulfilled on {resource} "{name}": {why}')


def invalid(kind: Kind, name: str, why: str) -> Refused:
    return Refused(422, "Invalid", f'{kind.name} "{name}" is invalid: {why}')


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
