"""Checkout and portal sessions: what is sold on the hosted pages, and what becomes of a visit to them."""

from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from reelwright.dev.stripe import payments, subscriptions
from reelwright.dev.stripe.book import Book, merged, new_id
from reelwright.dev.stripe.wire import Json, Refused, Route

_LIFE_S, _SHORTEST_S = 86_400, 1_800
PLACEHOLDER = "{CHECKOUT_SESSION_ID}"


class LineWish(msgspec.Struct, forbid_unknown_fields=True):
    price: str
    quantity: int = 1
    metadata: dict[str, str] = {}


class SubscriptionWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    metadata: dict[str, str] = {}
    trial_period_days: int = 0
    description: str | None = None


class IntentWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    metadata: dict[str, str] = {}
    description: str = ""
    receipt_email: str | None = None
    setup_future_usage: str | None = None


class SwitchWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    enabled: bool


class SessionWish(msgspec.Struct, forbid_unknown_fields=True):
    """A hosted checkout. `expires_at` is Unix seconds, 30 minutes to 24 hours ahead."""

    mode: Literal["payment", "subscription"]
    line_items: list[LineWish]
    success_url: str
    cancel_url: str | None = None
    customer: str | None = None
    customer_email: str | None = None
    customer_creation: Literal["always", "if_required"] = "if_required"
    customer_update: dict[str, str] = {}
    client_reference_id: str | None = None
    metadata: dict[str, str] = {}
    expires_at: int | None = None
    subscription_data: SubscriptionWish = SubscriptionWish()
    payment_intent_data: IntentWish = IntentWish()
    payment_method_types: tuple[str, ...] = ("card",)
    allow_promotion_codes: bool | None = None
    automatic_tax: SwitchWish = SwitchWish(enabled=False)
    invoice_creation: SwitchWish = SwitchWish(enabled=False)
    billing_address_collection: str | None = None
    currency: str = "usd"
    locale: str | None = None
    submit_type: str | None = None
    ui_mode: Literal["hosted_page"] = "hosted_page"


def _checked(book: Book, wish: SessionWish) -> tuple[list[Json], int]:
    """Return the prices that are asked for, and when the offer ends. Raises Refused."""
    prices = [book.get("price", each.price, param="line_items[0][price]") for each in wish.line_items]
    kind = "recurring" if wish.mode == "subscription" else "one_time"
    if not all(price["active"] for price in prices):
        inactive = "The price specified is inactive. This field only accepts active prices."
        raise Refused(inactive, param="line_items[0][price]")
    if not prices or any(price["type"] != kind for price in prices):
        raise Refused(f"In `{wish.mode}` mode, line items must have {kind} prices.", param="line_items")
    if wish.customer and wish.customer_email:
        raise Refused("You may only specify one of these parameters: customer, customer_email.", param="customer")
    if wish.customer:
        book.customer(wish.customer)
    for name in ("success_url", "cancel_url"):
        _check_url(getattr(wish, name), name)
    if wish.automatic_tax.enabled or wish.invoice_creation.enabled:
        raise Refused("The simulator has neither taxes nor invoices for single payments.", param="automatic_tax")
    now = book.now()
    expires = wish.expires_at or now + _LIFE_S
    if not _SHORTEST_S <= expires - now <= _LIFE_S + 5:
        raise Refused("The `expires_at` timestamp must be 30 minutes to 24 hours ahead.", param="expires_at")
    return prices, expires


def _create(book: Book, wish: SessionWish) -> Json:
    prices, expires = _checked(book, wish)
    made = [_item(price, each) for price, each in zip(prices, wish.line_items, strict=True)]
    total = sum(item["amount_total"] for item in made)
    session = book.add(
        "cs_test",
        "checkout.session",
        amount_subtotal=total,
        amount_total=total,
        automatic_tax={"enabled": False, "liability": None, "provider": None, "status": None},
        cancel_url=wish.cancel_url,
        client_reference_id=wish.client_reference_id,
        currency="usd",
        custom_fields=[],
        custom_text={"after_submit": None, "shipping_address": None, "submit": None},
        customer=wish.customer,
        customer_details={"email": wish.customer_email} if wish.customer_email else None,
        customer_email=wish.customer_email,
        expires_at=expires,
        invoice=None,
        metadata=dict(wish.metadata),
        mode=wish.mode,
        payment_intent=None,
        payment_method_types=wish.payment_method_types,
        payment_status="unpaid",
        shipping_options=[],
        status="open",
        subscription=None,
        success_url=wish.success_url,
        total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        ui_mode="hosted_page",
    )
    session["url"] = f"{book.base_url}/pay/{session['id']}"
    book.hidden[session["id"]] = {
        "line_items": made,
        "new_customer": wish.mode == "subscription" or wish.customer_creation == "always",
        "subscription_metadata": wish.subscription_data.metadata,
        "trial_days": wish.subscription_data.trial_period_days,
        "intent_metadata": wish.payment_intent_data.metadata,
        "description": wish.payment_intent_data.description,
    }
    return session


