"""Quantities are exact, and times and durations are read and written as Kubernetes does."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.models import times
from callboard.models.intorstring import scaled
from callboard.models.quantity import cpu_milli, parse_quantity, to_bytes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("1", "1"),
        (2, "2"),
        (0.5, "0.5"),
        ("250m", "0.25"),
        ("1.5Gi", str(3 * 2**29)),
        ("1Ki", "1024"),
        ("1k", "1000"),
        ("2e3", "2000"),
        ("1E", str(10**18)),
        ("1E3", "1000"),
        ("1e-3", "0.001"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-1", "-1"),
        ("+1Mi", "1048576"),
        ("100n", "0.0000001"),
        ("7u", "0.000007"),
    ],
)
def test_a_quantity_is_exact(text: str | int | float, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1GB", "0x10", "1e", "--1", "1.2.3", "nan", "inf", "1\n"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_quantity(text)


@pytest.mark.parametrize(("text", "milli"), [("1", 1000), ("250m", 250), ("0.1", 100), ("1m", 1), ("100u", 1), ("1.0001", 1001), (2, 2000)])
def test_cores_are_counted_in_thousandths_rounded_up(text: str | int, milli: int) -> None:
    assert cpu_milli(text) == milli


@pytest.mark.parametrize(("text", "count"), [("1Gi", 2**30), ("100M", 10**8), ("1500m", 2), ("0.5", 1), (128, 128)])
def test_bytes_are_counted_whole_rounded_up(text: str | int, count: int) -> None:
    assert to_bytes(text) == count


@given(st.integers(0, 10**9))
def test_thousandths_are_read_as_they_are_written(milli: int) -> None:
    assert cpu_milli(f"{milli}m") == milli


def test_a_moment_is_written_in_universal_time() -> None:
    assert times.rfc3339(1795521600.9) == "2026-11-24T12:00:00Z"
    assert times.rfc3339_micro(1795521600.25) == "2026-11-24T12:00:00.250000Z"


@given(st.integers(0, 2**32))
def test_a_moment_is_read_as_it_was_written(second: int) -> None:
    assert times.parse(times.rfc3339(second)) == second
    assert times.parse(times.rfc3339_micro(second + 0.5)) == second + 0.5


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    assert times.parse("2026-11-24T13:00:00+01:00") == times.parse("2026-11-24T12:00:00Z")


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        times.parse(text)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(5, 5.0), (0.5, 0.5), ("30s", 30.0), ("5m", 300.0), ("1h30m", 5400.0), ("250ms", 0.25), ("1.5s", 1.5), (" 2d ", 172800.0)],
)
def test_durations_are_read(value: float | int | str, seconds: float) -> None:
    assert times.parse_duration(value) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "5x", "5m 3", "-5s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        times.parse_duration(text)


@given(st.integers(0, 200), st.integers(0, 1000))
def test_a_percentage_is_rounded_as_told_and_a_number_is_itself(share: int, total: int) -> None:
    exact = Fraction(share * total, 100)
    assert scaled(f"{share}%", total, up=True) == math.ceil(exact)
    assert scaled(f"{share}%", total, up=False) == math.floor(exact)
    assert scaled(share, total, up=True) == share


@pytest.mark.parametrize("text", ["a lot", "5", "", "%", "-5%", "5%%", "²%"])
def test_what_is_neither_a_number_nor_a_percentage_is_refused_with_what_it_is(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f'string is not a percentage: "{text}"')):
        scaled(text, 3, up=True)
