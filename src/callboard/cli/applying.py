"""`callboard apply` and `callboard delete`: objects by manifest or name come and go. Source: kubectl pkg/cmd/{apply,delete}."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from callboard.cli import EXIT_NOT_SO
from callboard.cli.completing import complete_targets
from callboard.cli.link import (
    all_namespaces_option,
    check_namespace,
    field_selector_option,
    files_option,
    recursive_option,
    selector_option,
    sources_of,
    tell,
    with_cluster,
)
from callboard.cli.printing import is_table, object_name, output_option, say, show_plain

if TYPE_CHECKING:
    from callboard.models.errors import ApiError
    from callboard.models.kinds import Resource
    from callboard.runtime.face.connection import Connected
    from callboard.runtime.face.contract import Applied

A_WEEK_S = 7 * 24 * 3600.0
"""How long kubectl waits where no time-out is given."""
CASCADES = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}


@click.command("apply")
@files_option
@recursive_option
@output_option
@with_cluster
def apply(verbs: Connected, files: tuple[str, ...], recursive: bool, form: str) -> int:
    """Create or change what manifests describe."""
    if not files:
        raise click.UsageError("must specify -f")
    failed = False
    results: list[Applied] = []
    for source in sources_of(files, recursive):
        for result in _applied(verbs, source):
            if result.error is not None:
                failed = True
                click.echo(f"{result.origin}: ", nl=False, err=True)
                tell(result.error)
                continue
            results.append(result)
            if is_table(form):
                say(f"{object_name(_resource_of(verbs, result.obj), result.obj.metadata.name)} {result.verb}")
    if not is_table(form) and results:
        pairs = [(_resource_of(verbs, result.obj), result.obj) for result in results]
        show_plain(pairs, form, many=len(pairs) > 1)
    return EXIT_NOT_SO if failed else 0


def _applied(verbs: Connected, source: Any) -> Iterator[Applied]:
    """Apply a source, document by document, but for those that `-n` forbids."""
    from callboard.models.errors import ApiError
    from callboard.runtime.face.contract import Applied
    from callboard.runtime.face.manifests import manifests

    for manifest in manifests(source):
        try:
            check_namespace(verbs, manifest.tree)
        except ApiError as refusal:
            yield Applied(manifest.origin, "", "failed", error=refusal)
        else:
            yield from verbs.apply_each(manifest)


def _resource_of(verbs: Connected, obj: Any) -> Resource:
    from callboard.models.kinds import api_version_of, kind_of

    return verbs.scheme.resource(api_version_of(obj), kind_of(obj))


@click.command("delete")
@click.argument("what", nargs=-1, metavar="TYPE[/NAME] [NAME]...", shell_complete=complete_targets)
@files_option
@recursive_option
@selector_option
@field_selector_option
@all_namespaces_option
@click.option("--all", "everything", is_flag=True, help="All objects of the types.")
@click.option("--grace-period", "grace_s", type=click.IntRange(-1), default=-1, help="Seconds to end gracefully; -1 means the pod's own.")
@click.option("--now", is_flag=True, help="The same as --grace-period=1.")
@click.option("--force", is_flag=True, help="Don't wait for a graceful end.")
@click.option("--cascade", type=click.Choice(list(CASCADES)), default="background", show_default=True, help="What becomes of dependents.")
@click.option("--wait/--no-wait", "wait", default=True, show_default=True, help="Come back when everything is gone.")
@click.option("--timeout", default="0s", help="How long to wait; 0s means as long as it takes.")
@click.option("--ignore-not-found", is_flag=True, help="What does not exist is no error.")
@click.option("-o", "--output", "form", type=click.Choice(["name"]), help="Only names.")
@with_cluster
def delete(
    verbs: Connected,
    what: tuple[str, ...],
    files: tuple[str, ...],
    recursive: bool,
    selector: str,
    field_selector: str,
    all_namespaces: bool,
    everything: bool,
    grace_s: int,
    now: bool,
    force: bool,
    cascade: str,
    wait: bool,
    timeout: str,
    ignore_not_found: bool,
    form: str | None,
) -> int:
    """Delete objects: by TYPE and NAME, by TYPE with -l or --all, or by manifests."""
    from callboard.models.errors import ApiError, NotFound

    grace_s = _grace(grace_s, now, force)
    if form is None and grace_s == 0:
        click.echo(
            "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
            "The resource may continue to run on the cluster indefinitely.",
            err=True,
        )
    selected = bool(selector or field_selector or everything)
    ignore_not_found = ignore_not_found or selected  # what goes away meanwhile is as it should be
    where = "" if all_namespaces else None
    gone: list[Any] = []
    failed = False
    for one in _chosen(verbs, what, files, recursive, selected, selector, field_selector, where):
        if isinstance(one, ApiError):
            if not (ignore_not_found and type(one) is NotFound):
                failed = True
                tell(one)
            continue
        resource, obj = one
        try:
            verbs.delete(obj, grace=None if grace_s < 0 else grace_s, propagation=CASCADES[cascade])  # type: ignore[arg-type]
        except ApiError as refusal:
            if not (ignore_not_found and type(refusal) is NotFound):
                failed = True
                tell(refusal)
            continue
        gone.append(obj)
        say(_told(resource, obj, grace_s, form))
    if not gone and not failed:
        say("No resources found")
    return _awaited(verbs, gone, timeout, failed) if wait and gone else EXIT_NOT_SO if failed else 0


def _grace(grace_s: int, now: bool, force: bool) -> int:
    """kubectl's rules: only who forces may leave no time at all."""
    if now:
        if grace_s != -1:
            raise click.UsageError("--now and --grace-period cannot be specified together")
        grace_s = 1
    if force and grace_s > 0:
        raise click.UsageError("--force and --grace-period greater than 0 cannot be specified together")
    if force:
        return 0
    return 1 if grace_s == 0 else grace_s


