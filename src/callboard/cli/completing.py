"""What the shell offers when TAB is pressed: clusters, namespaces, types and the names of what is there.

A completion says nothing when it can't know: no cluster runs, or it is busy. It starts nothing, and gives up quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from callboard.cli.reaching import reached

if TYPE_CHECKING:
    from callboard.runtime.face.connection import Connected

TIMEOUT_S = 1.0
NAMES_LIMIT = 1000
Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _quiet(find: Callable[[click.Context, str], Iterator[str]]) -> Complete:
    """A completion that offers nothing where `find` fails: the shell would show any message in the middle of the line being typed."""

    def complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        try:
            return [value for value in find(ctx, incomplete) if value.startswith(incomplete)][:NAMES_LIMIT]
        except Exception:
            return []

    return complete


def _cluster(ctx: click.Context) -> Connected:
    params = ctx.params
    return reached(params.get("cluster") or "", params.get("data"), params.get("namespace") or "default")


def _names(ctx: click.Context, kind: str) -> Iterator[str]:
    with _cluster(ctx) as cluster:
        yield from (obj.metadata.name for obj in cluster.list(kind, timeout=TIMEOUT_S))


def _types(ctx: click.Context) -> Iterator[str]:
    from callboard.models.kinds import Scheme
    from callboard.runtime.errors import CallboardError

    yield from dict.fromkeys(("all", *(one.plural for one in Scheme.builtin().resources)))
    try:
        with _cluster(ctx) as cluster:
            yield from (one.metadata.name for one in cluster.list("customresourcedefinitions", timeout=TIMEOUT_S))
    except CallboardError:
        return  # no cluster runs, so there are only the kinds that every one has


def _clusters(_ctx: click.Context, _incomplete: str) -> Iterator[str]:
    from callboard.runtime.remote.places import running

    yield from running()


def _targets(ctx: click.Context, incomplete: str) -> Iterator[str]:
    words = [*(ctx.params.get("what") or ())]
    if "/" in incomplete:
        kind = incomplete.partition("/")[0]
        yield from (f"{kind}/{name}" for name in _names(ctx, kind))
    elif not words:
        before, comma, _ = incomplete.rpartition(",")
        yield from (f"{before}{comma}{kind}" for kind in _types(ctx))
    elif "/" not in words[0] and "," not in words[0]:
        yield from (name for name in _names(ctx, words[0]) if name not in words)


def _containers(ctx: click.Context, _incomplete: str) -> Iterator[str]:
    # where the option's value is what is being typed, click has not sorted the words before it into parameters yet
    words = [ctx.params.get("pod"), *ctx.args]
    name = str(next((word for word in words if word), "")).rpartition("/")[2]
    with _cluster(ctx) as cluster:
        spec = cluster.get(f"pod/{name}", timeout=TIMEOUT_S).spec
        yield from (container.name for container in (*spec.init_containers, *spec.containers))


def _names_of(kind: str) -> Complete:
    def find(ctx: click.Context, incomplete: str) -> Iterator[str]:
        if "/" in incomplete:
            yield from _targets(ctx, incomplete)
        else:
            yield from _names(ctx, kind)

    return _quiet(find)


def _workloads(ctx: click.Context, incomplete: str) -> Iterator[str]:
    words: Any = ctx.params.get("what") or ()
    if "/" in incomplete or words:
        yield from _targets(ctx, incomplete)
    else:
        for kind in ("deployment", "statefulset"):
            yield from (f"{kind}/{name}" for name in _names(ctx, f"{kind}s"))


complete_clusters = _quiet(_clusters)
complete_namespaces = _names_of("namespaces")
complete_nodes = _names_of("nodes")
complete_pods = _names_of("pods")
complete_targets = _quiet(_targets)
complete_containers = _quiet(_containers)
complete_workloads = _quiet(_workloads)
