"""`callboard scale`, `label`, `annotate` and `patch`: small changes of objects by name.

Source: kubectl pkg/cmd/{scale,label,annotate,patch}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from callboard.cli import EXIT_NOT_SO
from callboard.cli.completing import complete_targets, complete_workloads
from callboard.cli.link import all_namespaces_option, selector_option, tell, with_cluster
from callboard.cli.printing import object_name, say

if TYPE_CHECKING:
    from callboard.cli.targets import Target
    from callboard.runtime.face.connection import Connected


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

    names, wanted = _names_and_changes(what, field.removesuffix("s"))
    if not wanted and not listing:
        raise click.UsageError(f"at least one {field.removesuffix('s')} update is required: KEY=VALUE, or KEY- to take it away")
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


def _names_and_changes(words: Sequence[str], kind: str) -> tuple[list[str], dict[str, str | None]]:
    """The words that name objects, and the labels or annotations (that is `kind`) that are wanted: a value each, or None to take it away.

    Source: kubectl pkg/cmd/util/helpers.go (GetResourcesAndPairs, ParsePairs), pkg/cmd/label/label.go (parseLabels).

    Raises:
        click.UsageError: a change makes no sense, or is none.
    """
    from callboard.models.validation.formats import label_value, qualified_name

    names: list[str] = []
    wanted: dict[str, str | None] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if equals and not key:
            raise click.UsageError(f"invalid {kind} spec: {word}: there is no key before the equals sign")
        if not equals and (not word.endswith("-") or word == "-"):
            if wanted:
                raise click.UsageError(f"all resources must be specified before {kind} changes: {word}")
            names.append(word)
            continue
        key = key if equals else key.removesuffix("-")
        problems = qualified_name(key)
        if problems:
            raise click.UsageError(f'invalid {kind} key "{key}": {"; ".join(problems)}')
        problems = label_value(value) if kind == "label" else ()
        if problems:
            raise click.UsageError(f'invalid label value: "{word}": {"; ".join(problems)}')
        change = value if equals else None
        if key in wanted and (wanted[key] is None) != (change is None):
            raise click.UsageError(f"can not both modify and remove {'an' if kind == 'annotation' else 'a'} {kind} in the same command")
        wanted[key] = change
    return names, wanted


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
