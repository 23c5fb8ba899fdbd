"""Subscriptions: begun at a checkout, changed with proration, renewed month by month, ended."""

import copy
from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from reelwright.dev.stripe import invoices, schedules
from reelwright.dev.stripe.book import Book, merged, new_id
from reelwright.dev.stripe.wire import Json, Refused, Route, listing

LIVING = frozenset({"trialing", "active", "past_due", "incomplete", "unpaid", "paused"})
_RENEWED = frozenset({"trialing", "active", "past_due"})
_DAY_S, _MONTHS = 86_400, 12
_INCOMPLETE_S = 23 * 3_600  # docs.stripe.com/billing/subscriptions/overview
_UPDATED = "customer.subscription.updated"
Proration = Literal["create_prorations", "always_invoice", "none"]


def month_after(anchor: int, start: int) -> int:
    """Return where the month that begins at `start` ends, counted from the anchor: a 31st stays a 31st."""
    first, at = datetime.fromtimestamp(anchor, UTC), datetime.fromtimestamp(start, UTC)
    months = (at.year - first.year) * _MONTHS + at.month - first.month + 1
    year, month = divmod(first.year * _MONTHS + first.month - 1 + months, _MONTHS)
    day = min(first.day, monthrange(year, month + 1)[1])
    return int(first.replace(year=year, month=month + 1, day=day).timestamp())


def items_of(subscription: Json) -> list[Json]:
    """Return the items, whose periods are the subscription's."""
    return subscription["items"]["data"]


def period_of(subscription: Json) -> tuple[int, int]:
    """Return the current period's start and end."""
    [item, *_] = items_of(subscription)
    return item["current_period_start"], item["current_period_end"]


def start(
    book: Book,
    *,
    customer: str,
    prices: Sequence[tuple[Json, int]],
    metadata: Json,
    trial_days: int = 0,
    fails: str | None = None,
) -> Json:
    """Begin a subscription to (price, quantity) and bill its first month, which leaves it incomplete where unpaid."""
    now = book.now()
    trial_end = now + trial_days * _DAY_S if trial_days else None
    subscription = book.add(
        "sub",
        "subscription",
        automatic_tax={"enabled": False, "liability": None},
        billing_cycle_anchor=trial_end or now,
        billing_mode={"type": "flexible", "flexible": {"proration_discounts": "included"}},
        billing_schedules=[],
        cancel_at=None,
        cancel_at_period_end=False,
        canceled_at=None,
        cancellation_details={"comment": None, "feedback": None, "reason": None},
        collection_method="charge_automatically",
        currency="usd",
        customer=customer,
        default_payment_method=new_id("pm"),
        discounts=[],
        ended_at=None,
        invoice_settings={"account_tax_ids": None, "issuer": {"type": "self"}},
        latest_invoice=None,
        metadata=dict(metadata),
        pause_collection=None,
        pending_update=None,
        schedule=None,
        start_date=now,
        status="trialing" if trial_end else "incomplete",
        test_clock=None,
        trial_end=trial_end,
        trial_start=now if trial_end else None,
    )
    ends = trial_end or month_after(now, now)
    made = [_item(book, subscription, price, quantity, (now, ends)) for price, quantity in prices]
    subscription["items"] = listing(f"/v1/subscription_items?subscription={subscription['id']}", made)
    lines = _cycle(book, subscription, free=bool(trial_end))
    invoice = invoices.bill(book, subscription, lines, reason="subscription_create", period=(now, now))
    book.emit("customer.subscription.created", subscription)
    invoices.collect(book, invoice, fails=fails)
    return subscription


def _item(book: Book, subscription: Json, price: Json, quantity: int, period: tuple[int, int]) -> Json:
    return {
        "id": new_id("si"),
        "object": "subscription_item",
        "created": book.now(),
        "current_period_start": period[0],
        "current_period_end": period[1],
        "discounts": [],
        "metadata": {},
        "plan": {"id": price["id"], "object": "plan", "amount": price["unit_amount"], "interval": "month"},
        "price": dict(price),
        "quantity": quantity,
        "subscription": subscription["id"],
        "tax_rates": [],
    }


