"""What a pod or a template asks of GPU devices besides whole ones, and what is wrong with it in words."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.model.devices import DEVICE_MILLI, DeviceAsk
from scheduler.model.mig import is_profile
from scheduler.model.resources import GPU, MEMORY, Resources, amount
from scheduler.wire import names, raw

_COUNT_MAX = 64
_MIB = 2**20

Asked = tuple[DeviceAsk | None, tuple[str, ...]]
"""(the ask, what of it is not decided on: such a pod is refused with these words)."""


def annotated(annotations: Mapping[str, str], requests: Resources) -> Asked:
    """The ask of a pod's annotations."""
    return _asked({name: annotations[name] for name in names.DEVICE_ASKS if name in annotations}, requests)


def templated(gpu: raw.GpuAsk, requests: Resources) -> Asked:
    """The ask of a member's template."""
    stated = {
        names.ANNOTATION_GPU_COUNT: gpu.count,
        names.ANNOTATION_GPU_MILLI: gpu.milli,
        names.ANNOTATION_GPU_MEMORY: gpu.memory,
        names.ANNOTATION_MIG_PROFILE: gpu.migProfile or None,
    }
    return _asked({name: str(value) for name, value in stated.items() if value is not None}, requests)


def _asked(stated: Mapping[str, str], requests: Resources) -> Asked:
    if not stated:
        return None, ()
    kinds = [name for name in stated if name != names.ANNOTATION_GPU_COUNT]
    if len(kinds) != 1:
        return None, (f"{' with '.join(kinds) or 'a number of GPU shares'} (exactly one kind of share is needed)",)
    if dict(requests).get(GPU):
        return None, (f"{kinds[0]} beside whole GPUs in one pod",)
    texts = {"count": stated.get(names.ANNOTATION_GPU_COUNT, "1"), "asked": stated[kinds[0]]}
    count = _whole(texts["count"], _COUNT_MAX)
    if not count:
        return None, (f"{names.ANNOTATION_GPU_COUNT} {texts['count']!r} (a number up to {_COUNT_MAX})",)
    ask = _of_kind(kinds[0], texts["asked"], count)
    return (None, (f"{kinds[0]} {texts['asked']!r}",)) if ask is None else (ask, ())


def _of_kind(kind: str, text: str, count: int) -> DeviceAsk | None:
    if kind == names.ANNOTATION_MIG_PROFILE:
        return DeviceAsk(count, profile=text) if is_profile(text) else None
    if kind == names.ANNOTATION_GPU_MILLI:
        milli = _whole(text, DEVICE_MILLI)
        return DeviceAsk(count, milli=milli) if milli else None
    try:
        mib = -(-amount(MEMORY, text) // _MIB)
    except ValueError:
        return None
    return DeviceAsk(count, memory_mib=mib) if 0 < mib < 2**31 else None


def _whole(text: str, most: int) -> int:
    """A number from 1 to ``most``; 0 for anything else."""
    number = int(text) if text.isdecimal() and len(text) <= 9 else 0
    return number if number <= most else 0
