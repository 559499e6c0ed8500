"""The first process of a cell for the tests: starts the network helper whenever it is told to by a line, ends with its standard input."""

from __future__ import annotations

import subprocess
import sys


def main() -> None:
    log, *command = sys.argv[1:]
    started: list[subprocess.Popen[bytes]] = []
    for _ in sys.stdin:
        if not started or started[-1].poll() is not None:
            with open(log, "ab") as file:
                started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=file))
        print(started[-1].pid, flush=True)


if __name__ == "__main__":
    main()
