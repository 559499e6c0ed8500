"""Errors of the runtime that users meet; those of the API itself are in `callboard.models.errors`. Every text says what to do."""

from __future__ import annotations


class CallboardError(Exception):
    """Base of the errors that are not answers of the API."""


class RealTimeOnly(CallboardError):
    """Something that needs a real socket or process was asked of simulated containers or of a simulation."""


class InvariantBroken(CallboardError, AssertionError):
    """A function given to `invariant` was false, or raised, after a step of a simulation."""
