"""What Stripe tells of its objects, as plain values: only what we act on. Amounts are cents, instants are UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """One line of a checkout: so many of an item of our catalogue; `item` is None where the catalogue has none such."""

    item: str | None
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSession:
    """A checkout. `status`: open, complete, expired. `payment_status`: paid, unpaid, no_payment_required."""

    id: str
    url: str | None
    mode: str
    status: str
    payment_status: str
    customer: str | None
    subscription: str | None
    payment_intent: str | None
    reference: str | None
    metadata: Mapping[str, str]
    currency: str | None
    amount: int | None
    livemode: bool
    expires_at: datetime | None
    bought: tuple[Bought, ...] = ()

    @property
    def paid(self) -> bool:
        """Whether what was bought may be handed over."""
        return self.status == "complete" and self.payment_status in {"paid", "no_payment_required"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """A subscription. `item` is the plan's, None where the catalogue has none such; `scheduled` is the next one's.

    `given_up`: the invoice of its current period will not be paid any more. Stripe calls it active then all the same.
    """

    id: str
    customer: str
    status: str
    item_id: str
    item: str | None
    scheduled: str | None
    schedule: str | None
    currency: str
    livemode: bool
    period_start: datetime
    period_end: datetime
    anchor: datetime
    created: datetime
    cancel_at_period_end: bool
    ended_at: datetime | None
    latest_invoice: str | None
    given_up: bool

    @property
    def live(self) -> bool:
        """Whether it is, or may become, paid for."""
        return self.status in {"trialing", "active", "past_due"}


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """One line of an invoice: an item for a period; a proration sets right what was billed before."""

    id: str
    item: str | None
    proration: bool
    amount: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoiced:
    """An invoice. `status`: draft, open, paid, uncollectible, void. `reason`: why it was made."""

    id: str
    customer: str | None
    status: str
    reason: str | None
    subscription: str | None
    payment_intent: str | None
    currency: str
    livemode: bool
    amount_due: int
    amount_paid: int
    attempts: int
    hosted_url: str | None
    lines: tuple[InvoiceLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """A charge: `returned` cents of the `captured` went back or will, `disputed` may (it is open), `lost` did.

    `disputes` are all that there ever were, with their amounts.
    """

    id: str
    customer: str | None
    payment_intent: str | None
    currency: str
    livemode: bool
    captured: int
    returned: int
    disputed: int
    lost: int
    disputes: Mapping[str, int]


def instant(seconds: int | None) -> datetime | None:
    """Return Stripe's seconds since 1970 as an instant."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def name_of(expandable: Any) -> str | None:
    """Return the id of what may be an id or the whole object."""
    if isinstance(expandable, Mapping):
        return cast("Told", expandable)["id"]
    return cast("str | None", expandable)


def rows_of(listed: Any) -> Sequence[Told]:
    """Return a list object's rows; none where there is no list."""
    return cast("Sequence[Told]", (listed or {}).get("data", ()))


def item_of(price: Told) -> str | None:
    """Return which item of ours a price is of: by its lookup key, or by its metadata once the key went to another."""
    return price.get("lookup_key") or (price.get("metadata") or {}).get("item")


def session(told: Told, bought: Sequence[Told] = ()) -> CheckoutSession:
    """Read a checkout session, and its line items where they were asked for."""
    return CheckoutSession(
        id=told["id"],
        url=told.get("url"),
        mode=told["mode"],
        status=told.get("status") or "open",
        payment_status=told["payment_status"],
        customer=name_of(told.get("customer")),
        subscription=name_of(told.get("subscription")),
        payment_intent=name_of(told.get("payment_intent")),
        reference=told.get("client_reference_id"),
        metadata=told.get("metadata") or {},
        currency=told.get("currency"),
        amount=told.get("amount_total"),
        livemode=told["livemode"],
        expires_at=instant(told.get("expires_at")),
        bought=tuple(Bought(item=item_of(row["price"]), quantity=row.get("quantity") or 0) for row in bought),
    )


