"""What the harness has found stays found: these schedules are played with all oracles, and nothing is wrong."""

from __future__ import annotations

import pytest

from callboard.runtime.chaos.oracles import every
from callboard.runtime.chaos.schedule import play

from .found import FOUND


@pytest.mark.parametrize("story", FOUND)
def test_what_was_mended_stays_mended(story: str) -> None:
    outcome = play(FOUND[story], None, every)
    assert outcome.finding is None, outcome.finding
