"""Where log lines go: wherever the program has configured structlog to, else warnings and worse on standard error, as Python's own
logging does without a configuration. A library configures nothing; `callboard.cli.logs` does, for the command line.

A traceback is a line's field `exception`, as text: formatters that are given the exception itself may show the variables of its frames,
among them messages with the content of Secrets.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from types import TracebackType
from typing import Any


def in_one_line(failure: BaseException) -> str:
    """An exception and where it was raised, for people."""
    return f"{type(failure).__name__}: {failure}{place_of(failure.__traceback__)}"


def place_of(trace: TracebackType | None) -> str:
    """Where an exception was raised: ` at function:line`, "" if nobody knows."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" at {trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace is not None else ""


class Silent:
    """Says nothing: for runs of which there are thousands."""

    def _say(self, event: str, **fields: Any) -> None:
        """Nobody wants to know."""

    debug = info = warning = error = _say


class Logger:
    """Says an event and its fields, with those it was made with. What is configured is looked up at each line: lines are rare."""

    __slots__ = ("_bound",)

    def __init__(self, **bound: Any) -> None:
        self._bound = bound

    def _current(self) -> Any:
        import structlog  # it loads half of rich: at the first line, not when the package is imported

        if structlog.is_configured():
            return structlog.get_logger().bind(**self._bound)
        quiet: Any = structlog.make_filtering_bound_logger(logging.WARNING)
        return structlog.wrap_logger(structlog.PrintLogger(sys.stderr), wrapper_class=quiet).bind(**self._bound)

    def _say(self, level: str, event: str, fields: dict[str, Any]) -> None:
        failure = fields.pop("exc_info", None)
        if failure is True:
            failure = sys.exc_info()[1]
        if isinstance(failure, BaseException):
            fields["error"] = in_one_line(failure)
            fields["exception"] = "".join(traceback.format_exception(failure)).rstrip("\n")
        # As with Python's own logging, a line that nobody can take (standard error was closed, its reader is gone, the disk is full) is
        # lost, and the component that said it goes on.
        with contextlib.suppress(OSError, ValueError):
            getattr(self._current(), level)(event, **fields)

    def debug(self, event: str, **fields: Any) -> None:
        """For who looks for a fault."""
        self._say("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """A decision."""
        self._say("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Something that a person should look at."""
        self._say("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Something that failed."""
        self._say("error", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Something that failed, with the traceback of the exception that is being handled."""
        self._say("error", event, {"exc_info": True, **fields})
