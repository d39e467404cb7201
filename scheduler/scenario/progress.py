"""A sign of life while a decision takes long, for whoever waits at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

FIRST_SECONDS = 2.0


@contextmanager
def told_while_deciding(name: str, first_seconds: float = FIRST_SECONDS) -> Iterator[None]:
    """Says on stderr that a scenario is still being decided: after ``first_seconds``, then at twice the time of the
    line before. What ends sooner says nothing."""
    ended = Event()

    def tell() -> None:
        passed_seconds, wait_seconds = 0.0, first_seconds
        while not ended.wait(wait_seconds):
            passed_seconds += wait_seconds
            sys.stderr.write(f"{name}: still deciding after {passed_seconds:g} s\n")
            sys.stderr.flush()
            wait_seconds = passed_seconds

    teller = Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()
