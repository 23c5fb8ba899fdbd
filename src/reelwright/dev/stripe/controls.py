"""What only the simulator has, below `/_sim/` (JSON in and out): being the customer, the bank and the time."""

import msgspec

from reelwright.dev.stripe import checkout, payments, subscriptions
from reelwright.dev.stripe.book import Book
from reelwright.dev.stripe.wire import Json, Refused, Route

_TRIAL_WARNING_S = 3 * 86_400


class AdvanceWish(msgspec.Struct, forbid_unknown_fields=True):
    periods: int = 1


def advance(book: Book, wish: AdvanceWish, name: str) -> Json:
    """Let a subscription's period end now, as it will: everything is dated there. Raises Refused."""
    subscription = book.get("subscription", name)
    for _ in range(wish.periods):
        if subscription["status"] not in {"trialing", "active", "past_due"}:
            raise Refused(f"The subscription is {subscription['status']}.")
        with book.at(subscriptions.period_of(subscription)[1]):
            subscriptions.renew(book, subscription)
    return subscription


class ClockWish(msgspec.Struct, forbid_unknown_fields=True):
    advance_s: int


def move_clock(book: Book, wish: ClockWish) -> Json:
    """Let time pass for everything, never back."""
    if wish.advance_s < 0:
        raise Refused("Time passes forward only.", param="advance_s")
    book.ahead_s += wish.advance_s
    catch_up(book)
    return {"now": book.now()}


def catch_up(book: Book) -> None:
    """Do what is due by now."""
    checkout.catch_up(book)
    _tell_of_trials(book)
    subscriptions.catch_up(book)


def _tell_of_trials(book: Book) -> None:
    """Tell once, three days before a trial ends, or at once where it is shorter."""
    for each in book.all("subscription", status="trialing"):
        if each["trial_end"] - _TRIAL_WARNING_S <= book.now() and each["id"] not in book.hidden:
            book.hidden[each["id"]] = {"told_of_trial": True}
            book.emit("customer.subscription.trial_will_end", each)


class FailWish(msgspec.Struct, forbid_unknown_fields=True):
    """`code` is a decline code, or authentication_required: then the customer must confirm."""

    code: str = "generic_decline"
    times: int = 1


def fail_next(book: Book, wish: FailWish, name: str) -> Json:
    """Let a customer's next payments fail. Raises Refused."""
    book.customer(name)
    book.failing[name] = [wish.code] * wish.times
    return {"customer": name, "failing": book.failing[name]}


class PayWish(msgspec.Struct, forbid_unknown_fields=True):
    later: bool = False
    fails: str | None = None


def _pay(book: Book, wish: PayWish, name: str) -> Json:
    checkout.pay(book, name, later=wish.later, fails=wish.fails)
    return book.get("checkout.session", name)


class SettleWish(msgspec.Struct, forbid_unknown_fields=True):
    paid: bool = True


def _settle(book: Book, wish: SettleWish, name: str) -> Json:
    return checkout.settle_later(book, name, paid=wish.paid)


def _fail_refund(book: Book, _: msgspec.Struct, name: str) -> Json:
    return payments.fail_refund(book, book.get("refund", name))


class DisputeWish(msgspec.Struct, forbid_unknown_fields=True):
    inquiry: bool = False
    amount: int | None = None


def _dispute(book: Book, wish: DisputeWish, name: str) -> Json:
    return payments.dispute(book, book.get("charge", name), inquiry=wish.inquiry, amount=wish.amount)


class OutcomeWish(msgspec.Struct, forbid_unknown_fields=True):
    outcome: str


def _close_dispute(book: Book, wish: OutcomeWish, name: str) -> Json:
    return payments.close_dispute(book, book.get("dispute", name), outcome=wish.outcome)


def _warn(book: Book, _: msgspec.Struct, name: str) -> Json:
    charge = book.get("charge", name)
    warning = book.add(
        "issfr",
        "radar.early_fraud_warning",
        actionable=True,
        charge=name,
        fraud_type="made_with_stolen_card",
        payment_intent=charge["payment_intent"],
    )
    book.emit("radar.early_fraud_warning.created", warning)
    return warning


def _pause(book: Book, _: msgspec.Struct, name: str) -> Json:
    subscription = book.get("subscription", name)
    subscriptions.pause(book, subscription)
    return subscription


def _trial_ends_soon(book: Book, _: msgspec.Struct, name: str) -> Json:
    subscription = book.get("subscription", name)
    book.emit("customer.subscription.trial_will_end", subscription)
    return subscription


ROUTES = (
    Route("POST", "clock", move_clock, ClockWish),
    Route("POST", "subscriptions/{}/advance", advance, AdvanceWish),
    Route("POST", "subscriptions/{}/pause", _pause),
    Route("POST", "subscriptions/{}/trial_will_end", _trial_ends_soon),
    Route("POST", "customers/{}/fail_next", fail_next, FailWish),
    Route("POST", "checkout/{}/pay", _pay, PayWish),
    Route("POST", "checkout/{}/settle", _settle, SettleWish),
    Route("POST", "refunds/{}/fail", _fail_refund),
    Route("POST", "charges/{}/dispute", _dispute, DisputeWish),
    Route("POST", "charges/{}/warn", _warn),
    Route("POST", "disputes/{}/close", _close_dispute, OutcomeWish),
)
