"""What a rule or a goal sees of the model while it posts itself: counts, flags and linear inequalities, no solver.

Everything that terms post is linear over counts and flags, so this is all they need; the façade turns it into CP-SAT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, NewType, Protocol

from scheduler.solver.problem import Problem

Variable = NewType("Variable", int)
"""A handle: an integer count or a 0/1 flag of the model."""

Terms = Sequence[tuple[int, Variable]]
"""A linear expression: (coefficient, variable)."""


Get = Callable[[Variable], int]
"""What a count or a flag is in a given placement."""


class Part(NamedTuple):
    """How many pods of a member take of the device at a position: shares of it, or slices from slot ``start`` on."""

    position: int
    start: int
    pods: Variable


class Posting(Protocol):
    """The model of one problem, as terms see it. Counts stand for pods: unplaced is always legal."""

    @property
    def problem(self) -> Problem: ...

    def counts(self, gang: int, member: int) -> Sequence[tuple[int, Variable]]:
        """(class, pods there) for each class where the member may have pods."""

    def parts(self, gang: int, member: int, node_class: int) -> Sequence[Part]:
        """What a member takes of the devices of a class, where they are counted one by one; else nothing."""

    def upper(self, variable: Variable) -> int:
        """The largest value that a variable can take."""

    def present(self, gang: int, branch: int) -> Variable:
        """The flag that says a branch of a gang is in. It means nothing until a term ties it to counts."""

    def used(self, counts: Iterable[Variable], most: int) -> Variable:
        """A new flag that must be on where any of these counts is above zero; ``most`` bounds their sum."""

    def whole(self, counts: Iterable[Variable], size: int, held: int = 0, when: Variable | None = None) -> None:
        """Posts that the sum of counts, and ``held`` more where the flag ``when`` is on, is a multiple of a size."""

    def largest(self, sums: Iterable[Iterable[Variable]]) -> Variable:
        """A new variable that is at least as large as each of these sums of counts."""

    def number(self, upper: int, value: Callable[[Get], int]) -> Variable:
        """A new number from 0 to ``upper`` that only inequalities bind. ``value`` says what it is in a placement, given
        the value of every count."""

    def at_most(self, terms: Terms, bound: int) -> None:
        """Posts sum(terms) <= bound."""
