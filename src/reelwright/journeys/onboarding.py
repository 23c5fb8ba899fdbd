"""Make an account with its first key and its first month's credits."""

from dataclasses import dataclass
from datetime import datetime

from reelwright import billing
from reelwright.accounts import Account, Accounts
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


async def key_for(*, email: str, live: bool, db: Database) -> str | None:
    """Give an existing account one more key and return its secret; None where there is no such account."""
    async with db.begin() as tx:
        accounts = Accounts(session=tx)
        account = await accounts.by_email(email)
        if account is None:
            return None
        _, secret = await accounts.issue_key(account.id, name="local key", live=live)
        return secret
