"""Accounts, their keys, plans and boosts in PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.accounts.keys import hashed, new_secret, shown, well_formed
from reelwright.accounts.model import Account, ApiKey, Caller
from reelwright.accounts.scopes import Scope
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId, ApiKeyId, fresh
from reelwright.ground.mailing import reached
from reelwright.ground.postgres import LAZILY, Statement, rows

_NO_ID = UUID(int=2**128 - 1)
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)

_HELD = """u.plan, u.plan_version,
           (SELECT max(b.ends_at) FROM boosts b
             WHERE b.account_id = u.id AND b.revoked_at IS NULL AND b.ends_at > now()) AS boost_until"""
HELD = f"SELECT {_HELD} FROM users u WHERE u.id = :account AND u.deleted_at IS NULL"  # noqa: S608 - from constants
"""An account's plan, for a statement that reads more; no row where it is gone."""
ACCOUNT_COLUMNS = f"u.id, u.email, u.role, u.demo, u.order_fence, {_HELD}"
EXPELLED = "(SELECT d.by_admin FROM departures d WHERE d.account_id = u.id) AS expelled"
"""Null where the account stays, false where its owner has closed it, true where an administrator has."""
_ACCOUNT = f"SELECT {ACCOUNT_COLUMNS} FROM users u"  # noqa: S608 - assembled from constants
_BY_KEY = Statement(
    f"""
    WITH key AS (
        SELECT id, account_id, scopes, last_used_at FROM api_keys
         WHERE secret_hash = :secret_hash AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    ), used AS (
        UPDATE api_keys SET last_used_at = CASE WHEN {LAZILY} = 'off' THEN now() END
         WHERE id = (SELECT id FROM key WHERE last_used_at IS NULL OR last_used_at < now() - interval '1 hour')
    )
    SELECT {ACCOUNT_COLUMNS}, {EXPELLED}, key.id AS key_id, key.scopes
      FROM users u JOIN key ON key.account_id = u.id WHERE u.deleted_at IS NULL
    """  # noqa: S608 - assembled from constants
)
_BY_ID = Statement(f"{_ACCOUNT} WHERE u.id = :id AND u.deleted_at IS NULL")
_BY_EMAIL = text(f"{_ACCOUNT} WHERE lower(u.email) = lower(:email) AND u.deleted_at IS NULL")
_ADMINS = text(f"{_ACCOUNT} WHERE u.role = 'admin' AND u.deleted_at IS NULL ORDER BY u.id LIMIT :limit")
_CREATE = text(
    """
    INSERT INTO users (id, email, role, plan, given_plan, demo, email_verified_at)
    VALUES (:id, :email, :role, :plan, :plan, :demo, CASE WHEN :verified THEN now() END)
    ON CONFLICT DO NOTHING RETURNING plan_version
    """
)
_KEY = "id, account_id, name, prefix, scopes, live, created_at, last_used_at, expires_at, revoked_at"
_ISSUE = text(
    f"""
    INSERT INTO api_keys (id, account_id, name, prefix, secret_hash, scopes, live, expires_at)
    VALUES (:id, :account, :name, :prefix, :secret_hash, :scopes, :live, :expires_at) RETURNING {_KEY}
    """  # noqa: S608 - assembled from constants
)
_KEYS = text(
    f"""
    SELECT {_KEY} FROM api_keys WHERE account_id = :account AND (created_at, id) < (:before, :last)
     ORDER BY created_at DESC, id DESC LIMIT :limit
    """  # noqa: S608 - assembled from constants
)
_ONE_KEY = text(f"SELECT {_KEY} FROM api_keys WHERE account_id = :account AND id = :id")  # noqa: S608 - constants
_LIVE_KEYS = text(
    "SELECT count(*) FROM api_keys WHERE account_id = :account AND revoked_at IS NULL"
    " AND (expires_at IS NULL OR expires_at > now())"
)
_REVOKE = text(
    "UPDATE api_keys SET revoked_at = now() WHERE id = :id AND account_id = :account AND revoked_at IS NULL"
    " RETURNING id"
)
_SET_PLAN = text(
    "UPDATE users SET plan = :plan, given_plan = :plan, plan_version = plan_version + 1, updated_at = now(),"
    " allowance_due_at = 'epoch' WHERE id = :id AND deleted_at IS NULL RETURNING id"
)
_HOLD_PLAN = text(
    """
    UPDATE users u SET plan = held.plan, plan_version = plan_version + (u.plan <> held.plan)::int, updated_at = now(),
                       allowance_due_at = 'epoch'
      FROM (SELECT id, coalesce(CAST(:plan AS text), given_plan) AS plan FROM users WHERE id = :id) AS held
     WHERE u.id = held.id AND u.deleted_at IS NULL
    """
)
_SET_DEMO = text(
    "UPDATE users SET demo = :demo, updated_at = now(), allowance_due_at = 'epoch'"
    " WHERE id = :id AND deleted_at IS NULL RETURNING id"
)
_ALLOWANCE_DUE = text(
    """
    SELECT allowance_due_at, id FROM users
     WHERE deleted_at IS NULL AND NOT demo AND email_verified_at IS NOT NULL
       AND allowance_due_at <= :now AND (allowance_due_at, id) > (:at, :after)
     ORDER BY allowance_due_at, id LIMIT :limit
    """
)
_CLAIM_ALLOWANCE = text(
    """
    SELECT id FROM users
     WHERE id = :id AND deleted_at IS NULL AND NOT demo AND email_verified_at IS NOT NULL AND allowance_due_at <= :now
       AND pg_try_advisory_xact_lock(hashtextextended('allowance:' || id, 0))
    """
)
_CLAIM_ALLOWANCES = text(
    """
    SELECT id, plan FROM users
     WHERE id = ANY(:ids) AND deleted_at IS NULL AND NOT demo AND email_verified_at IS NOT NULL
       AND allowance_due_at <= :now
     ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    """
)
_ALLOWANCE_NEXT = text("UPDATE users SET allowance_due_at = :at WHERE id = ANY(:ids)")
_GIVEN_PLAN = text("SELECT given_plan FROM users WHERE id = :id")
_VERIFIED = text("SELECT email_verified_at IS NOT NULL FROM users WHERE id = :id")
_NEXT_VERSION = text("UPDATE users SET plan_version = plan_version + 1, updated_at = now() WHERE id = :id")
_LOCK = Statement("SELECT id FROM users WHERE id = :id AND deleted_at IS NULL FOR NO KEY UPDATE")
_BAR = Statement("UPDATE users SET order_fence = order_fence + 1 WHERE id = :id")
_TOLD = text("SELECT account_id, ends_at - starts_at AS length FROM boosts WHERE source = :source")
_BOOST = text(
    """
    INSERT INTO boosts (id, account_id, source, starts_at, ends_at)
    SELECT :id, :account, :source, start.at, start.at + :length
      FROM (SELECT greatest(now(), max(ends_at)) AS at FROM boosts
             WHERE account_id = :account AND revoked_at IS NULL) AS start
    ON CONFLICT (source) DO NOTHING RETURNING id
    """
)


