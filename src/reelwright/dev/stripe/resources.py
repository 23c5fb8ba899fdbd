"""What can be read: every kind of object by id, in lists with their filters, and inside of others."""

from collections.abc import Callable, Mapping
from typing import Any

from reelwright.dev.stripe import checkout, subscriptions
from reelwright.dev.stripe.book import Book
from reelwright.dev.stripe.wire import Includes, Json, Refused

Filter = Callable[[Json, Any], bool]
_RANGES: Mapping[str, Callable[[int, int], bool]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}


def _same(field: str) -> Filter:
    return lambda thing, wanted: thing.get(field) == wanted


def _true(field: str) -> Filter:
    return lambda thing, wanted: thing.get(field) is (wanted == "true")


def _of_subscription(invoice: Json, wanted: str) -> bool:
    return invoice["parent"]["subscription_details"]["subscription"] == wanted


def _has_price(subscription: Json, wanted: str) -> bool:
    return any(item["price"]["id"] == wanted for item in subscriptions.items_of(subscription))


def _has_status(subscription: Json, wanted: str) -> bool:
    if wanted == "ended":
        return subscription["status"] in {"canceled", "incomplete_expired"}
    return wanted == "all" or subscription["status"] == wanted


def _created(thing: Json, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return thing["created"] == int(wanted)
    if wanted.keys() - _RANGES.keys():
        raise Refused("Invalid range: use gt, gte, lt and lte.", param="created")
    return all(_RANGES[name](thing["created"], int(bound)) for name, bound in wanted.items())


def _of_type(event: Json, wanted: str) -> bool:
    return event["type"] == wanted or (wanted.endswith("*") and event["type"].startswith(wanted[:-1]))


LISTS: Mapping[str, tuple[str, Mapping[str, Filter]]] = {
    "billing_portal/sessions": ("billing_portal.session", {"customer": _same("customer")}),
    "charges": ("charge", {"customer": _same("customer"), "payment_intent": _same("payment_intent")}),
    "checkout/sessions": (
        "checkout.session",
        {name: _same(name) for name in ("customer", "payment_intent", "status", "subscription")},
    ),
    "customers": ("customer", {"email": _same("email")}),
    "disputes": ("dispute", {"charge": _same("charge"), "payment_intent": _same("payment_intent")}),
    "events": (
        "event",
        {
            "type": _of_type,
            "types": lambda event, wanted: any(_of_type(event, each) for each in wanted),
            "delivery_success": lambda event, wanted: (event["pending_webhooks"] == 0) is (wanted == "true"),
        },
    ),
    "invoice_payments": (
        "invoice_payment",
        {
            "invoice": _same("invoice"),
            "status": _same("status"),
            "payment": lambda each, wanted: each["payment"]["payment_intent"] == wanted.get("payment_intent"),
        },
    ),
    "invoices": (
        "invoice",
        {"customer": _same("customer"), "status": _same("status"), "subscription": _of_subscription},
    ),
    "payment_intents": ("payment_intent", {"customer": _same("customer")}),
    "prices": (
        "price",
        {
            "active": _true("active"),
            "lookup_keys": lambda price, wanted: price["lookup_key"] in wanted,
            "product": _same("product"),
            "type": _same("type"),
        },
    ),
    "products": ("product", {"active": _true("active")}),
    "radar/early_fraud_warnings": ("radar.early_fraud_warning", {"charge": _same("charge")}),
    "refunds": ("refund", {"charge": _same("charge"), "payment_intent": _same("payment_intent")}),
    "subscription_schedules": ("subscription_schedule", {"customer": _same("customer")}),
    "subscriptions": (
        "subscription",
        {"customer": _same("customer"), "price": _has_price, "status": _has_status},
    ),
}


def found(book: Book, path: str, asked: Mapping[str, Any]) -> list[Json]:
    """Return the objects of a list that pass every filter, the newest first. Raises Refused."""
    kind, filters = LISTS[path]
    chosen = [(filters.get(name) or (_created if name == "created" else None), name) for name in asked]
    for check, name in chosen:
        if check is None:
            raise Refused(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
    things = [each for each in book.all(kind) if not each.get("deleted")]
    if kind == "subscription" and "status" not in asked:
        things = [each for each in things if each["status"] != "canceled"]
    return [each for each in things if all(check(each, asked[name]) for check, name in chosen if check)]


def inner_list(book: Book, path: str, name: str) -> list[Json] | None:
    """Return a list that belongs to one object, or None where there is no such list."""
    match path:
        case "checkout/sessions/{}/line_items":
            return checkout.line_items(book, book.get("checkout.session", name))
        case "invoices/{}/lines":
            return book.get("invoice", name)["lines"]["data"]
        case _:
            return None


def includes(book: Book) -> Includes:
    """Return the lists inside objects that come on demand only, as Stripe has them."""
    return {
        ("checkout.session", "line_items"): lambda session: checkout.line_items(book, session),
        ("customer", "subscriptions"): lambda customer: [
            each for each in book.all("subscription", customer=customer["id"]) if each["status"] in subscriptions.LIVING
        ],
        ("charge", "refunds"): lambda charge: book.all("refund", charge=charge["id"]),
        ("invoice", "payments"): lambda invoice: book.all("invoice_payment", invoice=invoice["id"]),
    }
