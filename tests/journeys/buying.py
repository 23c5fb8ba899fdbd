"""A customer of ours at the simulated Stripe, and the events that tell of them, heard when a test wants them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from reelwright import ledger
from reelwright.accounts import Account, Accounts, Boosts, Subscription, Subscriptions
from reelwright.admission import Gate
from reelwright.billing import Plan, StripeDoor
from reelwright.ground.postgres import Database
from reelwright.journeys import inbox, purchase
from reelwright.journeys.purchase import Wish
from tests.builders import an_account
from tests.simulators.stripe import WEBHOOK_SECRET, SimulatedStripe

MICRO = 1_000_000
BACK = "https://example.com/back"
_PAYMENTS = text(
    "SELECT kind, granted_micro, clawed_micro, disputed FROM payments WHERE account_id = :account"
    " ORDER BY created_at, kind, granted_micro"
)
# Sums that went back are told as they are when they are heard of: only they depend on the order.
_MONEY = text(
    "SELECT kind, facts->>'amount_cents' AS cents FROM notices WHERE account_id = :account"
    " AND kind IN ('purchase_completed', 'payment_succeeded', 'payment_disputed') ORDER BY kind, cents"
)
_EVENTS = text("SELECT status, count(*) AS n FROM stripe_events GROUP BY status")
_REPLAY = text(
    "UPDATE stripe_events SET status = 'received', done_at = NULL, attempts = 0"
    " WHERE event_id = :id AND status = 'done'"
)
_AT_ONCE = text("UPDATE stripe_events SET next_attempt_at = now() WHERE status = 'received'")


def a_door(sim: SimulatedStripe) -> StripeDoor:
    return StripeDoor(secret_key=sim.secret_key, webhook_secrets=(WEBHOOK_SECRET,), api_url=sim.url)


@dataclass
class Customer:
    """One account that buys. Events of the simulator are collected from when it began."""

    db: Database
    gate: Gate
    sim: SimulatedStripe
    door: StripeDoor
    account: Account
    seen: int = 0
    told: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @classmethod
    async def comes(
        cls, db: Database, gate: Gate, sim: SimulatedStripe, door: StripeDoor, *, plan: Plan = Plan.BASIC
    ) -> "Customer":
        return cls(db, gate, sim, door, await an_account(db, plan), seen=len(sim.events()))

    def now(self) -> datetime:
        """The simulated instant: it runs ahead of the real one when periods are advanced."""
        latest = max([self.sim.book.now(), *(event["created"] for event in self.told)])
        return datetime.fromtimestamp(latest, UTC) + timedelta(seconds=1)

    async def checkout(self, item: str, key: str | None = None) -> str:
        """Open a checkout; return its session's id."""
        wish = Wish(item=item, key=key or uuid4().hex, success_url=BACK, cancel_url=BACK)
        buy: Callable[..., Any] = {
            "pack": purchase.buy_credits,
            "boost": purchase.buy_boost,
            "plan": partial(purchase.subscribe, now=datetime.now(UTC)),
        }[item.partition("_")[0]]
        opened = await buy(await self.present(), wish, db=self.db, stripe=self.door)
        return next(one["id"] for one in self.sim.all("checkout.session") if one["url"] == opened.url)

    async def buy(self, item: str) -> str:
        """Buy something and pay it; return its checkout session's id. Nothing is heard of it yet."""
        session = await self.checkout(item)
        self.sim.pay(session)
        return session

    def charge_of(self, session: str) -> str:
        return self.sim.get(self.sim.get(session)["payment_intent"])["latest_charge"]

    def subscription_of(self, session: str) -> str:
        return self.sim.get(session)["subscription"]

    def happened(self) -> list[dict[str, Any]]:
        """Return the events since the last call, the oldest first."""
        events = self.sim.events()[self.seen :]
        self.seen += len(events)
        self.told += events
        return events

    async def hear(self, events: Iterable[dict[str, Any]] | None = None) -> None:
        """Take events as webhooks (those since the last call) and handle each, known ones once more."""
        for event in self.happened() if events is None else events:
            if not await self.take(event):
                async with self.db.begin() as tx:
                    await tx.execute(_REPLAY, {"id": event["id"]})
            await self.drain()

    async def take(self, event: dict[str, Any]) -> bool:
        """Take an event as a webhook; return whether it was new."""
        body, headers = self.sim.signed(event)
        signature = headers["Stripe-Signature"]
        stamp = int(signature.split(",")[0].removeprefix("t="))
        now = datetime.fromtimestamp(stamp, UTC)
        return await inbox.receive(body, signature, stripe=self.door, db=self.db, now=now)

    async def drain(self) -> int:
        """Handle what is stored, what was put off too."""
        async with self.db.begin() as tx:
            await tx.execute(_AT_ONCE)
        return await inbox.drain(db=self.db, gate=self.gate, stripe=self.door, now=self.now())

    async def present(self) -> Account:
        async with self.db.begin() as tx:
            found = await Accounts(session=tx).get(self.account.id)
        assert found is not None
        return found

    async def balance(self) -> ledger.Balance:
        async with self.db.begin() as tx:
            return await ledger.balance(tx, account=self.account.id)

    async def credits(self) -> int:
        """Return what can be used, in whole credits, less what is owed."""
        has = await self.balance()
        return (has.available_micro - has.debt_micro) // MICRO

    async def subscriptions(self) -> list[Subscription]:
        async with self.db.begin() as tx:
            return await Subscriptions(session=tx).of(self.account.id)

    async def boosts(self) -> list[timedelta]:
        """Return the lengths of the boosts that were not revoked."""
        async with self.db.begin() as tx:
            found = await Boosts(session=tx).of(self.account.id)
        return [one.ends_at - one.starts_at for one in found if one.revoked_at is None]

    async def events(self) -> dict[str, int]:
        async with self.db.begin() as tx:
            return {row.status: row.n for row in await tx.execute(_EVENTS)}

    async def standing(self) -> dict[str, Any]:
        """Return everything that must be the same at the end, however it was told."""
        async with self.db.begin() as tx:
            payments = [tuple(row) for row in await tx.execute(_PAYMENTS, {"account": self.account.id})]
            states = await tx.scalars(
                text("SELECT state FROM purchases WHERE account_id = :account ORDER BY created_at"),
                {"account": self.account.id},
            )
            told = [tuple(row) for row in await tx.execute(_MONEY, {"account": self.account.id})]
            broken = await ledger.verify(tx)
            purchases = list(states)
        held = [(one.plan, one.status, one.cancel_at_period_end, one.next_plan) for one in await self.subscriptions()]
        has = await self.balance()
        return {
            "plan": (await self.present()).plan,
            "credits": (has.available_micro, has.held_micro, has.debt_micro),
            "payments": sorted(payments),
            "purchases": purchases,
            "subscriptions": sorted(held),
            "boosts": await self.boosts(),
            "told": told,
            "broken": broken,
        }