def _check_url(url: str | None, param: str) -> None:
    if url is not None and (urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname):
        raise Refused("Not a valid URL", code="url_invalid", param=param)


def _item(price: Json, wish: LineWish) -> Json:
    if wish.quantity < 1:
        raise Refused("This value must be greater than or equal to 1.", param="line_items[0][quantity]")
    amount = price["unit_amount"] * wish.quantity
    return {
        "id": new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": "usd",
        "description": price["nickname"],
        "discounts": [],
        "metadata": wish.metadata,
        "price": dict(price),
        "quantity": wish.quantity,
        "taxes": [],
    }


def line_items(book: Book, session: Json) -> list[Json]:
    """Return what a session sells: lists that Stripe hands out on demand only."""
    return book.hidden[session["id"]]["line_items"]


def opened(book: Book, name: str) -> Json:
    """Return a session that can still be paid. Raises Refused."""
    session = book.get("checkout.session", name)
    if session["status"] != "open":
        raise Refused(f"This Session is {session['status']}, not open.", code="checkout_session_not_open")
    return session


def pay(book: Book, name: str, *, later: bool = False, fails: str | None = None) -> bool:
    """Be the customer who pays: at once, or (`later`) by a bank that needs days. Return whether the session is over.

    Raises Refused.
    """
    session = opened(book, name)
    _know_customer(book, session)
    fails = fails or book.next_failure(session["customer"])
    done = _subscribe if session["mode"] == "subscription" else _take
    if not done(book, session, later=later, fails=fails):
        return False
    session.update(status="complete", url=None)
    book.emit("checkout.session.completed", session)
    return True


def _know_customer(book: Book, session: Json) -> None:
    if session["customer"] is None and book.hidden[session["id"]]["new_customer"]:
        email = session["customer_email"] or "someone@example.com"
        made = new_customer(book, CustomerWish(email=email))
        session["customer"] = made["id"]
    found = book.get("customer", session["customer"]) if session["customer"] else {"email": None, "name": None}
    email = found["email"] or session["customer_email"] or "someone@example.com"
    details = {"email": email, "name": found["name"], "address": None, "phone": None, "tax_exempt": "none"}
    session["customer_details"] = details


def _take(book: Book, session: Json, *, later: bool, fails: str | None) -> bool:
    asked = book.hidden[session["id"]]
    if session["payment_intent"]:
        intent = book.get("payment_intent", session["payment_intent"])
    else:
        intent = payments.open_intent(
            book,
            amount=session["amount_total"],
            customer=session["customer"],
            metadata=asked["intent_metadata"],
            description=asked["description"],
        )
        session["payment_intent"] = intent["id"]
    if later:
        book.change(intent, "payment_intent.processing", status="processing")
        return True
    taken = payments.attempt(book, intent, fails=fails)
    session["payment_status"] = "paid" if taken else "unpaid"
    return taken


def _subscribe(book: Book, session: Json, *, later: bool, fails: str | None) -> bool:
    if later:
        raise Refused("The simulator's subscriptions are paid at once.")
    if fails:
        return False
    asked = book.hidden[session["id"]]
    subscription = subscriptions.start(
        book,
        customer=session["customer"],
        prices=[(item["price"], item["quantity"]) for item in asked["line_items"]],
        metadata=asked["subscription_metadata"],
        trial_days=asked["trial_days"],
    )
    free = "no_payment_required" if asked["trial_days"] else "paid"
    session.update(subscription=subscription["id"], invoice=subscription["latest_invoice"], payment_status=free)
    return True


