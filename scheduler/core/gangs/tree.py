"""The tree of a gang as its PodGroup states it: branches with their minima, and the least pods that make sense."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.model.work import Branch, MemberSpec, PodGroup


def branch_name(group: PodGroup, member: str) -> str:
    """The branch a member belongs to: its declared subgroup, else the subgroup of its own name, else the root ("")."""
    names = {sub.name for sub in group.sub_groups}
    spec = next((each for each in group.members if each.name == member), None)
    name = member.rsplit("-", 1)[0] if spec is None else spec.sub_group or spec.name
    return name if name in names else ""


def member_minimum(group: PodGroup, spec: MemberSpec | None) -> int:
    """Pods of one member that must be there: its minCount; where nothing else says how many are enough, its count."""
    if spec is None:
        return 0
    if spec.minimum is not None:
        return spec.minimum
    own = branch_name(group, spec.name)
    above = group.min_member if not own else next(sub.min_member for sub in group.sub_groups if sub.name == own)
    return spec.count or 0 if above is None else 0


def branches_of(group: PodGroup, pods: Mapping[str, int]) -> list[Branch]:
    """The branches with their minima, the root first; ``pods`` are the pods that exist of each member.

    A branch that counts nothing needs all of its children; without children the minima of its members, and where those
    are not declared either, all pods there are.
    """
    index = {"": 0} | {sub.name: number for number, sub in enumerate(group.sub_groups, start=1)}
    children = [0] * len(index)
    for sub in group.sub_groups:
        children[index.get(sub.parent, 0)] += 1
    root = children[0] if group.min_sub_group is None else group.min_sub_group
    branches = [Branch("", -1, 0, root, group.topology)]
    for number, sub in enumerate(group.sub_groups, start=1):
        wanted = children[number] if sub.min_sub_group is None else sub.min_sub_group
        least = 0 if children[number] else _leaf_minimum(group, sub.name, pods)
        minimum = least if sub.min_member is None else sub.min_member
        branches.append(Branch(sub.name, index.get(sub.parent, 0), minimum, wanted, sub.topology))
    return branches


def _leaf_minimum(group: PodGroup, name: str, pods: Mapping[str, int]) -> int:
    declared = [spec for spec in group.members if branch_name(group, spec.name) == name]
    if declared:
        return sum(member_minimum(group, spec) for spec in declared)
    return sum(count for member, count in pods.items() if branch_name(group, member) == name)


def least_pods(group: PodGroup, pods: Mapping[str, int]) -> int:
    """The fewest pods with which a gang with subgroups makes sense: of every branch the children that need least."""
    branches = branches_of(group, pods)
    own = [0] * len(branches)
    index = {branch.name: number for number, branch in enumerate(branches)}
    for spec in group.members:
        own[index[branch_name(group, spec.name)]] += member_minimum(group, spec)
    needs = [0] * len(branches)
    for number in reversed(range(len(branches))):
        branch = branches[number]
        below = sorted(needs[child] for child, each in enumerate(branches) if each.parent == number)
        needs[number] = max(branch.minimum, own[number] + sum(below[: branch.min_branches]))
    return max(1, needs[0])
