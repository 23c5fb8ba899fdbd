"""Which request made what: the same request sent again makes nothing more, and is answered with what it made."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.ids import AccountId

# Of two at once the second waits here until the first has committed, and then sees its row.
_CLAIM = text(
    """
    INSERT INTO replays (account_id, scope, key_hash, fingerprint, made)
    VALUES (:account, :scope, :key_hash, :fingerprint, :made) ON CONFLICT DO NOTHING RETURNING made
    """
)
_CLAIMED = text(
    "SELECT made, fingerprint FROM replays WHERE account_id = :account AND scope = :scope AND key_hash = :key_hash"
)
_FORGET = text("DELETE FROM replays WHERE created_at < now() - CAST(:older AS interval)")


class KeyReused(Refusal):
    """The Idempotency-Key belongs to another request."""

    kind = Kind.CHANGED
    code = "idempotency.key_reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """A request as its repeats are known by: what it is sent to, its key and its body, the last two as SHA-256."""

    scope: str
    key_hash: bytes
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Replays:
    """Requests and what they made, inside the transaction that makes it."""

    session: AsyncConnection

    async def claim(self, account_id: AccountId, request: RequestKey | None, made: UUID) -> UUID | None:
        """Note that this request makes the thing with this id; return None, or the id of what it has made already.

        A request without a key is always a new one. Raises KeyReused where the key belongs to another request.
        """
        if request is None:
            return None
        values = {"account": account_id, "scope": request.scope, "key_hash": request.key_hash}
        claim = values | {"fingerprint": request.fingerprint, "made": made}
        if await self.session.scalar(_CLAIM, claim) is not None:
            return None
        return await self.known(account_id, request)

    async def known(self, account_id: AccountId, request: RequestKey) -> UUID | None:
        """Return what this request has made, None where it is new. Raises KeyReused where the key is another's."""
        values = {"account": account_id, "scope": request.scope, "key_hash": request.key_hash}
        claimed = (await self.session.execute(_CLAIMED, values)).one_or_none()
        if claimed is None:
            return None
        if claimed.fingerprint != request.fingerprint:
            raise KeyReused("This Idempotency-Key belongs to another request: send a new key.", field="Idempotency-Key")
        return claimed.made

    async def forget(self, older: timedelta) -> int:
        """Forget requests that were made so long ago; return how many they were."""
        return (await self.session.execute(_FORGET, {"older": older})).rowcount
