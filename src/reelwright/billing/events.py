"""Stripe's events: who signed them, what they are about, and which of them we act on."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import msgspec

from reelwright.billing.told import Told, name_of
from reelwright.ground.errors import Kind, Refusal

TOLERANCE_S = 300  # Stripe's own; we hold it in both directions


class SignatureWrong(Refusal):
    """What was sent isn't signed by Stripe for us, or not just now."""

    code = "payments.signature_wrong"


class EventUnreadable(Refusal):
    """What Stripe signed is no event."""

    code = "payments.event_unreadable"


class EventUnusable(Refusal):
    """What an event tells can't be right, so nothing is done about it until a person has looked."""

    kind = Kind.CONFLICT
    code = "payments.event_unusable"


class Family(StrEnum):
    """What is fetched again and reconciled for an event."""

    CHECKOUT = "checkout"
    SUBSCRIPTION = "subscription"
    INVOICE = "invoice"
    CHARGE = "charge"
    CUSTOMER = "customer"
    REVIEW = "review"


_TYPES = {
    Family.CHECKOUT: (
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.expired",
    ),
    Family.SUBSCRIPTION: (
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.pending_update_applied",
        "customer.subscription.pending_update_expired",
        "customer.subscription.trial_will_end",
    ),
    Family.INVOICE: (
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice.payment_failed",
        "invoice.payment_action_required",
        "invoice.marked_uncollectible",
        "invoice.voided",
    ),
    Family.CHARGE: (
        "charge.refunded",
        "refund.created",
        "refund.updated",
        "refund.failed",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
    ),
    Family.CUSTOMER: ("customer.deleted",),
    Family.REVIEW: ("radar.early_fraud_warning.created",),
}
FAMILIES = MappingProxyType({name: family for family, names in _TYPES.items() for name in names})
"""Every type that we act on. All others are stored, and ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. Events of the same `serial` are handled one after the other; `object_id` is what is fetched."""

    id: str
    type: str
    api_version: str | None
    created: datetime
    livemode: bool
    object_type: str
    object_id: str
    serial: str
    payload: str

    @property
    def family(self) -> Family | None:
        """What to do about it; None is nothing."""
        return FAMILIES.get(self.type)


def check_signature(raw: bytes, header: str | None, *, secrets: Sequence[str], now: datetime) -> None:
    """Make sure that Stripe signed this body for one of our secrets, within five minutes either way of `now`.

    The header is `t=<seconds>,v1=<hex>[,v1=<hex>…]`, the signature HMAC-SHA256 over `<t>.<body>`
    (docs.stripe.com/webhooks#verify-manually). Raises SignatureWrong.
    """
    pairs = [part.partition("=") for part in (header or "").split(",")]
    stamps = [value for name, _, value in pairs if name.strip() == "t"]
    given = [value.encode() for name, _, value in pairs if name.strip() == "v1"]
    if len(stamps) != 1 or not (stamps[0].isascii() and stamps[0].isdecimal()) or not given:
        raise SignatureWrong("Send Stripe's own Stripe-Signature header.", field="Stripe-Signature")
    signed = stamps[0].encode() + b"." + raw
    wanted = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode() for secret in secrets if secret]
    matches = [hmac.compare_digest(one, other) for one in wanted for other in given]
    if not any(matches):
        raise SignatureWrong("This is not signed with our webhook's secret.", field="Stripe-Signature")
    if abs(now.timestamp() - int(stamps[0])) > TOLERANCE_S:
        raise SignatureWrong("This was signed too long ago, or is from the future.", field="Stripe-Signature")


def parsed(raw: bytes) -> Event:
    """Read an event, or a thin notification of one. Only ids are taken from it. Raises EventUnreadable."""
    try:
        told = msgspec.json.decode(raw)
        return _notified(told, raw) if told.get("object") == "v2.core.event" else event_of(told, raw.decode())
    except (msgspec.MsgspecError, ArithmeticError, AttributeError, KeyError, OSError, TypeError, ValueError) as wrong:
        raise EventUnreadable("This is not an event of Stripe's.") from wrong


def event_of(told: Told, payload: str) -> Event:
    """Return a snapshot event as Stripe lists it. Raises KeyError, TypeError, ValueError."""
    return _event(
        told,
        told["data"]["object"],
        kind=_text(told["type"]),
        created=datetime.fromtimestamp(told["created"], UTC),
        payload=payload,
    )


def _notified(told: Told, raw: bytes) -> Event:
    """Return the event that a thin notification tells of: `v1.` before the type's name, and the object by its id."""
    related: Told = told["related_object"]
    return _event(
        told,
        {"object": related["type"], "id": related["id"]},
        kind=_text(told["type"]).removeprefix("v1."),
        created=datetime.fromisoformat(told["created"]),
        payload=raw.decode(),
    )


def _event(told: Told, about: Told, *, kind: str, created: datetime, payload: str) -> Event:
    """Say what is to be fetched, and after whom: everything about a charge by the charge, the rest by the customer."""
    object_type, object_id = _text(about["object"]), about.get("id") or told["id"]
    if FAMILIES.get(kind) is Family.CHARGE and object_type != "charge":
        object_id = name_of(about.get("charge")) or object_id
        serial = object_id
    elif object_type in {"charge", "customer"}:
        serial = object_id
    else:
        serial = name_of(about.get("customer")) or object_id
    return Event(
        id=_text(told["id"]),
        type=kind,
        api_version=told.get("api_version"),
        created=created,
        livemode=told.get("livemode") is True,
        object_type=object_type,
        object_id=_text(object_id),
        serial=_text(serial),
        payload=payload,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or "\x00" in value:
        raise TypeError(value)
    return value
