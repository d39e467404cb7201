"""What is known of storage, and what a waiting pod's volumes ask for.

Writes of ours count from the moment they are asked for, until a newer version of the object is seen: a volume that was
chosen for a claim is chosen for no other one. Pods without volumes of interest are not in here at all.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from scheduler.core.facts.volume_use import Handle, Stand, VolumeUse
from scheduler.model.shape import ClaimAsk, Reach, VolumeAsk, VolumeTrouble
from scheduler.model.volumes import (
    Attachment,
    Claim,
    ClaimName,
    CsiDriver,
    CsiNode,
    StorageCapacity,
    StorageClass,
    StorageObject,
    Volume,
    VolumeFacts,
)
from scheduler.model.work import Pod

ONCE = "ReadWriteOncePod"

ZONE_LABELS = (
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
)

IN_TREE = "kubernetes.io/"
"""How the names of provisioners begin that are no CSI drivers."""


class VolumeBook:
    """Changed only by the engine. ``version`` grows with everything that a filter could see, ``asks_version`` with
    everything that could change what a waiting pod asks for."""

    def __init__(self) -> None:
        self.version = 0
        self.asks_version = 0
        self.claims: dict[str, Claim] = {}
        self.volumes: dict[str, Volume] = {}
        self._classes: dict[str, StorageClass] = {}
        self._csi_nodes: dict[str, CsiNode] = {}
        self._drivers: dict[str, CsiDriver] = {}
        self._capacities: dict[str, StorageCapacity] = {}
        self._attachments: dict[str, Attachment] = {}
        self._tables: dict[str, dict[str, Any]] = {
            "persistentvolumeclaims": self.claims,
            "persistentvolumes": self.volumes,
            "storageclasses": self._classes,
            "csinodes": self._csi_nodes,
            "csidrivers": self._drivers,
            "csistoragecapacities": self._capacities,
            "volumeattachments": self._attachments,
        }
        self._reserved: dict[str, dict[str, None]] = {}
        self._volumes_of: Counter[Handle] = Counter()
        self._chosen: dict[str, str] = {}
        self._selected: dict[str, str] = {}
        self._pods: dict[str, Pod] = {}
        self._users: dict[str, dict[str, None]] = {}
        self._use = VolumeUse()
        self._attachments_on: dict[str, dict[str, None]] = {}
        self._objects_version = 0
        self._objects: tuple[int, VolumeFacts] = (-1, VolumeFacts())
        self._facts: tuple[int, VolumeFacts] = (-1, VolumeFacts())

    # -- what was seen ---------------------------------------------------------------------------------------------

    def see(self, kind: str, found: StorageObject) -> bool:
        """Whether anything that matters changed."""
        table = self._tables[kind]
        before = table.get(found.key)
        if isinstance(before, Volume):
            self._reserve(before, None)
            self._count_handle(before, -1)
        elif isinstance(before, Attachment):
            self._attach(before, None)
        table[found.key] = found
        if isinstance(found, Attachment):
            self._attach(found, found.name)
        elif isinstance(found, Volume):
            self._reserve(found, found.name)
            self._count_handle(found, 1)
            if before is None or before.version != found.version:
                self._chosen.pop(found.name, None)
        elif isinstance(found, Claim) and (before is None or before.version != found.version):
            self._selected.pop(found.key, None)
        if before is not None and _same(before, found):
            return False
        self._stir(found)
        return True

    def lose(self, kind: str, key: str) -> None:
        found = self._tables[kind].pop(key, None)
        if found is None:
            return
        if isinstance(found, Volume):
            self._reserve(found, None)
            self._count_handle(found, -1)
            self._chosen.pop(key, None)
        elif isinstance(found, Attachment):
            self._attach(found, None)
        elif isinstance(found, Claim):
            self._selected.pop(key, None)
        self._stir(found)

    def _reserve(self, volume: Volume, name: str | None) -> None:
        """Remember which volumes name a claim as theirs."""
        if not volume.claim:
            return
        if name is not None:
            self._reserved.setdefault(volume.claim, {})[name] = None
        else:
            self._reserved[volume.claim].pop(volume.name, None)
            if not self._reserved[volume.claim]:
                del self._reserved[volume.claim]

    def _count_handle(self, volume: Volume, times: int) -> None:
        """Remember how many volumes stand for the same storage."""
        if volume.driver:
            handle = (volume.driver, volume.handle)
            self._volumes_of[handle] += times
            if not self._volumes_of[handle]:
                del self._volumes_of[handle]

    def _attach(self, attachment: Attachment, name: str | None) -> None:
        """Remember what is attached to a node."""
        on = self._attachments_on.setdefault(attachment.node, {})
        if name is not None:
            on[name] = None
        else:
            on.pop(attachment.name, None)
            if not on:
                del self._attachments_on[attachment.node]

    def _stir(self, found: StorageObject) -> None:
        """Whoever uses a claim that has changed, or whose volume has, may use something else now."""
        self.version += 1
        self._objects_version += 1
        if not isinstance(found, Claim | Volume | StorageClass):
            return
        self.asks_version += 1
        if isinstance(found, StorageClass):
            keys = tuple(key for key in self._users if self._class_of(key) == found.name)
        else:
            keys = (found.key,) if isinstance(found, Claim) else (found.claim,)
        for key in keys:
            for uid in self._users.get(key, ()):
                stand = self._use.of(uid)
                if stand is not None:
                    self._use.put(uid, self._stand(self._pods[uid], stand.node))

    def _class_of(self, key: str) -> str:
        claim = self.claims.get(key)
        return "" if claim is None else claim.storage_class

    # -- writes of ours --------------------------------------------------------------------------------------------

    def choose(self, volume: str, claim: str) -> None:
        """A volume is asked to serve a claim: nobody else may have it."""
        self._chosen[volume] = claim
        self.version += 1
        self._objects_version += 1
        self.asks_version += 1

    def select(self, claim: str, node: str) -> None:
        """A claim is asked to be provisioned for a node."""
        self._selected[claim] = node
        self.asks_version += 1

    def forget(self, key: str) -> None:
        """Such a write was refused or lost, or all that was on its way is unknown."""
        if self._chosen.pop(key, None) is not None or self._selected.pop(key, None) is not None:
            self.version += 1
            self._objects_version += 1
            self.asks_version += 1

    def forget_all(self) -> None:
        for key in (*self._chosen, *self._selected):
            self.forget(key)

    # -- pods ------------------------------------------------------------------------------------------------------

    def see_pod(self, pod: Pod) -> None:
        """A pod that has not ended, or one that has: its volumes are nobody's then."""
        if pod.volumes is None:
            return
        if pod.finished:
            self.lose_pod(pod.uid)
            return
        if pod.uid not in self._pods:
            self._join(pod)
        self._pods[pod.uid] = pod

    def stand(self, uid: str, node: str) -> None:
        """A pod's volumes count on this node from now on (empty: nowhere)."""
        pod = self._pods.get(uid)
        if pod is not None and self._use.put(uid, self._stand(pod, node) if node else None):
            self.version += 1

    def stands_on(self, uid: str) -> str:
        """The node where a pod's volumes count; empty for none."""
        stand = self._use.of(uid)
        return "" if stand is None else stand.node

    def unbound(self) -> list[Pod]:
        """Pods with volumes that no node runs yet."""
        return [pod for pod in self._pods.values() if not pod.node]

    def forget_stands(self) -> None:
        """Only what is bound stands anywhere."""
        for pod in self.unbound():
            self.stand(pod.uid, "")

    def lose_pod(self, uid: str) -> None:
        pod = self._pods.pop(uid, None)
        if pod is None:
            return
        if self._use.put(uid, None):
            self.version += 1
        for key in _keys(pod):
            users = self._users.get(key, {})
            users.pop(uid, None)
            if users:
                self.asks_version += 1
            else:
                self._users.pop(key, None)

    def _join(self, pod: Pod) -> None:
        if any(key in self._reserved for key in _keys(pod)):
            self.version += 1  # volumes that are reserved for its claims are of interest now
            self._objects_version += 1
        for key in _keys(pod):
            users = self._users.setdefault(key, {})
            if users:
                self.asks_version += 1  # those who had it for themselves share it now
            users[pod.uid] = None

    def _stand(self, pod: Pod, node: str) -> Stand:
        assert pod.volumes is not None
        named = tuple(f"{pod.namespace}/{each.name}" for each in pod.volumes.claims if not each.ephemeral)
        return Stand(node, named, tuple(sorted(self._handles(pod))), pod.volumes.disks)

    def _handles(self, pod: Pod) -> dict[Handle, str]:
        """The distinct CSI volumes of a pod, each with its claim. A claim without a volume counts by its class."""
        found: dict[Handle, str] = {}
        for key in _keys(pod):
            claim = self.claims.get(key)
            volume = None if claim is None else self.volumes.get(claim.volume)
            if volume is not None:
                if volume.driver:
                    found[(volume.driver, volume.handle)] = key
            elif claim is not None:
                provisioner = self._provisioner(claim)
                if provisioner and not provisioner.startswith(IN_TREE):
                    found[(provisioner, f"claim {key}")] = key
        return found

    def _shared(self, handle: Handle, claim: str) -> bool:
        """Whether other pods may use a volume as well: through the same claim, or through another one whose volume has
        the same handle."""
        return len(self._users.get(claim, ())) > 1 or self._volumes_of[handle] > 1

    def _provisioner(self, claim: Claim) -> str:
        found = self._classes.get(claim.storage_class)
        return "" if found is None else found.provisioner

    # -- what a waiting pod asks for -------------------------------------------------------------------------------

    def ask_of(self, pod: Pod) -> VolumeAsk | None:
        """What a pod's volumes ask of its node; None for a pod without volumes of interest.

        The cases and their order are those of kube-scheduler's VolumeBinding (podHasPVCs, GetPodVolumeClaims).
        """
        if pod.volumes is None:
            return None
        troubles: list[VolumeTrouble] = []
        reaches: dict[Reach, None] = {}
        unbound: list[ClaimAsk] = []
        once: dict[str, None] = {}
        in_tree = dict.fromkeys(pod.volumes.in_tree)
        for named in pod.volumes.claims:
            claim = self.claims.get(f"{pod.namespace}/{named.name}")
            trouble = _trouble(pod, named, claim)
            if trouble or claim is None:
                troubles.append(VolumeTrouble(trouble, named.name))
                continue
            if ONCE in claim.modes and not named.ephemeral:
                once[claim.key] = None
            volume = self.volumes.get(claim.volume)
            provisioner = self._provisioner(claim)
            if volume is None and provisioner.startswith(IN_TREE):
                in_tree[provisioner] = None
            elif volume is not None and volume.in_tree:
                in_tree[volume.in_tree] = None
            if claim.bound and volume is not None:
                reaches[_reach(volume, zones=not named.ephemeral)] = None
            elif claim.bound:
                troubles.append(VolumeTrouble("VolumeMissing", f"{claim.name} {claim.volume}"))
            elif claim.volume or not self._waits(claim):
                troubles.append(VolumeTrouble("ClaimUnbound", claim.name))
            else:
                unbound.append(self.claim_ask(claim))
        handles = self._handles(pod)
        return VolumeAsk(
            troubles=tuple(troubles),
            reaches=tuple(reaches),
            unbound=tuple(sorted(unbound, key=lambda each: each.request)),
            attach=tuple(sorted(Counter(driver for driver, _ in handles).items())),
            shared=tuple(sorted(handle for handle, key in handles.items() if self._shared(handle, key))),
            once=tuple(sorted(once)),
            disks=pod.volumes.disks,
            in_tree=tuple(sorted(in_tree)),
        )

    def _waits(self, claim: Claim) -> bool:
        found = self._classes.get(claim.storage_class)
        return found is not None and found.waits

    def claim_ask(self, claim: Claim) -> ClaimAsk:
        """What a claim that waits for its pod asks for."""
        return ClaimAsk(
            storage_class=claim.storage_class,
            request=claim.request,
            modes=claim.modes,
            volume_mode=claim.volume_mode,
            attributes_class=claim.attributes_class,
            selector=claim.selector,
            selected_node=self._selected.get(claim.key, claim.selected_node),
            prebound=self.reserved_for(claim),
            shared=claim.key if len(self._users.get(claim.key, ())) > 1 else "",
        )

    def reserved_for(self, claim: Claim) -> str:
        """The volume that is reserved for a claim already, by its owner or by a write of ours; empty when none is."""
        for name, key in self._chosen.items():
            if key == claim.key:
                return name
        names = sorted(self._reserved.get(claim.key, ()))
        return next((name for name in names if self.volumes[name].is_for(claim)), "")

    # -- the picture -----------------------------------------------------------------------------------------------

    def facts(self) -> VolumeFacts:
        """What filters look at: the same object for as long as nothing changes."""
        if self._facts[0] != self.version:
            by_pods = self._use.handles()
            attached = {node: self._attached(node, by_pods) for node in {**by_pods, **self._attachments_on}}
            picture = dataclasses.replace(
                self._picture(), by_pods=by_pods, attached=attached, disks=self._use.disks(), in_use=self._use.claims()
            )
            self._facts = (self.version, picture)
        return self._facts[1]

    def facts_on(self, node: str) -> VolumeFacts:
        """The same about one node: made of what is counted there, so that it may be asked for again and again."""
        by_pods = {node: self._use.handles_on(node)}
        return dataclasses.replace(
            self._picture(),
            by_pods=by_pods,
            attached={node: self._attached(node, by_pods)},
            disks={node: self._use.disks_on(node)},
            in_use=self._use.claims_now(),
        )

    def _picture(self) -> VolumeFacts:
        """What does not depend on who uses what."""
        if self._objects[0] != self._objects_version:
            self._objects = (self._objects_version, self._picture_of_objects())
        return self._objects[1]

    def _picture_of_objects(self) -> VolumeFacts:
        volumes: dict[str, list[Volume]] = {}
        for volume in self.volumes.values():
            chosen = self._chosen.get(volume.name)
            if chosen is not None:
                volume = msgspec.structs.replace(volume, claim=chosen, claim_uid="")
            if not volume.claim or volume.claim in self._users:
                volumes.setdefault(volume.storage_class, []).append(volume)
        capacities: dict[str, list[StorageCapacity]] = {}
        for capacity in self._capacities.values():
            capacities.setdefault(capacity.storage_class, []).append(capacity)
        return VolumeFacts(
            classes=dict(self._classes),
            drivers=dict(self._drivers),
            capacities={name: tuple(found) for name, found in capacities.items()},
            volumes={
                name: tuple(sorted(found, key=lambda each: (each.capacity, each.name)))
                for name, found in volumes.items()
            },
            csi_nodes=dict(self._csi_nodes),
        )

    def _attached(self, node: str, by_pods: Mapping[str, frozenset[Handle]]) -> Mapping[str, int]:
        """Distinct volumes per driver on a node: used by pods, or attached though no pod uses them there."""
        distinct = set(by_pods.get(node, ()))
        for name in self._attachments_on.get(node, ()):
            attachment = self._attachments[name]
            volume = self.volumes.get(attachment.volume)
            if volume is not None and volume.driver and attachment.attacher:
                distinct.add((attachment.attacher, volume.handle))
        return Counter(driver for driver, _ in distinct)


