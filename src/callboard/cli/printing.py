"""How objects are shown: tables (rich on a terminal, plain when piped), YAML, JSON, names, JSONPath, columns of one's own.

The columns themselves are `models/columns`; here is only their way to the user. Source of the forms: cli-runtime pkg/printers, kubectl
pkg/cmd/get.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import click

from callboard.models.columns import Cells, cells_of, kind_name
from callboard.models.kinds import Resource
from callboard.models.output import MACHINE_FORMATS, one_or_list, shown, written
from callboard.models.tabulate import aligned

FORMS = ("wide", "yaml", "json", "name", "jsonpath=TEMPLATE", "jsonpath-as-json=TEMPLATE", "custom-columns=SPEC")
_TEMPLATES = ("jsonpath", "jsonpath-as-json")


class _Form(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """What `-o` takes."""

    name = "form"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        head, equals, rest = text.partition("=")
        if text not in ("", "wide", *MACHINE_FORMATS) and not (head in (*_TEMPLATES, "custom-columns") and equals and rest):
            self.fail(
                f'unable to match a printer suitable for the output format "{text}", allowed formats are: {", ".join(FORMS)}', param, ctx
            )
        if rest:  # one that is none is refused before anything is asked
            from callboard.cli.templates import Template, columns_of_spec

            columns_of_spec(rest) if head == "custom-columns" else Template(rest)
        return text

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(form) for form in ("json", "yaml", "wide", "name") if form.startswith(incomplete)]


_GOOD = frozenset({"Running", "Ready", "Active", "Bound", "Completed", "Succeeded", "Available", "Complete"})
_ON_THE_WAY = frozenset({"Pending", "ContainerCreating", "PodInitializing", "Terminating", "Ready,SchedulingDisabled", "Unknown"})
FORM = _Form()
output_option = click.option("-o", "--output", "form", type=FORM, default="", help=f"How to show it: {'|'.join(FORMS)}.")


def say(text: str) -> None:
    """A line on standard output, at once: whoever reads it may wait for it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def object_name(resource: Resource, name: str) -> str:
    """An object as lines name it: `pod/web-1`, `deployment.apps/web`."""
    return f"{kind_name(resource)}/{name}"


def on_terminal() -> bool:
    """Whether a person looks at standard output."""
    return sys.stdout.isatty()


def show_table(cells: Cells, *, headers: bool = True) -> None:
    """One table: plain lines in kubectl's layout when piped, a rich table without boxes on a terminal."""
    if on_terminal():
        _rich_table(cells, headers)
        return
    for line in aligned([*((cells.headers,) if headers else ()), *cells.rows])[0]:
        say(line)


def _rich_table(cells: Cells, headers: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0), show_header=headers)
    for header in cells.headers:
        table.add_column(header, no_wrap=True)
    for row in cells.rows:
        table.add_row(*(styled(header, cell) for header, cell in zip(cells.headers, row, strict=True)))
    console = Console()
    console.print(table, soft_wrap=True, width=max(console.width, 10_000))


def styled(header: str, cell: str) -> Any:
    """A cell as rich text; a status has a colour by what it means."""
    from rich.text import Text

    if header != "STATUS":
        return Text(cell)
    return Text(cell, style="green" if cell in _GOOD else "yellow" if cell in _ON_THE_WAY else "red")


class Rows:
    """A table that grows while somebody watches: later rows stay under the columns of the first ones."""

    def __init__(self, resource: Resource, form: str, headers: bool, **options: Any) -> None:
        self._resource = resource
        self._options = {**options, "wide": form == "wide"}
        self._headers = headers
        self._widths: tuple[int, ...] = ()

    def show(self, objects: Sequence[Any]) -> None:
        """Add rows for some objects."""
        if not objects:
            return
        cells = cells_of(self._resource, objects, time.time(), **self._options)
        rows = [*((cells.headers,) if self._headers else ()), *cells.rows]
        lines, self._widths = aligned(rows, self._widths)
        for line in lines:
            say(line)
        self._headers = False


def printer_of(form: str) -> Callable[[Resource, Any], str]:
    """A function that makes text, without its last line end, of one object in a form that is no table."""
    if form in MACHINE_FORMATS:
        return lambda resource, obj: written([(resource, obj)], form, many=False).removesuffix("\n")  # type: ignore[arg-type]
    head, _, rest = form.partition("=")
    if head not in _TEMPLATES:
        raise click.UsageError(f"-o {form} can't be used here")
    from callboard.cli.templates import Template

    template = Template(rest)
    render = template.render if head == "jsonpath" else template.as_json
    return lambda _resource, obj: render(shown(obj)).removesuffix("\n")


def show_plain(pairs: Sequence[tuple[Resource, Any]], form: str, *, many: bool, headers: bool = True) -> None:
    """Objects with their kinds in a form that is no table; `many`: as a List of them, even if it is one."""
    head, _, rest = form.partition("=")
    if head == "custom-columns":
        from callboard.cli.templates import cell_of, columns_of_spec

        columns = columns_of_spec(rest)
        rows = tuple(tuple(cell_of(obj.to_dict(), path) for _, path in columns) for _, obj in pairs)
        show_table(Cells(tuple(header for header, _ in columns), rows), headers=headers)
    elif head in _TEMPLATES:
        from callboard.cli.templates import Template

        tree = one_or_list([obj for _, obj in pairs], many=many)
        click.echo(Template(rest).render(tree) if head == "jsonpath" else Template(rest).as_json(tree), nl=False)
    else:
        click.echo(written(pairs, form, many=many), nl=False)  # type: ignore[arg-type]


def is_table(form: str) -> bool:
    """Whether this form shows rows under headers."""
    return form in ("", "wide")
