"""Which moment of a schedule is due: the last one that has come, whatever was missed before."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from callboard.actors.cronjob.moments import Due, due, next_s
from callboard.models import cron


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("schedule", "since", "now", "moment", "missed"),
    [
        ("*/5 * * * *", "2026-01-01 00:00", "2026-01-01 00:04", None, 0),
        ("*/5 * * * *", "2026-01-01 00:00", "2026-01-01 00:05", "2026-01-01 00:05", 1),
        ("*/5 * * * *", "2026-01-01 00:00", "2026-01-01 00:14", "2026-01-01 00:10", 2),
        ("* * * * *", "2026-01-01 00:00", "2026-01-02 00:00", "2026-01-02 00:00", 1440),
        ("@every 90m", "2026-01-01 00:10", "2026-01-01 03:30", "2026-01-01 03:10", 2),
        ("30 6-16/4 * * 1-5", "2026-01-02 00:00", "2026-01-05 07:00", "2026-01-05 06:30", 19),
        ("0 0 30 2 *", "2026-01-01 00:00", "2036-01-01 00:00", None, 0),
    ],
)
def test_the_last_moment_that_has_come_is_due(schedule: str, since: str, now: str, moment: str | None, missed: int) -> None:
    found = due(cron.parse(schedule), at(since), at(now))
    assert found == Due(at(moment) if moment is not None else None, missed)


def test_uneven_steps_find_the_last_moment_too() -> None:
    """Where the first two moments are a minute apart and the last one is days ago, Kubernetes' estimate finds none."""
    found = due(cron.parse("0,1 9 * * 1"), at("2026-01-05 00:00"), at("2026-01-09 12:00"))
    assert found.moment_s == at("2026-01-05 09:01")


def test_the_next_moment_is_after_now_and_every_counts_from_the_last_one() -> None:
    assert next_s(cron.parse("*/5 * * * *"), at("2026-01-01 00:00"), at("2026-01-01 00:13")) == at("2026-01-01 00:15")
    assert next_s(cron.parse("@every 1h"), at("2026-01-01 00:10"), at("2026-01-01 00:40")) == at("2026-01-01 01:10")
    assert next_s(cron.parse("0 0 30 2 *"), at("2026-01-01 00:00"), at("2026-01-01 00:00")) is None
