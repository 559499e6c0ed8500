"""Spans of time and moments as kubectl prints them: `5m30s`, `3d`, `Wed, 25 Nov 2026 00:05:48 +0000`.

Sources: apimachinery pkg/util/duration/duration.go (HumanDuration), kubernetes pkg/printers/internalversion (translateTimestampSince).
"""

from __future__ import annotations

from datetime import UTC, datetime

from callboard.models import times

UNKNOWN = "<unknown>"
INVALID = "<invalid>"
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def human_duration(span_s: float) -> str:
    """A span with two or three significant figures. Up to two seconds in the future count as now: clocks differ that much."""
    seconds = int(span_s)
    if seconds < -1:
        return INVALID
    if seconds < 2 * _MINUTE_S:
        return f"{max(seconds, 0)}s"
    minutes, hours, days = seconds // _MINUTE_S, seconds // _HOUR_S, seconds // _DAY_S
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 3 * 60:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 24 * 8:
        return _two(days, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{days}d"
    if hours < 24 * 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"


def go_duration(span_s: float) -> str:
    """A span as Go prints it, to thousandths of a second: `15s`, `14.87s`, `1m2s`, `1h0m5s`."""
    minutes, rest_s = divmod(round(span_s, 3), _MINUTE_S)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{round(rest_s, 3):g}s"
    return f"{hours:.0f}h{minutes:.0f}m{seconds}" if hours else f"{minutes:.0f}m{seconds}" if minutes else seconds


def age(moment: str, now_s: float) -> str:
    """How long ago an RFC 3339 moment was, seen from `now_s` (seconds since the epoch); `<unknown>` if there is none."""
    if not moment:
        return UNKNOWN
    at_s = epoch_s(moment)
    return INVALID if at_s is None else human_duration(now_s - at_s)


def epoch_s(moment: str) -> float | None:
    """Seconds since the epoch of an RFC 3339 moment; None if it is none."""
    try:
        return times.parse(moment)
    except ValueError:
        return None


def long_moment(moment: str) -> str:
    """An RFC 3339 moment as descriptions show it (RFC 1123 with a numeric zone); what is no moment is shown as it is."""
    at_s = epoch_s(moment) if moment else None
    if at_s is None:
        return moment or UNKNOWN
    try:
        found = datetime.fromtimestamp(at_s, UTC)
    except (ValueError, OverflowError, OSError):
        return moment
    return f"{_DAYS[found.weekday()]}, {found.day:02} {_MONTHS[found.month - 1]} {found.year:04} {found:%H:%M:%S} +0000"


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
