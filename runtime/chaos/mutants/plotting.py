"""The kill matrix as a picture: how many bugs are noticed within how many schedules, and each of them. Needs `callboard[plot]`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from callboard.runtime.chaos.mutants.matrix import Matrix, Row
from callboard.runtime.errors import CallboardError

FORMATS = (".svg", ".png", ".pdf")
KILLED, SURVIVED = "#2b6cb0", "#c53030"


class CannotPlot(CallboardError):
    """There is nothing to draw with, or nowhere to draw to; says what to do."""


def check(path: Path) -> None:
    """See that a plot can be drawn there.

    Raises:
        CannotPlot: matplotlib is not installed, or the file's ending is none of `FORMATS`.
    """
    if path.suffix not in FORMATS:
        raise CannotPlot(f"{path}: a plot is one of {', '.join(FORMATS)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise CannotPlot("plots need matplotlib: pip install 'callboard[plot]'") from None


def curve(rows: tuple[Row, ...], schedules: int) -> tuple[list[float], list[int]]:
    """How many bugs have been noticed after how many schedules: both lists of equal length, from the first kill to `schedules`."""
    kills = sorted(row.first_kill for row in rows if row.verdict == "killed" and row.first_kill is not None)
    return [*kills, float(schedules)], [*range(1, len(kills) + 1), len(kills)]


def draw(matrix: Matrix, schedules: int, path: Path) -> None:
    """Draw a matrix of at most so many schedules a mutant.

    Raises:
        CannotPlot: as `check` says.
    """
    check(path)
    from matplotlib.figure import Figure

    rows = tuple(row for row in matrix.mutants if row.verdict in ("killed", "survived"))
    figure = Figure(figsize=(11, max(4.0, 1.5 + 0.2 * len(rows))), layout="constrained")
    together, each = figure.subplots(1, 2, width_ratios=(2, 3))
    _curve(together, rows, schedules)
    _each(each, rows, schedules)
    summary = matrix.summary
    figure.suptitle(
        f"{summary.killed} of {summary.of} bugs noticed; median of first kills {summary.median_first_kill or '-'}; "
        f"{matrix.control.false_alarms} false alarms in {matrix.control.schedules} schedules"
    )
    figure.savefig(path)


def _curve(axes: Any, rows: tuple[Row, ...], schedules: int) -> None:
    across, up = curve(rows, schedules)
    axes.step(across, up, where="post", color=KILLED)
    axes.axhline(len(rows), color="grey", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", xlim=(0.9, schedules * 1.1), ylim=(0, len(rows) + 1), xlabel="schedules", ylabel="bugs noticed")


def _each(axes: Any, rows: tuple[Row, ...], schedules: int) -> None:
    for place, row in enumerate(rows):
        kills = [kill for kill in row.first_kills if kill is not None]
        missed = len(row.first_kills) - len(kills)
        axes.plot(kills, [place] * len(kills), ".", color=KILLED, alpha=0.6)
        if row.first_kill is not None:
            axes.plot([row.first_kill], [place], "|", color=KILLED, markersize=10)
        if missed:
            axes.plot([schedules] * missed, [place] * missed, "x", color=SURVIVED)
    axes.set(xscale="log", xlim=(0.9, schedules * 1.3), xlabel="schedules to the first kill: each range of seeds, and their median")
    axes.set_yticks(range(len(rows)), [row.id for row in rows], fontsize=7)
    axes.invert_yaxis()
