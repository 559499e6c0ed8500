"""Logging of the command line: structlog on standard error, for people or as JSON lines. The library itself configures nothing.

Tracebacks are shown at level debug only, and without the variables of their frames, which may hold what is in Secrets; otherwise an
exception is one line that says what and where.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import MutableMapping
from typing import Any

import structlog

from callboard.runtime.logs import in_one_line


def configure(level: str, format_: str) -> None:
    """Show log lines of at least `level` on standard error, in `format_` (console or json)."""
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if level != "debug":
        processors.append(_without_traceback)
    if format_ == "json":
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        processors.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback))
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.CRITICAL)  # Pykka logs what it cannot deliver; we log what matters ourselves
    threading.excepthook = _log_failed_thread


def _without_traceback(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.pop("exception", None)  # of our own components, which tell their error beside it
    failure = event.pop("exc_info", None)
    if failure is True:
        failure = sys.exc_info()[1]
    elif isinstance(failure, tuple):
        failure = failure[1]
    if isinstance(failure, BaseException):
        event["error"] = in_one_line(failure)
    return event


def _log_failed_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_type is not SystemExit:
        name = failed.thread.name if failed.thread is not None else "?"
        structlog.get_logger().error("a thread failed", thread=name, exc_info=failed.exc_value)
