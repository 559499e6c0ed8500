"""What tests of descriptions share: objects from YAML, and the lines of a description."""

from __future__ import annotations

from typing import Any

import yaml

from callboard.models.decode import from_dict
from callboard.models.describe import Related, describe_object
from callboard.models.kinds import Scheme

SCHEME = Scheme.builtin()
NOW_S = 1_800_000_000.0
NO_EVENTS = Related(events=())


def stored(text: str) -> Any:
    """One object from YAML."""
    return from_dict(yaml.safe_load(text), SCHEME)


def lines_of(obj: Any, related: Related = NO_EVENTS) -> list[str]:
    """The description's lines without the spaces at their ends."""
    return [line.rstrip() for line in describe_object(obj, related, NOW_S).splitlines()]


def holds(lines: list[str], text: str) -> bool:
    """Whether these lines are there, one after the other, exactly."""
    wanted = [line.rstrip() for line in text.strip("\n").splitlines()]
    return any(lines[at : at + len(wanted)] == wanted for at in range(len(lines)))


def squeezed(lines: list[str]) -> list[str]:
    """The lines with single spaces."""
    return [" ".join(line.split()) for line in lines]
