"""The states of a gang and the arrows between them: one table."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    INCOMPLETE = "Incomplete"
    QUEUED = "Queued"
    ASSIGNED = "Assigned"
    PREPARING = "Preparing"
    BINDING = "Binding"
    RUNNING = "Running"
    DONE = "Done"
    DEGRADED = "Degraded"
    RELEASING = "Releasing"


ARROWS: dict[Phase, dict[Phase, str]] = {
    Phase.INCOMPLETE: {
        Phase.QUEUED: "enough of its pods exist, or its templates say what they will be",
        Phase.ASSIGNED: "a successor finds its record",
        Phase.PREPARING: "a successor finds its record",
        Phase.BINDING: "a successor finds its record and nothing is left to prepare",
        Phase.RUNNING: "a successor finds it running",
        Phase.DEGRADED: "a successor finds it hurt",
        Phase.DONE: "its pods were finished before we looked",
        Phase.RELEASING: "a successor finds a record that no longer stands",
    },
    Phase.QUEUED: {
        Phase.INCOMPLETE: "pods were deleted while it waited",
        Phase.ASSIGNED: "its decision was committed",
        Phase.PREPARING: "its decision was committed",
        Phase.BINDING: "its decision was committed and nothing is left to prepare",
        Phase.RUNNING: "somebody else bound its pods",
        Phase.DONE: "its pods finished without us",
        Phase.RELEASING: "it was withdrawn while its decision was being committed",
    },
    Phase.ASSIGNED: {
        Phase.QUEUED: "its commit was refused",
        Phase.INCOMPLETE: "its commit was refused and pods were deleted meanwhile",
        Phase.PREPARING: "the record is known to be written",
        Phase.BINDING: "nothing is left to prepare",
        Phase.RUNNING: "all pods were bound when the record was seen",
        Phase.RELEASING: "a recorded place is lost before any pod was bound",
        Phase.DEGRADED: "a recorded place is lost",
    },
    Phase.PREPARING: {
        Phase.QUEUED: "somebody took its record away",
        Phase.INCOMPLETE: "somebody took its record away",
        Phase.BINDING: "victims and moved pods are gone, the finalizer stands",
        Phase.RUNNING: "all pods were bound when preparation ended",
        Phase.RELEASING: "a recorded place is lost before any pod was bound",
        Phase.DEGRADED: "a recorded place is lost",
    },
    Phase.BINDING: {
        Phase.QUEUED: "somebody took its record away",
        Phase.INCOMPLETE: "somebody took its record away",
        Phase.RUNNING: "every recorded place is taken",
        Phase.DEGRADED: "pods were lost while others were being bound",
        Phase.RELEASING: "nothing is bound and a recorded place is lost, or its pods never came",
        Phase.PREPARING: "the record grew",
        Phase.DONE: "its pods finished while others were being bound",
    },
    Phase.RUNNING: {
        Phase.QUEUED: "somebody took its record away",
        Phase.INCOMPLETE: "somebody took its record away",
        Phase.DONE: "every pod finished",
        Phase.DEGRADED: "pods were lost",
        Phase.BINDING: "its record grew, or a pod came back",
        Phase.PREPARING: "its record grew",
        Phase.RELEASING: "all its pods are gone",
    },
    Phase.DEGRADED: {
        Phase.QUEUED: "somebody took its record away",
        Phase.INCOMPLETE: "somebody took its record away",
        Phase.BINDING: "a lost pod came back to its place, or a new place was committed",
        Phase.PREPARING: "a new place was committed",
        Phase.RUNNING: "it is whole again",
        Phase.RELEASING: "all its pods are gone",
        Phase.DONE: "what was left finished",
    },
    Phase.RELEASING: {
        Phase.RUNNING: "the release was refused, and its pods are bound",
        Phase.QUEUED: "the record is gone",
        Phase.INCOMPLETE: "the record is gone and so are pods",
        Phase.ASSIGNED: "decided again at once",
        Phase.PREPARING: "decided again at once",
        Phase.BINDING: "decided again at once",
        Phase.DONE: "the record of a finished gang is gone",
    },
    Phase.DONE: {
        Phase.RUNNING: "somebody else bound new pods of it",
        Phase.ASSIGNED: "new pods came and were decided on at once",
        Phase.QUEUED: "new pods came for the same PodGroup",
        Phase.INCOMPLETE: "new pods came for the same PodGroup",
        Phase.BINDING: "a pod came back to its place",
    },
}


def allowed(before: Phase, after: Phase) -> bool:
    """Whether a gang may go from one phase to another."""
    return before == after or after in ARROWS[before]
