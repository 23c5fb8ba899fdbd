"""What surrounds a paid call: the journal that knows of it, the time it has left, and what a request is known by."""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from hashlib import sha256
from typing import Protocol
from uuid import UUID

import msgspec

from reelwright.ground.metering import Use
from reelwright.providers.model import ProviderAway, ProviderRefused


class CallState(StrEnum):
    """What is known of a paid call. `unknown`: it may have been charged, and its reply is lost."""

    INTENDED = "intended"
    ANSWERED = "answered"
    FAILED = "failed"
    UNKNOWN = "unknown"


class CallJournal(Protocol):
    """Whoever writes paid calls down, so that one whose reply was lost is known of, and counted when made again."""

    async def begin(self, *, provider: str, model: str, craft: str, request_hash: str) -> UUID:
        """Write an intent down for good, before any byte goes out. Raises Outage: then the call may not be made."""
        ...

    def key(self, call: UUID) -> str:
        """Return the Idempotency-Key: one for a call whose reply was lost and for the one made in its place."""
        ...

    async def end(self, call: UUID, state: str, *, external_id: str | None = None) -> None:
        """Write down how the call ended. Raises Outage: then it stays an intent, which counts as a lost reply."""
        ...

    def cut(self, uses: Sequence[Use]) -> None:
        """Hear of what was charged for work that was then cut off: by a deadline, a leaving worker, a bug."""
        ...


_journal: ContextVar[CallJournal | None] = ContextVar("journal", default=None)
_ends: ContextVar[float | None] = ContextVar("ends", default=None)


@contextmanager
def journaled(journal: CallJournal) -> Generator[None]:
    """Have every paid call made inside, in tasks begun inside too, written down."""
    before = _journal.set(journal)
    try:
        yield
    finally:
        _journal.reset(before)


def journal() -> CallJournal | None:
    """Return the journal of whoever is calling; None where nobody keeps one (previews, tests)."""
    return _journal.get()


@contextmanager
def deadline(seconds: float) -> Generator[None]:
    """Let no call made inside last beyond these seconds from now; an earlier deadline around it holds."""
    ends, outer = time.monotonic() + seconds, _ends.get()
    before = _ends.set(ends if outer is None else min(ends, outer))
    try:
        yield
    finally:
        _ends.reset(before)


def time_left(most_s: float) -> float:
    """Return how many of `most_s` seconds a call may take here; 0 or less where the deadline has passed."""
    ends = _ends.get()
    return most_s if ends is None else min(most_s, ends - time.monotonic())


def request_hash(model: str, request: object) -> str:
    """Return the SHA-256 of model and request, in hex: the same request has one hash, whatever its keys' order."""
    return sha256(msgspec.json.encode([model, request], order="sorted")).hexdigest()


def retry_after_s(header: str, *, now: datetime) -> float | None:
    """Return the seconds that a Retry-After asks for, or None for none (RFC 9110, 10.2.3: seconds, or an HTTP-date).

    Fractions, which some providers send, are taken too.
    """
    said = header.strip()
    if said.isascii() and said.replace(".", "", 1).isdigit():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):  # TypeError: a date that names no zone
        return None


@contextmanager
def charged(*uses: Use) -> Generator[None]:
    """Let a failure inside tell what was charged already: its `uses` belong in the ledger though nothing came of it.

    What is cut off can carry nothing: then the journal hears of it.
    """
    try:
        yield
    except (ProviderAway, ProviderRefused) as error:
        error.uses = (*uses, *error.uses)
        raise
    except BaseException:
        if (kept := journal()) is not None:
            kept.cut(uses)
        raise
