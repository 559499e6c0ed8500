"""Which moment of a schedule is due, how many have been missed, and when the next one is. Pure.

Source: kubernetes pkg/controller/cronjob/utils.go (mostRecentScheduleTime, nextScheduleTime).
"""

from __future__ import annotations

import msgspec

from callboard.models.cron import Schedule

MISSED_LIMIT = 100
"""More missed moments than these are told to the user."""


class Due(msgspec.Struct, frozen=True):
    """The most recent moment that is not later than now, in seconds since the epoch; None if there is none. `missed` counts roughly how
    many there have been since the last one that was seen to."""

    moment_s: float | None
    missed: int = 0


def due(schedule: Schedule, since_s: float, now: float) -> Due:
    """The last moment after `since_s` that has come. Missed ones are skipped, not made up for; how many they are is estimated from the
    first two, so that a schedule of years ago costs no more than one of a minute ago."""
    first_s = schedule.next_after(since_s)
    if first_s is None or now < first_s:
        return Due(None)
    second_s = schedule.next_after(first_s)
    if second_s is None or now < second_s:
        return Due(first_s, 1)
    step_s = max(1, round(second_s - first_s))
    missed = int(now - first_s) // step_s + 1
    recent_s: float | None = None
    moment_s = schedule.next_after(first_s + (missed - 2) * step_s)
    while moment_s is not None and moment_s <= now:
        recent_s = moment_s
        moment_s = schedule.next_after(moment_s)
    return Due(recent_s if recent_s is not None else _last_before(schedule, first_s, second_s, now), missed)


def _last_before(schedule: Schedule, first_s: float, second_s: float, now: float) -> float:
    """The last moment, where the steps are uneven: the first two were close together, and the last ones are far apart. Doubling steps back
    find one; Kubernetes starts nothing then."""
    back_s = second_s - first_s
    while True:
        moment_s = schedule.next_after(max(first_s - 1, now - back_s))
        if moment_s is not None and moment_s <= now:
            break
        back_s *= 2
    while (later_s := schedule.next_after(moment_s)) is not None and later_s <= now:
        moment_s = later_s
    return moment_s


def next_s(schedule: Schedule, since_s: float, now: float) -> float | None:
    """The first moment after now. `since_s` is the last one: `@every 90m` counts from there."""
    moment_s = schedule.next_after(since_s)
    return moment_s if moment_s is None or moment_s > now else schedule.next_after(now)
