"""`callboard bench`: measure, and print a table or JSON."""

from __future__ import annotations

import math

import click
import msgspec
from rich.console import Console
from rich.table import Table

from callboard.bench.facts import machine_facts
from callboard.bench.measure import Figure
from callboard.bench.runner import QUICK, Plan, run


@click.group("bench")
def command() -> None:
    """Measure this machine: pods and messages per second, start-up, memory."""


@command.command("run")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, writable=True), help="Write the figures here as JSON.")
@click.option("--repeats", type=click.IntRange(1), default=Plan().repeats, show_default=True, help="How often to measure each figure.")
@click.option("--quick", is_flag=True, help="Only see that everything runs; figures are not for quoting.")
def run_command(json_file: str | None, repeats: int, quick: bool) -> int:
    """Run all scenarios, each repeat in a process of its own."""
    console = Console()
    facts = machine_facts()
    plan = QUICK if quick else msgspec.structs.replace(Plan(), repeats=repeats)
    figures = []
    with console.status("measuring") as status:
        for figure in run(plan, lambda what: status.update(f"measuring {what}")):
            figures.append(figure)
            if not console.is_terminal:
                console.print(f"measured {figure.name}: {_rounded(figure.median)} {figure.unit}")
    console.print(_table(figures))
    console.print("; ".join(f"{name} {value}" for name, value in facts.items()), highlight=False)
    if json_file is not None:
        document = {"machine": facts, "quick": quick, "figures": [_plain(figure) for figure in figures]}
        with open(json_file, "wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    return 0


def _table(figures: list[Figure]) -> Table:
    table = Table(title="median and spread of repeats", title_justify="left")
    for column in ("figure", "unit"):
        table.add_column(column)
    for column in ("median", "least", "most", "repeats", "aim"):
        table.add_column(column, justify="right")
    for figure in figures:
        least, most = figure.spread
        sign, verdict = "≥" if figure.more_is_better else "≤", "met" if figure.met else "missed"
        aim = "" if figure.aim is None else f"{sign} {_rounded(figure.aim)} {verdict}"
        cells = (_rounded(figure.median), _rounded(least), _rounded(most), str(len(figure.repeats)), aim)
        table.add_row(figure.name, figure.unit, *cells)
    return table


def _plain(figure: Figure) -> dict[str, object]:
    least, most = figure.spread
    return {**msgspec.structs.asdict(figure), "median": figure.median, "least": least, "most": most, "met": figure.met}


def _rounded(value: float) -> str:
    """Three significant digits, with thousands apart."""
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{round(value, digits):,.{max(0, digits)}f}"
