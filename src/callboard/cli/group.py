"""The group of commands, its logging options, and how errors become one sentence and an exit code. Called by `main`."""

from __future__ import annotations

from typing import Any

import click

from callboard.cli import EXIT_INTERRUPTED, EXIT_NOT_SO, EXIT_OUR_FAULT
from callboard.cli.logs import FORMATS, LEVELS, configure, place_of


class _Lazy(click.Group):
    """Imports a command's module when the command is used, so that `callboard --help` stays quick."""

    modules = {"demo": "callboard.cli.demo", "up": "callboard.cli.up", "down": "callboard.cli.down", "bench": "callboard.cli.bench"}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        import importlib

        if cmd_name not in self.modules:
            return None
        command = importlib.import_module(self.modules[cmd_name]).command
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="callboard")
@click.option("--log-level", type=click.Choice(LEVELS), default="warning", show_default=True, help="Least level of log lines to show.")
@click.option(
    "--log-format", type=click.Choice(FORMATS), default="console", show_default=True, help="How log lines look, on standard error."
)
def callboard(log_level: str, log_format: str) -> None:
    """A Kubernetes control plane made of actors, in one process: bring it up, send it traffic, break it."""
    configure(log_level, log_format)


def run(args: list[str] | None = None) -> int:
    """Run a command and return its exit code; whatever goes wrong is told in one sentence on standard error."""
    from callboard.models.errors import ApiError
    from callboard.runtime.errors import CallboardError
    from callboard.runtime.storage.errors import StorageError

    try:
        result: Any = callboard.main(args=args, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except (click.exceptions.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except (ApiError, CallboardError, StorageError) as problem:
        complain(str(problem))
        return EXIT_NOT_SO
    except OSError as problem:
        _log_traceback(problem)
        complain(f"{problem.filename}: {problem.strerror}" if problem.filename else str(problem))
        return EXIT_NOT_SO
    except Exception as problem:
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

    structlog.get_logger().debug("the command line failed", exc_info=problem)
