"""What is wrong with a scenario file: file, line, key, fault and remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """One fault. ``key`` is written as in the file (``gangs[0].topology``), empty for the whole document."""

    path: Path
    line: int
    key: str
    fault: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else f"{self.path}"
        subject = f"{self.key}: " if self.key else ""
        return f"{place}: {subject}{self.fault}; {self.remedy}" if self.remedy else f"{place}: {subject}{self.fault}"


class ScenarioError(Exception):
    """A scenario file that cannot be used; ``problems`` holds every fault that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True)
class Fault:
    """A fault inside a scenario that has the right form; ``location`` is its path of keys and positions."""

    location: tuple[str | int, ...]
    fault: str
    remedy: str


def key_text(location: Iterable[object]) -> str:
    """A location as it is written about: ``gangs[0].topology``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def suggest(word: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?`` or the list of what there is."""
    choices = sorted(known)
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    if not choices:
        return "there is none"
    shown = ", ".join(choices[:30]) + (", ..." if len(choices) > 30 else "")
    return f"there is: {shown}"
