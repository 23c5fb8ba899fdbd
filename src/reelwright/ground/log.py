"""Structured logs: one JSON object a line in production, plain lines in development, never a secret or a prompt."""

import contextlib
import functools
import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TextIO, cast

import msgspec
import structlog

_SECRET_NAMES = re.compile(
    r"authorization|cookie|token|secret|password|key|signature|prompt|narration|body|text|caption|topic|e_?mail",
    re.IGNORECASE,
)
_SECRET_VALUES = re.compile(
    r"(?:rw_(?:live|test)_|(?<![A-Za-z])sk[-_]|whsec_|sig_)[A-Za-z0-9_\-]+|eyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-.]+"
    r"|(?:Bearer|Basic)\s+\S+|(?:postgres(?:ql)?(?:\+\w+)?|rediss?)://\S+|(?<=[^\s?])\?[^\s?=]+=\S*"
)
_HARMLESS = re.compile(r"[0-9a-fTZ:.\-]*|[a-z.]*")  # ids, instants, plain words: none of the above is written so
_LONGEST = 1000
_PLAIN_ERRORS = (TypeError, AttributeError, NameError, ImportError, IndexError, RecursionError, MemoryError)
"""Python writes their words itself, about our code. Others quote what they were given: a row, a page, a prompt."""
_HIDDEN = "[redacted]"


def shown(name: str, value: Any) -> Any:
    """Return the value as a log line or a trace may show it under this name; numbers always, and inside as outside."""
    if value is None or isinstance(value, int | float):
        return value
    if _secret_named(name):
        return _HIDDEN
    if isinstance(value, str):
        return _cleaned(value)[:_LONGEST]
    if isinstance(value, Mapping):
        inner = cast("Mapping[object, object]", value)
        return {str(key): shown(str(key), one) for key, one in inner.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [shown("", one) for one in cast("Iterable[object]", value)]
    return _cleaned(str(value))[:_LONGEST]


@functools.lru_cache(1024)
def _secret_named(name: str) -> bool:
    return _SECRET_NAMES.search(name) is not None


def _cleaned(value: str) -> str:
    return value if _HARMLESS.fullmatch(value) else _SECRET_VALUES.sub(_HIDDEN, value)


_OURS = frozenset({"event", "exception"})
"""Names whose values we have written ourselves; they only lose what looks like a secret."""


def _redact(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    for name, one in event.items():
        if one is None or (type(one) is str and len(one) <= _LONGEST and _HARMLESS.fullmatch(one)):
            if one is not None and name not in _OURS and _secret_named(name):
                event[name] = _HIDDEN
        elif name in _OURS:
            event[name] = _cleaned(str(one))
        elif not name.startswith("_"):  # structlog's own record
            event[name] = shown(name, one)
    return event


def _told_exception(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Replace `exc_info` by a traceback that names exceptions, with their words only where those are harmless."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = "\n".join(reversed([*_chain(error)]))
    return event


def _chain(error: BaseException) -> Iterator[str]:
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        yield "".join(traceback.format_tb(error.__traceback__)) + _named(error)
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None:
            return
        error = cause


def _named(error: BaseException) -> str:
    """Say what kind of error it is: with its code, the database's state and constraint, or the system's words."""
    facts = {name: getattr(error, name, None) for name in ("code", "sqlstate", "constraint_name", "strerror")}
    if isinstance(error, _PLAIN_ERRORS):
        facts["said"] = str(error)
    told = " ".join(f"{name}={fact}" for name, fact in facts.items() if isinstance(fact, str | int))
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return "\n  ".join([f"{type(error).__module__}.{type(error).__qualname__} {told}".rstrip(), *map(_named, inner)])


def configure(*, level: str = "INFO", as_json: bool = True) -> None:
    """Send everything, the standard library's records too, to standard error through one redacting chain."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _told_exception,
        _redact,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _Stderr(sys.stderr)
    handler.setFormatter(_Formatter(shared, _as_json if as_json else _plainly))
    # No line names a thread, a process or the line of code it comes from: finding these out took a third of its time.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # type: ignore[attr-defined] # noqa: SLF001 - as logging's documentation has it
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "stripe", "uvicorn.access", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _as_json(_logger: Any, _method: str, event: Mapping[str, Any]) -> str:
    with contextlib.suppress(ValueError, OverflowError):  # half of a surrogate pair, an integer beyond 64 bits
        if (told := msgspec.json.encode(event, enc_hook=repr)).isascii():
            return told.decode()
    return json.dumps(event, default=repr)  # escapes it: no letter ends a line, or moves the cursor of who reads it


def _plainly(_logger: Any, _method: str, event: Mapping[str, Any]) -> str:
    """Return a line for people, and below it the traceback."""
    facts = dict(event)
    exception = facts.pop("exception", None)
    head = [_readable(facts.pop(name, "")) for name in ("timestamp", "level", "event")]
    told = [*head, *(f"{name}={_readable(said)}" for name, said in facts.items())]
    return " ".join(told) + (f"\n{exception}" if exception else "")


def _readable(said: Any) -> str:
    text = str(said)
    return text if text.isprintable() else repr(text)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Takes structlog's lines as they are, for they have been through the chain; those of libraries go there first."""

    def __init__(self, chain: list[Any], render: Callable[[Any, str, Any], str]) -> None:
        cleared = structlog.stdlib.ProcessorFormatter.remove_processors_meta
        super().__init__(foreign_pre_chain=chain, processors=[cleared, render])
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, dict) and hasattr(record, "_logger"):
            return self._render(None, "", record.msg)
        return super().format(record)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to stderr; where it was another when the log was set up, and that is closed, to what it is now."""

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream.closed:
            self.stream = sys.stderr
        super().emit(record)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger bound to a name."""
    return structlog.stdlib.get_logger(name)
