"""Names with ranges: ``n[0-3]``, ``n[0,2]``, ``{a,b}1`` are several names; ``{1}`` repeats the first range."""

from __future__ import annotations

import itertools
import re

_RANGE = re.compile(r"\[([^\[\]]*)\]|\{([^{}]*,[^{}]*)\}")
_REFERENCE = re.compile(r"\{(\d+)\}")
MOST_NAMES = 20_000


def expand(pattern: str) -> list[tuple[str, tuple[str, ...]]]:
    """(name, what each range became) for every name that a pattern stands for, the last range running fastest.

    ``[00-11]`` keeps its leading zeros. ValueError says what is wrong with the range.
    """
    pieces: list[str] = []
    choices: list[list[str]] = []
    end = 0
    for match in _RANGE.finditer(pattern):
        pieces.append(pattern[end : match.start()])
        choices.append(_choices(match.group(1)) if match.group(1) is not None else _alternatives(match.group(2)))
        end = match.end()
    tail = pattern[end:]
    if any(mark in "".join([*pieces, tail]) for mark in "[]"):
        raise ValueError(f"{pattern!r} has an unfinished range (examples: n[0-3], n[0,2], {{a,b}}1)")
    size = 1
    for each in choices:
        size *= len(each)
    if size > MOST_NAMES:
        raise ValueError(f"{pattern!r} stands for {size} names; the most is {MOST_NAMES}")
    return [
        ("".join(itertools.chain.from_iterable(zip(pieces, chosen, strict=True))) + tail, chosen)
        for chosen in itertools.product(*choices)
    ]


def names(pattern: str) -> list[str]:
    """Every name that a pattern stands for."""
    return [name for name, _ in expand(pattern)]


def fill(template: str, chosen: tuple[str, ...]) -> str:
    """A template with ``{1}``, ``{2}``... replaced by what the name's ranges became; ValueError where there is none."""

    def replace(match: re.Match[str]) -> str:
        index = int(match.group(1))
        if not 1 <= index <= len(chosen):
            raise ValueError(f"{template!r} refers to range {{{index}}} but the name has {len(chosen)} ranges")
        return chosen[index - 1]

    return _REFERENCE.sub(replace, template)


def _choices(body: str) -> list[str]:
    found: list[str] = []
    for part in body.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise ValueError(f"[{body}] is not a range of numbers (examples: [0-3], [0,2], [00-11])")
        if not dash:
            found.append(first)
            continue
        if int(last) < int(first):
            raise ValueError(f"[{body}] runs backwards; write [{last}-{first}]")
        if int(last) - int(first) >= MOST_NAMES:
            raise ValueError(f"[{body}] stands for more than {MOST_NAMES} names")
        width = len(first) if first.startswith("0") else 0
        found += [str(number).zfill(width) for number in range(int(first), int(last) + 1)]
    return found


def _alternatives(body: str) -> list[str]:
    return [part.strip() for part in body.split(",")]
