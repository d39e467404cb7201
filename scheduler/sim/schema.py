"""What a CustomResourceDefinition's schema does to the objects it governs: prune, fill in defaults, refuse.

The part of structural schemas that is plain data; CEL rules (``x-kubernetes-validations``) are left to the real server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from scheduler.sim.objects import Object

Schema = Mapping[str, Any]
Schemas = Mapping[str, Schema]
"""The structural schema of each custom kind, by the plural of the kind."""

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


def schemas_of(definitions: list[Mapping[str, Any]]) -> Schemas:
    """From CustomResourceDefinitions as parsed YAML; each has one version."""
    specs = [each["spec"] for each in definitions]
    return {each["names"]["plural"]: each["versions"][0]["schema"]["openAPIV3Schema"] for each in specs}


def shaped(body: Object, schema: Schema) -> Object:
    """The object without fields that the schema does not know, and with its defaults; metadata stays as it is."""
    kept = {key: body[key] for key in ("apiVersion", "kind", "metadata") if key in body}
    rest = {key: value for key, value in body.items() if key not in kept}
    result: Object = kept | _shape(rest, {**schema, "properties": _rest(schema)})
    return result


def faults(body: Object, schema: Schema) -> list[str]:
    """What the schema refuses, as ``path: why``; empty when all is well."""
    return [fault for key, part in _rest(schema).items() if key in body for fault in _faults(body[key], part, key)]


def _rest(schema: Schema) -> dict[str, Any]:
    return {key: part for key, part in schema.get("properties", {}).items() if key in ("spec", "status")}


def _shape(value: Any, schema: Schema) -> Any:
    if isinstance(value, list):
        return [_shape(each, schema.get("items", {})) for each in value]
    if not isinstance(value, dict):
        return value
    if "additionalProperties" in schema:
        return {key: _shape(each, schema["additionalProperties"]) for key, each in value.items()}
    result = {}
    for key, part in schema.get("properties", {}).items():
        if value.get(key) is not None:
            result[key] = _shape(value[key], part)
        elif "default" in part:
            result[key] = part["default"]
    return result


def _faults(value: Any, schema: Schema, path: str) -> Iterator[str]:
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, int | str):
            yield f"{path}: must be a number or a string"
        return
    kind = schema.get("type", "")
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{path}: Invalid value: must be of type {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f'{path}: Unsupported value: "{value}"'
    if isinstance(value, str):
        yield from _faults_of_text(value, schema, path)
    elif isinstance(value, list):
        yield from _faults_of_size(len(value), schema, "Items", path)
        for index, each in enumerate(value):
            yield from _faults(each, schema["items"], f"{path}[{index}]")
    elif isinstance(value, dict):
        yield from _faults_of_object(value, schema, path)
    elif not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{path}: Invalid value: {value}"


def _faults_of_text(value: str, schema: Schema, path: str) -> Iterator[str]:
    yield from _faults_of_size(len(value), schema, "Length", path)
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f'{path}: Invalid value: "{value}": should match {schema["pattern"]}'


def _faults_of_object(value: Object, schema: Schema, path: str) -> Iterator[str]:
    yield from (f"{path}.{key}: Required value" for key in schema.get("required", []) if key not in value)
    yield from _faults_of_size(len(value), schema, "Properties", path)
    parts = schema.get("properties", {})
    for key, each in value.items():
        yield from _faults(each, parts.get(key, schema.get("additionalProperties", {})), f"{path}.{key}")


def _faults_of_size(size: int, schema: Schema, what: str, path: str) -> Iterator[str]:
    if size > schema.get(f"max{what}", size):
        yield f"{path}: Too long: may not be more than {schema[f'max{what}']}"
    if size < schema.get(f"min{what}", size):
        yield f"{path}: Too short: must be at least {schema[f'min{what}']}"
