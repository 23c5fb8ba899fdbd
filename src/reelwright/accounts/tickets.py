"""Tickets to a stream: what a browser's EventSource, which can send no header, shows once instead of a key."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, func, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped, mapped_column

from reelwright.accounts.model import Account, Caller
from reelwright.accounts.repository import ACCOUNT_COLUMNS
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Row

LASTS = timedelta(seconds=60)
MOST = 30
"""Tickets of one account at a time; the oldest make room."""
_TOKEN_BYTES = 32
_LONGEST = 64


class StreamTicketRow(Row):
    """A ticket that nobody has shown yet, by its token's SHA-256, and by which key or session it was asked for."""

    __tablename__ = "stream_tickets"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    generation_id: Mapped[UUID]
    key_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


# What is over, or one too many, makes room for the new one.
_TIDY = text(
    """
    DELETE FROM stream_tickets WHERE account_id = :account AND (expires_at <= now() OR token_hash IN (
        SELECT token_hash FROM stream_tickets WHERE account_id = :account ORDER BY created_at DESC OFFSET :most))
    """
)
_ISSUE = text(
    """
    INSERT INTO stream_tickets (token_hash, account_id, generation_id, key_id, session_id, expires_at)
    VALUES (:token_hash, :account, :generation, :key, :session, now() + CAST(:lasts AS interval))
    RETURNING expires_at
    """
)
_SPEND = text(
    f"""
    WITH spent AS (
        DELETE FROM stream_tickets WHERE token_hash = :token_hash AND generation_id = :generation
        RETURNING account_id, key_id, session_id, expires_at
    )
    SELECT {ACCOUNT_COLUMNS}, spent.key_id, spent.session_id
      FROM users u JOIN spent ON spent.account_id = u.id WHERE u.deleted_at IS NULL AND spent.expires_at > now()
    """  # noqa: S608 - assembled from constants
)


@dataclass(frozen=True, slots=True)
class Tickets:
    """Tickets, inside one transaction."""

    session: AsyncConnection

    async def issue(self, caller: Caller, generation: GenerationId) -> tuple[str, datetime]:
        """Return a new ticket to one generation's stream, and until when it is good."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        await self.session.execute(_TIDY, {"account": caller.account.id, "most": MOST - 1})
        values = {
            "token_hash": _hashed(token),
            "account": caller.account.id,
            "generation": generation,
            "key": caller.key_id,
            "session": caller.session_id,
            "lasts": LASTS,
        }
        return token, (await self.session.execute(_ISSUE, values)).scalar_one()

    async def spend(self, token: str, generation: GenerationId) -> Caller | None:
        """Use a ticket up; return who asked for it, None where it is used, over, or another generation's."""
        if len(token) > _LONGEST:
            return None
        values = {"token_hash": _hashed(token), "generation": generation}
        row = (await self.session.execute(_SPEND, values)).mappings().one_or_none()
        if row is None:
            return None
        found = dict(row)
        key_id, session_id = found.pop("key_id"), found.pop("session_id")
        return Caller(account=Account(**found), scopes=(), key_id=key_id, session_id=session_id)


def _hashed(token: str) -> bytes:
    return sha256(token.encode(errors="replace")).digest()