def _told(resource: Resource, obj: Any, grace_s: int, form: str | None) -> str:
    name = object_name(resource, obj.metadata.name)
    if form == "name":
        return name
    kind, _, plain = name.rpartition("/")
    where = f" from {obj.metadata.namespace} namespace" if resource.namespaced else ""
    return f'{kind} "{plain}" {"force deleted" if grace_s == 0 else "deleted"}{where}'


def _chosen(
    verbs: Connected,
    what: tuple[str, ...],
    files: tuple[str, ...],
    recursive: bool,
    selected: bool,
    selector: str,
    fields: str,
    where: str | None,
) -> Iterator[tuple[Resource, Any] | ApiError]:
    """The objects that are meant, as they are now; in their place the refusal where one can't be read."""
    from callboard.cli.targets import targets_of
    from callboard.models.errors import ApiError

    if bool(files) == bool(what):
        raise click.UsageError("you must provide one or more resources by argument or filename")
    if files:
        for tree in (manifest for source in sources_of(files, recursive) for manifest in _trees(source)):
            try:
                check_namespace(verbs, tree)
                resource = verbs.scheme.resource(tree["apiVersion"], tree["kind"])
                name, namespace = tree["metadata"]["name"], tree["metadata"].get("namespace") or verbs.default_namespace
                yield resource, verbs.namespace(namespace).get(f"{resource.name}/{name}")
            except ApiError as refusal:
                yield refusal
        return
    for target in targets_of(verbs.scheme, what, "delete"):
        if target.name and selected:
            raise click.UsageError("name cannot be provided when a selector or --all is specified")
        if not target.name and not selected:
            raise click.UsageError("resource(s) were provided, but no name was specified")
        try:
            if target.name:
                yield target.resource, verbs.get(target.what)
            else:
                found = verbs.list(target.resource.name, selector=selector, fields=fields, namespace=where)
                yield from ((target.resource, obj) for obj in found)
        except ApiError as refusal:
            yield refusal


def _trees(source: Any) -> Iterator[Any]:
    from callboard.models.errors import BadRequest
    from callboard.runtime.face.manifests import manifests

    for manifest in manifests(source):
        tree = manifest.tree
        meta = tree.get("metadata")
        if not (
            isinstance(tree.get("apiVersion"), str) and isinstance(tree.get("kind"), str) and isinstance(meta, dict) and meta.get("name")
        ):
            raise BadRequest(f"{manifest.origin}: apiVersion, kind and metadata.name say which object is meant; one of them is missing")
        yield tree


def _awaited(verbs: Connected, gone: list[Any], timeout: str, failed: bool) -> int:
    """Wait until these very objects are gone."""
    from callboard.models.errors import WaitTimeout
    from callboard.runtime.face.contract import seconds

    deadline_s = time.monotonic() + (seconds(timeout) or A_WEEK_S)
    for obj in gone:
        left = verbs.still_there([obj], timeout=max(0.0, deadline_s - time.monotonic()))
        if left:
            failed = True
            tell(WaitTimeout(f"timed out waiting for the condition on {_resource_of(verbs, obj).name}/{obj.metadata.name}"))
    return EXIT_NOT_SO if failed else 0
