"""What people do with their API keys: make, list, revoke."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from reelwright.accounts import Accounts, ApiKey, Caller, Replays, RequestKey, Scope, covers
from reelwright.ground import log
from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.ids import AccountId, ApiKeyId, fresh
from reelwright.ground.postgres import Database
from reelwright.journeys import identity

_log = log.logger("journeys.keys")
MOST_LIVE = 50


class TooManyKeys(Refusal):
    kind = Kind.CONFLICT
    code = "accounts.too_many_keys"


class ScopeNotHeld(Refusal):
    """A key would get more than what its maker may do."""

    kind = Kind.FORBIDDEN
    code = "accounts.scope_not_held"


async def issue(
    caller: Caller,
    *,
    name: str,
    scopes: Sequence[Scope],
    live: bool,
    expires_at: datetime | None,
    db: Database,
    request: RequestKey | None = None,
) -> tuple[ApiKey, str | None]:
    """Make a key; return it with its secret, which is None where this request has made it before.

    A session that may not administer now makes no key that could.
    Raises ScopeNotHeld, StepUpRequired, TooManyKeys, KeyReused, Outage.
    """
    beyond = [scope for scope in scopes if not covers(caller.scopes, scope)]
    if beyond:
        raise ScopeNotHeld(f"Your own key has no scope {beyond[0]}: it can't give it to another.", field="scopes")
    if caller.account.role == "admin" and covers(scopes, Scope.ADMIN):
        identity.sure(caller)
    account_id = caller.account.id
    async with db.begin() as tx:
        accounts, new = Accounts(session=tx), ApiKeyId(fresh())
        if (made := await Replays(session=tx).claim(account_id, request, new)) is not None:
            return await accounts.key(account_id, made), None
        await accounts.lock(account_id)  # of two at once the second counts the first
        if await accounts.live_keys(account_id) >= MOST_LIVE:
            raise TooManyKeys(f"You have {MOST_LIVE} live API keys: revoke one first.")
        issued = await accounts.issue_key(
            account_id, name=name, scopes=scopes, live=live, expires_at=expires_at, key_id=new
        )
    _log.info("keys.issued", account_id=str(account_id), id=str(new), by=str(caller.key_id or caller.session_id))
    return issued


async def listed(
    account_id: AccountId, *, limit: int, after: tuple[datetime, UUID] | None, db: Database
) -> list[ApiKey]:
    """Return so many of the account's keys, newest first, behind this instant and id. Raises Outage."""
    async with db.single() as tx:
        return await Accounts(session=tx).keys(account_id, limit=limit, after=after)


async def read(account_id: AccountId, key_id: UUID, *, db: Database) -> ApiKey:
    """Return one of the account's keys. Raises NotFound, Outage."""
    async with db.single() as tx:
        return await Accounts(session=tx).key(account_id, key_id)


async def revoke(account_id: AccountId, key_id: UUID, *, db: Database) -> None:
    """Revoke one of the account's keys; a repeat changes nothing. Raises NotFound, Outage."""
    async with db.begin() as tx:
        accounts = Accounts(session=tx)
        if not await accounts.revoke_key(account_id, ApiKeyId(key_id)):
            await accounts.key(account_id, key_id)
    _log.info("keys.revoked", account_id=str(account_id), id=str(key_id))
