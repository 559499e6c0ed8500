"""What all commands against a running cluster share: the options that say which one and which namespace, and how they end.

Used as decorators by the modules of those commands. Nothing here imports actors or systems.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from callboard.cli import EXIT_NOT_SO
from callboard.cli.completing import complete_clusters, complete_namespaces
from callboard.cli.reaching import reached

if TYPE_CHECKING:
    from callboard.models.errors import ApiError
    from callboard.runtime.face.connection import Connected

_CLUSTER = click.option(
    "--cluster",
    metavar="NAME",
    default="",
    help="The cluster: its name, or the path of its socket.  [default: CALLBOARD_SOCKET, or the only one that runs]",
    shell_complete=complete_clusters,
)
_DATA = click.option("--data", type=click.Path(file_okay=False), help="The cluster that keeps its state in this folder.")
_NAMESPACE = click.option(
    "-n", "--namespace", default="default", show_default=True, help="The namespace.", shell_complete=complete_namespaces
)
all_namespaces_option = click.option("-A", "--all-namespaces", is_flag=True, help="Objects of all namespaces.")
selector_option = click.option("-l", "--selector", default="", help="Only objects with these labels, for example app=web,tier!=db.")
field_selector_option = click.option(
    "--field-selector", default="", help="Only objects with these fields, for example status.phase=Running."
)
files_option = click.option(
    "-f",
    "--filename",
    "files",
    multiple=True,
    type=click.Path(exists=True, allow_dash=True, readable=True),
    help="A manifest: a file, a folder, or - for standard input.",
)
recursive_option = click.option("-R", "--recursive", is_flag=True, help="Folders with all that lies below them.")


def with_cluster(work: Callable[..., Any]) -> Callable[..., Any]:
    """A command's function that gets the connected cluster as its first argument; adds `--cluster`, `--data` and `-n`.

    What the cluster refuses is told in kubectl's words, with exit code 1.
    """

    @_NAMESPACE
    @_CLUSTER
    @_DATA
    @functools.wraps(work)
    def run(*args: Any, namespace: str, cluster: str, data: str | None, **options: Any) -> Any:
        from callboard.models.errors import ApiError

        with reached(cluster, data, namespace) as verbs:
            try:
                return work(verbs, *args, **options)
            except ApiError as refusal:
                tell(refusal)
                return EXIT_NOT_SO

    return run


def tell(refusal: ApiError) -> None:
    """Say on standard error what was refused."""
    from callboard.cli.words import words_of

    click.echo(words_of(refusal), err=True)


def check_namespace(verbs: Connected, tree: Any) -> None:
    """Refuse an object of a manifest whose namespace is another than the one that `-n` names (cli-runtime's RequireNamespace).

    Raises:
        BadRequest: the two differ.
    """
    from click.core import ParameterSource

    from callboard.models.errors import BadRequest

    meta = tree.get("metadata")
    own = meta.get("namespace") if isinstance(meta, dict) else None
    given = click.get_current_context().get_parameter_source("namespace") is not ParameterSource.DEFAULT
    if given and own and own != verbs.default_namespace:
        raise BadRequest(
            f'the namespace from the provided object "{own}" does not match the namespace "{verbs.default_namespace}". '
            f"You must pass '--namespace={own}' to perform this operation."
        )


def sources_of(files: tuple[str, ...], recursive: bool) -> list[Any]:
    """What `-f` and `-R` name, as `apply` takes it."""
    import sys

    from callboard.models.errors import BadRequest
    from callboard.runtime.face.manifests import of_text

    sources: list[Any] = []
    for file in files:
        path = Path(file)
        if file == "-":
            sources.append([*of_text(sys.stdin.read(), "STDIN")])
        elif recursive and path.is_dir():
            found = sorted(one for one in path.rglob("*") if one.suffix in (".yaml", ".yml", ".json") and one.is_file())
            if not found:
                raise BadRequest(f"{path}: the folder holds no .yaml, .yml or .json file")
            sources.extend(found)
        else:
            sources.append(path)
    return sources
