"""Say what an order would meet, and what it would cost, without taking or writing anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from reelwright import admission, billing, ledger
from reelwright.accounts import Account
from reelwright.admission import Gate, NoPlace, NotAdmitted, Standing, Unavailable
from reelwright.generations import Generation
from reelwright.ground.postgres import Database
from reelwright.journeys.lastword import Moment, moment_of, weighed
from reelwright.journeys.ordering import Order, Terms, for_admission, prepare


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The answer the order would get just now. `after`: when all that binds is free, as far as is known.

    `degraded`: Redis is away, so PostgreSQL alone has answered and provider places are not known.
    """

    violations: Sequence[Standing]
    after: datetime | None
    price: billing.Quote
    required_micro: int
    available_micro: int
    degraded: bool

    @property
    def enough(self) -> bool:
        """Whether the credits suffice."""
        return self.available_micro >= self.required_micro

    @property
    def would_admit(self) -> bool:
        """Whether the order would be accepted."""
        return self.enough and not self.violations


async def preview(*, order: Order, account: Account, db: Database, gate: Gate, terms: Terms, now: datetime) -> Preview:
    """Check the order as `creation.start` would, with a new key. Raises PlanLacksIt, PriceChanged, NotFound, Outage."""
    async with db.begin() as tx:
        prepared = await prepare(tx, order, account, now, places=terms.places)
        available = (await ledger.balance(tx, account=account.id)).available_micro
    asked = for_admission(order, account, terms, reused=prepared.reused)
    violations, after, degraded = await _limits(order, asked, account, db, gate, now)
    return Preview(
        violations=violations,
        after=after,
        price=prepared.price,
        required_micro=0 if account.demo else prepared.price.total_micro,
        available_micro=available,
        degraded=degraded,
    )


async def held_already(paused: Generation, *, db: Database) -> Preview:
    """Say that a generation goes on for what it holds: no limit is asked again, and no credit taken. Raises Outage."""
    async with db.begin() as tx:
        available = (await ledger.balance(tx, account=paused.account_id)).available_micro
    price = billing.Quote(version=paused.price_version, lines=(), total_micro=0)
    return Preview(violations=(), after=None, price=price, required_micro=0, available_micro=available, degraded=False)


async def _limits(
    order: Order, asked: admission.Order, account: Account, db: Database, gate: Gate, now: datetime
) -> tuple[Sequence[Standing], datetime | None, bool]:
    """Return what binds, until when, and whether PostgreSQL had to say it alone. Its word comes last here too."""
    moment, degraded = moment_of(account, now), False
    try:
        admitted = await gate.would_admit(asked, now=now, ask=False)
        if admitted is not None:  # else Redis doesn't know the account yet, and telling it would be writing
            moment = Moment(at=admitted.at, plan=moment.plan, limits=admitted.limits)
    except NotAdmitted as refused:
        return refused.violations, _free(refused), False
    except NoPlace as full:
        return full.violations, now + full.wait, False
    except Unavailable:
        degraded = True
    async with db.begin() as tx:
        refusal = await weighed(tx, order, account.id, moment)
    if refusal is None:
        return (), None, degraded
    return refusal.violations, _free(refusal), degraded


def _free(refusal: NotAdmitted) -> datetime | None:
    return None if refusal.wait is None else refusal.now + refusal.wait
