"""Mutants: every patch of the catalogue fits the present sources; a patched program is really patched; the matrix says who was noticed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from callboard.runtime.chaos.mutants.catalogue import CATALOGUE, QUICK
from callboard.runtime.chaos.mutants.loading import check
from callboard.runtime.chaos.mutants.matrix import run
from callboard.runtime.chaos.mutants.mutant import BadMutant, Mutant, Patch, patched, read

OWN_WRITES = "callboard.actors.ownwrites"
FORGETFUL = Mutant(
    id="forgetful",
    patches=(Patch(OWN_WRITES, "        return key not in self._in_flight and key not in self._awaited", "        return True"),),
)


@pytest.mark.parametrize("mutant", CATALOGUE, ids=lambda mutant: mutant.id)
def test_every_mutant_fits_the_present_program_and_compiles(mutant: Mutant) -> None:
    check(mutant)
    if mutant.kind == "absent":
        assert not mutant.patches
    else:
        assert mutant.patches
    assert mutant.title
    assert mutant.note or mutant.kind == "bug", "a verdict that is no kill has an argument"


def test_every_row_of_the_kill_matrix_is_there() -> None:
    rows = {re.match(r"M\d\d", mutant.id)[0] for mutant in CATALOGUE if re.match(r"M\d\d", mutant.id)}  # type: ignore[index]
    assert sorted(rows) == [f"M{number:02}" for number in range(1, 53)]
    assert len({mutant.id for mutant in CATALOGUE}) == len(CATALOGUE)
    assert {*QUICK} <= {mutant.id for mutant in CATALOGUE}


@pytest.mark.parametrize(("text", "count"), [("nowhere", 0), ("return", 9)])
def test_a_text_that_is_not_there_exactly_once_is_refused_by_name(text: str, count: int) -> None:
    source = "return\n" * 9
    with pytest.raises(BadMutant, match=f"M99: callboard.actors.x has this text {count} times"):
        patched(source, "M99", (Patch("callboard.actors.x", text, ""),), "callboard.actors.x")


def test_a_patch_that_does_not_compile_and_a_module_that_is_not_there_are_refused() -> None:
    with pytest.raises(BadMutant, match="does not compile"):
        check(Mutant(id="M99", patches=(Patch(OWN_WRITES, "class OwnWrites:", "class OwnWrites"),)))
    with pytest.raises(BadMutant, match="no module callboard.actors.nothing"):
        check(Mutant(id="M99", patches=(Patch("callboard.actors.nothing", "a", "b"),)))


def test_a_module_that_was_imported_before_is_refused() -> None:
    script = (
        "import callboard.actors.ownwrites\n"
        "from callboard.runtime.chaos.mutants.loading import install\n"
        "from callboard.runtime.chaos.mutants.mutant import Mutant, Patch\n"
        "install(Mutant(id='M99', patches=(Patch('callboard.actors.ownwrites', 'a', 'b'),)))\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "M99: callboard.actors.ownwrites has been imported before it could be patched" in said.stderr


def test_a_bug_is_killed_an_equivalent_survives_and_the_unchanged_program_is_no_false_alarm() -> None:
    harmless = Mutant(
        id="harmless", kind="equivalent", patches=(Patch("callboard.actors.keys", "KEYS_PER_TURN = 64", "KEYS_PER_TURN = 2"),)
    )
    rows: list[str] = []
    found = run((FORGETFUL, harmless), 4, control_schedules=2, jobs=2, tell=lambda row: rows.append(row.id))
    assert [(row.id, row.verdict) for row in found.mutants] == [("forgetful", "killed"), ("harmless", "equivalent")]
    assert found.mutants[0].oracle == "no surplus pods"
    assert found.mutants[0].first_kill is not None
    assert (found.control.schedules, found.control.false_alarms) == (2, 0)
    assert (found.summary.killed, found.summary.of) == (1, 1)
    assert sorted(rows) == ["forgetful", "harmless"]


def test_failures_of_several_ranges_of_seeds_are_made_small_and_counted() -> None:
    found = run((FORGETFUL,), 6, control_schedules=0, jobs=2, ranges=2, shrink=True)
    (row,) = found.mutants
    assert len(row.first_kills) == 2
    assert len(row.small) == sum(kill is not None for kill in row.first_kills) > 0
    assert all(one.replays > 0 for one in row.small)
    assert 0 <= (found.summary.median_holds or 0) <= 3
    assert 0 <= (found.summary.median_faults or 0) <= 2


def test_a_mutant_that_breaks_the_program_altogether_is_noticed() -> None:
    broken = Mutant(id="broken", patches=(Patch("callboard.actors.keys", "KEYS_PER_TURN = 64", "KEYS_PER_TURN = -1"),))
    (row,) = run((broken,), 1, control_schedules=0, jobs=1).mutants
    assert row.verdict == "killed"


def test_an_ablation_plays_the_matrix_without_each_thing_and_says_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    from callboard.runtime.chaos.mutants import ablation

    monkeypatch.setattr(ablation, "PORTFOLIO", ("oldest-first", "random-walk"))
    monkeypatch.setattr(ablation, "KINDS", {"NodeCrash": None})
    rows = ablation.ablate((FORGETFUL, CATALOGUE[-1]), 12, jobs=2)
    assert [row.without for row in rows] == ["everything", "guidance", "strategy oldest-first", "strategy random-walk", "fault NodeCrash"]
    assert (rows[0].killed, rows[0].of) == (1, 1)


def test_mutants_from_outside_are_read_from_a_file_and_others_refused(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(json.dumps([{"id": "x", "patches": [{"module": "m", "before": "a", "after": "b"}]}]))
    assert read(tmp_path / "good.json") == (Mutant(id="x", patches=(Patch("m", "a", "b"),)),)
    (tmp_path / "bad.json").write_text('[{"patches": []}]')
    with pytest.raises(BadMutant, match=r"bad\.json: .*id"):
        read(tmp_path / "bad.json")
    with pytest.raises(BadMutant, match="can't be read"):
        read(tmp_path / "nothing.json")
