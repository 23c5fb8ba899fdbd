"""Subscription schedules: what a subscription's items become when a phase begins. Ours change prices, no more."""

from typing import Literal

import msgspec

from reelwright.dev.stripe.book import Book
from reelwright.dev.stripe.wire import Json, Refused, Route

_LIVING = ("active", "not_started")


class ItemWish(msgspec.Struct, forbid_unknown_fields=True):
    price: str
    quantity: int = 1


class DurationWish(msgspec.Struct, forbid_unknown_fields=True):
    interval: Literal["month"]
    interval_count: int = 1


class PhaseWish(msgspec.Struct, forbid_unknown_fields=True):
    """A phase begins where the one before ends; instants are Unix seconds."""

    items: list[ItemWish]
    start_date: int | Literal["now"] | None = None
    end_date: int | None = None
    duration: DurationWish | None = None
    proration_behavior: str | None = None
    metadata: dict[str, str] = {}


class CreateWish(msgspec.Struct, forbid_unknown_fields=True):
    from_subscription: str


class UpdateWish(msgspec.Struct, forbid_unknown_fields=True):
    phases: list[PhaseWish] = []
    end_behavior: Literal["release", "cancel"] | None = None
    proration_behavior: str | None = None
    metadata: dict[str, str] = {}


class ReleaseWish(msgspec.Struct, forbid_unknown_fields=True):
    preserve_cancel_date: bool | None = None


def _create(book: Book, wish: CreateWish) -> Json:
    subscription = book.get("subscription", wish.from_subscription, param="from_subscription")
    if subscription["schedule"]:
        raise Refused(
            f"You cannot migrate a subscription that is already attached to a schedule: {subscription['schedule']}.",
            param="from_subscription",
        )
    if subscription["status"] not in {"active", "trialing", "past_due"} or subscription["cancel_at"]:
        raise Refused("A subscription that ends can't be scheduled.", param="from_subscription")
    items = subscription["items"]["data"]
    begins, ends = items[0]["current_period_start"], items[0]["current_period_end"]
    made = book.add(
        "sub_sched",
        "subscription_schedule",
        canceled_at=None,
        completed_at=None,
        current_phase={"start_date": begins, "end_date": ends},
        customer=subscription["customer"],
        end_behavior="release",
        phases=[_phase([ItemWish(item["price"]["id"], item["quantity"]) for item in items], begins, ends)],
        released_at=None,
        released_subscription=None,
        status="active",
        subscription=subscription["id"],
    )
    subscription["schedule"] = made["id"]
    book.emit("subscription_schedule.created", made)
    return made


def _phase(items: list[ItemWish], begins: int, ends: int) -> Json:
    shown = [{"price": item.price, "quantity": item.quantity, "metadata": {}, "tax_rates": []} for item in items]
    return {"items": shown, "start_date": begins, "end_date": ends, "currency": "usd", "metadata": {}}


def _update(book: Book, wish: UpdateWish, name: str) -> Json:
    schedule = _living(book, name)
    phases, after = list[Json](), schedule["current_phase"]["start_date"]
    for number, each in enumerate(wish.phases):
        for place, item in enumerate(each.items):
            book.get("price", item.price, param=f"phases[{number}][items][{place}][price]")
        begins = each.start_date if isinstance(each.start_date, int) else after
        if begins != after:
            raise Refused("A phase must begin where the one before it ends.", param="phases")
        months = each.duration.interval_count if each.duration else 1
        after = each.end_date or begins + months * 31 * 86_400
        phases.append(_phase(each.items, begins, after))
    fields = {"phases": phases or schedule["phases"], "end_behavior": wish.end_behavior or schedule["end_behavior"]}
    book.change(schedule, "subscription_schedule.updated", **fields)
    return schedule


def _living(book: Book, name: str) -> Json:
    schedule = book.get("subscription_schedule", name)
    if schedule["status"] not in _LIVING:
        raise Refused(f"This subscription schedule is {schedule['status']}, and can't be changed any more.")
    return schedule


def _release(book: Book, _: ReleaseWish, name: str) -> Json:
    schedule = _living(book, name)
    let_go(book, schedule)
    return schedule


def let_go(book: Book, schedule: Json) -> None:
    """Leave the subscription as it is now."""
    subscription = book.get("subscription", schedule["subscription"])
    subscription["schedule"] = None
    schedule.update(
        status="released",
        released_at=book.now(),
        released_subscription=subscription["id"],
        subscription=None,
        current_phase=None,
    )
    book.emit("subscription_schedule.released", schedule)


def enter_phase(book: Book, subscription: Json) -> None:
    """Give a subscription whose period ends now the prices of the phase that begins."""
    if not subscription["schedule"]:
        return
    schedule = book.get("subscription_schedule", subscription["schedule"])
    coming = [each for each in schedule["phases"] if each["start_date"] > schedule["current_phase"]["start_date"]]
    if not coming:
        let_go(book, schedule)
    elif coming[0]["start_date"] <= book.now():
        phase = coming[0]
        for item, wanted in zip(subscription["items"]["data"], phase["items"], strict=False):
            price = book.get("price", wanted["price"])
            item.update(price=dict(price), quantity=wanted["quantity"])
            item["plan"] = {**item["plan"], "id": price["id"], "amount": price["unit_amount"]}
        schedule["current_phase"] = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
        book.emit("subscription_schedule.updated", schedule)


def drop(book: Book, subscription: Json) -> None:
    """Be over with a subscription that is."""
    if subscription["schedule"]:
        schedule = book.get("subscription_schedule", subscription["schedule"])
        schedule.update(status="canceled", canceled_at=book.now(), current_phase=None)
        book.emit("subscription_schedule.canceled", schedule)


ROUTES = (
    Route("POST", "subscription_schedules", _create, CreateWish),
    Route("POST", "subscription_schedules/{}", _update, UpdateWish),
    Route("POST", "subscription_schedules/{}/release", _release, ReleaseWish),
)