def settle_later(book: Book, name: str, *, paid: bool) -> Json:
    """Let the bank's answer to a payment made `later` come in. Raises Refused."""
    session = book.get("checkout.session", name)
    intent = book.objects.get(session["payment_intent"] or "", {"status": None})
    if session["status"] != "complete" or intent["status"] != "processing":
        raise Refused("There is no bank's answer to wait for.")
    payments.attempt(book, intent, fails=None if paid else "debit_not_authorized")
    session["payment_status"] = "paid" if paid else "unpaid"
    book.emit(f"checkout.session.async_payment_{'succeeded' if paid else 'failed'}", session)
    return session


def expire(book: Book, session: Json) -> None:
    """Close a session that nobody paid."""
    book.change(session, "checkout.session.expired", status="expired", url=None)


def catch_up(book: Book) -> None:
    """Expire what nobody paid in time."""
    for session in book.all("checkout.session", status="open"):
        if session["expires_at"] <= book.now():
            expire(book, session)


def _expire(book: Book, _: msgspec.Struct, name: str) -> Json:
    session = opened(book, name)
    expire(book, session)
    return session


def _update(book: Book, wish: "MetadataWish", name: str) -> Json:
    session = book.get("checkout.session", name)
    session["metadata"] = merged(session["metadata"], wish.metadata)
    return session


class MetadataWish(msgspec.Struct, forbid_unknown_fields=True):
    metadata: dict[str, str] | str | None = None


class PortalWish(msgspec.Struct, forbid_unknown_fields=True):
    customer: str
    return_url: str | None = None
    configuration: str | None = None
    locale: str | None = None
    flow_data: dict[str, Any] | None = None


def _portal(book: Book, wish: PortalWish) -> Json:
    book.customer(wish.customer)
    _check_url(wish.return_url, "return_url")
    session = book.add(
        "bps",
        "billing_portal.session",
        configuration=wish.configuration or new_id("bpc"),
        customer=wish.customer,
        flow=wish.flow_data,
        locale=wish.locale,
        on_behalf_of=None,
        return_url=wish.return_url,
    )
    session["url"] = f"{book.base_url}/portal/{session['id']}"
    return session


class CustomerWish(msgspec.Struct, forbid_unknown_fields=True):
    email: str | None = None
    name: str | None = None
    description: str | None = None
    phone: str | None = None
    metadata: dict[str, str] | str | None = None


def new_customer(book: Book, wish: CustomerWish) -> Json:
    """Make a customer who owes nothing."""
    made = book.add(
        "cus",
        "customer",
        address=None,
        balance=0,
        currency="usd",
        default_source=None,
        delinquent=False,
        description=wish.description,
        email=wish.email,
        invoice_settings={"custom_fields": None, "default_payment_method": None, "footer": None},
        metadata=merged({}, wish.metadata),
        name=wish.name,
        phone=wish.phone,
        preferred_locales=[],
        shipping=None,
        tax_exempt="none",
    )
    book.emit("customer.created", made)
    return made


def _change_customer(book: Book, wish: CustomerWish, name: str) -> Json:
    found = book.customer(name, param="id")
    said = {key: value for key, value in msgspec.to_builtins(wish).items() if value is not None}
    book.change(found, "customer.updated", **said | {"metadata": merged(found["metadata"], wish.metadata)})
    return found


def delete_customer(book: Book, name: str) -> Json:
    """Delete a customer: its subscriptions end, and it can pay for nothing more. Raises Refused."""
    found = book.customer(name, param="id")
    for each in book.all("subscription", customer=name):
        if each["status"] in subscriptions.LIVING:
            subscriptions.end(book, each, reason="cancellation_requested")
    book.emit("customer.deleted", found)
    book.objects[name] = {"id": name, "object": "customer", "deleted": True}
    return book.objects[name]


def _delete_customer(book: Book, _: msgspec.Struct, name: str) -> Json:
    return delete_customer(book, name)


ROUTES = (
    Route("POST", "customers", new_customer, CustomerWish),
    Route("POST", "customers/{}", _change_customer, CustomerWish),
    Route("DELETE", "customers/{}", _delete_customer),
    Route("POST", "checkout/sessions", _create, SessionWish),
    Route("POST", "checkout/sessions/{}", _update, MetadataWish),
    Route("POST", "checkout/sessions/{}/expire", _expire),
    Route("POST", "billing_portal/sessions", _portal, PortalWish),
)
