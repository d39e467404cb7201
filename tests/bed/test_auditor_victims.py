"""Whoever leaves is needed, and leaves once: each broken and held, by a history made by hand."""

from tests.bed.auditor_worlds.story import Story


def full_node() -> Story:
    """A node of 8 GPUs, full of the gang `a` (two pods of 2) and the gang `b` (one pod of 4); `new` waits."""
    story = Story().node("n0").group("a", minMember=2, queue="x").group("b", minMember=1, queue="x")
    story.pods(2, "a", gpus=2).pods(1, "b", gpus=4)
    story.record("a", {"n0": 2}).record("b", {"n0": 1}).bind("n0", "a-0", "a-1", "b-0")
    return story.wait(5).group("new", minMember=1, queue="y")


def test_victims_that_are_needed_are_right() -> None:
    story = full_node().pods(1, "new", gpus=8).record("new", {"n0": 1}, victims=("a-0", "a-1", "b-0"))
    assert story.violations() == []


def test_a_victim_beside_which_there_is_room_is_a_violation() -> None:
    story = full_node().pods(1, "new", gpus=4).record("new", {"n0": 1}, victims=("a-0", "a-1", "b-0"))
    assert story.violations() == [
        "victims: podgroup team/new: has room for its places beside pod team/a-0, pod team/a-1",
        "victims: podgroup team/new: has room for its places beside pod team/b-0",
    ]


def test_room_that_came_free_a_moment_ago_need_not_be_known() -> None:
    story = full_node().pods(1, "new", gpus=4).leave("b-0").gone("b-0")
    story.record("new", {"n0": 1}, victims=("a-0", "a-1"))
    assert story.violations() == []


def test_room_that_came_free_before_is_known() -> None:
    story = full_node().pods(1, "new", gpus=4).leave("b-0").gone("b-0").release("b").wait(5)
    story.record("new", {"n0": 1}, victims=("a-0", "a-1"))
    assert len(story.violations()) == 1


def test_a_limit_may_need_a_victim_where_there_is_room() -> None:
    story = full_node().queue("x", gpus=8).pods(1, "new", gpus=4)
    assert story.record("new", {"n0": 1}, victims=("a-0", "a-1", "b-0")).violations() == []


def test_who_asks_for_more_than_room_is_not_judged() -> None:
    near = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}}
    story = full_node().pods(1, "new", gpus=1, affinity=near).node("n1")
    assert story.record("new", {"n1": 1}, victims=("b-0",)).violations() == []


def evicted(story: Story, *pods: str) -> Story:
    return story.leave(*pods, evicted=True, reason="Reclaimed").gone(*pods)


def again(story: Story) -> Story:
    """`b` left for `new`, which was bound and released; now `b` runs in its place once more."""
    story.pods(1, "new", gpus=4).record("new", {"n0": 1}, victims=("b-0",)).release("b")
    evicted(story, "b-0").release("new").wait(5)
    return story.pod("b-9", "b", gpus=4).record("b", {"n0": 1}).bind("n0", "b-9").wait(5)


def test_a_gang_that_leaves_twice_for_one_beneficiary_is_a_violation() -> None:
    story = again(full_node()).record("new", {"n0": 1}, victims=("b-9",), made_from="77").release("b")
    (found,) = evicted(story, "b-9").violations()
    assert found.startswith("victims: podgroup team/b: left for podgroup team/new by two decisions: ")


def test_a_gang_that_leaves_for_two_beneficiaries_is_right() -> None:
    story = again(full_node()).group("other", minMember=1, queue="y").pods(1, "other", gpus=4)
    story.record("other", {"n0": 1}, victims=("b-9",)).release("b")
    assert evicted(story, "b-9").violations() == []
