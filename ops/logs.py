"""Logs as text for people, or as JSON for a log store: one object a line (`PADIT_LOG_FORMAT=json`).

The code logs through `logging`; structlog renders. An object has `timestamp` (UTC, RFC 3339),
`level`, `logger`, `event`, `exception` where there is one, and `trace_id` and `span_id` where a
span of OpenTelemetry is open.
"""

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any

from padit.domain.errors import ConfigurationError

__all__ = ["FORMAT", "configure_logs"]

FORMAT = "PADIT_LOG_FORMAT"
_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def configure_logs(
    level: int, format: str | None = None, *, text: str = _TEXT, stream: Any = None
) -> None:
    """Set up the root logger: one stream in place of those it has.

    Handlers of other kinds stay, as those of a program that calls PADIT.

    Args:
        level: of the root logger.
        format: json or text; None: as `PADIT_LOG_FORMAT` has it, else text.
        text: how a line of text is formatted.
        stream: where to; None: standard error.

    Raises:
        ConfigurationError: there is no such format, or structlog is not installed.
    """
    format = format or os.environ.get(FORMAT) or "text"
    if format not in ("json", "text"):
        message = f"the log format {format!r} is neither json nor text (--log_format, {FORMAT})"
        raise ConfigurationError(message)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_json() if format == "json" else logging.Formatter(text))
    root = logging.getLogger()
    for one in [one for one in root.handlers if type(one) is logging.StreamHandler]:
        root.removeHandler(one)
    root.addHandler(handler)
    root.setLevel(level)


def _json() -> logging.Formatter:
    try:
        import structlog
    except ImportError as error:
        message = "logs as JSON need structlog: pip install 'padit[telemetry]'"
        raise ConfigurationError(message) from error
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with_trace,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(sort_keys=True, default=str),
        ],
    )


def _with_trace(
    _logger: Any, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add the ids of the open span; OpenTelemetry is not loaded for it."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            event["trace_id"] = f"{context.trace_id:032x}"
            event["span_id"] = f"{context.span_id:016x}"
    return event
