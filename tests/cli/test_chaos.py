"""`callboard chaos`: explore, replay, shrink, explain, mutants; what is said, what comes back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callboard.cli.chaos import command
from callboard.models.base import replace
from callboard.runtime.chaos.exploring import Wish, play_seed
from callboard.runtime.chaos.replaying import expectation
from callboard.runtime.chaos.replaying import replay as played
from callboard.runtime.faults import replayfile
from tests.runtime.chaos.found import FOUND


def _chaos(*arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments], standalone_mode=False)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A program with a bug, and a replay file of a failure that comes of it."""
    from callboard.actors.replicaset.memory import Memory

    monkeypatch.setattr(Memory, "pod_failed", lambda *_: None)
    monkeypatch.setattr("callboard.actors.controller.STALE_REASONS", ())
    plan = replace(next(iter(FOUND.values())), nodes=2)
    path = tmp_path / "failure.jsonl"
    replayfile.write(path, plan, expectation(played(plan)))
    return path


def test_exploring_the_unchanged_program_finds_nothing_and_says_how_much_was_played(tmp_path: Path) -> None:
    done = _chaos("run", "--schedules", "6", "--jobs", "1", "--out", str(tmp_path / "out"), "--json", str(tmp_path / "found.json"))
    assert done.return_value == 0, done.output
    assert "6 schedules" in done.output
    assert "0 failures" in " ".join(done.output.split())
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["schedules"], found["failures"]) == (6, [])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scenario", "nothing"), "'nothing' is none; there are rollouts"),
        (("--faults", "Meteor"), "'Meteor' is none; there are NodeCrash"),
        (("--strategy", "guess"), "there is no strategy 'guess'"),
    ],
)
def test_names_that_are_none_are_refused_with_those_that_there_are(arguments: tuple[str, ...], words: str) -> None:
    done = _chaos("run", *arguments)
    assert done.exception is not None
    assert words in str(done.exception)


def test_a_failure_is_replayed_bit_for_bit_and_its_story_told(broken: Path) -> None:
    done = _chaos("replay", str(broken))
    assert done.return_value == 0, done.output
    assert '"nothing spins" is broken' in done.output
    assert "the same history as when" in done.output


def test_a_replay_that_has_another_history_says_why_and_does_not_pass(broken: Path) -> None:
    kept = replayfile.read(broken)
    replayfile.write(broken, kept.plan, replace(kept.expected, trace_hash="other"))
    done = _chaos("replay", str(broken))
    assert done.return_value == 1
    assert "another history" in done.output
    assert "the same oracle fires" in done.output
    assert _chaos("replay", str(broken), "--lenient").return_value == 0


def test_the_first_step_that_differs_is_shown(broken: Path) -> None:
    kept = replayfile.read(broken)
    other = replace(kept.plan, operations=(replace(kept.plan.operations[0], at_s=0.5), *kept.plan.operations[1:]))
    replayfile.write(broken, other, kept.expected)
    done = _chaos("replay", str(broken))
    assert done.return_value == 1
    assert "the first step that differs, as it is now: " in done.output


def test_steps_are_shown_up_to_the_one_that_is_asked_for(broken: Path) -> None:
    lines = _chaos("replay", str(broken), "--until", "5").output.splitlines()
    assert len([line for line in lines if " -> " in line and " s  " in line]) == 5
    assert broken.stat().st_size < 20_000


