"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("callboard", deadline=None)
"""No example is wrong because a machine was busy: what has to be fast is measured by the benchmark."""
settings.load_profile("callboard")
