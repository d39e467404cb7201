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
from scheduler.policyfile import PolicyError, load
from scheduler.settings import Settings

BAD_INPUT = 2


def run_process(flags: dict[str, Any]) -> int:
    """`muster run`."""
    try:
        settings = Settings(**flags)
        policy = load(settings.policy) if settings.policy is not None else Policy()
    except ValidationError as trouble:
        for error in trouble.errors():
            print(f"muster: --{'.'.join(map(str, error['loc'])).replace('_', '-')}: {error['msg']}", file=sys.stderr)
        return BAD_INPUT
    except PolicyError as trouble:
        print(f"muster: {trouble}", file=sys.stderr)
        return BAD_INPUT
    logs.configure(settings.log_format, settings.log_level)
    try:
        return asyncio.run(Process(settings, policy).run())
    except CredentialsError as trouble:
        print(f"muster: {trouble}", file=sys.stderr)
        return BAD_INPUT


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
    if path.suffix in (".yaml", ".yml"):
        return load(path)
    if name == Policy().name:
        return Policy()
    named = Path("policies") / f"{name}.yaml"
    return load(named) if named.exists() else None


def check_policy(path: Path) -> int:
    """`muster policy check`."""
    try:
        policy = load(path)
    except PolicyError as trouble:
        print(trouble, file=sys.stderr)
        return BAD_INPUT
    print(f"{path}: policy {policy.name} is valid")
    return 0
