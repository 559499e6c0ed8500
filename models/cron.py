"""When a CronJob is due: its schedule read, and the moments of it, in a time zone. Pure.

Kubernetes reads schedules with github.com/robfig/cron/v3 (ParseStandard), which differs from other crons, and from their Python libraries:
days of the week are 0 to 6, `?` is `*`, `@every 90m` is a schedule, a step takes the star out of a field (`*/2` in the day of the month is
a restriction, so that it is enough if the day of the week matches), hours that a clock skips have no runs, hours that it repeats have two.
So they are read here, in its words. Sources: robfig/cron v3 parser.go, spec.go, constantdelay.go; Kubernetes' doc page "CronJob".
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = "@every "
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)")
_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_HORIZON_YEARS = 5
"""A schedule without a moment for so long has none: 30 February."""


class Schedule(Protocol):
    """What every kind of schedule can say."""

    def next_after(self, epoch_s: float) -> float | None:
        """The first moment after this one, in seconds since the epoch; None if there is none."""


class _Field(msgspec.Struct, frozen=True):
    """One of the five fields: its name in errors, its bounds, its names for numbers."""

    low: int
    high: int
    names: dict[str, int] = {}


_FIELDS = (_Field(0, 59), _Field(0, 23), _Field(1, 31), _Field(1, 12, _MONTHS), _Field(0, 6, _DAYS))


class Times(msgspec.Struct, frozen=True):
    """A schedule of five fields, in a time zone. `any_day` and `any_weekday` tell that the field has a star."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool
    zone: tzinfo = UTC

    def next_after(self, epoch_s: float) -> float | None:
        """See `Schedule`. Days and hours are looked for one by one, minutes only in hours that match."""
        moment = int(epoch_s // 60 + 1) * 60
        limit = datetime.fromtimestamp(moment, self.zone).year + _HORIZON_YEARS
        while True:
            local = datetime.fromtimestamp(moment, self.zone)
            if local.year > limit:
                return None
            if local.month not in self.months:
                first = date(local.year + local.month // 12, local.month % 12 + 1, 1)
                moment = max(self._begin_of(first), moment + 60)
            elif not self._is_day(local):
                moment = max(self._begin_of(local.date() + timedelta(days=1)), moment + 60)
            elif local.hour not in self.hours:
                moment += (60 - local.minute) * 60
            elif local.minute not in self.minutes:
                moment += 60
            else:
                return float(moment)

    def _begin_of(self, day: date) -> int:
        """When a day begins, in seconds since the epoch."""
        return int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp())

    def _is_day(self, local: datetime) -> bool:
        """Where both fields are restricted, either is enough."""
        day, weekday = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return (day and weekday) if self.any_day or self.any_weekday else (day or weekday)


class Every(msgspec.Struct, frozen=True):
    """`@every 90m`: from wherever one counts."""

    seconds: int

    def next_after(self, epoch_s: float) -> float | None:
        """See `Schedule`."""
        return float(int(epoch_s) + self.seconds)


@lru_cache(maxsize=256)
def parse(text: str, zone: str = "") -> Schedule:
    """A schedule as CronJobs write it, in the time zone of this name ("": UTC, as Kubernetes' controllers are).

    Raises:
        ValueError: it is none, in robfig/cron's words; or there is no such zone.
    """
    if not text.strip():
        raise ValueError("empty spec string")
    if text.startswith("@"):
        if text.startswith(_EVERY):
            return Every(max(1, int(_duration_s(text.removeprefix(_EVERY)))))
        macro = _MACROS.get(text)
        if macro is None:
            raise ValueError(f"unrecognized descriptor: {text}")
        text = macro
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    sets = [_values(one, bounds) for one, bounds in zip(fields, _FIELDS, strict=True)]
    (minutes, _), (hours, _), (days, any_day), (months, _), (weekdays, any_weekday) = sets
    return Times(minutes, hours, days, months, weekdays, any_day, any_weekday, zone_of(zone))


@lru_cache(maxsize=256)
def zone_of(name: str) -> tzinfo:
    """The time zone of this name, UTC for "".

    Raises:
        ValueError: there is none.
    """
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError; a folder's name is an OSError
        raise ValueError(f"unknown time zone {name}") from None


def _values(text: str, field: _Field) -> tuple[frozenset[int], bool]:
    """The numbers of a field, and whether it has a star."""
    values: dict[int, None] = {}
    star = False
    for part in text.split(","):
        if not part:
            continue  # as Go's FieldsFunc does
        found, starred = _range(part, field)
        values.update(dict.fromkeys(found))
        star = star or starred
    return frozenset(values), star


def _range(text: str, field: _Field) -> tuple[range, bool]:
    """`*`, `5`, `1-5`, `*/15`, `10-20/2`, `3/10`, `mon-fri`."""
    base, *steps = text.split("/")
    first, *rest = base.split("-")
    star = first in ("*", "?")
    if star:
        low, high = field.low, field.high
    else:
        if len(rest) > 1:
            raise ValueError(f"too many hyphens: {text}")
        low = _number(first, field)
        high = _number(rest[0], field) if rest else low
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {text}")
    step = 1
    if steps:
        step = _whole(steps[0])
        if not rest:
            high = field.high  # "N/step" means "N-max/step"
        star = star and step <= 1
    if low < field.low:
        raise ValueError(f"beginning of range ({low}) below minimum ({field.low}): {text}")
    if high > field.high:
        raise ValueError(f"end of range ({high}) above maximum ({field.high}): {text}")
    if low > high:
        raise ValueError(f"beginning of range ({low}) beyond end of range ({high}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")
    return range(low, high + 1, step), star


def _number(text: str, field: _Field) -> int:
    named = field.names.get(text.lower())
    return _whole(text) if named is None else named


def _whole(text: str) -> int:
    digits = text.removeprefix("+").removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"failed to parse int from {text}")
    if text.startswith("-"):
        raise ValueError(f"negative number ({text}) not allowed: {text}")
    return int(digits)


def _duration_s(text: str) -> float:
    """Seconds of a duration as Go writes it, the parts of a second left out."""
    if not text or _DURATION_PART.sub("", text):
        raise ValueError(f'failed to parse duration @every {text}: time: invalid duration "{text}"')
    return sum(float(number) * _UNITS_S[unit] for number, unit in _DURATION_PART.findall(text))
