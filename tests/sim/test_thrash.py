"""Random trees under evictions that take their time: a few of the worlds of `python -m tests.sim.thrash`."""

from __future__ import annotations

import pytest

from tests.sim.thrash.play import play
from tests.sim.thrash.world import draw

WORLDS = 16
FOUND = {
    64: "a decision waited for pods that another, refused one was to take",
    88: "a gang that holds nothing but a finished pod waited without a verdict",
    96: "a moved gang lost its new place while others still left the node",
    183: "nobody ran on a node that is still there, and nothing could be counted",
    190: "a gang took more than its share in the room that its right made, and three gangs evicted one another in turn",
    402: "the audit took a gang of which some left already for one that stays in part",
    1003: "a decision counted on surplus that a record not yet written was to take",
    1044: "a pod ended before it was let go, and its gang was never looked at again",
    1196: "somebody went for the first of two decisions of one plan who could have stayed by what went for the second",
    1280: "pods that ended while their gang left counted for its next start, which was refused again and again",
    1485: "a decision in the step of another did not see who had just been told to leave, and counted his use",
    1849: "the audit counted against a limit what a gang is owed beside its old pods that leave first",
    1865: "room that cheap work may not give was not looked for where dearer work may",
    2008: "who waited for others on the same node took the room of a record whose own victims had gone",
    2117: "nobody looked again when work began to run that might be moved",
    2206: "an elastic gang took for its surplus whoever got room before it",
}
"""Later worlds that once went wrong."""


@pytest.mark.parametrize("seed", [*range(WORLDS), *FOUND])
def test_nobody_leaves_twice_and_it_comes_to_rest(seed: int) -> None:
    assert play(draw(seed)).wrong == ()
