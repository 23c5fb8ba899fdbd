"""One message, read from a publish request and shown as the SDK expects it; and schedules, which make such ones."""

import json
import math
import re
import secrets
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from aiohttp import web
from cronsim import CronSim, CronSimError

_MOST_RETRIES = 5  # what QStash's own development server allows
_DEDUPLICATION_ID = re.compile(r"[\x21-\x39\x3b-\x7e]{0,256}")
_UNITS_S = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DAY_S = 86_400.0
_MATH = {name: getattr(math, name) for name in ("pow", "sqrt", "exp", "floor", "ceil")}
_FUNCTIONS = {**_MATH, "abs": abs, "round": round, "min": min, "max": max}
_WORDS = rf"(?:{'|'.join(_FUNCTIONS)})(?=\()|retried|\d++(?:\.\d++)?|[-+*/%(), ]"
_ARITHMETIC = re.compile(rf"(?!.*(?:\*\s*\*|/\s*/))(?:{_WORDS})+")


class Refused(web.HTTPException):
    """The request can't be accepted: a status, and the sentence for its `error`."""

    def __init__(self, status: int, sentence: str) -> None:
        self.status_code = status
        super().__init__(text=json.dumps({"error": sentence}), content_type="application/json")


class Answer(NamedTuple):
    """What a receiver said; status 0 means that it never did."""

    status: int
    headers: Mapping[str, str]  # whatever their case
    body: bytes


@dataclass(slots=True, kw_only=True)
class Message:
    """Made of a publish request, whose headers are the `options`. Waits and instants in seconds. Raises Refused."""

    url: str
    body: bytes
    options: Mapping[str, str]
    id: str = field(default_factory=lambda: f"msg_{secrets.token_hex(16)}")
    created: float = field(default_factory=time.time)
    state: str = "waiting"  # then active, and in the end delivered, failed or cancelled
    retried: int = 0
    retries: int = field(init=False)
    wait_s: float = field(init=False)
    timeout_s: float = field(init=False)

    def __post_init__(self) -> None:
        try:
            self.wait_s = duration_s(self.option("delay", "0s"))
            self.timeout_s = duration_s(self.option("timeout", "15m"))
            self.retries = int(self.option("retries", "3"))
            expression_s(self.option("retry-delay", "0"), retried=0)
        except ValueError as error:
            raise Refused(400, str(error)) from error
        if not 0 <= self.retries <= _MOST_RETRIES:
            raise Refused(412, f"quota maxRetries exceeded: at most {_MOST_RETRIES} retries")
        if not _DEDUPLICATION_ID.fullmatch(self.option("deduplication-id")):
            raise Refused(400, "DeduplicationId cannot contain ':' or spaces, nor be longer than 256 characters")

    def option(self, name: str, default: str = "") -> str:
        """Return what the publisher said in this Upstash header."""
        return self.options.get(f"upstash-{name}", default)

    @property
    def forwarded(self) -> dict[str, str]:
        """The headers that travel with the body."""
        plain = {name: self.options[name] for name in ("content-type", "upstash-schedule-id") if name in self.options}
        wrapped = {name.partition("upstash-forward-")[2]: text for name, text in self.options.items()}
        return plain | {name: text for name, text in wrapped.items() if name}

    def retry_wait_s(self, answer: Answer) -> float:
        """Return the wait before the next attempt: the receiver's wish, else the publisher's, else the back-off."""
        if (wish := answer.headers.get("retry-after", "")).isdecimal():
            return float(wish)
        if expression := self.option("retry-delay"):
            return expression_s(expression, retried=self.retried)
        return min(_DAY_S, math.exp(2.5 * (self.retried + 1)))  # seconds: QStash, "Retry"

    def anew(self, *without: str) -> "Message":
        """Return the same order under a new id, some options left out."""
        options = {name: text for name, text in self.options.items() if name.removeprefix("upstash-") not in without}
        return Message(url=self.url, body=self.body, options=options)

    def failure(self, answer: Answer, dead_id: str) -> "Message":
        """Return the message that tells the publisher what became of this one, for its failure callback."""
        said = {"status": answer.status, "header": listed(answer.headers), "body": b64encode(answer.body).decode()}
        source = {"sourceMessageId": self.id, "sourceBody": b64encode(self.body).decode(), "dlqId": dead_id}
        options = {"content-type": "application/json", "upstash-retries": str(self.retries)}
        told = json.dumps(self.public() | said | source).encode()
        return Message(url=self.option("failure-callback"), body=told, options=options)

    def public(self) -> dict[str, Any]:
        """Return the message as `GET /v2/messages/{id}` shows it; instants in milliseconds."""
        what = {"messageId": self.id, "url": self.url, "header": listed(self.forwarded), "state": self.state}
        how = {"method": self.option("method", "POST"), "maxRetries": self.retries, "retried": self.retried}
        when = {"createdAt": int(self.created * 1000), "notBefore": int((self.created + self.wait_s) * 1000)}
        return what | how | when | {"body": self.body.decode(errors="replace")}