def subscription(told: Told, *, scheduled: str | None = None) -> Subscribed:
    """Read a subscription. Its period is that of the item which ends last: items may differ since 2025-09-30."""
    items = rows_of(told["items"])
    longest = max(items, key=lambda item: item["current_period_end"])
    return Subscribed(
        id=told["id"],
        customer=cast("str", name_of(told["customer"])),
        status=told["status"],
        item_id=longest["id"],
        item=item_of(longest["price"]),
        scheduled=scheduled,
        schedule=name_of(told.get("schedule")),
        currency=told.get("currency") or longest["price"]["currency"],
        livemode=told["livemode"],
        period_start=_at(longest["current_period_start"]),
        period_end=_at(longest["current_period_end"]),
        anchor=_at(told["billing_cycle_anchor"]),
        created=_at(told["created"]),
        cancel_at_period_end=bool(told.get("cancel_at_period_end")) or bool(told.get("cancel_at")),
        ended_at=instant(told.get("ended_at")),
        latest_invoice=name_of(told.get("latest_invoice")),
        given_up=_given_up(told.get("latest_invoice")),
    )


def _given_up(latest: Any) -> bool:
    """Say so of an invoice that was asked for whole; an upgrade's takes nothing from the period that was paid for."""
    if not isinstance(latest, Mapping):
        return False
    found = cast("Told", latest)
    return found["status"] in {"uncollectible", "void"} and found.get("billing_reason") != "subscription_update"


def invoice(told: Told, lines: Sequence[Told], items: Mapping[str, str | None]) -> Invoiced:
    """Read an invoice with all its lines; `items` says which item of ours each of their prices is of."""
    details: Told = (told.get("parent") or {}).get("subscription_details") or {}
    payments: list[Told] = [row["payment"] for row in rows_of(told.get("payments")) if row.get("status") != "canceled"]
    intents = [intent for payment in payments if (intent := name_of(payment.get("payment_intent")))]
    return Invoiced(
        id=told["id"],
        customer=name_of(told.get("customer")),
        status=told["status"],
        reason=told.get("billing_reason"),
        subscription=name_of(details.get("subscription")),
        payment_intent=intents[-1] if intents else None,
        currency=told["currency"],
        livemode=told["livemode"],
        amount_due=told["amount_due"],
        amount_paid=told["amount_paid"],
        attempts=told.get("attempt_count") or 0,
        hosted_url=told.get("hosted_invoice_url"),
        lines=tuple(_line(row, items) for row in lines),
    )


def price_of(line: Told) -> str | None:
    """Return the id of an invoice line's price."""
    return name_of(((line.get("pricing") or {}).get("price_details") or {}).get("price"))


def _line(told: Told, items: Mapping[str, str | None]) -> InvoiceLine:
    parent: Told = told.get("parent") or {}
    details: Told = parent.get("subscription_item_details") or parent.get("invoice_item_details") or {}
    return InvoiceLine(
        id=told["id"],
        item=items.get(price_of(told) or ""),
        proration=bool(details.get("proration")),
        amount=told["amount"],
        start=_at(told["period"]["start"]),
        end=_at(told["period"]["end"]),
    )


_OPEN = {"needs_response", "under_review", "warning_needs_response", "warning_under_review"}


def charge(told: Told, refunds: Sequence[Told], disputes: Sequence[Told]) -> Charged:
    """Read a charge with all that was refunded and disputed of it. A refund that failed returned nothing."""
    returned = sum(row["amount"] for row in refunds if row["status"] not in {"failed", "canceled"})
    return Charged(
        id=told["id"],
        customer=name_of(told.get("customer")),
        payment_intent=name_of(told.get("payment_intent")),
        currency=told["currency"],
        livemode=told["livemode"],
        captured=told["amount_captured"],
        returned=returned,
        disputed=sum(row["amount"] for row in disputes if row["status"] in _OPEN),
        lost=sum(row["amount"] for row in disputes if row["status"] == "lost"),
        disputes={row["id"]: row["amount"] for row in disputes},
    )
