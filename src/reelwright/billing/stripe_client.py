"""The one door to Stripe: its official SDK, pinned to one API version, behind plain values and our own errors."""

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any

from reelwright.billing import told
from reelwright.billing.told import Charged, CheckoutSession, Invoiced, Subscribed, Told
from reelwright.ground import log, telemetry
from reelwright.ground.errors import Kind, Outage, Refusal

API_VERSION = "2026-10-28.endive"  # of stripe 16.1, and of the webhook endpoint that sends to us
_TIMEOUT_S = 10
_RETRIES = 2
_PAGE = 100  # the most that Stripe lists at once
_RESTOCKED = timedelta(minutes=5)
_WHOLE = ["schedule", "latest_invoice"]  # of a subscription
_log = log.logger("billing.stripe")


class PaymentRefused(Refusal):
    """Stripe refused what was asked of it for somebody: a card was declined, an object is in the wrong state."""

    kind = Kind.CONFLICT
    code = "payments.refused"


class _RefundedBefore(Exception):  # noqa: N818 - an answer
    """Nothing of the payment is left to refund."""


class Unknown(Exception):  # noqa: N818 - an answer: Stripe has no such object
    """Stripe has no object of this id, or not any more. `param` is the parameter that names it."""

    def __init__(self, param: str = "") -> None:
        super().__init__(param)
        self.param = param


@dataclass(slots=True, kw_only=True)
class NewCheckout:
    """What a checkout is made of. `attempt` is our own id of it, which makes a repeat of the call harmless."""

    attempt: str
    account: str
    customer: str
    item: str
    subscription: bool
    success_url: str
    cancel_url: str
    expires_at: datetime
    catalogue_version: int


