"""`callboard describe` and `callboard events`: objects in detail, and what has happened. Source: kubectl pkg/cmd/{describe,events}."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from callboard.cli import EXIT_NOT_SO
from callboard.cli.completing import complete_targets
from callboard.cli.link import all_namespaces_option, selector_option, tell, with_cluster
from callboard.cli.printing import Rows, is_table, output_option, say, show_plain

if TYPE_CHECKING:
    from callboard.runtime.face.connection import Connected


@click.command("describe")
@click.argument("what", nargs=-1, metavar="TYPE[/NAME] [NAME]...", shell_complete=complete_targets)
@selector_option
@all_namespaces_option
@with_cluster
def describe(verbs: Connected, what: tuple[str, ...], selector: str, all_namespaces: bool) -> int:
    """Show objects in detail, with their Events."""
    from callboard.cli.targets import targets_of
    from callboard.models.errors import ApiError

    failed = False
    texts = []
    for target in targets_of(verbs.scheme, what, "describe"):
        try:
            if target.name:
                texts.append(verbs.describe(target.what))
                continue
            found = verbs.list(target.resource.name, selector=selector, namespace="" if all_namespaces else None)
            texts.extend(verbs.describe(obj) for obj in found)
        except ApiError as refusal:
            failed = True
            tell(refusal)
    if texts:
        say("\n\n\n".join(text.rstrip("\n") for text in texts))
    elif not failed:
        click.echo("No resources found" + ("" if all_namespaces else f" in {verbs.default_namespace} namespace."), err=True)
    return EXIT_NOT_SO if failed else 0


@click.command("events")
@click.option("--for", "for_", metavar="TYPE/NAME", help="Only what happened to this object.", shell_complete=complete_targets)
@click.option("-w", "--watch", is_flag=True, help="Go on and show what happens.")
@click.option("--types", default="", help="Only Normal or Warning, or both with a comma.")
@click.option("--no-headers", is_flag=True, help="Rows only.")
@all_namespaces_option
@output_option
@with_cluster
def events(verbs: Connected, for_: str | None, watch: bool, types: str, no_headers: bool, all_namespaces: bool, form: str) -> int:
    """Show what has happened, the newest last."""
    wanted = {word.strip().capitalize() for word in types.split(",") if word.strip()}
    if not wanted <= {"Normal", "Warning"}:
        raise click.UsageError("valid --types are Normal or Warning")
    scope = verbs.namespace("") if all_namespaces and not for_ else verbs
    found = [event for event in scope.events(for_) if not wanted or event.type in wanted]
    resource = verbs.scheme.lookup("events")
    rows = Rows(resource, form, not no_headers, with_namespace=all_namespaces)
    if is_table(form):
        rows.show(found)
    elif not watch:
        show_plain([(resource, event) for event in found], form, many=True)
    if not found and not watch:
        where = "" if all_namespaces else f" in {verbs.default_namespace} namespace"
        click.echo(f"No events found{where}.", err=True)
    if watch:
        _go_on(verbs, found, for_, wanted, rows, all_namespaces)
    return 0


def _go_on(verbs: Connected, found: list[Any], for_: str | None, wanted: set[str], rows: Rows, all_namespaces: bool) -> None:
    """Show every Event that is new or has been counted again."""
    known = {event.metadata.uid: event.metadata.resource_version for event in found}
    fields = ""
    if for_:
        obj = verbs.get(for_)
        fields = f"involvedObject.uid={obj.metadata.uid}"
    for change in verbs.watch("events", namespace="" if all_namespaces else None, fields=fields):
        event = change.obj
        if change.type == "DELETED" or known.get(event.metadata.uid, -1) >= event.metadata.resource_version:
            continue
        known[event.metadata.uid] = event.metadata.resource_version
        if not wanted or event.type in wanted:
            rows.show([event])