def _cycle(book: Book, subscription: Json, *, free: bool = False) -> list[Json]:
    """Return the lines that pay for the current period."""
    return [
        invoices.line(
            book,
            subscription,
            item,
            price=item["price"],
            amount=0 if free else item["price"]["unit_amount"] * item["quantity"],
            period=(item["current_period_start"], item["current_period_end"]),
            proration=False,
        )
        for item in items_of(subscription)
    ]


class ItemWish(msgspec.Struct, forbid_unknown_fields=True):
    id: str | None = None
    price: str | None = None
    quantity: int | None = None


class AnchorWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["now", "unchanged"]


class CancellationWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    comment: str | None = None
    feedback: str | None = None


class UpdateWish(msgspec.Struct, forbid_unknown_fields=True):
    """What can change in a subscription. `cancel_at` is Unix seconds, "" for never."""

    items: list[ItemWish] = []
    metadata: dict[str, str] | str | None = None
    cancel_at_period_end: bool | None = None
    cancel_at: int | str | None = None
    cancellation_details: CancellationWish = CancellationWish()
    proration_behavior: Proration = "create_prorations"
    proration_date: int | None = None
    payment_behavior: Literal["allow_incomplete", "error_if_incomplete"] = "allow_incomplete"
    billing_cycle_anchor: AnchorWish = AnchorWish("unchanged")
    trial_end: int | Literal["now"] | None = None
    description: str | None = None
    off_session: bool | None = None


def update(book: Book, wish: UpdateWish, name: str) -> Json:
    """Change a subscription: prices (prorated as wished), when it ends, its metadata. Raises Refused."""
    subscription = book.get("subscription", name)
    if subscription["status"] not in LIVING:
        if wish.items or wish.cancel_at_period_end is not None or wish.cancel_at is not None:
            raise Refused("A canceled subscription can only update its cancellation_details and metadata.")
        book.change(subscription, None, metadata=merged(subscription["metadata"], wish.metadata))
        return subscription
    changed, ending = _changes(book, subscription, wish.items), _ending(book, subscription, wish)
    if wish.payment_behavior == "error_if_incomplete" and changed and book.failing.get(subscription["customer"]):
        book.next_failure(subscription["customer"])
        raise Refused("Your card was declined.", status=402, kind="card_error", code="card_declined")
    lines = [] if wish.proration_behavior == "none" else _prorations(book, subscription, changed, wish.proration_date)
    before = {"items": listing(subscription["items"]["url"], [dict(item) for item, *_ in changed])} if changed else {}
    for item, price, quantity in changed:
        item.update(price=dict(price), quantity=quantity)
        item["plan"] = {**item["plan"], "id": price["id"], "amount": price["unit_amount"]}
    fields = ending | {"metadata": merged(subscription["metadata"], wish.metadata)}
    before |= {key: subscription[key] for key, value in fields.items() if subscription[key] != value}
    subscription.update(fields)
    if before:
        book.emit(_UPDATED, subscription, previous=before)
    if wish.billing_cycle_anchor.type == "now" or wish.trial_end == "now":
        _begin_anew(book, subscription, lines)
    elif wish.proration_behavior == "always_invoice" and lines:
        _bill(book, subscription, lines, "subscription_update", (book.now(), book.now()))
    elif lines:
        book.pending.setdefault(name, []).extend(lines)
    return subscription


def _changes(book: Book, subscription: Json, wanted: Sequence[ItemWish]) -> list[tuple[Json, Json, int]]:
    """Return (item, new price, new quantity) for each that changes. Raises Refused."""
    by_id = {item["id"]: item for item in items_of(subscription)}
    found: list[tuple[Json, Json, int]] = []
    for each in wanted:
        if each.id not in by_id:
            raise Refused(
                f"Items can only be changed here, not added: no such item: '{each.id}'",
                code="resource_missing",
                param="items",
            )
        item = by_id[each.id]
        price = book.get("price", each.price, param="items[0][price]") if each.price else item["price"]
        if price["type"] != "recurring":
            raise Refused("The price specified is set to `type=one_time`; subscriptions need `type=recurring`.")
        quantity = item["quantity"] if each.quantity is None else each.quantity
        if (price["id"], quantity) != (item["price"]["id"], item["quantity"]):
            found.append((item, price, quantity))
    return found


