"""Requests to a bed's supervisor, from another process or from the launcher itself."""

import json
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from testbed.errors import BedError, ComponentDiedError

START_TIMEOUT_SECONDS = 90.0
_ANSWER_GRACE_SECONDS = 15.0


class Control:
    """One request per connection: a supervisor serves several askers at once."""

    def __init__(self, home: Path) -> None:
        self._socket = home / "control.sock"

    def start(self, names: Iterable[str]) -> None:
        """Start components side by side and wait until all are ready; raises ComponentDiedError with the reason."""
        answer = self._ask({"do": "start", "names": list(names), "timeout_seconds": START_TIMEOUT_SECONDS})
        if answer["error"]:
            raise ComponentDiedError(answer["error"])

    def stop(self, names: Iterable[str], signal_name: str) -> None:
        """End components with the given signal (`SIGTERM`, `SIGKILL`) and wait until they are gone."""
        self._checked({"do": "stop", "names": list(names), "signal": signal_name})

    def status(self) -> list[dict[str, Any]]:
        """One entry per component: name, state (absent, running, stopped, died), pid, message."""
        components: list[dict[str, Any]] = self._checked({"do": "status"})["components"]
        return components

    def detach(self) -> None:
        """Let the bed outlive its launcher."""
        self._checked({"do": "detach"})

    def down(self) -> None:
        """Ask for the end of the bed; it is over when its lock is free."""
        self._checked({"do": "down"})

    def _checked(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = self._ask(request)
        if answer["error"]:
            raise BedError(answer["error"])
        return answer

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(START_TIMEOUT_SECONDS + _ANSWER_GRACE_SECONDS)
                connection.connect(str(self._socket))
                connection.sendall(json.dumps(request).encode() + b"\n")
                line = connection.makefile("rb").readline()
        except OSError as error:
            raise BedError(f"the supervisor of the bed does not answer on {self._socket}: {error}") from error
        if not line:
            raise BedError(f"the supervisor of the bed closed {self._socket} without an answer")
        answer: dict[str, Any] = json.loads(line)
        return answer
