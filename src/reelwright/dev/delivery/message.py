"""One message: read from a publish request's headers, tried until it is over, shown as the SDK expects it."""

import json
import re
import secrets
import time
from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NamedTuple

from aiohttp import web

from reelwright.dev.delivery import waits

_MOST_RETRIES = 5  # what QStash's own development server allows
_DEDUPLICATION_ID = re.compile(r"[\x21-\x39\x3b-\x7e]{0,256}")
_SHOWN = {"callback": "callback", "failure-callback": "failureCallback", "schedule-id": "scheduleId", "label": "label"}


class Refused(web.HTTPException):
    """The request can't be accepted: a status, and the sentence for its `error`."""

    def __init__(self, status: int, sentence: str) -> None:
        self.status_code = status
        super().__init__(text=json.dumps({"error": sentence}), content_type="application/json")


class Answer(NamedTuple):
    """What a receiver said (header names in lower case); status 0 means that it never did."""

    status: int
    headers: dict[str, str]
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
            self.wait_s = waits.duration_s(self.option("delay", "0s"))
            if not_before := self.option("not-before"):
                self.wait_s = max(0.0, int(not_before) - self.created)
            self.timeout_s = waits.duration_s(self.option("timeout", "1d"))
            self.retries = int(self.option("retries", "3"))
            waits.expression_s(self.option("retry-delay", "0"), retried=0)
        except ValueError as error:
            raise Refused(400, str(error)) from error
        if not 0 <= self.retries <= _MOST_RETRIES:
            raise Refused(412, f"quota maxRetries exceeded: at most {_MOST_RETRIES} retries")
        if not _DEDUPLICATION_ID.fullmatch(self.deduplication_id):
            raise Refused(400, "DeduplicationId cannot contain ':' or spaces, nor be longer than 256 characters")

    def option(self, name: str, default: str = "") -> str:
        """Return what the publisher said in this Upstash header."""
        return self.options.get(f"upstash-{name}", default)

    @property
    def method(self) -> str:
        return self.option("method", "POST").upper()

    @property
    def deduplication_id(self) -> str:
        """The publisher's, or one made of all that would arrive, or ""."""
        if self.option("content-based-deduplication").lower() == "true":
            return sha256(repr((self.url, self.body, sorted(self.forwarded.items()))).encode()).hexdigest()
        return self.option("deduplication-id")

    @property
    def forwarded(self) -> dict[str, str]:
        """The headers that travel with the body."""
        plain = {name: self.options[name] for name in ("content-type", "upstash-schedule-id") if name in self.options}
        return plain | self._under("upstash-forward-")

    def retry_wait_s(self, answer: Answer) -> float:
        """Return the wait before the next attempt: the receiver's wish, else the publisher's, else the back-off."""
        wished_s = waits.wished_s(answer.headers)
        if wished_s is None and self.option("retry-delay"):
            return waits.expression_s(self.option("retry-delay"), retried=self.retried)
        return waits.backoff_s(self.retried + 1) if wished_s is None else wished_s

    def anew(self, *, without: Collection[str] = ()) -> "Message":
        """Return the same order under a new id, some options left out."""
        options = {name: text for name, text in self.options.items() if name.removeprefix("upstash-") not in without}
        return Message(url=self.url, body=self.body, options=options)

    def callback(self, kind: str, told: Mapping[str, object] = MappingProxyType({})) -> "Message | None":
        """Return the message that tells the publisher this, where it wants a callback (or failure-callback) at all."""
        if not self.option(kind):
            return None
        options = {"content-type": "application/json", "upstash-retries": str(self.retries)}
        options |= {f"upstash-{name}": text for name, text in self._under(f"upstash-{kind}-").items()}
        return Message(url=self.option(kind), body=json.dumps(dict(told)).encode(), options=options)

    def outcome(self, answer: Answer) -> dict[str, Any]:
        """Return what a callback tells of an attempt and its answer."""
        said = {"status": answer.status, "header": listed(answer.headers), "body": b64encode(answer.body).decode()}
        source = {"sourceHeader": listed(self.forwarded), "sourceBody": b64encode(self.body).decode()}
        return self.public() | said | source | {"sourceMessageId": self.id}

    def public(self) -> dict[str, Any]:
        """Return the message as `GET /v2/messages/{id}` shows it; instants in milliseconds."""
        return {
            "messageId": self.id,
            "url": self.url,
            "method": self.method,
            "maxRetries": self.retries,
            "notBefore": int((self.created + self.wait_s) * 1000),
            "createdAt": int(self.created * 1000),
            "header": listed(self.forwarded),
            "retried": self.retried,
            "state": self.state,
            **shown("body", self.body),
            **{shown_as: self.option(name) for name, shown_as in _SHOWN.items() if self.option(name)},
        }

    def _under(self, prefix: str) -> dict[str, str]:
        return {name.removeprefix(prefix): text for name, text in self.options.items() if name.startswith(prefix)}


def listed(headers: Mapping[str, str]) -> dict[str, list[str]]:
    """Return headers as QStash shows them: names capitalised, values in a list."""
    return {name.title(): [text] for name, text in headers.items()}


def shown(name: str, body: bytes) -> dict[str, str]:
    """Return a body as QStash shows it: as text, else under another name in base64."""
    try:
        return {name: body.decode()}
    except UnicodeDecodeError:
        return {f"{name}Base64": b64encode(body).decode()}
