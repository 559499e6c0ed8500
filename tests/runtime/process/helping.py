"""A helper for tests: says who it is, then does as it is told: `wait`, or ends with an exit code."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Arguments: a file to write to, and what to do."""
    place, what = arguments
    Path(place).write_text(f"{os.getpid()} {os.getppid()}\n")
    print("helping")
    if what == "wait":
        signal.pause()
    return int(what)
