"""What administrators change for others: plans and boosts. Admission hears of it only after the commit."""

from dataclasses import dataclass

from reelwright.accounts import Account, Accounts, SourceUsed
from reelwright.admission import Gate, KeyReused
from reelwright.billing import BOOST_DAYS, Plan
from reelwright.ground import log
from reelwright.ground.errors import Outage
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys.standing import held

_log = log.logger("journeys.administration")


@dataclass(frozen=True, slots=True, kw_only=True)
class Boosted:
    """The account as it is, and whether this call boosted it or an earlier one with the same key had."""

    account: Account
    repeated: bool


async def set_plan(account_id: AccountId, plan: Plan, *, by: Account, db: Database, gate: Gate) -> Account:
    """Give an account another plan of its own; what it used stays used. Raises NotFound, Outage."""
    async with db.begin() as tx:
        account = await Accounts(session=tx).set_plan(account_id, plan.value)
    _log.info(
        "administration.plan_set",
        by=str(by.id),
        account_id=str(account_id),
        plan=account.plan,
        plan_version=account.plan_version,
    )
    await _tell(account, gate=gate)
    return account


async def grant_boost(
    account_id: AccountId, *, source: str, days: int = BOOST_DAYS, by: Account, db: Database, gate: Gate
) -> Boosted:
    """Lift an account to Pro for so many days, after any boost it has. One source boosts once.

    Raises NotFound, BoostNotNeeded, KeyReused where the source boosted another account or for other days, Outage.
    """
    try:
        async with db.begin() as tx:
            accounts = Accounts(session=tx)
            await accounts.lock(account_id)
            before = await accounts.get(account_id)
            account = await accounts.grant_boost(account_id, days=days, source=source)
    except SourceUsed as used:
        raise KeyReused(
            "This Idempotency-Key was used for another boost: send a new key.", field="Idempotency-Key"
        ) from used
    repeated = before is not None and before.plan_version == account.plan_version
    _log.info(
        "administration.boost_granted",
        by=str(by.id),
        account_id=str(account_id),
        days=days,
        boost_until=account.boost_until and account.boost_until.isoformat(),
        repeated=repeated,
    )
    await _tell(account, gate=gate)
    return Boosted(account=account, repeated=repeated)


async def _tell(account: Account, *, gate: Gate) -> None:
    """Let admission know. Losing this is harmless: orders carry the plan's version, and no cache lasts long."""
    try:
        await gate.remember_plan(account.id, held(account))
    except Outage as away:
        _log.warning("administration.plan_not_remembered", account_id=str(account.id), code=away.code)
