"""`callboard doctor`: the level in a sentence, every step in a table or as JSON, and a refusal of what is asked for by variable."""

from __future__ import annotations

import json

import pytest

from callboard.cli.doctor import table
from callboard.cli.group import run
from callboard.runtime.isolation.levels import Finding, chosen


def test_the_level_is_told_first_and_then_every_step(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CALLBOARD_ISOLATION", raising=False)
    assert run(["doctor"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Real containers run at isolation level {chosen().name}: ")
    assert {line.split()[0] for line in said.splitlines()[3:]} == {"A", "B", "C1", "C0", "all"}


def test_the_same_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_ISOLATION", "C0")
    assert run(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["level"], told["refused"]) == ("C0", "")
    assert {"level": "C0", "step": "processes", "works": True, "why": "", "advice": ""} in told["steps"]


def test_a_level_that_is_none_is_refused_and_exits_with_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_ISOLATION", "D")
    assert run(["doctor"]) == 1
    assert "CALLBOARD_ISOLATION='D' is no level of isolation" in capsys.readouterr().out


def test_what_fails_is_told_with_what_to_do() -> None:
    lines = table((Finding("A", "net", True), Finding("B", "more users", False, "no newuidmap", "apt-get install uidmap"))).splitlines()
    assert lines[1].split() == ["A", "net", "yes"]
    assert lines[2].endswith("no      no newuidmap; apt-get install uidmap")
