"""One message: read from a publish request's headers, sent as a delivery's, shown as the SDK expects it."""

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reelwright.dev.delivery import waits

MOST_RETRIES = 5  # what QStash's own development server allows
_DEFAULT_RETRIES = 3
_DEDUPLICATION_ID = re.compile(r"[\x21-\x39\x3b-\x7e]{1,256}")


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The request can't be accepted: a status and the sentence for its `error`."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class State(StrEnum):
    WAITING = "waiting"
    ACTIVE = "active"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(slots=True, kw_only=True)
class Message:
    """`options` are the Upstash headers as they came (lower case), for what is read from them later."""

    url: str
    body: bytes
    options: Mapping[str, str]
    method: str
    retries: int
    wait_s: float
    timeout_s: float | None
    deduplication_id: str | None
    id: str = field(default_factory=lambda: f"msg_{secrets.token_hex(16)}")
    created: float = field(default_factory=time.time)
    state: State = State.WAITING
    retried: int = 0

    @classmethod
    def read(cls, *, url: str, body: bytes, headers: Mapping[str, str]) -> "Message":
        """Understand a publish request (header names in lower case). Raises Refused."""
        try:
            wait_s = waits.duration_s(headers["upstash-delay"]) if "upstash-delay" in headers else 0.0
            if "upstash-not-before" in headers:
                wait_s = max(0.0, int(headers["upstash-not-before"]) - time.time())
            timeout_s = waits.duration_s(headers["upstash-timeout"]) if "upstash-timeout" in headers else None
            retries = int(headers.get("upstash-retries", _DEFAULT_RETRIES))
            if "upstash-retry-delay" in headers:
                waits.expression_s(headers["upstash-retry-delay"], retried=0)
        except ValueError as error:
            raise Refused(400, str(error)) from error
        if not 0 <= retries <= MOST_RETRIES:
            raise Refused(412, f"quota maxRetries exceeded: at most {MOST_RETRIES} retries")
        deduplication_id = headers.get("upstash-deduplication-id")
        if deduplication_id is not None and not _DEDUPLICATION_ID.fullmatch(deduplication_id):
            raise Refused(
                400, "DeduplicationId cannot contain ':'" if ":" in deduplication_id else "bad DeduplicationId"
            )
        return cls(
            url=url,
            body=body,
            options=headers,
            method=headers.get("upstash-method", "POST").upper(),
            retries=retries,
            wait_s=wait_s,
            timeout_s=timeout_s,
            deduplication_id=deduplication_id,
        )

    @property
    def forwarded(self) -> dict[str, str]:
        """The headers that travel with the body."""
        prefix = "upstash-forward-"
        headers = {name.removeprefix(prefix): value for name, value in self.options.items() if name.startswith(prefix)}
        if "content-type" in self.options:
            headers["content-type"] = self.options["content-type"]
        return headers

    def delivery_headers(self, signature: str) -> dict[str, str]:
        """Return what the receiver sees at this attempt."""
        return {
            **self.forwarded,
            "user-agent": "Upstash-QStash",
            "upstash-signature": signature,
            "upstash-message-id": self.id,
            "upstash-retried": str(self.retried),
            "upstash-region": "EU-CENTRAL-1",
        }

    def retry_wait_s(self, answer_headers: Mapping[str, str]) -> float:
        """Return the wait before the next attempt: the receiver's wish, else the publisher's, else the back-off."""
        wished = waits.wished_s(answer_headers)
        if wished is not None:
            return wished
        if "upstash-retry-delay" in self.options:
            return waits.expression_s(self.options["upstash-retry-delay"], retried=self.retried)
        return waits.backoff_s(self.retried + 1)

    def public(self) -> dict[str, object]:
        """Return the message as `GET /v2/messages/{id}` shows it; instants in milliseconds."""
        return {
            "messageId": self.id,
            "url": self.url,
            "method": self.method,
            "maxRetries": self.retries,
            "notBefore": int((self.created + self.wait_s) * 1000),
            "createdAt": int(self.created * 1000),
            "body": self.body.decode("utf-8", "replace"),
            "header": {_canonical(name): [value] for name, value in self.forwarded.items()},
            "retried": self.retried,
            "state": self.state.value,
        }


def _canonical(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))
