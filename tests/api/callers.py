"""Everybody who may knock at a route, as the headers they send: for tests that try each of them on every route."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from litestar import Litestar
from sqlalchemy import text

from reelwright.accounts import Account, Accounts, Departures, Passwords, Scope, SessionId, Sessions, SignIns, covers
from reelwright.billing import Plan
from reelwright.ground import clock
from reelwright.ground.postgres import Database
from reelwright.journeys import onboarding

Headers = Mapping[str, str]
PASSWORD = "correct horse battery"
PASSWORDS = Passwords(memory_kib=8)
ORIGIN = "http://api"


@dataclass(frozen=True, kw_only=True)
class Browser:
    """A signed-in browser: its cookie, and what it sends beside it with every change."""

    session_id: SessionId
    token: str
    csrf: str

    @property
    def headers(self) -> Headers:
        return {"Cookie": f"__Host-reelwright={self.token}", "X-CSRF-Token": self.csrf, "Origin": ORIGIN}


@dataclass(frozen=True, kw_only=True)
class Callers:
    """Two people and an administrator, with keys that work and keys that don't. Each value is a request's headers.

    `old_admin`: an administrator's browser whose password was given too long ago for what administrators do.
    """

    user_account: Account
    other_account: Account
    admin_account: Account
    user: Headers
    other: Headers
    admin: Headers
    revoked: Headers
    expired_key: Headers
    user_session: Headers
    expired_session: Headers
    admin_session: Headers
    old_admin: Headers
    db: Database

    @property
    def none(self) -> Headers:
        """Nobody."""
        return {}

    async def wrong_scope(self, wanted: str) -> Headers:
        """Return a key of the user's that has every scope but those that hold this one."""
        others = [scope for scope in Scope if scope is not Scope.ALL and not covers([scope], wanted)]
        return await a_key(self.db, self.user_account, scopes=others)


async def everybody(app: Litestar, db: Database, *, called: str = "matrix") -> Callers:
    """Make them all."""
    user, other, admin = [await an_account(db, f"{called}-{name}", role) for name, role in _PEOPLE]
    browsers = [await a_browser(app, db, owner) for owner in (user, user, admin, admin)]
    async with db.begin() as tx:
        revoked, secret = await Accounts(session=tx).issue_key(user.id, name="revoked", live=False)
        await Accounts(session=tx).revoke_key(user.id, revoked.id)
        over = "UPDATE sessions SET last_seen_at = now() - interval '13 hours' WHERE id = :id"
        await tx.execute(text(over), {"id": browsers[1].session_id})
        stale = "UPDATE sessions SET authenticated_at = now() - interval '11 minutes' WHERE id = :id"
        await tx.execute(text(stale), {"id": browsers[3].session_id})
    return Callers(
        user_account=user,
        other_account=other,
        admin_account=admin,
        user=await a_key(db, user),
        other=await a_key(db, other),
        admin=await a_key(db, admin),
        revoked=_bearer(secret),
        expired_key=await a_key(db, user, expires_in=timedelta(seconds=-1)),
        user_session=browsers[0].headers,
        expired_session=browsers[1].headers,
        admin_session=browsers[2].headers,
        old_admin=browsers[3].headers,
        db=db,
    )


_PEOPLE = (("user", "user"), ("other", "user"), ("admin", "admin"))


async def an_account(db: Database, name: str, role: str = "user") -> Account:
    """Make an account on Standard that signs in by PASSWORD."""
    email = f"{name}@example.com"
    welcome = await onboarding.create_user(
        email=email, plan=Plan.STANDARD, role=role, live=False, db=db, now=clock.now()
    )
    known = await PASSWORDS.hashed(PASSWORD, email=email)
    async with db.begin() as tx:
        await SignIns(tx).set_password(welcome.account.id, known)
    return welcome.account


async def a_browser(app: Litestar, db: Database, owner: Account) -> Browser:
    """Sign an account in that has a password."""
    async with db.begin() as tx:
        known = await SignIns(tx).of(owner.id)
        assert known is not None
        assert known.password_hash is not None
        opened = await Sessions(tx).open(owner.id, password_hash=known.password_hash, agent="Firefox on Linux")
    assert opened is not None
    session_id, token = opened
    csrf = app.state.entrance.csrf_token(session_id, now=clock.now())
    return Browser(session_id=session_id, token=token, csrf=csrf)


async def a_leaver(app: Litestar, db: Database, name: str, *, by_admin: bool) -> tuple[Headers, Headers]:
    """Return a browser and a key of an account that is closed, made before anybody could end them."""
    owner = await an_account(db, name)
    browser, key = await a_browser(app, db, owner), await a_key(db, owner)
    async with db.begin() as tx:
        await Departures(session=tx).open(owner.id, by_admin=by_admin)
    return browser.headers, key


async def a_key(
    db: Database,
    owner: Account,
    *,
    scopes: list[Scope] | None = None,
    live: bool = False,
    expires_in: timedelta | None = None,
) -> Headers:
    """Make a key, by default one that may do everything and works for ever."""
    expires_at = None if expires_in is None else clock.now() + expires_in
    async with db.begin() as tx:
        _, secret = await Accounts(session=tx).issue_key(
            owner.id, name="matrix", scopes=scopes or [Scope.ALL], live=live, expires_at=expires_at
        )
    return _bearer(secret)


def _bearer(secret: str) -> Headers:
    return {"Authorization": f"Bearer {secret}"}
