"""Which levels tests run at, and what becomes of one that this machine refuses.

`CALLBOARD_TEST_LEVELS=B,C0` names levels; each of them must then be there. Otherwise those of the user are tried, and what the
machine refuses is skipped with its words; in CI they must be there.
"""

from __future__ import annotations

import os

from callboard.runtime.errors import CallboardError
from tests.e2e.levels.table import LEVELS
from tests.programs import in_ci

OF_ROOT, OF_USERS = ("A", "C1", "C0"), ("B", "C1", "C0")
"""What root's run of the tests tries, and an ordinary user's."""


def named() -> tuple[str, ...]:
    """Levels that the environment names, in the table's order."""
    words = os.environ.get("CALLBOARD_TEST_LEVELS", "").replace(",", " ").split()
    strangers = set(words) - set(LEVELS)
    if strangers:
        raise ValueError(f"CALLBOARD_TEST_LEVELS names {', '.join(sorted(strangers))}; there are {', '.join(LEVELS)}")
    return tuple(level for level in LEVELS if level in words)


def to_test() -> tuple[str, ...]:
    """Levels that tests are made for."""
    return named() or (OF_ROOT if os.geteuid() == 0 else OF_USERS)


def why_not(level: str) -> str:
    """Why this machine refuses a level; empty: it doesn't."""
    from callboard.runtime.isolation.levels import chosen

    try:
        chosen(level)
    except CallboardError as problem:
        return str(problem)
    return ""


def is_obligatory(level: str) -> bool:
    """Whether tests fail where the machine refuses this level."""
    return level in named() or in_ci()
