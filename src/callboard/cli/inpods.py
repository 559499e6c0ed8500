"""`callboard logs` and `callboard exec`: what a pod's containers write, and commands beside them. Source: kubectl pkg/cmd/{logs,exec}."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from callboard.cli.completing import complete_containers, complete_pods
from callboard.cli.link import selector_option, with_cluster
from callboard.cli.printing import say

if TYPE_CHECKING:
    from callboard.models.api.core import Pod
    from callboard.runtime.face.connection import Connected

EXEC_TIMEOUT_S = 3600.0
_container_option = click.option("-c", "--container", help="The container, where a pod has several.", shell_complete=complete_containers)


@click.command("logs")
@click.argument("pod", required=False, metavar="[POD | TYPE/NAME]", shell_complete=complete_pods)
@click.argument("named", required=False, metavar="[CONTAINER]", shell_complete=complete_containers)
@_container_option
@selector_option
@click.option("--all-containers", is_flag=True, help="All containers of the pod, one after the other.")
@click.option("--prefix", is_flag=True, help="Each line with the pod and container that has written it.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the container ends.")
@click.option("-p", "--previous", is_flag=True, help="The container's life before this one.")
@click.option("--tail", type=click.IntRange(-1), help="Only so many of the last lines; -1 means all.  [default: -1, with a selector 10]")
@click.option("--since", metavar="DURATION", help="Only what is newer, for example 5s, 2m or 3h; of simulated containers.")
@click.option("--timestamps", is_flag=True, help="Each line with its time; of simulated containers.")
@with_cluster
def logs(
    verbs: Connected,
    pod: str | None,
    named: str | None,
    container: str | None,
    selector: str,
    all_containers: bool,
    prefix: bool,
    follow: bool,
    previous: bool,
    tail: int | None,
    since: str | None,
    timestamps: bool,
) -> int:
    """Show what a container of a pod, or of one pod of a workload, has written; with -l, of all pods that are selected."""
    if bool(pod) == bool(selector):
        raise click.UsageError("expected POD or TYPE/NAME, or a selector with -l: one of them")
    if named and container:
        raise click.UsageError("only one of -c or an inline [CONTAINER] arg is allowed")
    if all_containers and (named or container):
        raise click.UsageError("--all-containers=true should not be specified with container name")
    tail = (10 if selector else -1) if tail is None else tail
    how = {"previous": previous, "tail": None if tail < 0 else tail, "since": since, "timestamps": timestamps}
    sources = _sources(verbs, pod, selector, named or container, all_containers)
    if follow:
        if len(sources) > 1:
            raise click.UsageError("one container can be followed at a time; name it with -c, or leave -f away")
        for source in sources:
            for line in verbs.logs(source.pod, container=source.container, follow=True, **how):  # type: ignore[call-overload]
                say(f"{source.prefix if prefix else ''}{line}")
        return 0
    for source in sources:
        text = verbs.logs(source.pod, container=source.container, **how)  # type: ignore[call-overload]
        sys.stdout.write("".join(f"{source.prefix}{line}" for line in text.splitlines(keepends=True)) if prefix else text)
    return 0


class _Source(NamedTuple):
    pod: Any
    container: str

    @property
    def prefix(self) -> str:
        return f"[pod/{self.pod.metadata.name}/{self.container}] "


def _sources(verbs: Connected, pod: str | None, selector: str, container: str | None, all_containers: bool) -> list[_Source]:
    """The containers whose logs are meant; says on standard error which was chosen where there was a choice."""
    from callboard.runtime.face.inpods import pod_of

    if pod:
        pods = [pod_of(verbs, pod if "/" in pod else f"pod/{pod}", for_logs=True)]
    else:
        pods = verbs.list("pods", selector=selector)
        if not pods:
            click.echo(f"No resources found in {verbs.default_namespace} namespace.", err=True)
    if all_containers:
        specs = [(one, one.spec) for one in pods if one.spec is not None]
        return [_Source(one, each.name) for one, spec in specs for each in (*spec.init_containers, *spec.containers)]
    return [_Source(one, container or _default(one)) for one in pods]


def _default(pod: Pod) -> str:
    """The container that is meant; says so where there are others."""
    from callboard.models.podchoice import default_container

    name, note = default_container(pod)
    if note:
        click.echo(note, err=True)
    return name


@click.command("exec", context_settings={"ignore_unknown_options": False, "allow_interspersed_args": True})
@click.argument("pod", metavar="POD | TYPE/NAME", shell_complete=complete_pods)
@click.argument("words", nargs=-1, required=True, metavar="-- COMMAND [ARGS]...", type=click.UNPROCESSED)
@_container_option
@click.option("-i", "--stdin", "with_input", is_flag=True, help="Give it what comes from standard input, up to its end.")
@click.option("-t", "--tty", is_flag=True, help="A terminal, which there is none of here; said with a warning.")
@click.option("--timeout", default=f"{EXEC_TIMEOUT_S:g}s", show_default=True, help="How long it may take; then it is killed.")
@with_cluster
def execute(verbs: Connected, pod: str, words: tuple[str, ...], container: str | None, with_input: bool, tty: bool, timeout: str) -> int:
    """Run a command in a container; exits with the command's own code. There is no terminal (kubectl's -t)."""
    from callboard.runtime.face.inpods import pod_of

    if tty:
        click.echo("Warning: there is no terminal (-t) here: the command reads all input first, and its output comes in the end", err=True)
    what = pod_of(verbs, pod if "/" in pod else f"pod/{pod}", for_logs=False)
    container = container or _default(what)
    given = sys.stdin.buffer.read() if with_input else b""
    done = verbs.exec(what, list(words), container=container, stdin=given, timeout=timeout)
    for stream, content in ((sys.stdout, done.stdout_bytes), (sys.stderr, done.stderr_bytes)):
        stream.flush()
        stream.buffer.write(content)
        stream.flush()
    if done.truncated:
        click.echo("Warning: the command said more than an answer can hold; the rest is cut off", err=True)
    if done.exit_code:
        click.echo(f"command terminated with exit code {done.exit_code}", err=True)
    return done.exit_code
