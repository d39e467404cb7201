"""What the commands do, with every expected trouble as a message and an exit code."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from scheduler.app import Process
from scheduler.kube.credentials import CredentialsError
from scheduler.model.policy import Policy
from scheduler.observe import logs
from scheduler.observe.health import ListenError
from scheduler.policyfile import PolicyError, load
from scheduler.settings import Settings

BAD_INPUT = 2

POLICIES = Path("policies")
"""The folder, from where the command runs, whose policies may be named without path and suffix."""


def run_process(flags: dict[str, Any]) -> int:
    """`muster run`."""
    try:
        settings = Settings(**flags)
        policy = _policy(settings.policy) if settings.policy is not None else Policy()
    except ValidationError as trouble:
        for error in trouble.errors():
            print(f"muster: {_source(error['loc'], flags)}: {error['msg']}", file=sys.stderr)
        return BAD_INPUT
    except PolicyError as trouble:
        print(f"muster: {trouble}", file=sys.stderr)
        return BAD_INPUT
    logs.configure(settings.log_format, settings.log_level)
    try:
        return asyncio.run(Process(settings, policy).run())
    except (CredentialsError, ListenError) as trouble:
        print(f"muster: {trouble}", file=sys.stderr)
        return BAD_INPUT


def _source(loc: tuple[int | str, ...], flags: dict[str, Any]) -> str:
    """Where a setting was read: its flag, or its variable of the environment."""
    name = str(loc[0]) if loc else ""
    return f"--{name.replace('_', '-')}" if name in flags else f"MUSTER_{name.upper()}"


def decide_files(files: list[Path], check: bool, output: Literal["text", "yaml", "json"], policy: str | None) -> int:
    """`muster decide`."""
    from scheduler.scenario.command import decide_command  # the running scheduler does without it

    try:
        return decide_command(files, check, output, policy, find_policy)
    except PolicyError as trouble:
        print(f"muster: {trouble}", file=sys.stderr)
        return BAD_INPUT


def find_policy(name: str) -> Policy | None:
    """A policy by the path of its file, or by its name: the built-in default, or a file of ./policies."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return load(path)
    if name == Policy().name:
        return Policy()
    named = POLICIES / f"{name}.yaml"
    return load(named) if named.exists() else None


def _policy(path: Path) -> Policy:
    """A policy by path or name, as `find_policy`; PolicyError where there is none."""
    found = find_policy(str(path))
    if found is None:
        known = ", ".join(sorted(each.stem for each in POLICIES.glob("*.yaml"))) or "none here"
        raise PolicyError(f"policy {path} does not exist; name a file, or one of ./{POLICIES} (there are: {known})")
    return found


def check_policy(path: Path) -> int:
    """`muster policy check`."""
    try:
        policy = _policy(path)
    except PolicyError as trouble:
        print(trouble, file=sys.stderr)
        return BAD_INPUT
    print(f"{path}: policy {policy.name} is valid")
    return 0
