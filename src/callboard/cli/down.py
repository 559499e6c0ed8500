"""`callboard down --data DIR`: end the containers that a cluster with `--data` has left running."""

from __future__ import annotations

import click


@click.command("down")
@click.option("--data", required=True, type=click.Path(file_okay=False, exists=True), help="The folder that `callboard up` was given.")
def command(data: str) -> int:
    """End all containers of the cluster in a data folder; its objects stay there."""
    from callboard.runtime.process.client import shut_down

    click.echo(shut_down(data))
    return 0