def test_a_failure_that_is_mended_does_not_come_again(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    done = _chaos("replay", str(broken))
    assert done.return_value == 1
    assert "that failure does not come again" in done.output
    assert _chaos("shrink", str(broken)).return_value == 1
    assert _chaos("explain", str(broken)).return_value == 1


def test_a_failure_is_made_smaller_in_its_file(broken: Path) -> None:
    done = _chaos("shrink", str(broken))
    assert done.return_value == 0, done.output
    assert replayfile.read(broken).plan.nodes == 1
    assert re.search(r"1 faults, 0 holds after \d+ replays", done.output)


def test_a_failure_is_explained_in_words_with_the_object_and_a_picture_beside_it(broken: Path) -> None:
    done = _chaos("explain", str(broken))
    assert done.return_value == 0, done.output
    assert "as it was stored then:" in done.output
    assert "kind: ReplicaSet" in done.output
    assert broken.with_suffix(".html").read_text().startswith("<!doctype html>")


def test_mutants_of_a_file_are_played_and_told_as_json(tmp_path: Path) -> None:
    patch = {
        "module": "callboard.actors.ownwrites",
        "before": "        return key not in self._in_flight and key not in self._awaited",
        "after": "        return True",
    }
    (tmp_path / "mine.json").write_text(json.dumps([{"id": "mine", "patches": [patch]}]))
    done = _chaos(
        "mutants", "--mutant", str(tmp_path / "mine.json"), "--seeds", "0..2", "--control", "1", "--json", str(tmp_path / "m.json")
    )
    assert done.return_value == 0, done.output
    found = json.loads((tmp_path / "m.json").read_text())
    assert found["control"]["false_alarms"] == 0
    assert [(row["id"], row["verdict"], row["oracle"]) for row in found["mutants"]] == [("mine", "killed", "no surplus pods")]
    assert (found["summary"]["killed"], found["summary"]["of"]) == (1, 1)


def test_naive_ways_of_searching_are_told_beside_the_portfolio_and_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from callboard.runtime.chaos.mutants import baselines
    from callboard.runtime.chaos.mutants.searchers import Search, Searched

    asked: list[Search] = []

    def carry_out(order: Search) -> Searched:
        asked.append(order)
        killed = order.mutant.id == "M02" and order.searcher != "threads"
        oracle = "no surplus pods" if killed else ""
        return Searched(id=order.mutant.id, searcher=order.searcher, killed=killed, cpu_s=1.25, wall_s=2.0, runs=3, oracle=oracle)

    monkeypatch.setattr(baselines, "carry_out", carry_out)
    done = _chaos("mutants", "--baselines", "--only", "M02", "--seconds", "7", "--json", str(tmp_path / "b.json"))
    assert done.return_value == 0, done.output
    assert "1.2 s (3)" in done.output
    assert "threads: 0 of 1 killed (0 within 1 s, 0 within 10 s, 0 within 60 s of processor time)" in done.output
    assert {(order.seconds, order.runs) for order in asked} == {(7.0, None)}
    rows = json.loads((tmp_path / "b.json").read_text())["baselines"]
    assert [(row["id"], row["searcher"], row["killed"]) for row in rows] == [
        (name, searcher, name == "M02" and searcher != "threads")
        for name in ("control", "M02")
        for searcher in ("portfolio", "threads", "hypothesis")
    ]
    assert rows[3].keys() >= {"id", "searcher", "killed", "cpu_s", "wall_s", "runs"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--seeds", "9..1"), "no range of seeds"),
        (("--only", "M99"), "'M99' is none"),
        (("--seconds", "5"), "--seconds is for --baselines"),
        (("--baselines", "--seeds", "0..1"), "not with --seeds"),
    ],
)
def test_what_mutants_are_asked_for_is_checked(arguments: tuple[str, ...], words: str) -> None:
    done = _chaos("mutants", *arguments)
    assert words in str(done.exception)


def test_a_small_world_is_played_in_every_order_and_what_may_be_claimed_is_said(tmp_path: Path) -> None:
    done = _chaos("exhaust", "compare-and-set", "--json", str(tmp_path / "found.json"))
    assert done.return_value == 0, done.output
    assert "compare-and-set: all 80 orders of up to 11 messages and timers" in done.output
    assert "No violation: what clients see of the store could have happened one operation at a time" in done.output
    (found,) = json.loads((tmp_path / "found.json").read_text())
    assert (found["world"], found["orders"], found["complete"], found["wrong"]) == ("compare-and-set", 80, True, "")


def test_a_small_world_of_a_broken_program_fails_with_the_order_that_shows_it() -> None:
    done = _chaos("exhaust", "own-writes", "--mutant", "M02")
    assert done.return_value == 1
    assert "own-writes: broken after" in done.output
    assert re.search(r"\d+\. WatchBatch from apiserver-0#1 to controller/replicaset", done.output)


@pytest.mark.parametrize(("arguments", "words"), [(("nothing",), "there are compare-and-set"), (("--mutant", "M99"), "'M99' is none")])
def test_worlds_and_mutants_that_there_are_not_are_refused(arguments: tuple[str, ...], words: str) -> None:
    assert words in str(_chaos("exhaust", *arguments).exception)


def test_a_seed_is_the_same_schedule_in_every_process() -> None:
    plan, outcome = play_seed(Wish(), 4)
    again, once_more = play_seed(Wish(), 4)
    assert (plan, outcome.trace_hash) == (again, once_more.trace_hash)


def test_a_soak_plays_a_schedule_on_the_wall_clock() -> None:
    done = _chaos("run", "--real-time", "--schedules", "1", "--scenario", "replica-sets", "--faults", "ControllerRestart,WatchDelay")
    assert done.return_value == 0, done.output
    assert "seed 0, replica-sets: " in done.output
    assert "nothing is wrong" in done.output
