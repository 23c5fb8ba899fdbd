"""How accounts sign in, in PostgreSQL: their password's hash and whether their address is theirs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.accounts.model import Account, SignIn
from reelwright.accounts.repository import ACCOUNT_COLUMNS, EXPELLED
from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.ids import AccountId

_SELECT = f"""
    SELECT {ACCOUNT_COLUMNS}, {EXPELLED}, u.password_hash, u.email_verified_at, u.created_at, u.version
      FROM users u WHERE u.deleted_at IS NULL
"""  # noqa: S608 - assembled from constants
_BY_EMAIL = text(f"{_SELECT} AND lower(u.email) = lower(:email)")
_OF = text(f"{_SELECT} AND u.id = :id")
_VERIFY = text(
    """
    UPDATE users SET email_verified_at = now(), password_hash = :password_hash, version = version + 1,
                     updated_at = now()
     WHERE id = :id AND deleted_at IS NULL AND email_verified_at IS NULL RETURNING id
    """
)
_SET = text(
    """
    UPDATE users SET password_hash = :password_hash, version = version + 1, updated_at = now()
     WHERE id = :id AND deleted_at IS NULL AND version = coalesce(CAST(:expected AS integer), version) RETURNING version
    """
)
_REHASH = text("UPDATE users SET password_hash = :fresh WHERE id = :id AND password_hash = :stale")
# What nobody has claimed in a week is free again, and its address is forgotten.
_FORGET = text(
    """
    UPDATE users SET deleted_at = now(), updated_at = now(), email = id || '@unverified.invalid'
     WHERE id IN (SELECT id FROM users WHERE deleted_at IS NULL AND email_verified_at IS NULL
                     AND created_at < now() - interval '7 days' ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    """
)


class AccountChanged(Refusal):
    """Somebody changed it since it was read."""

    kind = Kind.STALE
    code = "accounts.changed"


@dataclass(frozen=True, slots=True)
class SignIns:
    """How accounts sign in, inside one transaction."""

    session: AsyncConnection

    async def by_email(self, email: str) -> SignIn | None:
        """Return how the account with that address signs in, in whichever case it is written; None: no such one."""
        return _sign_in((await self.session.execute(_BY_EMAIL, {"email": email.strip()})).mappings().one_or_none())

    async def of(self, account_id: AccountId) -> SignIn | None:
        """Return how an account signs in, None where it is gone."""
        return _sign_in((await self.session.execute(_OF, {"id": account_id})).mappings().one_or_none())

    async def verified(self, account_id: AccountId, *, password_hash: str) -> bool:
        """Let the account sign in, by this password; False where its address was verified before."""
        return await self.session.scalar(_VERIFY, {"id": account_id, "password_hash": password_hash}) is not None

    async def set_password(self, account_id: AccountId, password_hash: str, *, expected: int | None = None) -> int:
        """Give the account another password; return its new version. Raises AccountChanged: it is not `expected`."""
        values = {"id": account_id, "password_hash": password_hash, "expected": expected}
        version = await self.session.scalar(_SET, values)
        if version is None:
            raise AccountChanged("Your account was changed meanwhile: read it again.", field="If-Match")
        return version

    async def rehash(self, account_id: AccountId, *, stale: str, fresh: str) -> None:
        """Keep the same password under another hash, unless it is another by now."""
        await self.session.execute(_REHASH, {"id": account_id, "stale": stale, "fresh": fresh})

    async def forget_unverified(self, *, limit: int) -> int:
        """Let go of some sign-ups that nobody verified within a week; return how many they were."""
        return (await self.session.execute(_FORGET, {"limit": limit})).rowcount


def _sign_in(row: Mapping[Any, Any] | None) -> SignIn | None:
    if row is None:
        return None
    found: dict[str, Any] = {**row}
    account = {name: found.pop(name) for name in Account.__slots__}
    return SignIn(account=Account(**account), **found)
