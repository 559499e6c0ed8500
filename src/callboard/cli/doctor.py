"""`callboard doctor`: which isolation of real containers this machine allows, as tried, and what to install or set for more."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from callboard.runtime.isolation.levels import Finding

MEANINGS = {
    "A": "each pod has a network of its own, each container a view of files and processes of its own; needs root",
    "B": "the same in a user namespace, without root",
    "C1": "addresses of the loopback network; each container has a view of files and processes of its own",
    "C0": "addresses of the loopback network; plain processes, which see all that the user sees",
}
_HEADINGS = ("LEVEL", "STEP", "WORKS", "WHY NOT, AND WHAT TO DO")


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object.")
def command(as_json: bool) -> int:
    """Say which isolation of real containers this machine allows, by trying every step, and what to install or set for more."""
    from callboard.runtime.isolation.levels import OVERRIDE, IsolationRefused, chosen, findings

    found = (*findings(), _control_groups())
    refused = ""
    try:
        level = chosen().name
    except IsolationRefused as problem:  # the variable asks for what doesn't work
        level, refused = "", str(problem)
    if as_json:
        steps = [{"level": one.level, "step": one.step, "works": one.ok, "why": one.why, "advice": one.advice} for one in found]
        click.echo(json.dumps({"level": level, "refused": refused, "steps": steps}, indent=2))
    else:
        wanted = f" ({OVERRIDE}={os.environ[OVERRIDE]})" if os.environ.get(OVERRIDE) else ""
        click.echo(refused or f"Real containers run at isolation level {level}{wanted}: {MEANINGS[level]}.")
        click.echo()
        click.echo(table(found))
    return 1 if refused else 0


def table(found: tuple[Finding, ...]) -> str:
    """The findings, a line each."""
    from callboard.models.tabulate import aligned

    rows = [_HEADINGS]
    for one in found:
        why = one.why + (f"; {one.advice}" if one.advice and one.why else one.advice)
        rows.append((one.level, one.step, "yes" if one.ok else "no", why))
    return "\n".join(line.rstrip() for line in aligned(rows)[0])


def _control_groups() -> Finding:
    """Whether limits of memory and CPU can be enforced."""
    from callboard.runtime.isolation.levels import Finding
    from callboard.runtime.process.cgroups import open_cgroups

    groups = open_cgroups(f"doctor-{os.getpid()}")
    try:
        ok, why = groups.kind != "none", groups.reason
    finally:
        groups.close()
    advice = "" if ok and not why else "limits need a control group that this user may make groups in (root, or systemd-run --user --scope)"
    return Finding("all", "limits", ok, why, advice)
