"""Repeats of a measurement, each in a process of its own, and their median and spread. Called by the runner."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

import msgspec

REPEAT_TIMEOUT_S = 900.0


class Figure(msgspec.Struct, frozen=True):
    """One measured quantity: its repeats in the order in which they were taken, its unit, and the aim it is held against.

    `aim` is None where there is none; `more_is_better` tells in which direction the aim lies.
    """

    name: str
    unit: str
    repeats: tuple[float, ...]
    aim: float | None = None
    more_is_better: bool = True

    @property
    def median(self) -> float:
        """The middle of the repeats."""
        return statistics.median(self.repeats)

    @property
    def spread(self) -> tuple[float, float]:
        """Least and greatest of the repeats."""
        return min(self.repeats), max(self.repeats)

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the aim (None: there is no aim)."""
        if self.aim is None:
            return None
        return self.median >= self.aim if self.more_is_better else self.median <= self.aim


class MeasurementFailed(Exception):
    """A worker process ended with an error; its last words are in the text."""


def repeat(scenario: str, arguments: dict[str, int | str], repeats: int) -> list[dict[str, float]]:
    """Run a scenario in so many fresh processes, one after the other; what each of them measured, by name.

    Raises:
        MeasurementFailed: a worker failed.
    """
    results = []
    for _ in range(repeats):
        worker = subprocess.run(
            [sys.executable, "-m", "callboard.bench.worker", scenario, json.dumps(arguments)],
            capture_output=True,
            text=True,
            timeout=REPEAT_TIMEOUT_S,
            check=False,
        )
        if worker.returncode != 0:
            raise MeasurementFailed(f"{scenario} {arguments} ended with {worker.returncode}: {worker.stderr.strip()[-2000:]}")
        results.append(json.loads(worker.stdout.splitlines()[-1]))
    return results
