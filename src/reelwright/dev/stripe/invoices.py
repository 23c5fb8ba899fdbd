"""Invoices: made of lines, paid at once where the card lets them, tried again where not."""

from collections.abc import Sequence
from typing import Any

import msgspec

from reelwright.dev.stripe import payments
from reelwright.dev.stripe.book import Book, new_id
from reelwright.dev.stripe.wire import Json, Refused, Route, listing

_DAY_S = 86_400
RETRY_DAYS = (3, 5, 7)  # after which a failed invoice is tried again; then its subscription ends


def line(  # one line of an invoice, as endive has it
    book: Book, subscription: Json, item: Json, *, price: Json, amount: int, period: tuple[int, int], proration: bool
) -> Json:
    """Return a line for a subscription's item: cents, and the half-open time that it pays for."""
    name = book.objects[price["product"]]["name"]
    words = "Unused time on" if amount < 0 else "Remaining time on" if proration else "1 ×"
    details = {
        "invoice_item": new_id("ii") if proration else None,
        "proration": proration,
        "proration_details": {"credited_items": None},
        "subscription": subscription["id"],
        "subscription_item": item["id"],
    }
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": "usd",
        "description": f"{words} {name}",
        "discount_amounts": [],
        "discountable": not proration,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": dict(subscription["metadata"]),
        "parent": {
            "type": "subscription_item_details",
            "invoice_item_details": None,
            "subscription_item_details": details,
        },
        "period": {"start": period[0], "end": period[1]},
        "pricing": {
            "type": "price_details",
            "price_details": {"price": price["id"], "product": price["product"]},
            "unit_amount_decimal": str(price["unit_amount"]),
        },
        "quantity": item["quantity"],
        "subtotal": amount,
        "taxes": [],
    }


