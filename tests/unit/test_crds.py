"""The schemas of the custom resources, without a server: bounded, described, each rule with a bad example."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

MANIFESTS = Path(__file__).parents[2] / "manifests"
CRDS = sorted((MANIFESTS / "crds").glob("*.yaml"))
EXAMPLES = MANIFESTS / "examples"


def _schema(path: Path) -> dict[str, Any]:
    (version,) = yaml.safe_load(path.read_text())["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def _nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below a schema with its path; items as `[]`, values of a map as `{}`."""
    children = {f"{path}.{name}": child for name, child in schema.get("properties", {}).items()}
    if "items" in schema:
        children[f"{path}[]"] = schema["items"]
    if "additionalProperties" in schema:
        children[f"{path}{{}}"] = schema["additionalProperties"]
    for below, child in children.items():
        yield below, child
        yield from _nodes(child, below)


def _own_fields(path: Path) -> dict[str, dict[str, Any]]:
    """Fields below spec and status; what every object has is bounded by the API server itself."""
    return {field: node for field, node in _nodes(_schema(path)) if field.startswith((".spec", ".status"))}


def _is_bounded(node: dict[str, Any]) -> bool:
    if node.get("x-kubernetes-int-or-string"):
        return "maxLength" in node
    match node["type"]:
        case "array":
            return "maxItems" in node
        case "string":
            return "maxLength" in node or "enum" in node or node.get("format") == "date-time"
        case "object":
            return "additionalProperties" not in node or "maxProperties" in node
        case _:
            return True


def _rules(schema: dict[str, Any]) -> Iterator[dict[str, str]]:
    yield from schema.get("x-kubernetes-validations", [])
    for _, node in _nodes(schema):
        yield from node.get("x-kubernetes-validations", [])


def _message_pattern(rule: dict[str, str]) -> re.Pattern[str]:
    """What the answer to a broken rule looks like; the values in a messageExpression may be anything."""
    if "message" in rule:
        return re.compile(re.escape(rule["message"]))
    template = re.match(r"\s*'([^']*)'", rule["messageExpression"])
    assert template, f"messageExpression does not start with its text: {rule['messageExpression']}"
    return re.compile(".+".join(re.escape(part) for part in re.split("%[ds]", template[1])))


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.stem)
def test_every_list_string_and_map_has_a_maximum(path: Path) -> None:
    assert [field for field, node in _own_fields(path).items() if not _is_bounded(node)] == []


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.stem)
def test_every_named_field_is_described(path: Path) -> None:
    named = {field: node for field, node in _own_fields(path).items() if not field.endswith(("[]", "{}"))}
    assert [field for field, node in named.items() if not node.get("description")] == []


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.stem)
def test_every_list_says_how_it_merges(path: Path) -> None:
    lists = {field: node for field, node in _own_fields(path).items() if node.get("type") == "array"}
    assert [field for field, node in lists.items() if "x-kubernetes-list-type" not in node] == []


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.stem)
def test_every_rule_has_a_bad_example(path: Path) -> None:
    kind = yaml.safe_load(path.read_text())["spec"]["names"]["kind"]
    examples = [example.read_text() for example in (EXAMPLES / "bad").glob("*.yaml")]
    expectations = [text.splitlines()[0] for text in examples if f"\nkind: {kind}\n" in text]
    rules = list(_rules(_schema(path)))
    assert rules
    assert [rule["rule"] for rule in rules if not any(map(_message_pattern(rule).search, expectations))] == []


@pytest.mark.parametrize("kind", ["Queue", "PodGroup", "Topology", "ResourceFlavor"])
def test_every_kind_has_three_good_examples(kind: str) -> None:
    documents = [
        document for path in (EXAMPLES / "good").glob("*.yaml") for document in yaml.safe_load_all(path.read_text())
    ]
    assert sum(document["kind"] == kind for document in documents) >= 3
