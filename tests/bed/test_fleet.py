"""Fleet files: what they mean, and how a mistake in one is told."""

import gzip
import os
from collections import Counter
from pathlib import Path

import pytest
import yaml
from testbed.errors import BedError
from testbed.fleet import BLOCK_LABEL, GPU_MODEL_LABEL, RACK_LABEL, ZONE_LABEL, Fleet, fleet_names, load_fleet
from testbed.openb import import_openb

OPENB = Path(os.environ.get("MUSTER_SHARED", Path(__file__).parents[3] / "shared")) / "traces" / "openb"

SHAPES = """
name: test
shapes:
  gpu: {cpu: 96, memory: 1Ti, gpus: 8, gpu_model: H100}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "fleet.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "nodes", "gpus", "racks"),
    [
        ("tiny", 4, 32, 2),
        ("dgx-256", 256, 2048, 128),
        ("dgx-512", 512, 4096, 256),
        ("scale-5000", 5000, 40000, 1250),
        ("mixed", 128, 608, 22),
    ],
)
def test_the_fleets_have_the_sizes_they_are_named_for(name: str, nodes: int, gpus: int, racks: int) -> None:
    objects = list(load_fleet(name).nodes())
    assert len(objects) == nodes
    assert sum(int(node["status"]["allocatable"].get("nvidia.com/gpu", 0)) for node in objects) == gpus
    assert len({node["metadata"]["labels"][RACK_LABEL] for node in objects}) == racks


def test_every_fleet_of_the_folder_loads() -> None:
    assert {name: load_fleet(name).name for name in fleet_names()} == {name: name for name in fleet_names()}


def test_domains_nest() -> None:
    parents: dict[str, set[str]] = {}
    for node in load_fleet("dgx-512").nodes():
        labels = node["metadata"]["labels"]
        parents.setdefault(labels[RACK_LABEL], set()).add(labels[BLOCK_LABEL])
        parents.setdefault(labels[BLOCK_LABEL], set()).add(labels[ZONE_LABEL])
    assert all(len(above) == 1 for above in parents.values())
    # 4 zones x 8 blocks, and 8 racks in each block.
    assert len(parents) == 4 * 8 + 4 * 8 * 8


def test_a_node_is_ready_with_its_resources_labels_and_taints() -> None:
    node = next(load_fleet("mixed").nodes())
    assert node["metadata"]["name"] == "h100-z1-b1-r1-n1"
    expected = {
        GPU_MODEL_LABEL: "H100",
        "kubernetes.io/hostname": "h100-z1-b1-r1-n1",
        "topology.kubernetes.io/zone": "z1",
        ZONE_LABEL: "z1",
        BLOCK_LABEL: "z1-b1",
        RACK_LABEL: "z1-b1-r1",
        "muster.dev/fleet": "mixed",
    }
    assert expected.items() <= node["metadata"]["labels"].items()
    assert node["spec"]["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
    assert node["status"]["allocatable"] == {"cpu": "192", "memory": "2Ti", "pods": "110", "nvidia.com/gpu": "8"}
    assert [(item["type"], item["status"]) for item in node["status"]["conditions"]] == [("Ready", "True")]


def test_mixed_has_four_models_and_nodes_without_gpus() -> None:
    models = Counter(node["metadata"]["labels"].get(GPU_MODEL_LABEL) for node in load_fleet("mixed").nodes())
    assert set(models) == {"H100", "A100", "L40S", "T4", None}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("groups: [{shape: gpu, nodes_per_rack: 2, rakcs: 3}]", "groups[0].rakcs: Extra inputs are not permitted"),
        ("groups: [{shape: cpu, nodes_per_rack: 2}]", "no shape is named 'cpu'; there are gpu"),
        ("groups: [{shape: gpu, nodes_per_rack: 0}]", "groups[0].nodes_per_rack: Input should be greater than"),
        ("groups: [{shape: gpu, nodes_per_rack: 1}, {shape: gpu, names: [gpu-z1-b1-r1-n1]}]", "occurs twice"),
        ("groups: [{shape: gpu, names: [Upper]}]", "'Upper' cannot be part of a node name"),
        ("groups: []", "groups: Tuple should have at least 1 item"),
        ("colour: red\ngroups: [{shape: gpu, nodes_per_rack: 1}]", "colour: Extra inputs are not permitted"),
        ("groups: [", "is no valid YAML"),
    ],
)
def test_a_mistake_is_told_with_file_and_place(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, SHAPES + text)
    with pytest.raises(BedError) as caught:
        load_fleet(path)
    assert str(path) in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ("{cpu: lots, memory: 1Ti}", "shapes.gpu.cpu: 'lots' is no quantity"),
        ("{cpu: 1, memory: 1 TiB}", "shapes.gpu.memory: '1 TiB' is no quantity"),
        ("{cpu: 1, memory: 1Ti, gpu_model: H100}", "gpu_model is set, but gpus is 0"),
        ("{cpu: 1, memory: 1Ti, taints: [{key: a, effect: Never}]}", "shapes.gpu.taints[0].effect"),
    ],
)
def test_a_mistake_in_a_shape_is_told(tmp_path: Path, shape: str, told: str) -> None:
    path = write(tmp_path, f"name: test\nshapes: {{gpu: {shape}}}\ngroups: [{{shape: gpu, nodes_per_rack: 1}}]")
    with pytest.raises(BedError) as caught:
        load_fleet(path)
    assert told in str(caught.value)


def test_an_unknown_fleet_is_told_with_those_there_are() -> None:
    with pytest.raises(BedError, match=r"no fleet is named 'tyni'; there are .*tiny"):
        load_fleet("tyni")


NODE_LIST = """sn,cpu_milli,memory_mib,gpu,model
openb-node-0000,64000,262144,2,P100
openb-node-0001,96000,786432,0,
openb-node-0002,64000,262144,2,P100
"""


def test_a_node_list_of_openb_becomes_a_fleet(tmp_path: Path) -> None:
    source = tmp_path / "nodes.csv.gz"
    source.write_bytes(gzip.compress(NODE_LIST.encode()))
    fleet = Fleet.model_validate(yaml.safe_load(import_openb(source, "openb")))
    nodes = {node["metadata"]["name"]: node for node in fleet.nodes()}
    assert set(nodes) == {"openb-node-0000", "openb-node-0001", "openb-node-0002"}
    assert nodes["openb-node-0002"]["metadata"]["labels"][GPU_MODEL_LABEL] == "P100"
    assert nodes["openb-node-0002"]["status"]["allocatable"] == {
        "cpu": "64000m",
        "memory": "262144Mi",
        "pods": "110",
        "nvidia.com/gpu": "2",
    }
    assert "nvidia.com/gpu" not in nodes["openb-node-0001"]["status"]["allocatable"]
    assert len(fleet.shapes) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,cpu\na,1\n", "no column cpu_milli, gpu, memory_mib, model, sn"),
        (NODE_LIST + "bad,many,1,1,T4\n", "line 5: invalid literal"),
        (NODE_LIST + "bad,1,1,1,\n", "line 5: model '' with 1 GPUs"),
    ],
)
def test_a_malformed_node_list_is_told(tmp_path: Path, text: str, told: str) -> None:
    source = tmp_path / "nodes.csv"
    source.write_text(text)
    with pytest.raises(BedError) as caught:
        import_openb(source, "openb")
    assert told in str(caught.value)


def test_the_openb_cluster_is_the_one_of_the_published_results() -> None:
    source = OPENB / "openb_node_list_gpu_node.csv.gz"
    if not source.exists():
        pytest.skip(f"{source} is not there; MUSTER_SHARED names the folder that holds traces/")
    fleet = Fleet.model_validate(yaml.safe_load(import_openb(source, "openb")))
    assert (fleet.node_count(), fleet.gpu_count(), len(fleet.shapes)) == (1213, 6212, 15)
