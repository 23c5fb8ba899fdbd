"""Log in and out, give the password again, change it: sessions from their beginning to their end."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from reelwright import notices
from reelwright.accounts import (
    Account,
    AccountChanged,
    Caller,
    Passwords,
    Proofs,
    Session,
    SessionId,
    Sessions,
    SignIn,
    SignIns,
)
from reelwright.admission import Gate
from reelwright.ground import log
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.ground.versions import Versions, meant_for
from reelwright.journeys import attempts

_log = log.logger("journeys.sessions")


class WrongCredentials(Refusal):
    """No such account, another password, an address that nobody verified, or expelled: which of them isn't told."""

    kind = Kind.UNAUTHENTICATED
    code = "auth.wrong_credentials"


class WrongPassword(Refusal):
    kind = Kind.FORBIDDEN
    code = "auth.wrong_password"


class SessionOnly(Refusal):
    """What only a browser that has logged in can do."""

    kind = Kind.FORBIDDEN
    code = "auth.session_only"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """A session that has begun, or goes on, with the token that its browser keeps from now on."""

    account: Account
    session_id: SessionId
    token: str


async def log_in(
    *,
    email: str,
    password: str,
    client: str,
    device: str | None,
    agent: str,
    brought: str | None,
    passwords: Passwords,
    gate: Gate,
    db: Database,
    now: datetime,
) -> LoggedIn:
    """Begin a session by address and password; the one that the browser `brought` ends, and is never taken over.

    `device` names a browser that has logged in to this account before: others' attempts are not counted against it.
    Raises WrongCredentials, PasswordRefused, TooManyAttempts, Outage.
    """
    await attempts.count(gate, attempts.LOG_IN_CLIENT, client, now=now)
    if device is None:
        await attempts.count(gate, attempts.LOG_IN_ACCOUNT, email.strip().lower(), now=now)
    else:
        await attempts.count(gate, attempts.LOG_IN_DEVICE, device, now=now)
    async with db.single() as tx:
        found = await SignIns(tx).by_email(email)
    known = found.password_hash if found is not None and found.let_in else None
    if not await passwords.is_right(known, password) or found is None or known is None:
        _log.info("sessions.refused", account_id=str(found.account.id) if found else None)
        raise WrongCredentials("Wrong e-mail address or password, or the address waits to be confirmed by our letter.")
    better = await passwords.rehashed(known, password)
    async with db.begin() as tx:
        sessions = Sessions(tx)
        if brought is not None:
            await sessions.end_by_token(brought)
        opened = await sessions.open(found.account.id, password_hash=known, agent=agent)
        if opened is None:
            raise WrongCredentials("Your password has just been changed: log in with the new one.")
        if better is not None:
            await SignIns(tx).rehash(found.account.id, stale=known, fresh=better)
    _log.info("sessions.begun", account_id=str(found.account.id), session=str(opened[0]))
    return LoggedIn(account=found.account, session_id=opened[0], token=opened[1])


async def log_out(caller: Caller, *, db: Database) -> None:
    """End the caller's session. Raises SessionOnly, Outage."""
    session_id = _session_of(caller)
    async with db.begin() as tx:
        await Sessions(tx).end(caller.account.id, session_id)


async def step_up(
    caller: Caller, password: str, *, passwords: Passwords, gate: Gate, db: Database, now: datetime
) -> LoggedIn:
    """Let a session do for ten minutes what asks for a fresh password; its token is another from now on.

    Raises SessionOnly, WrongPassword, PasswordRefused, TooManyAttempts, Outage.
    """
    session_id = _session_of(caller)
    await proven(caller.account, password, passwords=passwords, gate=gate, db=db, now=now)
    async with db.begin() as tx:
        token = await Sessions(tx).renew(session_id)
    if token is None:
        raise WrongCredentials("Your session is over: log in again.")
    return LoggedIn(account=caller.account, session_id=session_id, token=token)


async def change_password(
    caller: Caller,
    *,
    current: str,
    password: str,
    expected: Versions,
    passwords: Passwords,
    gate: Gate,
    db: Database,
    now: datetime,
) -> LoggedIn | None:
    """Change the account's password by the one that it has; every other session and all letters' tokens end.

    A session goes on with another token, which is returned. Raises WrongPassword, PasswordRefused, AccountChanged,
    TooManyAttempts, Outage.
    """
    account = caller.account
    before = await proven(account, current, passwords=passwords, gate=gate, db=db, now=now)
    if not meant_for(before.version, expected):
        raise AccountChanged("Your account was changed meanwhile: read it again.", field="If-Match")
    known = await passwords.hashed(password, email=account.email)
    async with db.begin() as tx:
        version = await SignIns(tx).set_password(account.id, known, expected=before.version)
        token = await Sessions(tx).renew(caller.session_id) if caller.session_id is not None else None
        await Sessions(tx).end_all(account.id, kept=caller.session_id)
        await Proofs(tx).spend_all(account.id)
        await notices.tell(
            tx, account_id=account.id, kind=notices.Kind.PASSWORD_CHANGED, key=f"version {version}", facts={}
        )
    _log.info("sessions.password_changed", account_id=str(account.id))
    if caller.session_id is None or token is None:
        return None
    return LoggedIn(account=account, session_id=caller.session_id, token=token)


async def signs_in(account: AccountId, *, db: Database) -> SignIn:
    """Return how an account signs in. Raises NotFound, Outage."""
    async with db.single() as tx:
        found = await SignIns(tx).of(account)
    if found is None:
        raise NotFound("There is no such account.", code="accounts.not_found")
    return found


async def listed(account: AccountId, *, limit: int, after: tuple[datetime, UUID] | None, db: Database) -> list[Session]:
    """Return so many of the account's sessions, newest first, behind this instant and id. Raises Outage."""
    async with db.single() as tx:
        return await Sessions(tx).listed(account, limit=limit, after=after)


async def end(account: AccountId, session_id: UUID, *, db: Database) -> None:
    """End one of the account's sessions. Raises NotFound, Outage."""
    async with db.begin() as tx:
        if not await Sessions(tx).end(account, session_id):
            raise NotFound("There is no such session.", code="accounts.session_not_found")


async def proven(
    account: Account, password: str, *, passwords: Passwords, gate: Gate, db: Database, now: datetime
) -> SignIn:
    """Return how the account signs in, once its password is given. Raises WrongPassword, TooManyAttempts."""
    await attempts.count(gate, attempts.PASSWORD_ACCOUNT, str(account.id), now=now)
    found = await signs_in(account.id, db=db)
    if not await passwords.is_right(found.password_hash, password):
        raise WrongPassword("This is not your password: give the one you have, or ask for a reset.", field="password")
    return found


def _session_of(caller: Caller) -> SessionId:
    if caller.session_id is None:
        raise SessionOnly("Only a browser that has logged in can do that: an API key has no session.")
    return caller.session_id
