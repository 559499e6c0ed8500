"""`callboard chaos mutants`: the kill matrix, as a table, JSON and a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from callboard.cli import EXIT_NOT_SO


@click.command("mutants")
@click.option("--schedules", type=click.IntRange(1), help="Schedules for each mutant at most.  [default: 1000]")
@click.option("--seeds", default="", metavar="A..B", help="First and last seed, in place of --schedules from seed 0.")
@click.option("--ranges", type=click.IntRange(1), default=1, show_default=True, help="So many ranges of seeds; medians over them count.")
@click.option("--control", type=click.IntRange(0), help="Schedules of the unchanged program.  [default: as many]")
@click.option("--mutant", "file", type=click.Path(dir_okay=False, path_type=Path), help="Mutants of this file in place of the catalogue's.")
@click.option("--only", default="", help="Only these of the catalogue, with commas between.")
@click.option("--quick", is_flag=True, help="The few that CI plays.")
@click.option("--ablation", is_flag=True, help="In place of it: the matrix without each strategy and each kind of fault.")
@click.option("--baselines", is_flag=True, help="In place of it: the portfolio beside naive threads and plain Hypothesis.")
@click.option("--seconds", type=click.FloatRange(0.1), help="With --baselines: wall time of each search.  [default: 60]")
@click.option("--shrink", is_flag=True, help="Make the failures small, and say what is left of them.")
@click.option("--jobs", type=click.IntRange(1), help="Worker processes.  [default: one for each core]")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, writable=True), help="Write the matrix here as JSON.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the matrix here: .svg, .png or .pdf.")
def mutants(
    schedules: int | None,
    seeds: str,
    ranges: int,
    control: int | None,
    file: Path | None,
    only: str,
    quick: bool,
    ablation: bool,
    baselines: bool,
    seconds: float | None,
    shrink: bool,
    jobs: int | None,
    json_file: str | None,
    plot: Path | None,
) -> int:
    """Break the program itself, bug by bug, and see what notices. Exit code 1 on a false alarm, or if a mutant of --quick survives."""
    from rich.console import Console

    from callboard.runtime.chaos.mutants import matrix, plotting

    chosen = _chosen(file, only, quick)
    console = Console()
    if baselines:
        if seeds or control is not None or ablation:
            raise click.UsageError("--baselines goes with --schedules and --seconds, not with --seeds, --control or --ablation")
        if seconds is None and schedules is None:
            seconds = 60.0
        return _compare(console, chosen, seconds, schedules, jobs, json_file)
    if seconds is not None:
        raise click.UsageError("--seconds is for --baselines; say --schedules or --seeds")
    first, schedules = _range(seeds) if seeds else (0, schedules or 1000)
    if plot is not None:
        plotting.check(plot)  # before an hour of work
    if ablation:
        return _ablate(console, chosen, schedules, jobs, json_file)
    with console.status("the unchanged program") as status:
        found = matrix.run(chosen, schedules, first, control, jobs, ranges, shrink, lambda row: status.update(f"{row.id} {row.verdict}"))
    console.print(_table(found))
    summary = found.summary
    console.print(
        f"{summary.killed} of {summary.of} killed, median of first kills {summary.median_first_kill or '-'}; control: "
        f"{found.control.schedules} schedules, {found.control.false_alarms} false alarms; {summary.schedules_per_s} schedules/s a core, "
        f"{summary.median_steps} steps each (median)",
        highlight=False,
        soft_wrap=True,
    )
    if summary.median_holds is not None:
        console.print(
            f"made small: {summary.median_holds:g} holds and {summary.median_faults:g} faults are left (medians), after "
            f"{summary.median_replays:g} replays",
            highlight=False,
        )
    for line in found.control.found:
        console.print(f"false alarm at seed {line.seed}: {line.oracle}: {line.object} {line.words}", highlight=False, soft_wrap=True)
    if json_file is not None:
        Path(json_file).write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    if plot is not None:
        plotting.draw(found, schedules, plot)
    bad = found.control.false_alarms or any(row.verdict == "alarm" or (quick and row.verdict == "survived") for row in found.mutants)
    return EXIT_NOT_SO if bad else 0


def _chosen(file: Path | None, only: str, quick: bool) -> tuple[Any, ...]:
    """The mutants that are meant."""
    from callboard.runtime.chaos.mutants.catalogue import CATALOGUE, QUICK
    from callboard.runtime.chaos.mutants.mutant import read

    if file is not None:
        return read(file)
    wanted = QUICK if quick else tuple(name.strip() for name in only.split(",") if name.strip())
    _known(wanted, [mutant.id for mutant in CATALOGUE])
    return tuple(mutant for mutant in CATALOGUE if not wanted or mutant.id in wanted)


def _compare(console: Any, chosen: Any, seconds: float | None, runs: int | None, jobs: int | None, json_file: str | None) -> int:
    """Look for mutants in naive ways too, and say what each way costs. Exit code 1 if the portfolio finds what has to survive."""
    from rich.table import Table

    from callboard.runtime.chaos.mutants.baselines import WITHIN_S, compare
    from callboard.runtime.chaos.mutants.searchers import SEARCHERS

    with console.status("the unchanged program") as status:
        found = compare(chosen, seconds, runs, jobs, lambda one: status.update(f"{one.id} by {one.searcher}: {one.oracle or 'nothing'}"))
    titles = {mutant.id: mutant.title for mutant in chosen}
    table = Table(title="processor time to the first kill (schedules); -: none", title_justify="left")
    for column in ("mutant", "what is broken", *SEARCHERS):
        table.add_column(column)
    for first in range(0, len(found.baselines), len(SEARCHERS)):
        row = found.baselines[first : first + len(SEARCHERS)]
        table.add_row(row[0].id, titles.get(row[0].id, "nothing"), *(_fate(one) for one in row))
    console.print(table)
    for one in found.shares:
        within = ", ".join(f"{count} within {limit_s:g} s" for count, limit_s in zip(one.within, WITHIN_S, strict=True))
        console.print(
            f"{one.searcher}: {one.killed} of {one.of} killed ({within} of processor time), {one.median_cpu_s or '-'} s in the median; "
            f"{one.runs} schedules and {one.cpu_s:.0f} s for all; {one.false_alarms} false alarms",
            highlight=False,
            soft_wrap=True,
        )
    if json_file is not None:
        Path(json_file).write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    return EXIT_NOT_SO if found.shares[0].false_alarms else 0


def _fate(one: Any) -> str:
    """What became of one search: processor time to the kill, or what was spent without one; in how many schedules."""
    return f"{one.cpu_s:.1f} s ({one.runs})" if one.killed else f"- {one.cpu_s:.0f} s ({one.runs})"


def _ablate(console: Any, chosen: Any, schedules: int, jobs: int | None, json_file: str | None) -> int:
    from rich.table import Table

    from callboard.runtime.chaos.mutants.ablation import ablate

    table = Table(title=f"what each is worth, {schedules} schedules a mutant at most", title_justify="left")
    for column in ("without", "killed", "median of first kills", "lost"):
        table.add_column(column)
    with console.status("the matrix with everything") as status:
        rows = ablate(chosen, schedules, jobs, lambda row: status.update(f"without {row.without}: {row.killed} of {row.of}"))
    for row in rows:
        table.add_row(row.without, f"{row.killed} of {row.of}", str(row.median_first_kill or "-"), ", ".join(row.lost))
    console.print(table)
    if json_file is not None:
        Path(json_file).write_bytes(msgspec.json.format(msgspec.json.encode(rows)) + b"\n")
    return 0


def _range(text: str) -> tuple[int, int]:
    first, dots, last = text.partition("..")
    if not dots or not first.isdecimal() or not last.isdecimal() or int(last) < int(first):
        raise click.BadParameter(f"{text!r} is no range of seeds; write 0..999", param_hint="--seeds")
    return int(first), int(last) - int(first) + 1


def _known(names: tuple[str, ...], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name!r} is none; there are {', '.join(known)}", param_hint="--only")


def _table(found: Any) -> Any:
    from rich.table import Table

    table = Table(title="what the harness notices", title_justify="left")
    for column in ("mutant", "what is broken", "verdict", "first kill", "by"):
        table.add_column(column)
    for row in found.mutants:
        table.add_row(row.id, row.title, row.verdict, "" if row.first_kill is None else f"{row.first_kill:g}", row.oracle or row.note)
    return table
