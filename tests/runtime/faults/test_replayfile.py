"""Replay files: what is written is read back, and what is no replay file is refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callboard.models.base import replace
from callboard.runtime.chaos.portfolio import plan_of
from callboard.runtime.chaos.schedule import play
from callboard.runtime.faults.plan import Hold
from callboard.runtime.faults.replayfile import BadReplayFile, Expected, read, write
from callboard.runtime.faults.strategies import strategy_named

EXPECTED = Expected(oracle="no surplus pods", object="pods/default/a", words="one too many", at_s=1.5, step=77, trace_hash="abc")


@pytest.mark.parametrize("seed", range(20))
def test_every_plan_is_read_back_as_it_was_written(seed: int, tmp_path: Path) -> None:
    plan = replace(plan_of(seed), holds=(Hold("a", "b", 1, "Ping", "key", 2, 0.25),))
    write(tmp_path / "r.jsonl", plan, EXPECTED)
    back = read(tmp_path / "r.jsonl")
    assert (back.plan, back.expected) == (plan, EXPECTED)


def test_a_plan_that_was_read_back_has_the_same_history(tmp_path: Path) -> None:
    plan = plan_of(3)
    outcome = play(plan, strategy_named(plan.strategy, 3, plan.lasts_s), tuple)
    write(tmp_path / "r.jsonl", replace(plan, holds=outcome.holds), EXPECTED)
    assert play(read(tmp_path / "r.jsonl").plan, None, tuple).trace_hash == outcome.trace_hash


def _lines(tmp_path: Path) -> list[str]:
    write(tmp_path / "good.jsonl", plan_of(1), EXPECTED)
    return (tmp_path / "good.jsonl").read_text().splitlines()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda lines: [], "does not begin with a line of JSON"),
        (lambda lines: ["hello", *lines[1:]], "does not begin with a line of JSON"),
        (lambda lines: ["{}", *lines[1:]], 'no "callboard_replay"'),
        (lambda lines: [json.dumps({**json.loads(lines[0]), "callboard_replay": 99}), *lines[1:]], "format 99 is of another version"),
        (lambda lines: [json.dumps({**json.loads(lines[0]), "nodes": "many"}), *lines[1:]], "nodes"),
        (lambda lines: lines[:-1], "cut short"),
        (lambda lines: [*lines, lines[-1]], "second expectation"),
        (lambda lines: [lines[0], "{", *lines[1:]], ":2:"),
        (lambda lines: [lines[0], '{"fault": {"fault": "Meteor"}}', *lines[1:]], "Meteor"),
        (lambda lines: [lines[0], '{"wish": 1}', *lines[1:]], "a line is one of operation, fault, hold, expected"),
    ],
)
def test_what_is_no_replay_file_is_refused_with_the_line(spoil: object, words: str, tmp_path: Path) -> None:
    assert callable(spoil)
    (tmp_path / "bad.jsonl").write_text("\n".join(spoil(_lines(tmp_path))))
    with pytest.raises(BadReplayFile, match=words.replace("(", r"\(")):
        read(tmp_path / "bad.jsonl")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadReplayFile, match=r"nothing\.jsonl: can't be read"):
        read(tmp_path / "nothing.jsonl")
