"""What a test of a row stands on: `@row("...")`, and the `cell` that judges the outcome by what docs/isolation.md says of this level."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from callboard.models.errors import ApiError
from callboard.runtime.errors import CallboardError
from tests.e2e.levels.table import Verdict

ROWS: dict[str, list[str]] = {}
"""Which tests speak for a row, by the row's name: filled as modules are collected."""


class Refused(Exception):
    """A cluster doesn't do what it was asked; its own words."""


def row(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The decorated test speaks for this row of docs/isolation.md, at every level."""

    def mark(test: Callable[..., Any]) -> Callable[..., Any]:
        ROWS.setdefault(name, []).append(f"{test.__module__}::{test.__qualname__}")
        return pytest.mark.row(name)(test)  # type: ignore[no-any-return]

    return mark


class Cell:
    """One row at one level, with what the page says of it."""

    def __init__(self, name: str, level: str, verdict: Verdict) -> None:
        self.name, self.level, self.verdict = name, level, verdict

    @property
    def kind(self) -> str:
        """What the page says for the user who runs this."""
        for_root, _, for_others = self.verdict.kind.partition(" as root, else ")
        return for_others if for_others and os.geteuid() != 0 else for_root

    @property
    def is_open(self) -> bool:
        """Whether the page says that nothing is kept apart here; a test then shows that it is so."""
        return self.kind == "open"

    @property
    def refuses(self) -> bool:
        """Whether the page says that the cluster refuses this here."""
        return self.kind == "refused"

    @contextmanager
    def judged(self) -> Iterator[None]:
        """Around what is tried: where the page says "refused", it must be refused with the page's words; elsewhere nothing may be."""
        if not self.refuses:
            yield
            return
        with pytest.raises((Refused, ApiError, CallboardError)) as caught:
            yield
        said = str(caught.value)
        missing = [words for words in self.verdict.words if words not in said]
        assert not missing, f"{self.name} at {self.level}: the refusal lacks {missing}; it says: {said}"
