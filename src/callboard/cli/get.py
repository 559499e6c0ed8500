"""`callboard get`: objects of a running cluster, as a table or as they are, once or as they change. Source: kubectl pkg/cmd/get/get.go."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from callboard.cli import EXIT_NOT_SO
from callboard.cli.completing import complete_targets
from callboard.cli.link import all_namespaces_option, field_selector_option, selector_option, tell, with_cluster
from callboard.cli.printing import Rows, is_table, output_option, printer_of, say, show_plain, show_table

if TYPE_CHECKING:
    from callboard.cli.targets import Target
    from callboard.runtime.face.connection import Connected

Found = list[tuple["Target", list[Any]]]


@click.command("get")
@click.argument("what", nargs=-1, metavar="TYPE[/NAME] [NAME]...", shell_complete=complete_targets)
@output_option
@selector_option
@field_selector_option
@all_namespaces_option
@click.option("-w", "--watch", is_flag=True, help="Go on and show every change.")
@click.option("--watch-only", is_flag=True, help="Show changes only, not what is there.")
@click.option("--show-labels", is_flag=True, help="A column of all labels.")
@click.option("-L", "--label-columns", multiple=True, metavar="LABEL", help="A column for this label.")
@click.option("--no-headers", is_flag=True, help="Rows only.")
@click.option("--sort-by", metavar="PATH", default="", help="In order of this field, for example .metadata.creationTimestamp.")
@click.option("--ignore-not-found", is_flag=True, help="What does not exist is no error.")
@click.option("--json", "as_json", is_flag=True, help="The same as -o json.")
@with_cluster
def command(
    verbs: Connected,
    what: tuple[str, ...],
    form: str,
    selector: str,
    field_selector: str,
    all_namespaces: bool,
    watch: bool,
    watch_only: bool,
    show_labels: bool,
    label_columns: tuple[str, ...],
    no_headers: bool,
    sort_by: str,
    ignore_not_found: bool,
    as_json: bool,
) -> int:
    """Show objects: TYPE, TYPE NAME, TYPE/NAME, TYPE,TYPE or all."""
    from callboard.cli.targets import targets_of

    form = "json" if as_json else form
    targets = targets_of(verbs.scheme, what)
    named = any(target.name for target in targets)
    if named and (selector or field_selector):
        raise click.UsageError("name cannot be provided when a selector is specified")
    if named and all_namespaces:
        raise click.UsageError("a resource cannot be retrieved by name across all namespaces")
    options = {"with_namespace": all_namespaces, "show_labels": show_labels, "label_columns": _labels(label_columns)}
    where = "" if all_namespaces else None
    if sort_by and (watch or watch_only):
        click.echo("Warning: --watch requested, --sort-by will be ignored", err=True)
    if watch or watch_only:
        return _watch(verbs, targets, form, selector, field_selector, where, watch_only, not no_headers, options)
    found, missing = _read(verbs, targets, selector, field_selector, where, ignore_not_found)
    if sort_by:
        _sort(found, sort_by)
    if is_table(form):
        _show_tables(verbs, found, missing, form == "wide", not no_headers, all_namespaces, options)
    else:
        _show_plain(found, form, not no_headers, single=len(targets) == 1 and named)
    return EXIT_NOT_SO if missing else 0


def _labels(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(label for part in given for label in part.split(",") if label)


def _read(
    verbs: Connected, targets: Sequence[Target], selector: str, fields: str, where: str | None, ignore_not_found: bool
) -> tuple[Found, bool]:
    """What there is of each kind, and whether something named was refused or missing; that has been told."""
    from callboard.models.errors import ApiError, NotFound

    found: Found = []
    missing = False
    for target in targets:
        try:
            if target.name:
                objects = [verbs.get(target.what)]
            else:
                objects = verbs.list(target.resource.name, selector=selector, fields=fields, namespace=where)
        except ApiError as refusal:
            if not (ignore_not_found and type(refusal) is NotFound):
                missing = True
                tell(refusal)
            continue
        if found and found[-1][0].resource.name == target.resource.name:
            found[-1][1].extend(objects)
        else:
            found.append((target, [*objects]))
    return found, missing


def _show_tables(
    verbs: Connected, found: Found, missing: bool, wide: bool, headers: bool, all_namespaces: bool, options: dict[str, Any]
) -> None:
    from callboard.models.columns import cells_of

    with_kind = len({target.resource.name for target, _ in found}) > 1
    shown = 0
    for target, objects in found:
        if not objects:
            continue
        if shown:
            say("")
        shown += 1
        show_table(cells_of(target.resource, objects, time.time(), wide=wide, with_kind=with_kind, **options), headers=headers)
    if not shown and not missing:
        namespaced = not all_namespaces and any(target.resource.namespaced for target, _ in found)
        click.echo(f"No resources found in {verbs.default_namespace} namespace." if namespaced else "No resources found", err=True)


def _show_plain(found: Found, form: str, headers: bool, *, single: bool) -> None:
    pairs = [(target.resource, obj) for target, objects in found for obj in objects]
    if single and not pairs:
        return  # it has been told that there is none
    show_plain(pairs, form, many=not single, headers=headers)


def _sort(found: Found, path: str) -> None:
    """Bring the objects of each kind in order of a field: numbers and quantities by what they are worth, text with numbers in it as people
    count, those without the field first (kubectl pkg/cmd/get/sorter.go).

    Raises:
        BadRequest: no object has the field.
    """
    from callboard.cli.templates import relaxed
    from callboard.models.columns.jsonpath import find
    from callboard.models.errors import BadRequest

    wanted = relaxed(path)
    seen = False
    for index, (target, objects) in enumerate(found):
        values = [next(find(obj.to_dict(), wanted), None) for obj in objects]
        seen = seen or any(value is not None for value in values)
        ranked = sorted(zip(values, objects, strict=True), key=lambda pair: _rank(pair[0]))
        found[index] = (target, [obj for _, obj in ranked])
    if not seen and any(objects for _, objects in found):
        raise BadRequest(f'couldn\'t find any field with path "{{{wanted}}}" in the list of objects')


def _rank(value: Any) -> tuple[Any, ...]:
    from callboard.models.quantity import parse_quantity

    if value is None:
        return (0,)
    try:
        return (1, parse_quantity(str(value)))
    except ValueError:
        words = re.split(r"(\d+)", str(value))
        return (2, *((int(word), "") if word.isdigit() else (-1, word) for word in words))


def _watch(
    verbs: Connected,
    targets: Sequence[Target],
    form: str,
    selector: str,
    fields: str,
    where: str | None,
    only_changes: bool,
    headers: bool,
    options: dict[str, Any],
) -> int:
    """Show what is there (unless it isn't wanted), then every change, until Ctrl-C or the end of the cluster."""
    if len(targets) != 1:
        raise click.UsageError("you may only specify a single resource type, or one object, to watch")
    target = targets[0]
    if target.name:
        verbs.get(target.what)  # what is not there can't be watched
        fields = f"metadata.name={target.name}"
    if is_table(form):
        show = Rows(target.resource, form, headers, **options).show
    else:
        printer = printer_of(form)

        def show(objects: Sequence[Any]) -> None:
            for obj in objects:
                say(f"---\n{printer(target.resource, obj)}" if form == "yaml" else printer(target.resource, obj))

    there = verbs.list(target.resource.name, selector=selector, fields=fields, namespace=where)
    known = {obj.metadata.uid: obj.metadata.resource_version for obj in there}
    if not only_changes:
        show(there)
    for event in verbs.watch(target.resource.name, selector=selector, fields=fields, namespace=where):
        uid, revision = event.obj.metadata.uid, event.obj.metadata.resource_version
        if event.type == "DELETED":
            known.pop(uid, None)
        elif known.get(uid, -1) >= revision:
            continue  # the list has shown it
        else:
            known[uid] = revision
        show([event.obj])
    return 0
