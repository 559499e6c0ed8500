"""Work that takes a process of its own, with its own imports or its own hash seed: an order goes in, lines come out."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

SILENCE_S = 600.0
PER_SCHEDULE_S = 5.0


class WorkerFailed(RuntimeError):
    """A worker ended before its order was carried out; says what it complained of."""


def patience_s(schedules: int) -> float:
    """How long a worker may take for so many schedules before it counts as hanging: none takes a second on a quiet machine."""
    return SILENCE_S + PER_SCHEDULE_S * schedules


def carried_out(module: str, name: str, order: bytes, limit_s: float, hash_seed: str = "") -> list[bytes]:
    """Give an order to a fresh process that runs this module, and return the lines that it says. `hash_seed`: its PYTHONHASHSEED; "": a
    random one, or what is set here.

    Raises:
        WorkerFailed: it failed, or was not done within `limit_s`; says so of `name`.
    """
    pipe, command = subprocess.PIPE, [sys.executable, "-m", module]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed} if hash_seed else None
    process: Any = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
    with process:
        try:
            said, complaints = process.communicate(order, timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise WorkerFailed(f"{name}: its worker was not done within {limit_s:g} s") from None
    if process.returncode != 0:
        raise WorkerFailed(f"{name}: {complaints.decode(errors='replace').strip()[-1000:]}")
    lines: list[bytes] = said.splitlines()
    return lines
