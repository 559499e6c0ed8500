"""`callboard chaos exhaust`: small worlds in every order there is."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from callboard.cli import EXIT_NOT_SO


@click.command("exhaust")
@click.argument("names", nargs=-1, metavar="[WORLD]...")
@click.option("--limit", type=click.IntRange(1), default=1_000_000, show_default=True, help="Orders of each world that are begun at most.")
@click.option("--mutant", default="", metavar="ID", help="Break the program first with this mutant of the catalogue.")
@click.option("--jobs", type=click.IntRange(1), help="Worker processes.  [default: one for each core]")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, writable=True), help="Write what was found here as JSON.")
def exhaust(names: tuple[str, ...], limit: int, mutant: str, jobs: int | None, json_file: str | None) -> int:
    """Play small worlds in every order there is; without a name, those that take seconds. Exit code 1 if one is broken."""
    from callboard.runtime.chaos.exhaustive.exhausting import exhaust_each
    from callboard.runtime.chaos.exhaustive.worlds import SMALL, WORLDS
    from callboard.runtime.chaos.mutants.catalogue import CATALOGUE
    from callboard.runtime.chaos.mutants.matrix import CONTROL

    for name in names:
        if name not in WORLDS:
            raise click.BadParameter(f"{name!r} is none; there are {', '.join(WORLDS)}", param_hint="WORLD")
    known = {"": CONTROL, **{one.id: one for one in CATALOGUE}}
    if mutant not in known:
        raise click.BadParameter(f"{mutant!r} is none; there are {', '.join(one.id for one in CATALOGUE)}", param_hint="--mutant")
    found = []
    for one in exhaust_each(names or SMALL, limit, known[mutant], jobs):
        found.append(one)
        click.echo(f"{one.world}: {one.claim}")
        click.echo(f"  {one.orders} orders, {one.cut} more left as repetitions, {one.steps} steps in all")
        for number, step in enumerate(one.order, 1):
            click.echo(f"  {number:3}. {step}")
    if json_file is not None:
        Path(json_file).write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    return EXIT_NOT_SO if any(one.wrong for one in found) else 0
