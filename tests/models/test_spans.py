"""Spans of time as kubectl prints them, against the values that apimachinery documents for HumanDuration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.models.spans import age, go_duration, human_duration, long_moment
from callboard.models.times import rfc3339

S, M, H, D = 1, 60, 3600, 86400
Y = 365 * D


@pytest.mark.parametrize(
    ("span_s", "text"),
    [
        (-2 * S, "<invalid>"),
        (-1.9, "0s"),
        (0, "0s"),
        (1 * S, "1s"),
        (70 * S, "70s"),
        (119 * S, "119s"),
        (120 * S, "2m"),
        (190 * S, "3m10s"),
        (10 * M - 1, "9m59s"),
        (10 * M, "10m"),
        (70 * M, "70m"),
        (3 * H - 1, "179m"),
        (3 * H, "3h"),
        (3 * H + 1 * M, "3h1m"),
        (8 * H - 1, "7h59m"),
        (8 * H, "8h"),
        (47 * H + 59 * M, "47h"),
        (48 * H, "2d"),
        (49 * H, "2d1h"),
        (8 * D - 1, "7d23h"),
        (8 * D, "8d"),
        (2 * Y - 1, "729d"),
        (2 * Y, "2y"),
        (2 * Y + 1 * D, "2y1d"),
        (3 * Y, "3y"),
        (8 * Y - 1, "7y364d"),
        (8 * Y, "8y"),
        (9 * Y + 3 * D, "9y"),
    ],
)
def test_a_span_has_two_or_three_figures_as_human_duration_documents(span_s: float, text: str) -> None:
    assert human_duration(span_s) == text


@given(st.integers(0, 20 * Y))
def test_a_longer_span_never_reads_shorter(span_s: int) -> None:
    units = {"s": S, "m": M, "h": H, "d": D, "y": Y}

    def read(text: str) -> int:
        total, number = 0, ""
        for letter in text:
            if letter.isdigit():
                number += letter
            else:
                total, number = total + int(number) * units[letter], ""
        return total

    told = read(human_duration(span_s))
    assert told <= span_s
    assert read(human_duration(span_s + 1)) >= told


@pytest.mark.parametrize(
    ("span_s", "text"),
    [(0, "0s"), (15, "15s"), (14.87, "14.87s"), (60, "1m0s"), (62, "1m2s"), (59.9999, "1m0s"), (3605, "1h0m5s"), (90061.5, "25h1m1.5s")],
)
def test_a_duration_is_written_as_by_go(span_s: float, text: str) -> None:
    """time.Duration.String: no unit above hours, and none left out below the first."""
    assert go_duration(span_s) == text


def test_an_age_counts_from_the_moment_of_creation() -> None:
    assert age(rfc3339(1000.0), 1330.0) == "5m30s"


def test_no_moment_is_an_unknown_age_and_a_broken_one_an_invalid_age() -> None:
    assert age("", 1000.0) == "<unknown>"
    assert age("yesterday", 1000.0) == "<invalid>"


def test_moments_of_descriptions_are_rfc_1123_with_a_numeric_zone() -> None:
    assert long_moment("2026-11-25T00:05:48Z") == "Wed, 25 Nov 2026 00:05:48 +0000"
    assert long_moment("") == "<unknown>"
    assert long_moment("soon") == "soon"