def draft(book: Book, subscription: Json, lines: Sequence[Json], *, reason: str, period: tuple[int, int]) -> Json:
    """Return the fields of an invoice for these lines; what the customer is owed pays first.

    `period` is the invoice's own, which for a renewal is the month before: only lines tell what is paid for.
    """
    customer = book.get("customer", subscription["customer"])
    total = sum(each["amount"] for each in lines)
    owed = customer.get("balance") or 0
    due = max(0, total + owed)
    fields: dict[str, Any] = {
        "amount_due": due,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": due,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": {"enabled": False, "liability": None, "status": None},
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "currency": "usd",
        "customer": subscription["customer"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ending_balance": min(0, total + owed),
        "issuer": {"type": "self"},
        "lines": listing("/v1/invoices/upcoming/lines", lines),
        "next_payment_attempt": None,
        "parent": _parent(subscription),
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_start": period[0],
        "period_end": period[1],
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": owed,
        "status": "draft",
        "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "total": total,
        "total_excluding_tax": total,
        "total_taxes": [],
    }
    return fields


def _parent(subscription: Json) -> Json:
    details = {
        "metadata": dict(subscription["metadata"]),
        "subscription": subscription["id"],
        "subscription_proration_date": None,
    }
    return {"type": "subscription_details", "quote_details": None, "subscription_details": details}


def bill(book: Book, subscription: Json, lines: Sequence[Json], *, reason: str, period: tuple[int, int]) -> Json:
    """Make an invoice for these lines and finalise it; nothing is collected yet."""
    invoice = book.add("in", "invoice", **draft(book, subscription, lines, reason=reason, period=period))
    number = len(book.all("invoice"))
    invoice["lines"] = listing(f"/v1/invoices/{invoice['id']}/lines", [{**x, "invoice": invoice["id"]} for x in lines])
    book.emit("invoice.created", invoice)
    customer = book.get("customer", subscription["customer"])
    customer["balance"] = invoice["ending_balance"]
    invoice.update(
        status="open",
        number=f"SIM-{number:04}",
        hosted_invoice_url=f"{book.base_url}/invoice/{invoice['id']}",
        invoice_pdf=None,
        effective_at=book.now(),
    )
    invoice["status_transitions"]["finalized_at"] = book.now()
    subscription["latest_invoice"] = invoice["id"]
    book.emit("invoice.finalized", invoice)
    return invoice


def collect(book: Book, invoice: Json, *, fails: str | None = None) -> bool:
    """Try once to have an open invoice paid, and let its subscription follow; return whether it is paid."""
    if invoice["amount_due"] == 0:
        _paid(book, invoice)
        return True
    payment = _payment(book, invoice)
    intent = book.get("payment_intent", payment["payment"]["payment_intent"])
    fails = fails or book.next_failure(invoice["customer"])
    taken = payments.attempt(book, intent, fails=fails)
    invoice.update(attempt_count=invoice["attempt_count"] + 1, attempted=True)
    if taken:
        payment.update(status="paid", amount_paid=invoice["amount_due"])
        payment["status_transitions"]["paid_at"] = book.now()
        _paid(book, invoice)
        book.emit("invoice_payment.paid", payment)
        return True
    tries = invoice["attempt_count"]
    wait = RETRY_DAYS[tries - 1] * _DAY_S if tries <= len(RETRY_DAYS) else None
    invoice["next_payment_attempt"] = book.now() + wait if wait else None
    if fails == payments.NEEDS_ACTION:
        book.emit("invoice.payment_action_required", invoice)
    book.emit("invoice.payment_failed", invoice)
    _follow(book, invoice, paid=False)
    return False


def _payment(book: Book, invoice: Json) -> Json:
    """Return the one payment of an invoice, made at its first attempt."""
    made = book.all("invoice_payment", invoice=invoice["id"])
    if made:
        return made[0]
    intent = payments.open_intent(
        book,
        amount=invoice["amount_due"],
        customer=invoice["customer"],
        metadata={},
        description="Subscription " + ("creation" if invoice["billing_reason"] == "subscription_create" else "update"),
    )
    return book.add(
        "inpay",
        "invoice_payment",
        amount_paid=None,
        amount_requested=invoice["amount_due"],
        currency="usd",
        invoice=invoice["id"],
        is_default=True,
        payment={"type": "payment_intent", "payment_intent": intent["id"]},
        status="open",
        status_transitions={"canceled_at": None, "paid_at": None},
    )


def _paid(book: Book, invoice: Json) -> None:
    invoice.update(
        status="paid",
        amount_paid=invoice["amount_due"],
        amount_remaining=0,
        attempted=True,
        auto_advance=False,
        next_payment_attempt=None,
    )
    invoice["status_transitions"]["paid_at"] = book.now()
    _follow(book, invoice, paid=True)
    for event in ("invoice.paid", "invoice.payment_succeeded"):
        book.emit(event, invoice)


def _follow(book: Book, invoice: Json, *, paid: bool) -> None:
    subscription = book.get("subscription", invoice["parent"]["subscription_details"]["subscription"])
    status = subscription["status"]
    if paid and status in {"incomplete", "past_due", "unpaid"} and subscription["latest_invoice"] == invoice["id"]:
        book.change(subscription, "customer.subscription.updated", status="active")
    elif not paid and status == "active":
        book.change(subscription, "customer.subscription.updated", status="past_due")


class PayWish(msgspec.Struct, forbid_unknown_fields=True):
    """`paid_out_of_band` says that the money came another way."""

    paid_out_of_band: bool = False
    off_session: bool | None = None


def _open(book: Book, name: str) -> Json:
    invoice = book.get("invoice", name)
    if invoice["status"] not in {"open", "uncollectible"}:
        raise Refused(f"Invoice is {invoice['status']}, not open.", code="invoice_not_editable")
    return invoice


def _pay(book: Book, wish: PayWish, name: str) -> Json:
    invoice = _open(book, name)
    if wish.paid_out_of_band:
        _paid(book, invoice)
    elif not collect(book, invoice):
        raise Refused("Your card was declined.", status=402, kind="card_error", code="card_declined")
    return invoice


def _give_up(book: Book, name: str, status: str, stamp: str, event: str) -> Json:
    """Let an open invoice never be paid any more. Raises Refused."""
    invoice = _open(book, name)
    invoice["status_transitions"][stamp] = book.now()
    book.change(invoice, event, status=status, auto_advance=False, next_payment_attempt=None)
    _forgiven(book, invoice)
    return invoice


def _forgiven(book: Book, invoice: Json) -> None:
    """Let the subscription be active again: to Stripe it is, once nothing is to be had for its latest invoice."""
    subscription = book.get("subscription", invoice["parent"]["subscription_details"]["subscription"])
    if subscription["status"] in {"past_due", "unpaid"} and subscription["latest_invoice"] == invoice["id"]:
        book.change(subscription, "customer.subscription.updated", status="active")


def void(book: Book, _: msgspec.Struct | None, name: str) -> Json:
    """Take an invoice back. Raises Refused."""
    return _give_up(book, name, "void", "voided_at", "invoice.voided")


def uncollectible(book: Book, _: msgspec.Struct | None, name: str) -> Json:
    """Write an invoice off. Raises Refused."""
    return _give_up(book, name, "uncollectible", "marked_uncollectible_at", "invoice.marked_uncollectible")


ROUTES = (
    Route("POST", "invoices/{}/pay", _pay, PayWish),
    Route("POST", "invoices/{}/void", void),
    Route("POST", "invoices/{}/mark_uncollectible", uncollectible),
)
