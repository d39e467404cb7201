"""Whoever waits for a long decision is told that it goes on."""

import time

import pytest

from scheduler.scenario.progress import told_while_deciding


def test_a_long_decision_says_that_it_goes_on_ever_more_seldom(capsys: pytest.CaptureFixture[str]) -> None:
    with told_while_deciding("x/A-01", first_seconds=0.05):
        time.sleep(0.6)
    said = capsys.readouterr().err.splitlines()
    assert said[:3] == [f"x/A-01: still deciding after {seconds} s" for seconds in ("0.05", "0.1", "0.2")]
    assert len(said) <= 5


def test_a_short_one_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with told_while_deciding("x/A-01"):
        pass
    time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_it_ends_with_a_decision_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"), told_while_deciding("x/A-01", first_seconds=0.05):
        raise ValueError("broken")
    time.sleep(0.1)
    assert capsys.readouterr().err == ""
