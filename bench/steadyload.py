"""The load generator as its starter sees it: a child process whose outcomes are read as they come, and what they amount to."""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable

import msgspec

from callboard.bench.load import Outcome, Plan

END_TIMEOUT_S = 30.0


class Totals(msgspec.Struct, frozen=True):
    """What outcomes amount to."""

    sent: int
    failed: int
    retried_connects: int
    """Connects beyond the first of a request."""
    median_ms: float
    worst_ms: float

    def __str__(self) -> str:
        return f"{self.failed} of {self.sent} requests failed (median {self.median_ms:.0f} ms, worst {self.worst_ms:.0f} ms)"


def totals(outcomes: Iterable[Outcome]) -> Totals:
    """Count outcomes.

    >>> totals([Outcome(0, 1.0, 1.002, 200), Outcome(0, 1.0, 1.5, 503)])
    Totals(sent=2, failed=1, retried_connects=0, median_ms=251.0, worst_ms=500.0)
    """
    seen = list(outcomes)
    took_ms = [round((one.ended_s - one.began_s) * 1e3, 3) for one in seen] or [0.0]
    return Totals(
        sent=len(seen),
        failed=sum(one.failed for one in seen),
        retried_connects=sum(max(0, one.connects - 1) for one in seen),
        median_ms=statistics.median(took_ms),
        worst_ms=max(took_ms),
    )


class SteadyLoad:
    """Requests at a steady pace from `with` to its end, sent by a process of their own."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._outcomes: list[Outcome] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = threading.Thread(target=self._read, name="load-outcomes", daemon=True)

    def __enter__(self) -> SteadyLoad:
        command = [sys.executable, "-m", "callboard.bench.load", msgspec.json.encode(self.plan).decode()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._reader.join()
        process.stdout.close()

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        decoder = msgspec.json.Decoder(Outcome)
        for line in self._process.stdout:
            self._outcomes.append(decoder.decode(line))

    def outcomes(self, since_s: float = 0.0) -> list[Outcome]:
        """What became of requests that began at or after a moment of the monotonic clock, in the order of their ends."""
        return [one for one in self._outcomes.copy() if one.began_s >= since_s]

    def failures(self, since_s: float = 0.0) -> list[Outcome]:
        """Those of them that failed."""
        return [one for one in self.outcomes(since_s) if one.failed]

    def answered_by(self, since_s: float = 0.0) -> Counter[str]:
        """How many answers each pod gave."""
        return Counter(one.pod for one in self.outcomes(since_s) if one.pod)
