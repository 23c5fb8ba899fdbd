"""Letters that prove an address, in PostgreSQL: each is worth something once, for a while, for one purpose."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.accounts.model import Proof, ProofId
from reelwright.ground.ids import AccountId, fresh


class Purpose(StrEnum):
    """What a letter's reader may do."""

    VERIFY = "verify"
    RESET = "reset"

    @property
    def lasts(self) -> timedelta:
        """For how long."""
        return timedelta(hours=1) if self is Purpose.RESET else timedelta(hours=24)


_OPEN = text(
    """
    INSERT INTO email_proofs (id, account_id, purpose, password_hash, expires_at)
    VALUES (:id, :account, :purpose, :password_hash, now() + CAST(:lasts AS interval)) RETURNING expires_at
    """
)
_HELD_BY = """
    SELECT p.account_id, p.password_hash, u.email FROM email_proofs p JOIN users u ON u.id = p.account_id
     WHERE p.id = :id AND p.purpose = :purpose AND p.used_at IS NULL AND p.expires_at > now() AND u.deleted_at IS NULL
"""
_SEEN = text(_HELD_BY)
_USED = text(f"{_HELD_BY} FOR UPDATE OF p")
_SPEND = text("UPDATE email_proofs SET used_at = now() WHERE account_id = :account AND used_at IS NULL")
_FORGET = text(
    "DELETE FROM email_proofs WHERE id IN"
    " (SELECT id FROM email_proofs WHERE expires_at < now() - interval '7 days' ORDER BY expires_at LIMIT :limit)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """Whose address it is, and the password that was chosen with a sign-up."""

    account_id: AccountId
    email: str
    password_hash: str | None


@dataclass(frozen=True, slots=True)
class Proofs:
    """Proofs, inside one transaction."""

    session: AsyncConnection

    async def open(self, account_id: AccountId, purpose: Purpose, *, password_hash: str | None = None) -> Proof:
        """Note that a letter goes out."""
        proof = ProofId(fresh())
        values = {"id": proof, "account": account_id, "purpose": purpose.value, "password_hash": password_hash}
        until = (await self.session.execute(_OPEN, values | {"lasts": purpose.lasts})).scalar_one()
        return Proof(id=proof, until=until)

    async def seen(self, proof: UUID, purpose: Purpose) -> Proven | None:
        """Return what a letter would prove; None where it is unknown, used or over, or its account is gone."""
        row = (await self.session.execute(_SEEN, {"id": proof, "purpose": purpose.value})).mappings().one_or_none()
        return None if row is None else Proven(**dict(row))

    async def spend(self, proof: UUID, purpose: Purpose) -> Proven | None:
        """Use a letter, and let all others to its account be worth nothing; of two at once the second gets None."""
        row = (await self.session.execute(_USED, {"id": proof, "purpose": purpose.value})).mappings().one_or_none()
        if row is None:
            return None
        await self.session.execute(_SPEND, {"account": row["account_id"]})
        return Proven(**dict(row))

    async def spend_all(self, account_id: AccountId) -> None:
        """Let every letter to the account be worth nothing any more."""
        await self.session.execute(_SPEND, {"account": account_id})

    async def forget(self, *, limit: int) -> int:
        """Delete some that were over long ago; return how many they were."""
        return (await self.session.execute(_FORGET, {"limit": limit})).rowcount