@dataclass(kw_only=True)
class StripeDoor:
    """Stripe, for one process. Every call takes at most three tries of ten seconds.

    Each may raise Outage where Stripe doesn't answer, or hasn't what we sell; PaymentRefused; Unknown.
    """

    secret_key: str
    webhook_secrets: tuple[str, ...] = ()
    api_url: str = "https://api.stripe.com"
    return_url: str = "http://127.0.0.1:8000"
    _items: dict[str, str | None] = field(default_factory=dict[str, "str | None"])

    @property
    def livemode(self) -> bool:
        """Whether real money moves."""
        return self.secret_key.startswith(("sk_live_", "rk_live_"))

    @cached_property
    def _stripe(self) -> Any:
        import stripe  # noqa: PLC0415 - 0.5 s, which only a process that talks to Stripe pays

        if stripe.api_version != API_VERSION:
            raise RuntimeError(f"stripe {stripe.VERSION} speaks {stripe.api_version}, but we read {API_VERSION}")
        return stripe

    @cached_property
    def _v1(self) -> Any:
        stripe = self._stripe
        client = stripe.StripeClient(
            self.secret_key,
            stripe_version=API_VERSION,
            base_addresses={"api": self.api_url},
            max_network_retries=_RETRIES,
            http_client=self._http,
        )
        return client.v1

    @cached_property
    def _http(self) -> Any:
        client = self._stripe.HTTPXClient(timeout=_TIMEOUT_S)
        arranged = client._get_request_args_kwargs  # noqa: SLF001 - the SDK's own seam, here for want of another

        def as_content(*request: Any) -> tuple[tuple[str, str], dict[str, Any]]:
            """Hand httpx the body under the name that it takes: the SDK's own has been deprecated for years."""
            args, options = arranged(*request)
            return args, {"content": options.pop("data") or None, **options}

        client._get_request_args_kwargs = as_content  # noqa: SLF001 - as above
        return client

    async def close(self) -> None:
        """Close its connections. Harmless where none were opened."""
        if "_http" in self.__dict__:
            await self._http.close_async()

    async def item_prices(self, items: Sequence[str]) -> Mapping[str, str]:
        """Return the ids of the prices in force, by our names of the items."""
        found = await self._rows(self._v1.prices.list_async, {"lookup_keys": list(items), "active": True})
        return {row["lookup_key"]: row["id"] for row in found}

    async def create_customer(self, *, account: str, email: str, former: int) -> str:
        """Return the account's customer, made where there was none behind so many `former` ones.

        Stripe answers with a deleted customer, too, where it was made by the same idempotency key.
        """
        params = {"email": email, "metadata": {"user_id": account}}
        key = f"customer-{account}-{former}" if former else f"customer-{account}"
        made = await self._told(self._v1.customers.create_async(params, _once(key)))
        return made["id"]

    async def create_checkout(self, new: NewCheckout) -> CheckoutSession:
        """Return a checkout with its hosted page, the same for the same attempt and customer."""
        price = await self._price(new.item)
        facts = {
            "attempt_id": new.attempt,
            "user_id": new.account,
            "catalogue_version": str(new.catalogue_version),
        }
        params: dict[str, Any] = {
            "mode": "subscription" if new.subscription else "payment",
            "customer": new.customer,
            "client_reference_id": new.account,
            "line_items": [{"price": price, "quantity": 1}],
            "metadata": facts,
            "success_url": new.success_url,
            "cancel_url": new.cancel_url,
            "expires_at": int(new.expires_at.timestamp()),
        }
        params["subscription_data" if new.subscription else "payment_intent_data"] = {"metadata": facts}
        made = await self._told(
            self._v1.checkout.sessions.create_async(params, _once(f"co-{new.attempt}-{new.customer}"))
        )
        return told.session(made)

    async def checkout(self, session: str) -> CheckoutSession:
        """Return a checkout as it is now, with all that was bought."""
        found = await self._told(self._v1.checkout.sessions.retrieve_async(session))
        lines = partial(self._v1.checkout.sessions.line_items.list_async, session)
        return told.session(found, await self._rows(lines, {}))

    async def checkout_of(self, payment_intent: str) -> CheckoutSession | None:
        """Return the checkout that made a payment, if one did."""
        page = {"payment_intent": payment_intent, "limit": 1}
        found = told.rows_of(await self._told(self._v1.checkout.sessions.list_async(page)))
        return await self.checkout(found[0]["id"]) if found else None

    async def portal(self, customer: str, *, return_url: str) -> str:
        """Return the address of a page on which the customer manages cards, invoices and subscription."""
        params = {"customer": customer, "return_url": return_url}
        return (await self._told(self._v1.billing_portal.sessions.create_async(params)))["url"]

    async def subscription(self, subscription: str) -> Subscribed:
        """Return a subscription as it is now."""
        return await self._subscribed(self._v1.subscriptions.retrieve_async(subscription, {"expand": _WHOLE}))

    async def subscriptions_of(self, customer: str) -> list[Subscribed]:
        """Return a customer's subscriptions that haven't ended, oldest first."""
        found = await self._rows(self._v1.subscriptions.list_async, {"customer": customer})
        return sorted((told.subscription(row) for row in found), key=lambda one: (one.created, one.id))

    async def upgrade(self, held: Subscribed, item: str) -> Subscribed:
        """Change a subscription's plan at once and bill the difference; a payment that fails changes nothing."""
        await self._unschedule(held)
        params = {
            "items": [{"id": held.item_id, "price": await self._price(item)}],
            "proration_behavior": "always_invoice",
            "payment_behavior": "error_if_incomplete",
            "cancel_at_period_end": False,
            "expand": _WHOLE,
        }
        return await self._subscribed(self._v1.subscriptions.update_async(held.id, params))

    async def downgrade(self, held: Subscribed, item: str) -> Subscribed:
        """Change a subscription's plan from its next period on."""
        schedule = held.schedule
        if held.cancel_at_period_end:
            schedule = (await self.cancel_at_end(held, cancel=False)).schedule
        if schedule is None:
            made = await self._told(self._v1.subscription_schedules.create_async({"from_subscription": held.id}))
            schedule = made["id"]
        present, following = await self._price(held.item or ""), await self._price(item)
        start, end = int(held.period_start.timestamp()), int(held.period_end.timestamp())
        now = {"items": [{"price": present, "quantity": 1}], "start_date": start, "end_date": end}
        then = {"items": [{"price": following, "quantity": 1}], "duration": {"interval": "month"}}
        params = {"end_behavior": "release", "proration_behavior": "none", "phases": [now, then]}
        await self._told(self._v1.subscription_schedules.update_async(schedule, params))
        return await self.subscription(held.id)

    async def cancel_at_end(self, held: Subscribed, *, cancel: bool) -> Subscribed:
        """Let a subscription end with its period, or go on after all."""
        await self._unschedule(held)
        params = {"cancel_at_period_end": cancel, "expand": _WHOLE}
        return await self._subscribed(self._v1.subscriptions.update_async(held.id, params))

    async def cancel_now(self, subscription: str) -> Subscribed:
        """End a subscription at once. Nothing is refunded by it."""
        return await self._subscribed(self._v1.subscriptions.cancel_async(subscription, {"prorate": False}))

    async def invoice(self, invoice: str) -> Invoiced:
        """Return an invoice as it is now, with all its lines."""
        return await self._invoiced(
            await self._told(self._v1.invoices.retrieve_async(invoice, {"expand": ["payments"]}))
        )

    async def paid_invoices_of(self, subscription: str) -> list[Invoiced]:
        """Return all that was paid for a subscription, oldest first."""
        page = {"subscription": subscription, "status": "paid", "expand": ["data.payments"]}
        found = await self._rows(self._v1.invoices.list_async, page)
        return [await self._invoiced(row) for row in sorted(found, key=lambda row: (row["created"], row["id"]))]

    async def invoice_of(self, payment_intent: str) -> Invoiced | None:
        """Return the invoice that a payment paid, if it paid one."""
        payment = {"type": "payment_intent", "payment_intent": payment_intent}
        page = {"payment": payment, "limit": 1}
        found = told.rows_of(await self._told(self._v1.invoice_payments.list_async(page)))
        return await self.invoice(told.name_of(found[0]["invoice"]) or "") if found else None

    async def charge(self, charge: str) -> Charged:
        """Return a charge as it is now, with all that was refunded and disputed of it.

        It may be named by a refund or a dispute of it, as thin notifications do.
        """
        for prefix, service in (("re_", self._v1.refunds), ("pyr_", self._v1.refunds), ("du_", self._v1.disputes)):
            if charge.startswith(prefix):
                charge = told.name_of((await self._told(service.retrieve_async(charge)))["charge"]) or ""
        found = await self._told(self._v1.charges.retrieve_async(charge))
        refunds = await self._rows(self._v1.refunds.list_async, {"charge": charge})
        disputes = await self._rows(self._v1.disputes.list_async, {"charge": charge})
        return told.charge(found, refunds, disputes)

    async def warned(self, warning: str) -> str:
        """Return the charge that an early fraud warning is about."""
        found = await self._told(self._v1.radar.early_fraud_warnings.retrieve_async(warning))
        return told.name_of(found["charge"]) or ""

    async def refund(self, payment_intent: str, *, why: str) -> None:
        """Give a payment back whole, once for each reason."""
        params = {"payment_intent": payment_intent, "metadata": {"why": why}}
        with suppress(_RefundedBefore):
            await self._told(self._v1.refunds.create_async(params, _once(f"refund-{why}-{payment_intent}")))

    async def events(self, types: Sequence[str], *, since: datetime) -> AsyncIterator[Told]:
        """Yield the events of these types since an instant, newest first. Stripe keeps them for 30 days."""
        width = 20  # Stripe's most types a call
        for start in range(0, len(types), width):
            page = {"types": list(types[start : start + width]), "created": {"gte": int(since.timestamp())}}
            for row in await self._rows(self._v1.events.list_async, page):
                yield row

    async def _price(self, item: str) -> str:
        found = await self.item_prices([item])
        if item not in found:
            raise _unsold(item, found="no active price")
        return found[item]

    async def _item(self, price: str) -> str | None:
        """Return which item of ours a price is of. It never becomes another's, so it is asked for once."""
        if price not in self._items:
            self._items[price] = told.item_of(await self._told(self._v1.prices.retrieve_async(price)))
        return self._items[price]

    async def _unschedule(self, held: Subscribed) -> None:
        if held.schedule is not None:
            await self._told(self._v1.subscription_schedules.release_async(held.schedule))

    async def _subscribed(self, call: Awaitable[Any]) -> Subscribed:
        found = await self._told(call)
        schedule = found.get("schedule")
        if not isinstance(schedule, Mapping):
            return told.subscription(found)
        last = schedule["phases"][-1]  # type: ignore[index]  # a mapping of Stripe's
        price = told.name_of(last["items"][0]["price"])  # type: ignore[index]
        return told.subscription(found, scheduled=await self._item(price or ""))

    async def _invoiced(self, found: Told) -> Invoiced:
        rows = told.rows_of(found.get("lines"))
        if (found.get("lines") or {}).get("has_more"):
            rows = await self._rows(partial(self._v1.invoices.line_items.list_async, found["id"]), {})
        items = {price: await self._item(price) for price in {told.price_of(row) for row in rows} if price}
        return told.invoice(found, rows, items)

    async def _rows(self, listing: Any, params: Mapping[str, object]) -> list[Told]:
        """Return every row of a list, page by page."""
        rows, after = list[Told](), dict[str, object]()
        while True:
            page = await self._told(listing({**params, "limit": _PAGE, **after}))
            rows += told.rows_of(page)
            if not page.get("has_more"):
                return rows
            after = {"starting_after": rows[-1]["id"]}

    async def _told(self, call: Awaitable[Any]) -> Told:
        """Return what Stripe answers. Its errors become ours; one that is our mistake stays what it is."""
        errors = self._stripe
        try:
            return (await call).to_dict()
        except (errors.CardError, errors.IdempotencyError) as refused:
            raise PaymentRefused(refused.user_message or "Stripe refused this payment: try again.") from refused
        except errors.InvalidRequestError as wrong:
            if (wrong.param or "").endswith("[price]"):  # found a moment ago, and archived or deleted since
                raise _unsold(wrong.param or "", found=wrong.code or "inactive") from wrong
            if wrong.code == "resource_missing":
                raise Unknown(wrong.param or "") from wrong
            if wrong.code == "charge_already_refunded":
                raise _RefundedBefore from wrong
            raise
        except (errors.AuthenticationError, errors.PermissionError) as keys:
            _log.error("stripe.key_refused", error=type(keys).__name__)
            raise Outage("Payments are not available just now.", code="payments.unavailable") from keys
        except errors.StripeError as away:
            _log.warning("stripe.away", error=type(away).__name__, status=away.http_status)
            raise Outage("Stripe is not answering: try again.", code="payments.unavailable") from away


def _unsold(item: str, *, found: str) -> Outage:
    """Tell the operator that Stripe doesn't have what we sell, and return what the buyer is told."""
    telemetry.STRIPE_ITEM_MISSING.inc()
    _log.error("stripe.item_missing", item=item, found=found)
    return Outage(
        "This is not for sale just now, and nothing was charged: the operator has been told."
        " Try again later, with a new Idempotency-Key.",
        code="payments.item_missing",
        wait=_RESTOCKED,
    )


def _once(key: str) -> dict[str, str]:
    return {"idempotency_key": key}
