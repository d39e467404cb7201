"""Locks on files. The kernel drops them when their holder dies, however it dies."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_SECONDS = 0.1


def try_lock(path: Path) -> int | None:
    """Take the lock and return the descriptor that holds it, or None when another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock."""
    if not path.exists():
        return False
    descriptor = try_lock(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


@contextmanager
def locked(path: Path, while_waiting: Callable[[float], None]) -> Iterator[None]:
    """Hold the lock; `while_waiting(seconds waited)` is called several times a second until it is free."""
    started = time.monotonic()
    while (descriptor := try_lock(path)) is None:
        while_waiting(time.monotonic() - started)
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        os.close(descriptor)
