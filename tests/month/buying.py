"""What people do about money: through our journeys and Stripe's SDK, at the simulated Stripe."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from reelwright.accounts import Account, Accounts
from reelwright.admission import Gate
from reelwright.billing import MICRO, Plan, StripeDoor
from reelwright.ground.postgres import Database
from reelwright.journeys import administration, purchase
from reelwright.journeys import credits as books
from reelwright.journeys.purchase import Wish
from tests.journeys.buying import BACK
from tests.month.clock import Clock
from tests.month.people import Person
from tests.simulators.stripe import SimulatedStripe

_TAKEN_MICRO = 1_150 * MICRO


@dataclass
class Buying:
    """The till. A wish is an item for sale, or one of the verbs below."""

    db: Database
    gate: Gate
    stripe: SimulatedStripe
    door: StripeDoor
    clock: Clock
    admin: Account | None = None

    async def fulfil(self, one: Person, wish: str) -> None:
        """Do what a person wishes. Raises Refusal."""
        if wish.partition("_")[0] in {"plan", "pack", "boost"}:
            await self._buy(one, wish)
        elif wish in {"upgrade", "downgrade", "cancel", "resume"}:
            await self._change(one, wish)
        elif wish in {"decline", "refund", "dispute", "decide"}:
            self._at_the_bank(one, wish)
        else:
            await self._by_hand(one, wish)

    async def _buy(self, one: Person, item: str) -> None:
        wished = Wish(item=item, key=uuid4().hex, success_url=BACK, cancel_url=BACK)
        buy: dict[str, Callable[..., Any]] = {
            "pack": purchase.buy_credits,
            "boost": purchase.buy_boost,
            "plan": partial(purchase.subscribe, now=self.clock.now()),
        }
        opened = await buy[item.partition("_")[0]](await self._present(one), wished, db=self.db, stripe=self.door)
        session = next(each["id"] for each in self.stripe.all("checkout.session") if each["url"] == opened.url)
        self.stripe.pay(session)
        if item.startswith("pack"):
            one.sessions.append(session)

    async def _change(self, one: Person, wish: str) -> None:
        account, now = await self._present(one), self.clock.now()
        common: dict[str, Any] = {"db": self.db, "gate": self.gate, "stripe": self.door, "now": now}
        if wish in {"upgrade", "downgrade"}:
            await purchase.change_plan(account, Plan.PRO if wish == "upgrade" else Plan.STANDARD, **common)
        elif wish == "cancel":
            await purchase.cancel(account, **common)
        else:
            await purchase.resume(account, **common)

    def _at_the_bank(self, one: Person, wish: str) -> None:
        if wish == "decline":
            [subscription] = self.stripe.all("subscription", customer=self._customer(one))
            self.stripe.fail_next(subscription["customer"])
        elif wish == "refund":
            charge = self.stripe.get(self._charge(one))
            self.stripe.refund(charge["id"], charge["amount"] * 2 // 5)
        elif wish == "dispute":
            self.stripe.dispute(self._charge(one))
        else:
            [dispute] = self.stripe.all("dispute", charge=self._charge(one))
            self.stripe.close_dispute(dispute["id"], "won" if one.number % 20 < 10 else "lost")

    async def _by_hand(self, one: Person, wish: str) -> None:
        assert self.admin is not None
        common: dict[str, Any] = {"by": self.admin, "db": self.db}
        if wish == "given":
            await administration.set_plan(one.account.id, Plan.STANDARD, **common, gate=self.gate, now=self.clock.now())
        elif wish == "given_boost":
            await administration.grant_boost(one.account.id, source=f"admin:{uuid4()}", **common, gate=self.gate)
        else:
            await books.correct(one.account.id, -_TAKEN_MICRO, key=uuid4().hex, reason="taken", force=True, **common)

    async def _present(self, one: Person) -> Account:
        async with self.db.begin() as tx:
            found = await Accounts(session=tx).get(one.account.id)
        assert found is not None
        return found

    def _charge(self, one: Person) -> str:
        return self.stripe.get(self.stripe.get(one.sessions[0])["payment_intent"])["latest_charge"]

    def _customer(self, one: Person) -> str:
        [customer] = [each["id"] for each in self.stripe.all("customer") if each.get("email") == one.account.email]
        return customer
