"""Moments and durations as Kubernetes writes them. Pure: the moment comes from the caller's port."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


@lru_cache(maxsize=1024)
def _rfc3339(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339(epoch_s: float) -> str:
    """A moment, in seconds since the epoch, as Kubernetes' Time: `2026-11-24T12:00:00Z`."""
    return _rfc3339(int(epoch_s))


def rfc3339_micro(epoch_s: float) -> str:
    """The same as MicroTime: `2026-11-24T12:00:00.123456Z`."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@lru_cache(maxsize=4096)
def parse(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time.

    Raises:
        ValueError: it is none.
    """
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise ValueError(f'"{text}" is not a time of the form 2026-11-24T12:00:00Z') from None


def parse_duration(value: float | int | str) -> float:
    """Seconds of a duration: a number of seconds, or text such as `30s`, `5m`, `1h30m`, `250ms`.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, int | float):
        if not 0 <= value < float("inf"):
            raise ValueError(f"{value} is not a time that can pass; write seconds from 0 on")
        return float(value)
    text = value.strip()
    if text and _PART.sub("", text) == "":
        return sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))
    raise ValueError(f'"{value}" is not a duration; write seconds as a number, or text such as 30s, 5m or 1h30m')
