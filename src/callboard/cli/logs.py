"""Logging of the command line: structlog on standard error, for people or as JSON lines. The library itself configures nothing."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

LEVELS = ["debug", "info", "warning", "error"]
FORMATS = ["console", "json"]


def configure(level: str, format_: str) -> None:
    """Show log lines of at least `level` on standard error, in `format_` (console or json)."""
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if format_ == "json":
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        processors.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.CRITICAL)  # Pykka logs what it cannot deliver; we log what matters ourselves
