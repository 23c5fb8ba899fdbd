"""Signed-in browsers in PostgreSQL: a random token that only its hash is kept of, by the database's clock.

A session ends twelve hours after it was seen last, and seven days after it began. That it was seen is written at most
once a minute.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.accounts.model import Account, Caller, Session, SessionId
from reelwright.accounts.repository import ACCOUNT_COLUMNS, EXPELLED
from reelwright.accounts.scopes import Scope
from reelwright.ground.ids import AccountId, fresh
from reelwright.ground.postgres import LAZILY, Statement, rows

_TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_\-]{43}")
_MOST = 50
_END_OF_TIME, _LAST_ID = datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1)

_LIVE = "expires_at > now() AND last_seen_at > now() - interval '12 hours'"
# The password may have been changed since it was looked at: then nobody is let in by the old one.
_OPEN = text(
    """
    INSERT INTO sessions (id, account_id, token_hash, agent, expires_at)
    SELECT :id, id, :token_hash, :agent, now() + interval '7 days' FROM users
     WHERE id = :account AND deleted_at IS NULL AND password_hash = :password_hash
    RETURNING id
    """
)
_CROWDED_OUT = text(
    """
    DELETE FROM sessions WHERE id IN (
        SELECT id FROM sessions WHERE account_id = :account ORDER BY created_at DESC, id DESC OFFSET :most)
    """
)
_BY_TOKEN = Statement(
    f"""
    WITH live AS (
        SELECT id, account_id, last_seen_at, authenticated_at FROM sessions WHERE token_hash = :token_hash AND {_LIVE}
    ), seen AS (
        UPDATE sessions SET last_seen_at = CASE WHEN {LAZILY} = 'off' THEN now() END
         WHERE id = (SELECT id FROM live WHERE last_seen_at < now() - interval '1 minute')
    )
    SELECT {ACCOUNT_COLUMNS}, {EXPELLED}, live.id AS session_id,
           live.authenticated_at > now() - interval '10 minutes' AS recent
      FROM users u JOIN live ON live.account_id = u.id WHERE u.deleted_at IS NULL
    """  # noqa: S608 - assembled from constants
)
_RENEW = text(
    "UPDATE sessions SET token_hash = :token_hash, authenticated_at = now(), last_seen_at = now()"
    " WHERE id = :id RETURNING id"
)
_END = text("DELETE FROM sessions WHERE id = :id AND account_id = :account RETURNING id")
_END_TOKEN = text("DELETE FROM sessions WHERE token_hash = :token_hash")
_END_ALL = text("DELETE FROM sessions WHERE account_id = :account AND id <> coalesce(CAST(:kept AS uuid), account_id)")
_LISTED = text(
    f"""
    SELECT id, agent, created_at, last_seen_at, expires_at FROM sessions
     WHERE account_id = :account AND (created_at, id) < (:before, :last) AND {_LIVE}
     ORDER BY created_at DESC, id DESC LIMIT :limit
    """  # noqa: S608 - assembled from constants
)
_FORGET = text(
    "DELETE FROM sessions WHERE id IN"
    " (SELECT id FROM sessions WHERE expires_at < now() ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)"
)
_STILL_VALID = Statement(
    f"""
    SELECT EXISTS (SELECT FROM users WHERE id = :account AND deleted_at IS NULL) AND (
           EXISTS (SELECT FROM sessions WHERE id = :session AND {_LIVE})
           OR EXISTS (SELECT FROM api_keys WHERE id = :key AND revoked_at IS NULL
                         AND (expires_at IS NULL OR expires_at > now()))) AS valid
    """  # noqa: S608 - assembled from constants
)


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions, inside one transaction."""

    session: AsyncConnection

    @staticmethod
    def shaped(token: str) -> bool:
        """Say whether this can be a token at all."""
        return _TOKEN.fullmatch(token) is not None

    async def open(self, account_id: AccountId, *, password_hash: str, agent: str) -> tuple[SessionId, str] | None:
        """Begin a session and return it with its token; None where the password is another by now.

        The newest fifty of an account live on.
        """
        session_id, token = SessionId(fresh()), secrets.token_urlsafe(_TOKEN_BYTES)
        values = {"id": session_id, "account": account_id, "token_hash": _hashed(token), "agent": agent[:60] or "?"}
        if await self.session.scalar(_OPEN, values | {"password_hash": password_hash}) is None:
            return None
        await self.session.execute(_CROWDED_OUT, {"account": account_id, "most": _MOST})
        return session_id, token

    async def caller(self, token: str) -> Caller | None:
        """Return who calls by this token; None where it is malformed, its session over or its account expelled."""
        if not self.shaped(token):
            return None
        for row in await rows(self.session, _BY_TOKEN, {"token_hash": _hashed(token)}):
            found = dict(row)
            own = {name: found.pop(name) for name in ("session_id", "recent")}
            expelled = found.pop("expelled")
            if not expelled:
                account = Account(**found)
                return Caller(account=account, scopes=(Scope.ALL,), leaving=expelled is not None, **own)
        return None

    async def renew(self, session_id: SessionId) -> str | None:
        """Note that the password was just given; return the token that counts from now on, None where it has ended."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        renewed = await self.session.scalar(_RENEW, {"id": session_id, "token_hash": _hashed(token)})
        return None if renewed is None else token

    async def end(self, account_id: AccountId, session_id: UUID) -> bool:
        """End one of the account's sessions; False where it has no such one."""
        return await self.session.scalar(_END, {"id": session_id, "account": account_id}) is not None

    async def end_by_token(self, token: str) -> None:
        """End the session that a browser brought to a log-in."""
        await self.session.execute(_END_TOKEN, {"token_hash": _hashed(token)})

    async def end_all(self, account_id: AccountId, *, kept: SessionId | None = None) -> None:
        """End the account's sessions, but for one."""
        await self.session.execute(_END_ALL, {"account": account_id, "kept": kept})

    async def listed(
        self, account_id: AccountId, *, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> list[Session]:
        """Return so many of the account's sessions, newest first, behind this instant and id."""
        before, last = after or (_END_OF_TIME, _LAST_ID)
        values = {"account": account_id, "before": before, "last": last, "limit": limit}
        return [Session(**dict(row)) for row in (await self.session.execute(_LISTED, values)).mappings()]

    async def still_valid(self, caller: Caller) -> bool:
        """Say whether the key or session that a caller came by would let it in now."""
        values = {"account": caller.account.id, "session": caller.session_id, "key": caller.key_id}
        return bool((await rows(self.session, _STILL_VALID, values))[0]["valid"])

    async def forget(self, *, limit: int) -> int:
        """Delete some sessions that are over; return how many they were."""
        return (await self.session.execute(_FORGET, {"limit": limit})).rowcount


def _hashed(token: str) -> bytes:
    return sha256(token.encode(errors="replace")).digest()