def _prorations(
    book: Book, subscription: Json, changed: Sequence[tuple[Json, Json, int]], at: int | None
) -> list[Json]:
    """Return what is given back for the time not used and what the same time costs now, by the second."""
    if subscription["status"] == "trialing":
        return []
    begins, ends = period_of(subscription)
    now = min(max(at or book.now(), begins), ends)
    lines: list[Json] = []
    for item, price, quantity in changed:
        for charged, units, sign in ((item["price"], item["quantity"], -1), (price, quantity, 1)):
            amount = sign * round(charged["unit_amount"] * units * (ends - now) / (ends - begins))
            lines.append(
                invoices.line(
                    book, subscription, item, price=charged, amount=amount, period=(now, ends), proration=True
                )
            )
    return lines


def _ending(book: Book, subscription: Json, wish: UpdateWish) -> Json:
    fields: Json = {}
    if subscription["schedule"] and (wish.cancel_at_period_end or wish.cancel_at):
        raise Refused(
            f"The subscription is managed by the subscription schedule `{subscription['schedule']}`, and updating any "
            "cancelation behavior directly is not allowed. Please update the schedule instead.",
            param="cancel_at_period_end",
        )
    _, ends = period_of(subscription)
    if wish.cancel_at_period_end is not None:
        fields = {"cancel_at_period_end": wish.cancel_at_period_end, "cancel_at": None, "canceled_at": None}
        if wish.cancel_at_period_end:
            fields |= {"cancel_at": ends, "canceled_at": subscription["canceled_at"] or book.now()}
    elif wish.cancel_at is not None:
        fields = {"cancel_at": wish.cancel_at or None, "cancel_at_period_end": False}
        fields["canceled_at"] = book.now() if wish.cancel_at else None
    if fields:
        said: dict[str, Any] = {**msgspec.to_builtins(wish.cancellation_details), "reason": None}
        said["reason"] = "cancellation_requested" if fields["cancel_at"] else None
        fields["cancellation_details"] = said
    return fields


def _begin_anew(book: Book, subscription: Json, prorations: Sequence[Json]) -> None:
    """Let a new month begin now: of two proration lines, what was not used is given back and the new one is whole."""
    now = book.now()
    credit = [each for each in prorations if each["amount"] < 0]
    for item in items_of(subscription):
        item.update(current_period_start=now, current_period_end=month_after(now, now))
    ended = {"trial_end": now, "status": "active"} if subscription["status"] == "trialing" else {}
    book.change(subscription, _UPDATED, billing_cycle_anchor=now, **ended)
    _bill(book, subscription, [*credit, *_cycle(book, subscription)], "subscription_update", (now, now))


def _bill(book: Book, subscription: Json, lines: Sequence[Json], reason: str, period: tuple[int, int]) -> None:
    invoices.collect(book, invoices.bill(book, subscription, lines, reason=reason, period=period))


class CancelWish(msgspec.Struct, forbid_unknown_fields=True):
    """A cancellation gives nothing back here, unless `prorate`: then the customer is owed the time not used."""

    cancellation_details: CancellationWish = CancellationWish()
    invoice_now: bool = False
    prorate: bool = False


def cancel(book: Book, wish: CancelWish, name: str) -> Json:
    """End a subscription at once. Raises Refused."""
    subscription = book.get("subscription", name)
    if subscription["status"] not in LIVING:
        raise Refused(f"No such subscription: '{name}'", status=404, code="resource_missing", param="id")
    if wish.prorate:
        begins, ends = period_of(subscription)
        left = max(0, ends - max(book.now(), begins)) / (ends - begins)
        customer = book.get("customer", subscription["customer"])
        worth = sum(item["price"]["unit_amount"] * item["quantity"] for item in items_of(subscription))
        book.change(customer, "customer.updated", balance=customer["balance"] - round(worth * left))
    said = msgspec.to_builtins(wish.cancellation_details)
    end(book, subscription, reason="cancellation_requested", **said)
    return subscription


