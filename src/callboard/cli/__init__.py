"""The command line. `main` is what the console script calls; each command has a module of its own, imported when it is used."""

from __future__ import annotations

import sys

EXIT_NOT_SO = 1
EXIT_OUR_FAULT = 3
EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line; exits with 0 done, 1 what was asked for is not so, 2 wrong usage, 3 a fault of ours, 130 Ctrl-C."""
    from callboard.cli.group import run

    sys.exit(run())
