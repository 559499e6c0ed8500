"""What holds for all tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

settings.register_profile("callboard", deadline=None)
"""No example is wrong because a machine was busy: what has to be fast is measured by the benchmark."""
settings.load_profile("callboard")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """The command line configures structlog and the threads' hook, for the standard error of that moment; no other test must notice."""
    hook = threading.excepthook
    yield
    threading.excepthook = hook
    structlog.reset_defaults()
