"""`callboard down --data DIR`: end the cluster of a data folder, the program that keeps it up and the containers that live on."""

from __future__ import annotations

from pathlib import Path

import click

from callboard.cli import EXIT_NOT_SO
from callboard.cli.holder import end, holder, is_known, journal_user
from callboard.runtime.process.launch import Stopped, state_folder, stop_durable

END_TIMEOUT_S = 60.0


@click.command("down")
@click.option("--data", required=True, type=click.Path(file_okay=False, exists=True), help="The folder that `callboard up` was given.")
@click.option(
    "--grace", type=click.FloatRange(0), default=10.0, show_default=True, help="Seconds that containers have to end by themselves."
)
def command(data: str, grace: float) -> int:
    """End everything that runs of the cluster in a data folder; its objects stay there."""
    from callboard.cli.group import complain

    folder = Path(data)
    if not is_known(folder) and not state_folder(folder).is_dir():
        complain(f"there is no cluster in {data}; give the folder that `callboard up --data` was given")
        return EXIT_NOT_SO
    program = holder(folder)
    if program and not end(program, END_TIMEOUT_S):
        complain(f"the program that keeps the cluster up (process {program}) still runs after {END_TIMEOUT_S:g} s; kill it and try again")
        return EXIT_NOT_SO
    other = journal_user(folder)
    if other:
        complain(f"a program (process {other}) has the cluster in {data} open; end that one first")
        return EXIT_NOT_SO
    stopped = stop_durable(state_folder(folder), grace)
    click.echo(_told(data, program, stopped))
    return 0


def _told(data: str, program: int, stopped: Stopped) -> str:
    """What was done, in one line."""
    done = []
    if program:
        done.append(f"the program that kept the cluster up (process {program}) has ended")
    if stopped.found:
        count = len(stopped.containers)
        done.append(f"{count} container{'' if count == 1 else 's'} ended")
    if not done:
        return f"Nothing of the cluster in {data} runs; its objects stay there."
    sentence = ", ".join(done)
    return f"{sentence[0].upper()}{sentence[1:]}; the cluster's objects stay in {data}."