def listed(headers: Mapping[str, str]) -> dict[str, list[str]]:
    """Return headers as QStash shows them: names capitalised, values in a list."""
    return {name.title(): [text] for name, text in headers.items()}


def next_tick(cron: str, *, after: float) -> float:
    """Return the next instant (s) that "*/5 * * * *" or "CRON_TZ=Europe/Rome 0 4 * * 1" names. Raises Refused."""
    try:
        zone, *fields = cron.removeprefix("CRON_TZ=").split() if cron.startswith("CRON_TZ=") else ["UTC", *cron.split()]
        since = datetime.fromtimestamp(after, UTC).astimezone(ZoneInfo(zone))
        minute, hour, day, month, weekday = (field.upper() for field in fields)
        return next(CronSim(f"{minute} {hour} {day} {month} {weekday}", since)).timestamp()
    except (CronSimError, StopIteration, LookupError, OSError, ValueError) as error:
        raise Refused(400, f"invalid cron: {cron!r} (five fields, and CRON_TZ=Zone before them if need be)") from error


class Schedule:
    """`sample` is what each message is like; due in seconds. Raises Refused."""

    def __init__(self, sample: Message) -> None:
        self.id = sample.option("schedule-id") or f"scd_{secrets.token_hex(14)}"
        self.cron = sample.option("cron")
        self.due = next_tick(self.cron, after=sample.created)
        self.sample, sample.options = sample, {**sample.options, "upstash-schedule-id": self.id}

    def public(self) -> dict[str, Any]:
        """Return the schedule as `GET /v2/schedules/{id}` shows it; instants in milliseconds."""
        own = {"scheduleId": self.id, "destination": self.sample.url, "cron": self.cron, "isPaused": False}
        return self.sample.public() | own | {"retries": self.sample.retries, "nextScheduleTime": int(self.due * 1000)}


def duration_s(text: str) -> float:
    """Return the seconds of "1d10h30m" or "250ms". Raises ValueError."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"invalid duration: {text!r}")
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def expression_s(text: str, *, retried: int) -> float:
    """Work out a Retry-Delay: arithmetic in `retried`, giving milliseconds; a day at most. Raises ValueError."""
    try:
        if len(text) > 200 or not _ARITHMETIC.fullmatch(text):  # noqa: PLR2004 - long
            raise ValueError("a retry delay is short, and holds numbers, `retried`, + - * / % and QStash's functions")
        value = float(eval(text, {"__builtins__": {}, "retried": float(retried), **_FUNCTIONS}))  # noqa: S307 - arithmetic
    except (SyntaxError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        raise ValueError(f"invalid retry delay expression: {text!r}") from error
    return 0.0 if math.isnan(value) or value < 0 else min(_DAY_S, value / 1000)
