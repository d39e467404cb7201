"""The two kinds of patch that the scheduler and its users send."""

from __future__ import annotations

from typing import Any

_MERGE_KEYS = {"conditions": "type", "containers": "name", "schedulingGates": "name", "taints": "key"}
"""The lists of pods and nodes whose elements a strategic patch merges, and by which field."""

_MERGED_SETS = {"finalizers"}


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, everything else (lists too) replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic_merge(target: Any, patch: Any) -> Any:
    """Kubernetes' strategic merge for the lists of `_MERGE_KEYS`; other lists are replaced, as for atomic ones."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif key in _MERGE_KEYS and isinstance(value, list):
            result[key] = _merge_list(result.get(key) or [], value, _MERGE_KEYS[key])
        elif key in _MERGED_SETS and isinstance(value, list):
            result[key] = list(dict.fromkeys([*(result.get(key) or []), *value]))
        else:
            result[key] = strategic_merge(result.get(key), value)
    return result


def _merge_list(target: list[dict[str, Any]], patch: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    merged = {element[key]: element for element in target}
    for element in patch:
        if element.get("$patch") == "delete":
            merged.pop(element[key], None)
        else:
            merged[element[key]] = strategic_merge(merged.get(element[key]), element)
    return list(merged.values())
