"""`callboard scale`, `label`, `annotate` and `patch`: small changes of objects by name.

Source: kubectl pkg/cmd/{scale,label,annotate,patch}.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from callboard.cli import EXIT_NOT_SO
from callboard.cli.completing import complete_targets, complete_workloads
from callboard.cli.link import all_namespaces_option, selector_option, tell, with_cluster
from callboard.cli.printing import object_name, say

if TYPE_CHECKING:
    from callboard.cli.targets import Target
    from callboard.runtime.face.connection import Connected

_CHANGE = re.compile(r"[^=/\s]+(/[^=/\s]+)?(=.*|-)", re.S)


@click.command("scale")
@click.argument("what", nargs=-1, metavar="TYPE/NAME...", shell_complete=complete_workloads)
@click.option("--replicas", type=click.IntRange(0), required=True, help="How many pods there shall be.")
@click.option("--current-replicas", type=click.IntRange(-1), default=-1, help="Only if there are so many now.")
@with_cluster
def scale(verbs: Connected, what: tuple[str, ...], replicas: int, current_replicas: int) -> int:
    """Set how many pods a workload has."""
    from callboard.cli.targets import named_targets
    from callboard.models.errors import BadRequest

    def work(target: Target) -> None:
        if not target.resource.has_scale:
            raise BadRequest(f"cannot scale {target.resource.name}: the kind has no subresource scale")
        if current_replicas >= 0:
            now = (verbs.get(target.what).to_dict().get("spec") or {}).get("replicas", 1)
            if now != current_replicas:
                raise BadRequest(f"Expected replicas to be {current_replicas}, was {now}")
        verbs.scale(target.what, replicas)
        say(f"{object_name(target.resource, target.name)} scaled")

    return _each(named_targets(verbs.scheme, what, "scale"), work)


@click.command("label")
@click.argument("what", nargs=-1, metavar="TYPE NAME... | TYPE/NAME... KEY=VALUE... KEY-...", shell_complete=complete_targets)
@click.option("--overwrite", is_flag=True, help="Change labels that have another value.")
@click.option("--all", "everything", is_flag=True, help="All objects of the type.")
@click.option("--list", "listing", is_flag=True, help="Show the labels.")
@selector_option
@all_namespaces_option
@with_cluster
def label(
    verbs: Connected, what: tuple[str, ...], overwrite: bool, everything: bool, listing: bool, selector: str, all_namespaces: bool
) -> int:
    """Set labels of objects, or take them away (KEY-)."""
    return _set(verbs, what, "labels", overwrite, everything, listing, selector, all_namespaces)


@click.command("annotate")
@click.argument("what", nargs=-1, metavar="TYPE NAME... | TYPE/NAME... KEY=VALUE... KEY-...", shell_complete=complete_targets)
@click.option("--overwrite", is_flag=True, help="Change annotations that have another value.")
@click.option("--all", "everything", is_flag=True, help="All objects of the type.")
@click.option("--list", "listing", is_flag=True, help="Show the annotations.")
@selector_option
@all_namespaces_option
@with_cluster
def annotate(
    verbs: Connected, what: tuple[str, ...], overwrite: bool, everything: bool, listing: bool, selector: str, all_namespaces: bool
) -> int:
    """Set annotations of objects, or take them away (KEY-)."""
    return _set(verbs, what, "annotations", overwrite, everything, listing, selector, all_namespaces)


def _set(
    verbs: Connected, what: tuple[str, ...], field: str, overwrite: bool, everything: bool, listing: bool, selector: str, anywhere: bool
) -> int:
    from callboard.cli.targets import targets_of
    from callboard.models.errors import BadRequest

    changes = [word for word in what if _CHANGE.fullmatch(word) and ("=" in word or word.endswith("-"))]
    names = [word for word in what if word not in changes]
    if not changes and not listing:
        raise click.UsageError(f"at least one {field.removesuffix('s')} update is required: KEY=VALUE, or KEY- to take it away")
    wanted: dict[str, str | None] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        wanted[key if equals else key.removesuffix("-")] = value if equals else None
    done = "labeled" if field == "labels" else "annotated"
    taken = f"un{'labeled' if field == 'labels' else 'annotated'}"

    def work(target: Target, obj: Any) -> None:
        present = dict(getattr(obj.metadata, field))
        name = object_name(target.resource, obj.metadata.name)
        if listing:
            for key in sorted(present):
                say(f"{key}={present[key]}")
            return
        for key, value in wanted.items():
            if value is None and key not in present:
                say(f'{field.removesuffix("s")} "{key}" not found.')
            if value is not None and not overwrite and present.get(key, value) != value:
                raise BadRequest(f"'{key}' already has a value ({present[key]}), and --overwrite is false")
        if all(present.get(key) == value for key, value in wanted.items()):
            say(f"{name} not {done}")
            return
        verbs.patch(obj, {"metadata": {field: wanted}})
        say(f"{name} {taken if all(value is None for value in wanted.values()) else done}")

    targets = targets_of(verbs.scheme, names, field.removesuffix("s"))
    if any(not target.name for target in targets) and not (everything or selector):
        raise click.UsageError("resource(s) were provided, but no name was specified")

    def each(target: Target) -> None:
        if target.name:
            work(target, verbs.get(target.what))
            return
        for obj in verbs.list(target.resource.name, selector=selector, namespace="" if anywhere else None):
            work(target, obj)

    return _each(targets, each)


@click.command("patch")
@click.argument("what", nargs=-1, metavar="TYPE/NAME", shell_complete=complete_targets)
@click.option("-p", "--patch", "text", required=True, help="The patch, as JSON or YAML.")
@click.option(
    "--type", "kind", type=click.Choice(["strategic", "merge", "json"]), default="strategic", show_default=True, help="What the patch is."
)
@click.option("--subresource", type=click.Choice(["status", "scale"]), help="Patch this part only.")
@with_cluster
def patch(verbs: Connected, what: tuple[str, ...], text: str, kind: str, subresource: str | None) -> int:
    """Change fields of an object."""
    import yaml

    from callboard.cli.targets import named_targets

    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise click.UsageError(f"unable to parse {text!r}: {' '.join(str(problem).split())}") from None

    def work(target: Target) -> None:
        before = verbs.get(target.what).metadata.resource_version
        after = verbs.patch(target.what, tree, type=kind, subresource=subresource or "")  # type: ignore[arg-type]
        changed = after is None or after.metadata.resource_version != before
        say(f"{object_name(target.resource, target.name)} patched{'' if changed else ' (no change)'}")

    return _each(named_targets(verbs.scheme, what, "patch"), work)


def _each(targets: list[Target], work: Callable[[Target], None]) -> int:
    from callboard.models.errors import ApiError

    failed = False
    for target in targets:
        try:
            work(target)
        except ApiError as refusal:
            failed = True
            tell(refusal)
    return EXIT_NOT_SO if failed else 0
