"""What a run exercised: a rule that never decides anything has not been compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.bench.measure import columns
from tests.parity.draw.worlds import RULES
from tests.parity.ours import ROOM
from tests.parity.rounds import Round

PLUGINS: Mapping[str, str] = {
    "gates": "SchedulingGates",
    "unschedulable": "NodeUnschedulable",
    "ready": "TaintToleration",
    "taints": "TaintToleration",
    "node-affinity": "NodeAffinity",
    "gpu-model": "(Muster's own)",
    "gpu-share": "(Muster's own)",
    "flavor": "(Muster's own)",
    "resources": "NodeResourcesFit",
    ROOM: "NodeResourcesFit",
    "host-ports": "NodePorts",
    "pod-affinity": "InterPodAffinity",
    "pod-anti-affinity": "InterPodAffinity",
    "topology-spread": "PodTopologySpread",
    "declared-features": "NodeDeclaredFeatures",
    "volume-restrictions": "VolumeRestrictions",
    "volume-limits": "NodeVolumeLimits",
    "volume-binding": "VolumeBinding",
    "volume-zone": "VolumeZone",
}
"""Which plugin of kube-scheduler a filter of Muster stands for."""

RULE_OF_PLUGIN: Mapping[str, str] = {
    "SchedulingGates": "gates",
    "NodeUnschedulable": "unschedulable",
    "TaintToleration": "taints",
    "NodeAffinity": "node-affinity",
    "NodeResourcesFit": "resources",
    "NodePorts": "ports",
    "InterPodAffinity": "pod-affinity",
    "PodTopologySpread": "spread",
    "NodeDeclaredFeatures": "declared-features",
    "VolumeRestrictions": "disks",
    "NodeVolumeLimits": "volume-limits",
    "VolumeBinding": "waiting-claims",
    "VolumeZone": "bound-claims",
}
"""The family of rules that makes a plugin refuse something."""

PODS_PER_TRAIT = 400
"""Every trait has to be drawn, and every plugin to be the only one against some node, for at least one pod and one in
so many: the floor under which a run has compared too little."""


@dataclass(slots=True)
class Tally:
    """Sums over rounds."""

    worlds: int = 0
    pods: int = 0
    nodes: int = 0
    feasible: int = 0
    empty: int = 0
    full: int = 0
    differences: int = 0
    unmodelled: Counter[str] = field(default_factory=Counter)
    traits: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    alone: Counter[str] = field(default_factory=Counter)
    decided: Counter[str] = field(default_factory=Counter)

    def add(self, round_: Round) -> None:
        self.worlds += 1
        self.differences += len(round_.differences)
        for name, opinion in round_.ours.items():
            self.pods += 1
            self.nodes += len(opinion.refused_by)
            self.feasible += len(opinion.feasible)
            self.empty += not opinion.feasible
            self.full += len(opinion.feasible) == len(opinion.refused_by)
            self.unmodelled.update(opinion.unmodelled)
            self.traits.update(round_.world.traits[name])
            plugins = [{PLUGINS[filter_] for filter_ in filters} for filters in opinion.refused_by.values()]
            self.refused.update(plugin for each in plugins for plugin in each)
            lone = Counter(plugin for each in plugins if len(each) == 1 for plugin in each)
            self.alone.update(lone)
            self.decided.update(lone.keys())

    def missing(self, rules: Iterable[str]) -> list[str]:
        """What was exercised too little for the result to mean anything, in words."""
        floor = max(1, self.pods // PODS_PER_TRAIT)
        chosen = set(rules)
        wanted = [trait for rule in chosen for trait in RULES[rule].traits]
        plugins = [plugin for plugin, rule in RULE_OF_PLUGIN.items() if rule in chosen]
        return [
            *(f"{trait}: drawn {self.traits[trait]} times" for trait in sorted(wanted) if self.traits[trait] < floor),
            *(
                f"{plugin}: alone against a node for {self.decided[plugin]} pods"
                for plugin in plugins
                if self.decided[plugin] < floor
            ),
        ]

    def table(self) -> str:
        """Pods by plugin, then pods by trait."""
        plugins = [("plugin", "nodes refused", "by it alone", "pods with such a node")]
        for plugin in sorted(self.refused):
            refused, alone, decided = self.refused[plugin], self.alone[plugin], self.decided[plugin]
            plugins.append((plugin, f"{refused:,}", f"{alone:,}", f"{decided:,}"))
        traits = ", ".join(f"{trait} {count:,}" for trait, count in sorted(self.traits.items()))
        undecided = "".join(
            f"{count:,} of the pods use {feature}: the filters are compared, but Muster does not decide on them yet\n"
            for feature, count in sorted(self.unmodelled.items())
        )
        return (
            f"{columns(plugins)}\n\npods by what was drawn for them: {traits}\n\n{undecided}"
            f"{self.pods:,} pods in {self.worlds:,} worlds, {self.nodes:,} pairs of pod and node, "
            f"{self.feasible:,} feasible; no node for {self.empty:,} pods, every node for {self.full:,}: "
            f"{self.differences:,} differences"
        )
