"""Gangs and their commit records: who is in which, what is promised on which node, who is named as going."""

from auditor.objects import POD_GROUP_LABEL, Pod, PodGroup
from auditor.occupancy import Occupancy
from auditor.records import GangName, Record, places_of, same_decision
from auditor.requests import Resources, add
from auditor.tracked import Gang, TrackedPod


class GangBook:
    """All gangs by name, with indexes from nodes and victims to the records that name them."""

    def __init__(self) -> None:
        self.gangs: dict[GangName, Gang] = {}
        self._places_on: dict[str, set[GangName]] = {}
        self._victims: dict[GangName, set[str]] = {}
        self._moved: dict[GangName, set[GangName]] = {}

    def gang(self, name: GangName) -> Gang:
        return self.gangs.setdefault(name, Gang(name))

    # --- pods --------------------------------------------------------------------------------------------------------

    def join(self, pod: TrackedPod) -> Gang | None:
        """Enter a pod, new or changed, in its gang; one that succeeded is remembered there when it is gone."""
        if pod.gang is None:
            return None
        gang = self.gang(pod.gang)
        gang.requests[gang.member_of(pod)] = pod.request
        gang.pods[pod.uid] = pod
        if pod.active:
            gang.active[pod.uid] = pod
        else:
            gang.active.pop(pod.uid, None)
        if pod.succeeded:
            gang.succeeded[pod.uid] = pod
        if pod.gone:
            del gang.pods[pod.uid]
        return gang

    def take_place(self, pod: TrackedPod) -> None:
        """Let a pod that has just been bound fill its place in its gang's record."""
        gang = self.gangs.get(pod.gang or "")
        if gang is not None and gang.record is not None:
            pod.place = gang.fill(pod, gang.record)

    def naming(self, pod: TrackedPod) -> set[GangName]:
        """The beneficiaries whose records, in force now, name the pod as a victim or its gang as moved."""
        named = {gang for gang, uids in self._victims.items() if pod.uid in uids} if self._victims else set()
        if pod.gang is not None:
            named |= self.gang(pod.gang).moves.keys()
        return named

    # --- records -----------------------------------------------------------------------------------------------------

    def write(self, group: PodGroup, gone: bool, revision: int) -> tuple[Record, ...]:
        """Take a PodGroup in. Returns the records that it newly commits: the gang's own, then those of moves."""
        namespace = group.metadata.namespace
        gang = self.gang(f"{namespace}/{group.metadata.name}")
        before = gang.group.status.assignment if gang.group else None
        now = None if gone else group.status.assignment
        gang.group = None if gone else group
        if gone:
            gang.succeeded.clear()
            gang.requests = {gang.member_of(pod): pod.request for pod in gang.pods.values()}
        if now == before:
            return ()
        kept = gang.own.filled if gang.own and before and now and same_decision(before, now) else None
        self._release(gang)
        if now is None:
            return ()
        gang.own = Record(gang.name, revision, places_of(now.places))
        if kept is not None:
            gang.own.filled = kept
        else:
            self._fill_from_running(gang, gang.own)
        self._victims[gang.name] = {victim.uid for victim in now.victims}
        self._victims[gang.name] |= {pod.uid for move in now.moves for pod in move.pods}
        written = [gang.own]
        # A move that names its pods is of part of a gang: what it has then stands in its own record, written next.
        for move in (each for each in now.moves if not each.pods):
            moved = self.gang(move.gang if "/" in move.gang else f"{namespace}/{move.gang}")
            # Pods of a moved gang that run now are going; its places are for those that come after.
            moved.moves[gang.name] = Record(moved.name, revision, places_of(move.places))
            self._moved.setdefault(gang.name, set()).add(moved.name)
            written.append(moved.moves[gang.name])
            self._index(moved)
        self._index(gang)
        return tuple(written)

    def _release(self, gang: Gang) -> None:
        gang.own = None
        self._victims.pop(gang.name, None)
        for moved in self._moved.pop(gang.name, set()):
            self.gangs[moved].moves.pop(gang.name, None)

    def _fill_from_running(self, gang: Gang, record: Record) -> None:
        for pod in gang.pods.values():
            if pod.node and not pod.leaving and pod.pod.status.phase != "Failed":
                pod.place = gang.fill(pod, record)

    def _index(self, gang: Gang) -> None:
        for node in gang.record.nodes() if gang.record else ():
            self._places_on.setdefault(node, set()).add(gang.name)

    # --- the committed count -----------------------------------------------------------------------------------------

    def committed(self, node: str, occupancy: Occupancy) -> Resources:
        """What staying pods take of a node, together with recorded places that are still to be filled.

        Pods that are leaving, or that a record in force names as going, do not count here: a decision may build on
        their room, it only may not bind before they are gone (the observed count sees to that).
        """
        total: Resources = {}
        for pod in occupancy.pods_on(node):
            if not pod.leaving and not self._is_going(pod):
                add(total, pod.request, 1)
        for name in self._places_on.get(node, ()):
            gang = self.gangs[name]
            if gang.record is None:
                continue
            for key in gang.record.on(node):
                add(total, gang.request_of(key[0]), gang.record.unfilled(key))
        return total

    def _is_going(self, pod: TrackedPod) -> bool:
        if any(pod.uid in uids for uids in self._victims.values()):
            return True
        gang = self.gangs.get(pod.gang or "")
        if gang is None or gang.record is None or gang.record is gang.own:
            return False
        return pod.bound_revision < gang.record.revision


def gang_of(pod: Pod) -> GangName | None:
    """The gang a pod says it belongs to; None for a pod on its own."""
    label = pod.metadata.labels.get(POD_GROUP_LABEL)
    return f"{pod.metadata.namespace}/{label}" if label else None
