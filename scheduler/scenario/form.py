"""What all parts of the format share: strict forms, quantities, durations, lists that may be written as mappings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from scheduler.model.resources import CPU, GPU, MEMORY, PODS, parse_quantity
from scheduler.scenario.problems import suggest


class Form(BaseModel):
    """A mapping with known keys, written in camelCase; an unknown key is refused with the nearest known one."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    short: ClassVar[str] = ""
    """The key that a bare value stands for (`4` instead of `{gpu: 4}`), if any."""

    @classmethod
    def known_keys(cls) -> set[str]:
        return {field.alias or name for name, field in cls.model_fields.items()}

    @model_validator(mode="before")
    @classmethod
    def _accept(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if cls.short and not isinstance(value, Mapping):
            value = {cls.short: value}
        if not isinstance(value, Mapping):
            keys = ", ".join(sorted(cls.known_keys()))
            raise PydanticCustomError(
                "not_a_mapping", "is {got}, not a mapping; its keys are: {keys}", {"got": _kind(value), "keys": keys}
            )
        value = dict(value)
        if "" in value and cls.short:  # a bare value in a mapping of named forms
            value[cls.short] = value.pop("")
        value = cls.rewrite(value)
        for key in value:
            if key not in cls.known_keys() and key not in cls.model_fields:
                raise unknown_key(key, cls.known_keys())
        return value

    @classmethod
    def rewrite(cls, value: dict[str, Any]) -> dict[str, Any]:
        """A form's own shorthands, applied before its keys are checked."""
        return value


def unknown_key(key: str, known: set[str]) -> PydanticCustomError:
    return PydanticCustomError(
        "unknown_key", "is not a key of this form; {remedy}", {"key": key, "remedy": suggest(key, known)}
    )


def fault(message: str, remedy: str) -> PydanticCustomError:
    """A fault with its remedy, to be raised inside a validator."""
    # The message is not a template: text from the file may hold braces.
    return PydanticCustomError("fault", "{message}; {remedy}", {"message": message, "remedy": remedy})


def _kind(value: object) -> str:
    if isinstance(value, tuple):
        return "a list"
    return "empty" if value is None else repr(value)


# Quantities and resources -------------------------------------------------------------------------------------------

SHORT_RESOURCES = {"gpu": GPU, "cpu": CPU, "memory": MEMORY, "pods": PODS}
PLAIN_RESOURCES = {"ephemeral-storage"}


def resource_name(short: str) -> str:
    """The Kubernetes name of a resource as the format writes it; ValueError where there is none."""
    if short in SHORT_RESOURCES:
        return SHORT_RESOURCES[short]
    if short in PLAIN_RESOURCES or "/" in short or short.startswith("hugepages-"):
        return short
    raise ValueError(
        f"{short!r} is not a resource; {suggest(short, SHORT_RESOURCES)} (others have a domain, as example.com/licence)"
    )


def short_resource(name: str) -> str:
    """A resource as the format writes it."""
    return next((short for short, full in SHORT_RESOURCES.items() if full == name), name)


def _quantity(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise fault(f"is {_kind(value)}, not a quantity", "write 4, 0.5, 500m or 16Gi")
    text = str(value)
    try:
        exact = parse_quantity(text)
    except ValueError:
        raise fault(f"{text!r} is not a quantity", "write 4, 0.5, 500m or 16Gi") from None
    if exact < 0:
        raise fault(f"{text} is below zero", "a quantity is 0 or more")
    return text


Quantity = Annotated[str, BeforeValidator(_quantity)]
"""A Kubernetes quantity, kept as it was written."""


def _amounts(value: Any) -> Any:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        value = {"gpu": value}
    if not isinstance(value, Mapping):
        raise fault(f"is {_kind(value)}, not amounts of resources", "write 4 (GPUs) or {gpu: 4, cpu: 8}")
    named: dict[str, Any] = {}
    for key, each in value.items():
        try:
            named[resource_name(key)] = each
        except ValueError as error:
            raise PydanticCustomError("unknown_key", "{message}", {"key": key, "message": str(error)}) from None
    return named


Amounts = Annotated[dict[str, Quantity], BeforeValidator(_amounts)]
"""Amounts by resource name. A bare number counts GPUs."""


def _flavored(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return {"": value}
    plain = {key: each for key, each in value.items() if not isinstance(each, Mapping)}
    flavors = {key: each for key, each in value.items() if isinstance(each, Mapping)}
    return ({"": plain} if plain or not flavors else {}) | flavors


FlavoredAmounts = Annotated[dict[str, Amounts], BeforeValidator(_flavored)]
"""Amounts by flavor (empty: any). ``{gpu: 4}`` is of any flavor, ``{h100: {gpu: 4}}`` of one."""

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?$")


def _seconds(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    sign, text = (-1.0, value[1:]) if isinstance(value, str) and value.startswith("-") else (1.0, value)
    match = _DURATION.match(text) if isinstance(text, str) and text else None
    if match is None:
        raise fault(f"{value!r} is not a time", "write seconds (90) or 1d2h30m10s; a time before the start is negative")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return sign * (((days * 24 + hours) * 60 + minutes) * 60 + seconds)


Seconds = Annotated[float, BeforeValidator(_seconds)]
"""A time or a duration: seconds, or text such as ``1h30m``. Times count from the scenario's own zero."""


# Lists with names ---------------------------------------------------------------------------------------------------


def _named(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    found = []
    for name, each in value.items():
        if each is None:
            each = {}
        found.append({"name": name, **each} if isinstance(each, Mapping) else {"name": name, "": each})
    return tuple(found)


Named = BeforeValidator(_named)
"""Lets a list of named forms be written as a mapping: ``{a: {...}}`` for ``[{name: a, ...}]``."""


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str | int | float) and not isinstance(value, bool) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""One name or a list of them."""

Count = Annotated[int, Field(ge=0, le=1_000_000)]
Name = Annotated[str, Field(min_length=1, max_length=253)]
