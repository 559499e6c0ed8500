"""`callboard demo`: a small shop of real programs, or three web servers where those are missing; every claim is observed or the exit code
is 1."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator

import click
import msgspec
from rich.console import Console

from callboard.cli import EXIT_NOT_SO
from callboard.cli.demosteps import LAST_CLAIM, Step

SHOP_PROGRAMS = {"nginx": "nginx-light", "redis-server": "redis-server"}
"""What the shop needs beside Python, and the Debian packages that bring it."""
SYSTEM_PATH = "/usr/sbin:/sbin"
"""Where Debian puts nginx; an ordinary user's PATH lacks it."""


@click.command("demo")
@click.option("--json", "as_json", is_flag=True, help="Print what was observed as JSON.")
@click.option("--isolation", default="auto", show_default=True, help="How far containers are kept apart: A, B, C1, C0, or auto.")
@click.option("--small", is_flag=True, help="Three web servers instead of the shop; needs no program but Python.")
def command(as_json: bool, isolation: str, small: bool) -> int:
    """Bring up a shop under constant load, break a version and a node, stop; say what was observed."""
    console = Console(stderr=as_json)
    steps: list[Step] = []
    began_s = time.monotonic()
    if not small and (missing := missing_programs()):
        console.print(
            f"The shop needs {', '.join(missing)}, so here is the small demo; to see the shop: make system, as root.", soft_wrap=True
        )
        small = True
    for step in _observed(console, isolation, small):
        steps.append(step)
        mark = "[green]✓[/]" if step.observed else "[red]✗[/]"
        console.print(f"{mark} {step.claim}: {step.detail}", highlight=False, soft_wrap=True)
        if not step.observed:
            break
    passed = bool(steps) and all(step.observed for step in steps) and steps[-1].claim == LAST_CLAIM
    if as_json:
        click.echo(msgspec.json.encode({"passed": passed, "seconds": time.monotonic() - began_s, "steps": steps}).decode())
    else:
        console.print(f"{'All of it was observed' if passed else 'Not all of it was observed'}, in {time.monotonic() - began_s:.1f} s.")
    return 0 if passed else EXIT_NOT_SO


def missing_programs() -> list[str]:
    """Programs of the shop that this machine lacks, each with what to install."""
    path = f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_PATH}"
    return [
        f"{program} (apt-get install {package})" for program, package in SHOP_PROGRAMS.items() if shutil.which(program, path=path) is None
    ]


def _observed(console: Console, isolation: str, small: bool) -> Iterator[Step]:
    """The steps; an error of the cluster is a claim that was not observed."""
    from callboard.cli import demoshop, demoweb
    from callboard.models.errors import ApiError
    from callboard.runtime.errors import CallboardError

    try:
        yield from (demoweb if small else demoshop).steps(console, isolation)
    except (ApiError, CallboardError) as problem:
        yield Step("the cluster does what it is asked", False, str(problem))