def end(book: Book, subscription: Json, *, reason: str, **said: str | None) -> None:
    """Be over, and tell so."""
    book.pending.pop(subscription["id"], None)
    schedules.drop(book, subscription)
    subscription.update(
        status="canceled",
        ended_at=book.now(),
        canceled_at=subscription["canceled_at"] or book.now(),
        cancellation_details={"comment": None, "feedback": None, **said, "reason": reason},
    )
    book.emit("customer.subscription.deleted", subscription)


def _resume(book: Book, _: msgspec.Struct, name: str) -> Json:
    subscription = book.get("subscription", name)
    if subscription["status"] != "paused":
        raise Refused(f"Only paused subscriptions can be resumed; this one is {subscription['status']}.")
    subscription["status"] = "active"
    book.emit("customer.subscription.resumed", subscription)
    _begin_anew(book, subscription, [])
    return subscription


def pause(book: Book, subscription: Json) -> None:
    """Stop it, as Stripe does where a trial ends without a card."""
    subscription["status"] = "paused"
    book.emit("customer.subscription.paused", subscription)


def renew(book: Book, subscription: Json) -> None:
    """Let the current period end now: another month is billed, or the subscription is over."""
    _, now = period_of(subscription)
    ending = subscription["cancel_at"]
    if ending is not None and ending <= now:
        end(book, subscription, reason=subscription["cancellation_details"]["reason"] or "cancellation_requested")
        return
    previous = copy.deepcopy({name: subscription[name] for name in ("items", "latest_invoice", "status")})
    schedules.enter_phase(book, subscription)
    before, anchor = period_of(subscription), subscription["billing_cycle_anchor"]
    for item in items_of(subscription):
        item.update(current_period_start=now, current_period_end=month_after(anchor, now))
    lines = [*book.pending.pop(subscription["id"], []), *_cycle(book, subscription)]
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
    invoice = invoices.bill(book, subscription, lines, reason="subscription_cycle", period=before)
    book.emit(_UPDATED, subscription, previous=previous)
    invoices.collect(book, invoice)


def catch_up(book: Book) -> None:
    """Do what is due by now, in the order in which it was: renewals, ends, payments tried again."""
    while due := min(_due(book), default=None, key=lambda each: each[0]):
        instant, _, thing = due
        with book.at(instant):
            if thing["object"] == "invoice":
                _retry(book, thing)
            elif thing["status"] == "incomplete":
                _lapse(book, thing)
            elif instant < period_of(thing)[1]:
                end(book, thing, reason="cancellation_requested")
            else:
                renew(book, thing)


def _due(book: Book) -> list[tuple[int, str, Json]]:
    now, found = book.now(), list[tuple[int, str, Json]]()
    for each in book.all("subscription"):
        if each["status"] in _RENEWED:
            instant = min(period_of(each)[1], each["cancel_at"] or period_of(each)[1])
            found += [(instant, each["id"], each)] * (instant <= now)
        elif each["status"] == "incomplete":
            instant = each["created"] + _INCOMPLETE_S
            found += [(instant, each["id"], each)] * (instant <= now)
    for each in book.all("invoice", status="open"):
        again = each["next_payment_attempt"]
        found += [(again, each["id"], each)] * (again is not None and again <= now)
    return found


def _lapse(book: Book, subscription: Json) -> None:
    """Give up a subscription whose first invoice was never paid."""
    invoice = book.get("invoice", subscription["latest_invoice"])
    if invoice["status"] == "open":
        book.change(invoice, "invoice.voided", status="void", next_payment_attempt=None)
    book.change(subscription, _UPDATED, status="incomplete_expired", ended_at=book.now())


def _retry(book: Book, invoice: Json) -> None:
    subscription = book.get("subscription", invoice["parent"]["subscription_details"]["subscription"])
    paid = subscription["status"] in LIVING and invoices.collect(book, invoice)
    if not paid and invoice["next_payment_attempt"] is None and subscription["status"] in LIVING:
        end(book, subscription, reason="payment_failed")
    elif subscription["status"] not in LIVING:
        invoice["next_payment_attempt"] = None


ROUTES = (
    Route("POST", "subscriptions/{}", update, UpdateWish),
    Route("DELETE", "subscriptions/{}", cancel, CancelWish),
    Route("POST", "subscriptions/{}/resume", _resume),
)