class EmailTaken(Refusal):
    kind = Kind.CONFLICT
    code = "accounts.email_taken"


class EmailInvalid(Refusal):
    kind = Kind.INVALID
    code = "accounts.email_invalid"


class BoostNotNeeded(Refusal):
    kind = Kind.CONFLICT
    code = "accounts.boost_not_needed"


class SourceUsed(Refusal):
    """What a boost was given for has given another one already."""

    kind = Kind.CHANGED
    code = "accounts.boost_source_used"


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts, inside one transaction."""

    session: AsyncConnection

    async def create(
        self, *, email: str, role: str = "user", plan: str = "basic", demo: bool = False, verified: bool = True
    ) -> Account:
        """Open an account, by default one whose address counts as verified. Raises EmailInvalid, EmailTaken."""
        address = address_of(email)
        account_id = AccountId(fresh())
        values = {"id": account_id, "email": address, "role": role, "plan": plan, "demo": demo}
        version = await self.session.scalar(_CREATE, values | {"verified": verified})
        if version is None:
            raise EmailTaken("An account with this e-mail address exists: log in, or use another.", field="email")
        return Account(
            id=account_id, email=address, role=role, plan=plan, plan_version=version, boost_until=None, demo=demo
        )

    async def get(self, account_id: AccountId) -> Account | None:
        """Return the account, or None where there is none or it was deleted."""
        found = await rows(self.session, _BY_ID, {"id": account_id})
        return Account(**found[0]) if found else None

    async def by_email(self, email: str) -> Account | None:
        """Return the account with that address, in whichever case it is written, or None."""
        values = {"email": email.strip()}
        return self._account((await self.session.execute(_BY_EMAIL, values)).mappings().one_or_none())

    async def admins(self, *, limit: int) -> list[Account]:
        """Return so many administrators, the first ones first."""
        return [Account(**dict(row)) for row in (await self.session.execute(_ADMINS, {"limit": limit})).mappings()]

    async def by_api_key(self, secret: str) -> Caller | None:
        """Return who calls by this key; None: it is malformed, unknown, over or revoked, its account gone or expelled.

        Notes, at most once an hour, that the key was used.
        """
        if not well_formed(secret):
            return None
        for row in await rows(self.session, _BY_KEY, {"secret_hash": hashed(secret)}):
            found = dict(row)
            key_id, scopes, expelled = found.pop("key_id"), tuple(found.pop("scopes")), found.pop("expelled")
            if not expelled:
                return Caller(account=Account(**found), scopes=scopes, key_id=key_id, leaving=expelled is not None)
        return None

    async def issue_key(
        self,
        account_id: AccountId,
        *,
        name: str,
        scopes: Sequence[str] = (Scope.ALL,),
        live: bool = True,
        expires_at: datetime | None = None,
        key_id: UUID | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key and return it with its secret, which is nowhere to be had again."""
        secret = new_secret(live=live)
        values = {
            "id": key_id or fresh(),
            "account": account_id,
            "name": name,
            "prefix": shown(secret),
            "secret_hash": hashed(secret),
            "scopes": [str(scope) for scope in scopes],
            "live": live,
            "expires_at": expires_at,
        }
        return self._key((await self.session.execute(_ISSUE, values)).mappings().one()), secret

    async def keys(
        self, account_id: AccountId, *, limit: int = 100, after: tuple[datetime, UUID] | None = None
    ) -> list[ApiKey]:
        """Return so many of the account's keys, revoked ones too, newest first, behind this instant and id."""
        before, last = after or (_END_OF_TIME, _NO_ID)
        values = {"account": account_id, "before": before, "last": last, "limit": limit}
        return [self._key(row) for row in (await self.session.execute(_KEYS, values)).mappings()]

    async def key(self, account_id: AccountId, key_id: UUID) -> ApiKey:
        """Return one of the account's keys. Raises NotFound."""
        row = (await self.session.execute(_ONE_KEY, {"account": account_id, "id": key_id})).mappings().one_or_none()
        if row is None:
            raise NotFound("There is no such API key.", code="accounts.key_not_found")
        return self._key(row)

    async def live_keys(self, account_id: AccountId) -> int:
        """Return how many of the account's keys open something."""
        return await self.session.scalar(_LIVE_KEYS, {"account": account_id}) or 0

    async def revoke_key(self, account_id: AccountId, key_id: ApiKeyId) -> bool:
        """Revoke a key at once; False where the account has no such key or it was revoked before."""
        return await self.session.scalar(_REVOKE, {"id": key_id, "account": account_id}) is not None

    async def lock(self, account_id: AccountId) -> None:
        """Make everything else that locks the account wait for this transaction's end. Raises NotFound.

        Rows that only point at the account may still be added meanwhile.
        """
        if not await rows(self.session, _LOCK, {"id": account_id}):
            raise _no_such_account()

    async def bar_late_orders(self, account_id: AccountId) -> None:
        """Let no order stand that is in one statement and was sent before now; it may be written step by step."""
        await rows(self.session, _BAR, {"id": account_id})

    async def locked(self, account_id: AccountId) -> Account:
        """Lock the account, and return it as it is then. Raises NotFound."""
        await self.lock(account_id)
        return await self._present(account_id)

    async def set_plan(self, account_id: AccountId, plan: str) -> Account:
        """Give the account another plan by hand, and return it as it is then. Raises NotFound."""
        if await self.session.scalar(_SET_PLAN, {"id": account_id, "plan": plan}) is None:
            raise _no_such_account()
        return await self._present(account_id)

    async def given_plan(self, account_id: AccountId) -> str:
        """Return the plan that was given by hand, whatever the account holds. Raises NotFound."""
        plan = await self.session.scalar(_GIVEN_PLAN, {"id": account_id})
        if plan is None:
            raise _no_such_account()
        return plan

    async def hold_plan(self, account_id: AccountId, plan: str | None) -> Account:
        """Let the account hold this plan, or with None the one given by hand; return it as it is then.

        Its version grows only where the plan is another. Raises NotFound.
        """
        await self.session.execute(_HOLD_PLAN, {"id": account_id, "plan": plan})
        return await self._present(account_id)

    async def set_demo(self, account_id: AccountId, *, demo: bool) -> Account:
        """Make the account a demo, or one no longer, and return it as it is then. Raises NotFound."""
        if await self.session.scalar(_SET_DEMO, {"id": account_id, "demo": demo}) is None:
            raise _no_such_account()
        return await self._present(account_id)

    async def allowances_due(
        self, *, now: datetime, limit: int, after: tuple[datetime, UUID]
    ) -> list[tuple[datetime, AccountId]]:
        """Return accounts whose month's credits may be due, longest due first, behind this instant and id."""
        values = {"now": now, "limit": limit, "at": after[0], "after": after[1]}
        return [(row.allowance_due_at, row.id) for row in await self.session.execute(_ALLOWANCE_DUE, values)]

    async def claim_allowance(self, account_id: AccountId, *, now: datetime) -> bool:
        """Say whether to look at the account's allowance now: it is due, and no other transaction is at it."""
        return await self.session.scalar(_CLAIM_ALLOWANCE, {"id": account_id, "now": now}) is not None

    async def claim_allowances(self, account_ids: Sequence[AccountId], *, now: datetime) -> dict[AccountId, str]:
        """Lock those of the accounts whose allowance is due and that nobody has locked; return the plan of each."""
        found = await self.session.execute(_CLAIM_ALLOWANCES, {"ids": list(account_ids), "now": now})
        return {AccountId(row.id): row.plan for row in found}

    async def allowance_next(self, at: datetime, *account_ids: AccountId) -> None:
        """Note when to look at the accounts' allowances again."""
        await self.session.execute(_ALLOWANCE_NEXT, {"ids": list(account_ids), "at": at})

    async def verified(self, account_id: AccountId) -> bool:
        """Say whether the account's address counts as its own."""
        return bool(await self.session.scalar(_VERIFIED, {"id": account_id}))

    async def grant_boost(self, account_id: AccountId, *, days: int = 30, source: str | None = None) -> Account:
        """Lift the account to Pro for so many days of 24 hours, after any boost it has; return it as it is then.

        A `source` (a payment's id) boosts once, however often it is told, and never for another account or length.
        The account's row is locked first, because a second boost must see where the first one ends.
        Raises NotFound, BoostNotNeeded, SourceUsed.
        """
        account = await self.locked(account_id)
        length = timedelta(days=days)
        if source is not None and (told := (await self.session.execute(_TOLD, {"source": source})).one_or_none()):
            if (told.account_id, told.length) != (account_id, length):
                raise _source_used()
            return account
        if account.plan == "pro":
            raise BoostNotNeeded("This account is on Pro already, and a boost would change nothing.")
        values = {"id": fresh(), "account": account_id, "source": source, "length": length}
        if await self.session.scalar(_BOOST, values) is None:
            raise _source_used()
        await self.session.execute(_NEXT_VERSION, {"id": account_id})
        return await self._present(account_id)

    async def _present(self, account_id: AccountId) -> Account:
        account = await self.get(account_id)
        if account is None:
            raise _no_such_account()
        return account

    @staticmethod
    def _account(row: Mapping[Any, Any] | None) -> Account | None:
        return None if row is None else Account(**dict(row))

    @staticmethod
    def _key(row: Mapping[Any, Any]) -> ApiKey:
        values: dict[str, Any] = {**row, "scopes": tuple(row["scopes"])}
        return ApiKey(**values)


def address_of(email: str) -> str:
    """Return an e-mail address as it is kept. Raises EmailInvalid for what no letter reaches."""
    address = email.strip()
    if not reached(address):
        raise EmailInvalid("No letter reaches this address: write one like name@example.com.", field="email")
    return address


def _no_such_account() -> NotFound:
    return NotFound("There is no such account.", code="accounts.not_found")


def _source_used() -> SourceUsed:
    return SourceUsed("This has boosted another account, or for another length of time, already.")
