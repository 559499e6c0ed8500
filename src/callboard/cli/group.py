"""The group of commands, its logging options, and how errors become one sentence and an exit code. Called by `main`."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from callboard.cli import EXIT_INTERRUPTED, EXIT_NOT_SO, EXIT_OUR_FAULT

LEVELS = ["debug", "info", "warning", "error"]
FORMATS = ["console", "json"]
_CLI = "callboard.cli"
COMMANDS = {
    "up": ("up:command", "Bring a cluster up and keep it running."),
    "down": ("down:command", "End the cluster of a data folder."),
    "demo": ("demo:command", "See a cluster work: real processes, requests, a lost node."),
    "doctor": ("doctor:command", "Say which isolation of containers this machine allows."),
    "bench": ("bench:command", "Measure this machine."),
    "chaos": ("chaos:command", "Break clusters on purpose and see what notices."),
    "get": ("get:command", "Show objects."),
    "describe": ("insight:describe", "Show objects in detail, with their Events."),
    "apply": ("applying:apply", "Create or change what manifests describe."),
    "delete": ("applying:delete", "Delete objects."),
    "logs": ("inpods:logs", "Show what a container has written."),
    "exec": ("inpods:execute", "Run a command in a container."),
    "top": ("usage:command", "Show what nodes and pods use."),
    "events": ("insight:events", "Show what has happened."),
    "rollout": ("rollout:command", "Watch, undo, pause and restart rollouts."),
    "scale": ("changing:scale", "Set how many pods a workload has."),
    "cordon": ("nodes:cordon", "Let no further pods come to nodes."),
    "uncordon": ("nodes:uncordon", "Let pods come to nodes again."),
    "drain": ("nodes:drain", "Cordon nodes and evict their pods."),
    "wait": ("waiting:command", "Wait for objects to become what they should."),
    "label": ("changing:label", "Set labels of objects."),
    "taint": ("tainting:taint", "Keep pods away from nodes."),
    "annotate": ("changing:annotate", "Set annotations of objects."),
    "patch": ("changing:patch", "Change fields of an object."),
    "completion": ("completion:command", "Print a script that makes TAB complete."),
}
"""The commands: where each is, and its help in a line, so that help and completion import none of them."""
INSTEAD = {
    "create": "write a manifest and use: callboard apply -f FILE (or - for standard input)",
    "run": "write a manifest of the pod and use: callboard apply -f FILE (or - for standard input)",
    "expose": "write a manifest of the Service and use: callboard apply -f FILE (or - for standard input)",
    "replace": "use: callboard apply -f FILE, or callboard patch",
    "edit": "use: callboard patch TYPE/NAME -p PATCH, or callboard apply -f FILE",
    "set": "use: callboard patch TYPE/NAME -p PATCH, callboard scale for replicas, or callboard label",
    "autoscale": "use: callboard scale TYPE/NAME --replicas N",
    "port-forward": "with --containers process callboard up prints an address of each Service",
}
"""What to do in place of commands that kubectl has and we have not."""
_LOG_AT_ONCE = frozenset({"up", "down", "demo", "bench"})
"""Commands that run parts which log; the others only ask a cluster, and start sooner without."""


class _Lazy(click.Group):
    """Imports a command's module when the command is used, so that help and completion stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        import importlib

        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(f"{_CLI}.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        from callboard.cli.flags import with_plain_flags

        if args and args[0] in INSTEAD and not ctx.resilient_parsing:
            ctx.fail(f"there is no {args[0]} here; {INSTEAD[args[0]]}")
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, rest if command is None or ctx.resilient_parsing else with_plain_flags(command, rest)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=help_) for name, (_, help_) in COMMANDS.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="callboard")
@click.option("--log-level", type=click.Choice(LEVELS), default="warning", show_default=True, help="Least level of log lines to show.")
@click.option(
    "--log-format", type=click.Choice(FORMATS), default="console", show_default=True, help="How log lines look, on standard error."
)
@click.pass_context
def callboard(ctx: click.Context, log_level: str, log_format: str) -> None:
    """A Kubernetes control plane made of actors, in one process: bring it up, send it traffic, break it."""
    if log_level == "debug" or ctx.invoked_subcommand in _LOG_AT_ONCE:
        from callboard.cli.logs import configure

        configure(log_level, log_format)


def run(args: list[str] | None = None) -> int:
    """Run a command and return its exit code; whatever goes wrong is told in one sentence on standard error."""
    from callboard.models.errors import ApiError
    from callboard.runtime.errors import CallboardError

    try:
        result: Any = callboard.main(args=args, prog_name="callboard", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except (click.exceptions.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except (ApiError, CallboardError) as problem:
        complain(str(problem))
        return EXIT_NOT_SO
    except BrokenPipeError:
        # whoever read our output has left (`| head`); what Python still holds of it must not fail again at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_NOT_SO
    except OSError as problem:
        _log_traceback(problem)
        complain(f"{problem.filename}: {problem.strerror}" if problem.filename else problem.strerror or str(problem))
        return EXIT_NOT_SO
    except Exception as problem:
        from callboard.runtime.logs import place_of

        _log_traceback(problem)
        place = place_of(problem.__traceback__)
        hint = "Run it again with --log-level debug to see the traceback, and report it."
        complain(f"a fault of ours{place}: {type(problem).__name__}: {problem}. {hint}")
        return EXIT_OUR_FAULT


def complain(sentence: str) -> None:
    """Say on standard error why something is not so."""
    click.echo(f"callboard: {sentence}", err=True)


def _log_traceback(problem: Exception) -> None:
    import structlog

    if structlog.is_configured():  # commands that only ask a cluster log nothing, unless they are told to
        structlog.get_logger().debug("the command line failed", exc_info=problem)
