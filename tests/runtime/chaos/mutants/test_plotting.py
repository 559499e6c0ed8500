"""The kill matrix as a picture: what is in it, and who can't have one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from callboard.runtime.chaos.mutants.matrix import Control, Matrix, Row, Summary, median_kill
from callboard.runtime.chaos.mutants.plotting import CannotPlot, check, curve, draw

ROWS = (
    Row(id="M01", verdict="killed", first_kill=12.0, first_kills=(3, 12, None)),
    Row(id="M02", verdict="killed", first_kill=1.0, first_kills=(1, 1, 1)),
    Row(id="M03", verdict="survived", first_kills=(None, 7, None)),
    Row(id="E01", verdict="equivalent", first_kills=(None, None, None)),
)
MATRIX = Matrix(
    control=Control(schedules=10, false_alarms=0),
    mutants=ROWS,
    summary=Summary(killed=2, of=3, median_first_kill=6.5, schedules_per_s=10.0, median_steps=3000),
)


def test_the_median_of_kills_counts_none_as_later_than_any() -> None:
    assert median_kill((3, None, 12)) == 12
    assert median_kill((None, 7, None)) is None
    assert median_kill((4,)) == 4
    assert median_kill((None,)) is None
    assert median_kill((2, None)) is None


def test_the_curve_goes_up_with_each_bug_that_is_noticed() -> None:
    assert curve(ROWS, 100) == ([1.0, 12.0, 100.0], [1, 2, 2])


@pytest.mark.parametrize("ending", [".svg", ".png"])
def test_a_plot_is_drawn(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"matrix{ending}"
    draw(MATRIX, 100, path)
    assert path.stat().st_size > 5_000
    if ending == ".svg":
        assert "<svg" in path.read_text()


def test_other_endings_and_a_machine_without_matplotlib_are_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotPlot, match=r"\.svg, \.png, \.pdf"):
        check(Path("matrix.doc"))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(CannotPlot, match="pip install"):
        check(Path("matrix.svg"))
