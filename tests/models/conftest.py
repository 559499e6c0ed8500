"""Objects from YAML, as the tests of pure functions write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard.models.decode import from_dict, load_yaml
from callboard.models.defaults import with_defaults
from callboard.models.kinds import Scheme, api_version_of, kind_of
from callboard.models.validation import validate

Reader = Callable[[str], Any]
Checker = Callable[..., list[str]]


@pytest.fixture(scope="session")
def read() -> Reader:
    """Read one object as it was written, without defaults."""

    def one(text: str) -> Any:
        (document,) = load_yaml(text, "test")
        return from_dict(document.tree, Scheme.builtin())

    return one


@pytest.fixture(scope="session")
def stored(read: Reader) -> Reader:
    """Read one object with its defaults, as it is before validation."""
    return lambda text: with_defaults(read(text))


@pytest.fixture(scope="session")
def problems() -> Checker:
    """What validation says, as texts with the path in front."""

    def check(obj: Any, old: Any = None) -> list[str]:
        resource = Scheme.builtin().resource(api_version_of(obj), kind_of(obj))
        return [str(error) for error in validate(obj, resource, old)]

    return check
