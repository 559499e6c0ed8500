"""What holds for all tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from tests.programs import in_ci, missing, packages

settings.register_profile("callboard", deadline=None)
"""No example is wrong because a machine was busy: what has to be fast is measured by the benchmark."""
settings.load_profile("callboard")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*programs): runs only where these programs are installed; without them it fails in CI")


def pytest_report_header() -> str | None:
    """One line that says what the machine lacks."""
    lacking = missing(packages())
    return f"missing, so tests that need them are skipped: {', '.join(lacking)}" if lacking else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        if lacking := missing(marker.args):
            words = f"needs {', '.join(lacking)}"
            pytest.fail(words, pytrace=False) if in_ci() else pytest.skip(words)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """The command line configures structlog and the threads' hook, for the standard error of that moment; no other test must notice."""
    hook = threading.excepthook
    yield
    threading.excepthook = hook
    structlog.reset_defaults()
