"""What one life of a simulated container has written: lines with their times, of which the newest are kept."""

from __future__ import annotations

from collections import deque

from callboard.models.times import rfc3339_micro

LINES_LIMIT = 1000
"""Lines kept of one life of a container; older ones are dropped."""


class SimulatedLog:
    """Lines are numbered from 0 on, and a reader's place is the number of a line: it stays right when old ones are dropped."""

    __slots__ = ("_lines", "end")

    def __init__(self) -> None:
        self._lines: deque[tuple[float, str]] = deque(maxlen=LINES_LIMIT)
        self.end = 0
        """How many lines were ever written."""

    def write(self, text: str, now_s: float) -> None:
        """Lines are written now."""
        for line in text.splitlines():
            self._lines.append((now_s, line))
            self.end += 1

    def read(self, offset: int, tail_lines: int, since_s: float, timestamps: bool) -> bytes:
        """All that is kept from line `offset` on; at most the last `tail_lines` of it (below 0: all), none older than `since_s`."""
        first = self.end - len(self._lines)
        if tail_lines >= 0:
            offset = max(offset, self.end - tail_lines)
        chosen = [(at_s, line) for number, (at_s, line) in enumerate(self._lines, first) if number >= offset and at_s >= since_s]
        return "".join(f"{stamp(at_s)} {line}\n" if timestamps else f"{line}\n" for at_s, line in chosen).encode()


def stamp(at_s: float) -> str:
    """A moment as `kubectl logs --timestamps` shows it (RFC3339NanoFixed)."""
    return f"{rfc3339_micro(at_s)[:-1]}000Z"
