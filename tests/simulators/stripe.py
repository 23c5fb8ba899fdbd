"""The simulated Stripe inside a test's own loop: the same app as `reelwright dev` runs, with the test at its controls.

    async with simulated_stripe(webhook_url, secret) as stripe:
        ... point the SDK or StripeDoor at stripe.url with stripe.secret_key ...
        stripe.pay(session_id)                      # be the customer on the hosted page
        await stripe.delivered()                    # every webhook has been taken

Without a webhook_url nothing is sent: take `stripe.events()` and post `stripe.signed(event)` in any order.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from reelwright.dev.child import free_port
from reelwright.dev.stripe import checkout, controls, invoices, payments, subscriptions
from reelwright.dev.stripe.app import StripeApp
from reelwright.dev.stripe.book import Book
from reelwright.dev.stripe.webhooks import Faults, Webhooks
from tests.waiting import wait_until

SECRET_KEY = "sk_test_of_the_simulator"
WEBHOOK_SECRET = "whsec_of_the_simulator"


@dataclass
class SimulatedStripe:
    """One account at a simulated Stripe. Objects are plain JSON, as the API shows them."""

    url: str
    book: Book
    webhooks: Webhooks
    secret_key: str = SECRET_KEY

    def get(self, name: str) -> dict[str, Any]:
        """Return any object by its id."""
        return self.book.objects[name]

    def all(self, kind: str, **where: Any) -> list[dict[str, Any]]:
        """Return the objects of a kind, the oldest first."""
        return self.book.all(kind, **where)[::-1]

    def events(self, *types: str) -> list[dict[str, Any]]:
        """Return what has happened, the oldest first; of these types, or all."""
        return [each for each in self.all("event") if not types or each["type"] in types]

    def signed(self, event: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
        """Return a webhook's body and headers. Change the event first (`event | {"livemode": True}`) as you like."""
        body, signature = self.webhooks.signed(dict(event))
        return body, {"Stripe-Signature": signature, "Content-Type": "application/json; charset=utf-8"}

    async def delivered(self) -> None:
        """Wait until every webhook has been taken."""
        await wait_until(lambda: self.webhooks.idle, message="the webhooks are delivered")

    def resend(self, event_id: str) -> None:
        """Send an event once more."""
        self.webhooks.resend(self.get(event_id))

    def set_faults(self, **faults: Any) -> None:
        """Let this go wrong from now on: see Faults."""
        self.webhooks.set_faults(Faults(**faults))

    def pay(self, session_id: str, *, later: bool = False) -> dict[str, Any]:
        """Pay a checkout session, at once or by a bank that takes days; return it."""
        assert checkout.pay(self.book, session_id, later=later)
        return self.get(session_id)

    def decline(self, session_id: str) -> None:
        """Try to pay a checkout session with a card that is declined."""
        assert not checkout.pay(self.book, session_id, fails="generic_decline")

    def settle(self, session_id: str, *, paid: bool) -> None:
        """Let the bank's answer to a payment made `later` come in."""
        checkout.settle_later(self.book, session_id, paid=paid)

    def expire(self, session_id: str) -> None:
        """Let a checkout session's time be over."""
        checkout.expire(self.book, self.get(session_id))

    def subscribe(
        self, customer: str, lookup_key: str, *, trial_days: int = 0, fails: str | None = None, **metadata: str
    ) -> dict[str, Any]:
        """Begin a subscription without a checkout; return it: paid, on trial, or (`fails`) incomplete."""
        [price] = self.all("price", lookup_key=lookup_key)
        return subscriptions.start(
            self.book, customer=customer, prices=[(price, 1)], metadata=metadata, trial_days=trial_days, fails=fails
        )

    def advance(self, subscription_id: str, *, periods: int = 1) -> dict[str, Any]:
        """Let a subscription's period end now, as it will: renewed, failed or over; return it."""
        return controls.advance(self.book, controls.AdvanceWish(periods), subscription_id)

    def pass_time(self, seconds: int) -> None:
        """Move the clock of everything: renewals, retries and expiries happen in their order."""
        controls.move_clock(self.book, controls.ClockWish(seconds))

    def fail_next(self, customer: str, code: str = "generic_decline", *, times: int = 1) -> None:
        """Let a customer's next payments fail; `authentication_required` asks for a confirmation."""
        controls.fail_next(self.book, controls.FailWish(code, times), customer)

    def refund(self, charge_id: str, amount: int | None = None) -> dict[str, Any]:
        """Refund so many cents, or all that is left."""
        return payments.refund(self.book, payments.RefundWish(charge=charge_id, amount=amount))

    def fail_refund(self, refund_id: str) -> None:
        """Let a refund come back."""
        payments.fail_refund(self.book, self.get(refund_id))

    def dispute(self, charge_id: str, *, inquiry: bool = False) -> dict[str, Any]:
        """Let the customer's bank dispute a charge; return the dispute."""
        return payments.dispute(self.book, self.get(charge_id), inquiry=inquiry)

    def close_dispute(self, dispute_id: str, outcome: str) -> None:
        """Decide it: won, lost, or warning_closed for an inquiry."""
        payments.close_dispute(self.book, self.get(dispute_id), outcome=outcome)

    def give_up(self, invoice_id: str, how: Literal["void", "uncollectible"]) -> None:
        """Let an open invoice never be paid."""
        getattr(invoices, how)(self.book, None, invoice_id)

    def tell(self, event_type: str, thing: dict[str, Any]) -> dict[str, Any]:
        """Let Stripe tell of an object as it is; return the event."""
        return self.book.emit(event_type, thing)

    def delete(self, customer_id: str) -> None:
        """Delete a customer; its subscriptions end."""
        checkout.delete_customer(self.book, customer_id)

    def pause(self, subscription_id: str) -> None:
        """Pause it, as Stripe does where a trial ends without a card."""
        subscriptions.pause(self.book, self.get(subscription_id))

    def end(self, subscription_id: str, reason: str = "cancellation_requested") -> None:
        """End a subscription at once."""
        subscriptions.end(self.book, self.get(subscription_id), reason=reason)


@asynccontextmanager
async def simulated_stripe(webhook_url: str = "", secret: str = WEBHOOK_SECRET) -> AsyncIterator[SimulatedStripe]:
    """Serve a fresh account on a free loopback port until the block ends."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    book = Book(base_url=url)
    app = StripeApp(book, webhooks := Webhooks(book, url=webhook_url, secrets=[secret]), key=SECRET_KEY)
    app.sell()
    runner = web.AppRunner(app.served(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield SimulatedStripe(url, book, webhooks)
    finally:
        await runner.cleanup()
