"""The volumes in a pod's specification that bear on where it may run."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.model.shape import Disk
from scheduler.model.volumes import ClaimName, PodVolumes
from scheduler.wire import raw
from scheduler.wire.storage import in_tree_plugin


def pod_volumes(pod_name: str, volumes: Iterable[raw.Volume]) -> PodVolumes | None:
    """Claims, disks and in-tree plugins of a pod; None when none of its volumes says anything about nodes."""
    claims: list[ClaimName] = []
    disks: list[Disk] = []
    in_tree: list[str] = []
    for volume in volumes:
        if volume.persistentVolumeClaim is not None:
            claims.append(ClaimName(volume.persistentVolumeClaim.claimName))
        elif volume.ephemeral is not None:
            claims.append(ClaimName(f"{pod_name}-{volume.name}", ephemeral=True))
        else:
            disk, plugin = _disk(volume), in_tree_plugin(volume)
            if disk is not None:
                disks.append(disk)
            if plugin:
                in_tree.append(plugin)
    if not claims and not disks and not in_tree:
        return None
    return PodVolumes(tuple(claims), tuple(disks), tuple(sorted(set(in_tree))))


def _disk(volume: raw.Volume) -> Disk | None:
    """The disks that kube-scheduler's VolumeRestrictions compares."""
    if volume.gcePersistentDisk is not None:
        return Disk("gce", volume.gcePersistentDisk.pdName, volume.gcePersistentDisk.readOnly)
    if volume.awsElasticBlockStore is not None:
        return Disk("ebs", volume.awsElasticBlockStore.volumeID)  # read-only or not, it is attached once
    if volume.iscsi is not None:
        return Disk("iscsi", volume.iscsi.iqn, volume.iscsi.readOnly)
    if volume.rbd is not None:
        image = volume.rbd
        return Disk("rbd", f"{image.pool}/{image.image}", image.readOnly, tuple(sorted(image.monitors)))
    return None
