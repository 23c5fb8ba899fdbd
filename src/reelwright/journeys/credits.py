"""An account's credits as its owner sees them, why they were charged, and what administrators and time do to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from reelwright import billing, ledger
from reelwright.accounts import Account, Accounts
from reelwright.generations import Generation, Generations
from reelwright.ground import log
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.metering import Action
from reelwright.ground.postgres import Database
from reelwright.journeys import allowances
from reelwright.journeys.auditing import audited

_log = log.logger("journeys.credits")
_SOON = timedelta(days=7)
_BATCH = 200
# The one question that needs two rooms' rows: whether every charge has its generation and every generation its charge.
_CHARGES = text(
    """
    SELECT g.id::text AS fact
      FROM generations g LEFT JOIN credit_holds h ON h.generation_id = g.id
     GROUP BY g.id, g.state, g.hold_micro, g.ended_at
    HAVING count(h.state) FILTER (WHERE h.state = 'captured') > 1
        OR g.ended_at IS NOT NULL AND count(h.state) FILTER (WHERE h.state = 'pending') > 0
        OR g.state = 'failed' AND coalesce(sum(h.captured_micro - h.refunded_micro), 0) > 0
        OR g.state = 'succeeded' AND g.hold_micro > 0 AND count(h.state) FILTER (WHERE h.state = 'captured') = 0
     LIMIT 20
    """
)


_SIZE = text(
    "SELECT (SELECT count(*) FROM credit_balances) AS accounts, (SELECT count(*) FROM credit_journal) AS lines"
)


class KeyChanged(Refusal):
    """The Idempotency-Key belongs to another change."""

    kind = Kind.CHANGED
    code = "idempotency.key_reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """What an account has and gets. `lapsing`: what is lost within a week unless it is used.

    `tier` is the plan it is served by, boost included; the allowance is its own plan's: a boost carries no credits.
    """

    balance: ledger.Balance
    tier: billing.Plan
    allowance_micro: int
    next_reset: datetime
    lapsing: Sequence[ledger.Lapsing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A line of the journal with what it was for. `unit_micro` has the prices that the work was ordered by."""

    line: ledger.JournalLine
    generation: Generation | None
    charged_micro: int
    calls: Sequence[ledger.UsageCall]
    prices: billing.PriceList | None

    def unit_micro(self, call: ledger.UsageCall) -> int | None:
        """Return the price of one unit of a call, None where this release doesn't know the action."""
        known = self.prices is not None and call.action in {action.value for action in self.prices.costs}
        return self.prices.costs[Action(call.action)] if self.prices and known else None


@dataclass(frozen=True, slots=True)
class Audit:
    """What the books were found to be: how many accounts and journal lines there are, and what is broken."""

    accounts: int
    lines: int
    violations: tuple[ledger.Violation, ...]

    @property
    def balanced(self) -> bool:
        """Whether nothing is broken."""
        return not self.violations


async def purse(account: Account, *, db: Database, now: datetime) -> Purse:
    """Return what the account has, what it gets a month and when. Raises Outage."""
    tier = billing.effective_plan(account.plan, account.boost_until, now)
    async with db.begin() as tx:
        allowance = await allowances.current(tx, account, now=now)
        return Purse(
            balance=await ledger.balance(tx, account=account.id),
            tier=tier,
            allowance_micro=allowance.micro,
            next_reset=allowance.period.end,
            lapsing=await ledger.lapsing(tx, account=account.id, until=now + _SOON),
        )


async def transactions(account: AccountId, *, before: int | None, limit: int, db: Database) -> list[ledger.JournalLine]:
    """Return so many of the account's journal lines, newest first. Raises Outage."""
    async with db.begin() as tx:
        return await ledger.transactions(tx, account=account, before=before, limit=limit)