def _keys(pod: Pod) -> tuple[str, ...]:
    claims = () if pod.volumes is None else pod.volumes.claims
    return tuple(dict.fromkeys(f"{pod.namespace}/{each.name}" for each in claims))


def _same(before: StorageObject, found: StorageObject) -> bool:
    """Whether two states of an object say the same, whatever their versions are."""
    if isinstance(before, Claim | Volume) and isinstance(found, Claim | Volume):
        return msgspec.structs.replace(before, version=found.version) == found
    return before == found


def _trouble(pod: Pod, named: ClaimName, claim: Claim | None) -> str:
    """Why a claim cannot be used at all (empty: it can)."""
    if claim is None:
        return "ClaimNotCreated" if named.ephemeral else "ClaimMissing"
    if claim.lost:
        return "ClaimLost"
    if claim.leaving:
        return "ClaimLeaving"
    if named.ephemeral and claim.owner_uid != pod.uid:
        return "ClaimNotOwned"
    return ""


def _reach(volume: Volume, *, zones: bool) -> Reach:
    """Zone labels may hold several values, joined by ``__``; a set with an empty part says nothing."""
    found = []
    for key in ZONE_LABELS if zones else ():
        values = {part.strip() for part in volume.labels.get(key, "").split("__")}
        if "" not in values:
            found.append((key, tuple(sorted(values))))
    return Reach(volume.node_terms, tuple(found))
