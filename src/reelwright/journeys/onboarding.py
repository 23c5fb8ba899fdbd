"""What operators do for people: an account with its first key and month's credits, more keys, a password."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from reelwright import billing
from reelwright.accounts import Account, Accounts, Passwords, Proofs, Scope, Sessions, SignIns
from reelwright.ground.postgres import Database
from reelwright.journeys import allowances


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The account and its key's secret, which is shown this once."""

    account: Account
    secret: str


async def create_user(
    *, email: str, plan: billing.Plan, role: str, live: bool, db: Database, now: datetime, demo: bool = False
) -> Welcome:
    """Make the account, its key and its credits for this UTC month. Raises EmailTaken, EmailInvalid, Outage."""
    async with db.begin() as tx:
        accounts = Accounts(session=tx)
        account = await accounts.create(email=email, role=role, plan=plan.value, demo=demo)
        _, secret = await accounts.issue_key(account.id, name="first key", live=live)
        await allowances.give(tx, account.id, now=now)
    return Welcome(account=account, secret=secret)


async def key_for(
    *, email: str, live: bool, db: Database, name: str = "local key", scopes: Sequence[Scope] = (Scope.ALL,)
) -> str | None:
    """Give an existing account one more key and return its secret; None where there is no such account."""
    async with db.begin() as tx:
        accounts = Accounts(session=tx)
        account = await accounts.by_email(email)
        if account is None:
            return None
        _, secret = await accounts.issue_key(account.id, name=name, scopes=scopes, live=live)
        return secret


async def set_password(*, email: str, password: str, passwords: Passwords, db: Database) -> bool:
    """Give an existing account a password by hand, and end its sessions and its letters' tokens.

    False where there is no such account. Raises PasswordRefused, Outage.
    """
    known = await passwords.hashed(password, email=email)
    async with db.begin() as tx:
        found = await SignIns(tx).by_email(email)
        if found is None:
            return False
        await SignIns(tx).set_password(found.account.id, known)
        await Sessions(tx).end_all(found.account.id)
        await Proofs(tx).spend_all(found.account.id)
    return True