async def explain(account: AccountId, seq: int, *, db: Database) -> Explained:
    """Return why a line was written: its generation, and every call and step that was metered. Raises NotFound."""
    async with db.begin() as tx:
        line = await ledger.transaction(tx, account=account, seq=seq)
        if line is None:
            raise NotFound("There is no such transaction.")
        if line.generation_id is None:
            return Explained(line=line, generation=None, charged_micro=0, calls=(), prices=None)
        work = GenerationId(line.generation_id)
        found = await Generations(session=tx).get(account, work)
        return Explained(
            line=line,
            generation=found,
            charged_micro=await ledger.charged(tx, generation=work),
            calls=await ledger.calls(tx, generation=work),
            prices=await billing.Catalogue(session=tx).at(found.price_version) if found else None,
        )


async def correct(
    account_id: AccountId,
    micro: int,
    *,
    key: str,
    reason: str,
    force: bool,
    by: Account,
    db: Database,
) -> tuple[ledger.Balance, bool]:
    """Give an account credits, or take some; return what it has then, and whether this key had done it before.

    Raises NotFound, AdjustmentTooLarge, KeyChanged, Outage.
    """
    async with db.begin() as tx:
        if await Accounts(session=tx).get(account_id) is None:
            raise NotFound("There is no such user.")
        reference = f"{by.id}:{key}"
        done = await ledger.adjust(
            tx, account=account_id, micro=micro, reference=reference, reason=reason, actor=by.id, force=force
        )
        if done.micro != micro:
            raise KeyChanged(
                "This Idempotency-Key was used for another change: send a new key.", field="Idempotency-Key"
            )
        if done.now:
            await audited(tx, "credits.corrected", by=by, target=account_id, micro=micro, force=force)
        balance = await ledger.balance(tx, account=account_id)
    _log.info("credits.corrected", by=str(by.id), account_id=str(account_id), micro=micro, repeated=not done.now)
    return balance, not done.now


async def refund(
    generation_id: GenerationId, micro: int, *, key: str, reason: str, by: Account, db: Database
) -> tuple[int, bool]:
    """Give back what a generation was charged, or a part; return what stays charged, and whether this was a repeat.

    Raises NotFound, RefundTooLarge, KeyChanged, Outage.
    """
    async with db.begin() as tx:
        if await Generations(session=tx).lock(generation_id) is None:
            raise NotFound("There is no such generation.")
        reference = f"{by.id}:{key}"
        done = await ledger.refund(
            tx, generation=generation_id, micro=micro, reference=reference, reason=reason, actor=by.id
        )
        if done.micro != micro:
            raise KeyChanged(
                "This Idempotency-Key was used for another change: send a new key.", field="Idempotency-Key"
            )
        if done.now:
            await audited(tx, "credits.refunded", by=by, target=generation_id, micro=micro)
        charged = await ledger.charged(tx, generation=generation_id)
    _log.info("credits.refunded", by=str(by.id), generation_id=str(generation_id), micro=micro, repeated=not done.now)
    return charged, not done.now


async def sweep_lapsed(*, db: Database) -> int:
    """Let every account's lapsed credits go, one account a transaction; return how many accounts. Raises Outage."""
    swept, after = 0, None
    while True:
        async with db.begin() as tx:
            batch = await ledger.lapsed(tx, limit=_BATCH, after=after)
        for account in batch:
            async with db.begin() as tx:
                swept += await ledger.expire(tx, account=account) > 0
        if len(batch) < _BATCH:
            return swept
        after = batch[-1]


async def verify(*, db: Database) -> tuple[ledger.Violation, ...]:
    """Return every broken invariant of the books, I9 among them; I10 is what reconciliation repairs. Raises Outage."""
    return (await audit(db=db)).violations


async def audit(*, db: Database) -> Audit:
    """Check the books, charges against generations and daily figures against both books. Raises Outage."""
    async with db.begin() as tx:
        size = (await tx.execute(_SIZE)).one()
        broken = await ledger.verify(tx)
        charges = [ledger.Violation("I9 no charge without its generation", row) for row in await tx.scalars(_CHARGES)]
        figures = [
            ledger.Violation("U12 daily figures are what both books add up to", row)
            for row in await ledger.differences(tx)
        ]
    return Audit(size.accounts, size.lines, (*broken, *charges, *figures))
