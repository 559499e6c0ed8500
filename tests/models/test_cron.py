"""Schedules mean what Kubernetes' parser (robfig/cron v3) takes them to mean, in time zones with all their odd days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from callboard.models import cron


def runs(schedule: str, begin: str, zone: str = "") -> Iterator[str]:
    """The moments after `begin` (both in the zone), as text."""
    place = ZoneInfo(zone) if zone else UTC
    moment: float | None = datetime.fromisoformat(begin).replace(tzinfo=place).timestamp()
    while moment is not None and (moment := cron.parse(schedule, zone).next_after(moment)) is not None:
        yield datetime.fromtimestamp(moment, place).strftime("%a %Y-%m-%d %H:%M %z")


def first(schedule: str, begin: str, count: int = 1, zone: str = "") -> list[str]:
    return [one.removesuffix(" +0000") for one in islice(runs(schedule, begin, zone), count)]


@pytest.mark.parametrize(
    ("schedule", "begin", "expected"),
    [
        ("* * * * *", "2026-01-01 00:00:00", ["Thu 2026-01-01 00:01", "Thu 2026-01-01 00:02"]),
        ("* * * * *", "2026-01-01 00:00:59", ["Thu 2026-01-01 00:01"]),
        ("*/15 * * * *", "2026-01-01 00:44:00", ["Thu 2026-01-01 00:45", "Thu 2026-01-01 01:00"]),
        ("5-7/2,30 3 * * *", "2026-01-01 00:00:00", ["Thu 2026-01-01 03:05", "Thu 2026-01-01 03:07", "Thu 2026-01-01 03:30"]),
        ("50/4 0 * * *", "2026-01-01 00:00:00", ["Thu 2026-01-01 00:50", "Thu 2026-01-01 00:54", "Thu 2026-01-01 00:58"]),
        ("0 0 29 2 ?", "2026-01-01 00:00:00", ["Tue 2028-02-29 00:00"]),
        ("0 12 * JAN-feb MON,Wed", "2026-02-23 13:00:00", ["Wed 2026-02-25 12:00", "Mon 2027-01-04 12:00"]),
        ("0 0 31 * *", "2026-01-31 00:00:00", ["Tue 2026-03-31 00:00"]),
        ("@yearly", "2026-01-01 00:00:00", ["Fri 2027-01-01 00:00"]),
        ("@monthly", "2026-01-01 00:00:00", ["Sun 2026-02-01 00:00"]),
        ("@weekly", "2026-01-01 00:00:00", ["Sun 2026-01-04 00:00"]),
        ("@daily", "2026-01-01 00:00:00", ["Fri 2026-01-02 00:00"]),
        ("@midnight", "2026-12-31 00:00:00", ["Fri 2027-01-01 00:00"]),
        ("@hourly", "2026-01-01 00:00:00", ["Thu 2026-01-01 01:00"]),
        ("@every 1h30m", "2026-01-01 00:10:00", ["Thu 2026-01-01 01:40", "Thu 2026-01-01 03:10"]),
    ],
)
def test_a_schedule_has_these_moments(schedule: str, begin: str, expected: list[str]) -> None:
    assert first(schedule, begin, len(expected)) == expected


def test_one_of_two_restricted_days_is_enough_and_a_step_of_a_star_restricts() -> None:
    assert first("0 0 13 * 5", "2026-11-01 00:00:00", 3) == ["Fri 2026-11-06 00:00", "Fri 2026-11-13 00:00", "Fri 2026-11-20 00:00"]
    assert first("0 0 * * 5", "2026-11-01 00:00:00", 2) == ["Fri 2026-11-06 00:00", "Fri 2026-11-13 00:00"]
    assert first("0 0 */10 * 5", "2026-11-01 00:00:00", 3) == ["Fri 2026-11-06 00:00", "Wed 2026-11-11 00:00", "Fri 2026-11-13 00:00"]


def test_a_day_that_never_comes_has_no_moment() -> None:
    assert cron.parse("0 0 30 2 *").next_after(0.0) is None


def test_an_hour_that_the_clock_skips_has_no_run_and_one_that_it_repeats_has_two() -> None:
    spring = first("30 2 * * *", "2026-03-28 00:00:00", 2, "Europe/Berlin")
    assert spring == ["Sat 2026-03-28 02:30 +0100", "Mon 2026-03-30 02:30 +0200"]
    autumn = first("30 2 * * *", "2026-10-25 00:00:00", 3, "Europe/Berlin")
    assert autumn == ["Sun 2026-10-25 02:30 +0200", "Sun 2026-10-25 02:30 +0100", "Mon 2026-10-26 02:30 +0100"]


def test_a_day_without_a_midnight_begins_when_it_begins() -> None:
    assert first("0 * * * *", "2018-11-03 23:00:00", 1, "America/Sao_Paulo") == ["Sun 2018-11-04 01:00 -0200"]
    assert first("15 5 4 11 *", "2018-11-01 00:00:00", 1, "America/Sao_Paulo") == ["Sun 2018-11-04 05:15 -0200"]


def test_the_zone_decides_when_a_day_begins() -> None:
    assert first("0 0 * * *", "2026-07-01 00:00:00", 1, "Asia/Kolkata") == ["Thu 2026-07-02 00:00 +0530"]
    moment = cron.parse("0 0 * * *", "Asia/Kolkata").next_after(datetime(2026, 7, 1, tzinfo=UTC).timestamp())
    assert moment == datetime(2026, 7, 1, 18, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("0 0 0 * * *", "expected exactly 5 fields, found 6: [0 0 0 * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("9-5 * * * *", "beginning of range (9) beyond end of range (5): 9-5"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("x * * * *", "failed to parse int from x"),
        ("* * * smarch *", "failed to parse int from smarch"),
        ("@fortnightly", "unrecognized descriptor: @fortnightly"),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
    ],
)
def test_what_is_no_schedule_is_refused_in_the_words_of_kubernetes(schedule: str, problem: str) -> None:
    with pytest.raises(ValueError) as refused:
        cron.parse(schedule)
    assert str(refused.value) == problem


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "Europe"])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        cron.zone_of(zone)
