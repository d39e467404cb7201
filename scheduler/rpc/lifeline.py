"""Ends this process when the one that started it is gone, however that ended."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1
_STDIN = 0


def end_with_parent() -> None:
    """The parent must hold the other end of our standard input, and write nothing to it.

    The end of that pipe works everywhere and has no race, but needs this interpreter to run. On Linux the kernel kills
    us besides: also when native code holds the interpreter lock, or when the process is stopped.
    """
    threading.Thread(target=_exit_at_end_of_input, name="lifeline", daemon=True).start()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _exit_at_end_of_input() -> None:
    while os.read(_STDIN, 4096):
        pass
    os._exit(0)
