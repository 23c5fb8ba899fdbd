"""The mailbox: e-mails that wait, claimed by one process at a time, and what became of each.

A claim lasts longer than sending may take. One that lapses unsettled belonged to a process that died, perhaps behind
the server's yes: such a message goes out once more, and after a second doubt never again.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import AccountId
from reelwright.notices.model import Kind

LEASE = timedelta(minutes=3)
_MOST_DOUBTS = 2
_WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 720, 1440, 1440))

_CLAIM = text(
    """
    UPDATE notices
       SET mail_doubts = mail_doubts + (mail_claimed_until IS NOT NULL)::int, mail_attempts = mail_attempts + 1,
           mail_claimed_until = clock_timestamp() + CAST(:lease AS interval)
     WHERE id IN (
        SELECT id FROM notices
         WHERE mail_state = 'waiting' AND mail_due_at <= clock_timestamp()
           AND (mail_claimed_until IS NULL OR mail_claimed_until < clock_timestamp())
         ORDER BY mail_due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING id, account_id, kind, facts, told_at, mail_attempts AS attempt, mail_doubts AS doubts
    """
)
_SETTLE = text(
    """
    UPDATE notices
       SET mail_state = :state, mail_claimed_until = NULL, mail_error = :error, mail_doubts = mail_doubts + :doubt,
           mail_attempts = mail_attempts - :untried,
           mail_due_at = CASE WHEN :state = 'waiting' THEN clock_timestamp() + CAST(:wait AS interval) END,
           mail_sent_at = CASE WHEN :state = 'sent' THEN clock_timestamp() END
     WHERE id = :id AND mail_attempts = :attempt AND mail_state = 'waiting' RETURNING id
    """
)


class Outcome(StrEnum):
    """What became of a message. UNKNOWN: the server had all of it, and its answer never came."""

    SENT = "sent"
    REFUSED = "refused"
    LATER = "later"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, with a word for the row: a status or an error's name, never an address."""

    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A claimed e-mail. `doubtful`: it may have gone out twice already, and must not go out again."""

    id: UUID
    account_id: AccountId
    kind: Kind
    facts: Mapping[str, Any]
    told_at: datetime
    attempt: int
    doubts: int

    @property
    def doubtful(self) -> bool:
        return self.doubts >= _MOST_DOUBTS


async def claim_mails(tx: AsyncConnection, *, limit: int) -> list[Mail]:
    """Take some due e-mails that nobody else has, oldest first."""
    rows = (await tx.execute(_CLAIM, {"limit": limit, "lease": LEASE})).mappings()
    return [_mail({**row}) for row in sorted(rows, key=lambda row: row["told_at"])]


async def settle_mail(tx: AsyncConnection, mail: Mail, verdict: Verdict) -> str | None:
    """Write down what became of it; return its state then: sent, waiting or given_up. None: the claim was lost."""
    doubts = mail.doubts + (verdict.outcome is Outcome.UNKNOWN)
    state = "given_up"
    if verdict.outcome is Outcome.SENT:
        state = "sent"
    elif verdict.outcome is not Outcome.REFUSED and mail.attempt <= len(_WAITS) and doubts < _MOST_DOUBTS:
        state = "waiting"
    wait = _WAITS[min(mail.attempt, len(_WAITS)) - 1] * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
    values = {
        "id": mail.id,
        "attempt": mail.attempt,
        "state": state,
        "error": None if state == "sent" else verdict.detail[:100],
        "doubt": int(verdict.outcome is Outcome.UNKNOWN),
        "untried": 0,
        "wait": wait,
    }
    return state if await tx.scalar(_SETTLE, values) is not None else None


async def put_back(tx: AsyncConnection, mail: Mail) -> None:
    """Let somebody else send a claimed e-mail, as if it had not been claimed."""
    values = {"id": mail.id, "attempt": mail.attempt, "state": "waiting", "error": None, "doubt": 0, "untried": 1}
    await tx.execute(_SETTLE, values | {"wait": timedelta(0)})


async def unwanted(tx: AsyncConnection, mail: Mail) -> None:
    """Send it to nobody: the account is gone, or a demo."""
    values = {"id": mail.id, "attempt": mail.attempt, "state": "unwanted", "error": None, "doubt": 0, "untried": 0}
    await tx.execute(_SETTLE, values | {"wait": timedelta(0)})


def _mail(row: dict[str, Any]) -> Mail:
    row["kind"] = Kind(row["kind"])
    return Mail(**row)
