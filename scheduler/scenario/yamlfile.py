"""YAML with positions: every value knows the line it stands on, so that any later complaint can name it.

Booleans are ``true`` and ``false`` only (``on`` is a key of the format), times are plain text, a key stands once.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from scheduler.scenario.problems import Problem, ScenarioError

LARGEST_BYTES = 4 * 2**20
MOST_VALUES = 200_000
DEEPEST = 40


@dataclass
class Mark:
    """Where a value stands (``line`` counted from 1), with its children by key and by position."""

    line: int
    children: dict[Hashable, Mark] = field(default_factory=dict)

    def nearest(self, location: tuple[Hashable, ...]) -> int:
        """The line of the deepest value along a location; parts that the file does not show are passed over."""
        mark, matched = self, True
        for part in location:
            # A position counts only below the list it belongs to, never below a key that was passed over.
            found = mark.children.get(part) if matched or not isinstance(part, int) else None
            mark, matched = (found, True) if found is not None else (mark, False)
        return mark.line


@dataclass(frozen=True)
class Document:
    value: object
    mark: Mark


class _Loader(yaml.SafeLoader):
    """YAML 1.2's booleans and no timestamps."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), ["t", "f"])


def read_documents(path: Path) -> list[Document]:
    """The documents of a file, empty ones left out; `ScenarioError` where it cannot be read or is not YAML."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ScenarioError([Problem(path, 1, "", f"is larger than {LARGEST_BYTES} bytes", "split the suite")])
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError([Problem(path, 0, "", f"cannot be read: {error}", "name a YAML file")]) from None
    loader = _Loader(text)
    found: list[Document] = []
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None
            value = _Builder(path, loader).build(node)
            if value.value is not None:
                found.append(value)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise ScenarioError([Problem(path, line, "", f"is not YAML: {what}", _remedy(what))]) from None
    except yaml.YAMLError as error:
        raise ScenarioError([Problem(path, 0, "", f"is not YAML: {error}", _remedy(""))]) from None
    finally:
        loader.dispose()
    return found


class _Builder:
    """Turns a YAML node into plain values (sequences as tuples) and marks."""

    def __init__(self, path: Path, loader: _Loader) -> None:
        self._path = path
        self._loader = loader
        self._values = 0

    def build(self, node: yaml.Node) -> Document:
        value, mark = self._value(node, 0)
        return Document(value, mark)

    def _value(self, node: yaml.Node, depth: int) -> tuple[object, Mark]:
        mark = Mark(node.start_mark.line + 1)
        self._values += 1
        if depth > DEEPEST or self._values > MOST_VALUES:  # an alias may repeat, or contain, itself
            fault = f"is nested deeper than {DEEPEST} or holds more than {MOST_VALUES} values"
            raise ScenarioError([Problem(self._path, mark.line, "", fault, "use fewer aliases")])
        if isinstance(node, yaml.SequenceNode):
            items: list[object] = []
            for index, child in enumerate(node.value):
                item, mark.children[index] = self._value(child, depth + 1)
                items.append(item)
            return tuple(items), mark
        if isinstance(node, yaml.MappingNode):
            self._loader.flatten_mapping(node)
            mapping: dict[object, object] = {}
            for index, (key, item, item_mark) in enumerate(self._entries(node, depth)):
                mapping[key] = item
                # By position too: a mapping may stand for a list of named things.
                mark.children[key] = mark.children[index] = item_mark
            return mapping, mark
        scalar: Any = self._loader.construct_object(node)
        return scalar, mark

    def _entries(self, node: yaml.MappingNode, depth: int) -> Iterator[tuple[Hashable, object, Mark]]:
        seen: set[Hashable] = set()
        for key_node, value_node in node.value:
            key, key_mark = self._value(key_node, depth + 1)
            if not isinstance(key, str | int | float):
                raise ScenarioError(
                    [Problem(self._path, key_mark.line, "", f"has a key that is not text: {key!r}", "quote the key")]
                )
            key = key if isinstance(key, str) else str(key)
            if key in seen:
                raise ScenarioError([Problem(self._path, key_mark.line, key, "stands twice", "keep one of the two")])
            seen.add(key)
            value, mark = self._value(value_node, depth + 1)
            mark.line = key_mark.line
            yield key, value, mark


def _remedy(what: str) -> str:
    if "tab" in what or "\\t" in what:
        return "indent with spaces"
    return "check the indentation, and quote text that holds any of [ ] { } : #"
