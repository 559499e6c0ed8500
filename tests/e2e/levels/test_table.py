"""The table of docs/isolation.md and the tests speak of the same rows."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.e2e.levels import choice
from tests.e2e.levels.cells import ROWS, Cell, Refused
from tests.e2e.levels.table import LEVELS, PAGE, PageError, Verdict, read


def _tested() -> set[str]:
    """Rows for which a test speaks, whichever modules were asked for."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        importlib.import_module(f"tests.e2e.levels.{path.stem}")
    return set(ROWS)


def test_every_row_of_the_page_has_a_test_and_every_test_a_row() -> None:
    rows = read(PAGE.read_text(encoding="utf-8"))
    assert sorted(rows) == sorted(_tested())
    assert all(list(verdicts) == list(LEVELS) for verdicts in rows.values())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("| x | works | works | works |", "has 3 cells"),
        ("| x | works | works | works | perhaps |", "begins with none of"),
        ("| x | works | works | works | refused: it can't |", "names its words"),
        ("| x | works | works | works | open |", "says how"),
        ("| x | works | works | works | works |\n| x | works | works | works | works |", "stands twice"),
    ],
)
def test_a_cell_that_says_nothing_testable_is_refused(line: str, words: str) -> None:
    with pytest.raises(PageError, match=words):
        read("| row | A | B | C1 | C0 |\n|---|---|---|---|---|\n" + line)


def test_a_cell_judges_a_refusal_by_its_words() -> None:
    refusing = Cell("x", "C0", Verdict("refused", "`not here`, `level A`"))
    with refusing.judged():
        raise Refused("not here; it works from level A on")
    with pytest.raises(AssertionError, match="lacks"), refusing.judged():
        raise Refused("not here")
    with pytest.raises(pytest.fail.Exception), refusing.judged():
        pass
    with pytest.raises(Refused), Cell("x", "A", Verdict("works", "")).judged():
        raise Refused("not here")


def test_what_works_as_root_only_is_judged_by_who_runs_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing, open_ = (
        Cell("x", "C0", Verdict("works as root, else refused", "`no`")),
        Cell("x", "C0", Verdict("works as root, else open", "y")),
    )
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert (refusing.refuses, open_.is_open) == (False, False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert (refusing.refuses, open_.is_open) == (True, True)


def test_levels_that_are_named_must_be_there_and_in_ci_so_must_those_of_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "")
    monkeypatch.setenv("CALLBOARD_TEST_LEVELS", "C0, B")
    assert choice.to_test() == ("B", "C0")
    assert [choice.is_obligatory(level) for level in LEVELS] == [False, True, False, True]
    monkeypatch.setenv("CALLBOARD_TEST_LEVELS", "")
    for user, levels in ((0, ("A", "C1", "C0")), (1000, ("B", "C1", "C0"))):
        monkeypatch.setattr("os.geteuid", lambda user=user: user)
        assert choice.to_test() == levels
    assert not any(choice.is_obligatory(level) for level in LEVELS)
    monkeypatch.setenv("CI", "true")
    assert choice.is_obligatory("A")
    monkeypatch.setenv("CALLBOARD_TEST_LEVELS", "D")
    with pytest.raises(ValueError, match="names D"):
        choice.to_test()
