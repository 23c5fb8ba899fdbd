"""Structured logs: one JSON object a line in production, plain lines in development, never a secret or a prompt."""

import logging
import re
import sys
from typing import Any

import structlog

_SECRET_NAMES = re.compile(
    r"authorization|cookie|token|secret|password|api_?key|signature|prompt|narration|body|text", re.IGNORECASE
)
_SECRET_VALUES = re.compile(r"(rw_(?:live|test)_|sk-|whsec_|sig_)[A-Za-z0-9_\-]+|postgres(?:ql)?(?:\+\w+)?://[^\s]+")


def shown(name: str, value: Any) -> Any:
    """Return the value as a log line or a trace may show it under this name."""
    if _SECRET_NAMES.search(name):
        return "[redacted]"
    return _SECRET_VALUES.sub("[redacted]", value) if isinstance(value, str) else value


def _redact(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    return {name: shown(name if name != "event" else "", value) for name, value in event.items()}


def configure(*, level: str = "INFO", as_json: bool = True) -> None:
    """Send everything, the standard library's records too, to standard error through one redacting chain."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact,
    ]
    final: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, final],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "uvicorn.access", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger bound to a name."""
    return structlog.stdlib.get_logger(name)
