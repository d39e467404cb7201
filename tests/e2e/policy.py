"""Policies under which stories run: without the pauses that spare a busy API server, so that none waits for words."""

from collections.abc import Sequence

import pytest

QUICK_WORDS = """
name: e2e
verdicts: {first_seconds: 0.2, incomplete_seconds: 0.5, repeat_seconds: 1.0, writes_per_second: 100.0}
"""


def policy_arguments(factory: pytest.TempPathFactory, text: str = QUICK_WORDS) -> Sequence[str]:
    """Arguments of `muster run` for a policy written to a file of its own."""
    path = factory.mktemp("policy") / "policy.yaml"
    path.write_text(text)
    return ("--policy", str(path))
