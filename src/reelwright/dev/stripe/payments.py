"""Payments and what becomes of them: intents, charges, refunds, disputes."""

from typing import Any

import msgspec

from reelwright.dev.stripe.book import Book, merged, new_id
from reelwright.dev.stripe.wire import Json, Refused, Route

NEEDS_ACTION = "authentication_required"
_EVIDENCE_DAYS, _DAY_S = 7, 86_400
_OPEN_DISPUTE = {"needs_response", "under_review", "warning_needs_response", "warning_under_review"}
_OUTCOMES = ("won", "lost", "warning_closed")


def open_intent(book: Book, *, amount: int, customer: str | None, metadata: Json, description: str) -> Json:
    """Make a payment of so many cents that nobody has tried to take yet."""
    intent = book.add(
        "pi",
        "payment_intent",
        amount=amount,
        amount_capturable=0,
        amount_received=0,
        capture_method="automatic_async",
        confirmation_method="automatic",
        currency="usd",
        customer=customer,
        description=description,
        last_payment_error=None,
        latest_charge=None,
        metadata=dict(metadata),
        next_action=None,
        payment_method=None,
        payment_method_types=["card"],
        status="requires_payment_method",
    )
    intent["client_secret"] = f"{intent['id']}_secret_{new_id('s')[2:]}"
    book.emit("payment_intent.created", intent)
    return intent


def attempt(book: Book, intent: Json, *, fails: str | None = None) -> bool:
    """Try to take the money; `fails` is a decline code, or that the customer must confirm. Return whether it came."""
    if fails == NEEDS_ACTION:
        action = {"type": "redirect_to_url", "redirect_to_url": {"url": book.base_url + "/", "return_url": None}}
        book.change(intent, "payment_intent.requires_action", status="requires_action", next_action=action)
        return False
    charge = _charge(book, intent, fails)
    if fails:
        error = {
            "type": "card_error",
            "code": "card_declined",
            "decline_code": fails,
            "message": "Your card was declined.",
            "charge": charge["id"],
        }
        intent.update(status="requires_payment_method", last_payment_error=error, latest_charge=charge["id"])
        book.emit("charge.failed", charge)
        book.emit("payment_intent.payment_failed", intent)
        return False
    intent.update(
        status="succeeded",
        amount_received=intent["amount"],
        latest_charge=charge["id"],
        last_payment_error=None,
        next_action=None,
        payment_method=charge["payment_method"],
    )
    book.emit("charge.succeeded", charge)
    book.emit("payment_intent.succeeded", intent)
    return True


def _charge(book: Book, intent: Json, fails: str | None) -> Json:
    card = {"brand": "visa", "country": "US", "exp_month": 12, "exp_year": 2040, "funding": "credit", "last4": "4242"}
    return book.add(
        "ch",
        "charge",
        amount=intent["amount"],
        amount_captured=0 if fails else intent["amount"],
        amount_refunded=0,
        balance_transaction=None,
        billing_details={"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
        captured=not fails,
        currency="usd",
        customer=intent["customer"],
        description=intent["description"],
        disputed=False,
        failure_code="card_declined" if fails else None,
        failure_message="Your card was declined." if fails else None,
        metadata=dict(intent["metadata"]),
        outcome={"type": "issuer_declined" if fails else "authorized", "reason": fails, "risk_level": "normal"},
        paid=not fails,
        payment_intent=intent["id"],
        payment_method=new_id("pm"),
        payment_method_details={"type": "card", "card": card},
        receipt_url=None,
        refunded=False,
        status="failed" if fails else "succeeded",
    )


class RefundWish(msgspec.Struct, forbid_unknown_fields=True):
    """`amount` in cents; without it all that is left."""

    charge: str | None = None
    payment_intent: str | None = None
    amount: int | None = None
    reason: str | None = None
    metadata: dict[str, str] | str | None = None


def refund(book: Book, wish: RefundWish) -> Json:
    """Give money back. Raises Refused for more than is left."""
    if wish.charge:
        charge = book.get("charge", wish.charge, param="charge")
    elif wish.payment_intent:
        intent = book.get("payment_intent", wish.payment_intent, param="payment_intent")
        if intent["status"] != "succeeded":
            raise Refused(
                "This PaymentIntent does not have a successful charge to refund.",
                code="payment_intent_unexpected_state",
                param="payment_intent",
            )
        charge = book.get("charge", intent["latest_charge"])
    else:
        raise Refused("One of the following params should be provided: payment_intent, charge.", param="charge")
    if charge["disputed"]:
        raise Refused(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = left if wish.amount is None else wish.amount
    if not left:
        raise Refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if not 0 < amount <= left:
        raise Refused(
            f"Refund amount (${amount / 100:.2f}) is greater than unrefunded amount on charge (${left / 100:.2f})",
            param="amount",
        )
    made = book.add(
        "re",
        "refund",
        amount=amount,
        balance_transaction=None,
        charge=charge["id"],
        currency="usd",
        failure_reason=None,
        metadata=merged({}, wish.metadata),
        payment_intent=charge["payment_intent"],
        reason=wish.reason,
        status="succeeded",
    )
    book.emit("refund.created", made)
    _count_refunded(book, charge, amount)
    return made


def _count_refunded(book: Book, charge: Json, amount: int) -> None:
    total = charge["amount_refunded"] + amount
    event = "charge.refunded" if amount > 0 else "charge.updated"
    book.change(charge, event, amount_refunded=total, refunded=total == charge["amount_captured"])


def fail_refund(book: Book, refunded: Json) -> Json:
    """Let a refund that looked well come back, as banks do days later. Raises Refused."""
    if refunded["status"] != "succeeded":
        raise Refused(f"Refund {refunded['id']} is {refunded['status']}.")
    refunded.update(status="failed", failure_reason="expired_or_canceled_card")
    charge = book.get("charge", refunded["charge"])
    _count_refunded(book, charge, -refunded["amount"])
    for event in ("refund.failed", "refund.updated", "charge.refund.updated"):
        book.emit(event, refunded)
    return refunded


def dispute(book: Book, charge: Json, *, inquiry: bool = False, amount: int | None = None) -> Json:
    """Let the customer's bank take a payment back; an inquiry only asks, and moves nothing. Raises Refused."""
    if charge["disputed"] or charge["status"] != "succeeded":
        raise Refused(f"Charge {charge['id']} can't be disputed now.")
    due = book.now() + _EVIDENCE_DAYS * _DAY_S
    made = book.add(
        "du",
        "dispute",
        amount=amount or charge["amount"],
        balance_transactions=[],
        charge=charge["id"],
        currency="usd",
        enhanced_eligibility_types=[],
        evidence={"enhanced_evidence": {}},
        evidence_details={
            "due_by": due,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        is_charge_refundable=inquiry,
        payment_intent=charge["payment_intent"],
        reason="fraudulent",
        status="warning_needs_response" if inquiry else "needs_response",
    )
    book.change(charge, "charge.updated", disputed=not inquiry)
    book.emit("charge.dispute.created", made)
    if not inquiry:
        book.emit("charge.dispute.funds_withdrawn", made)
    return made


def close_dispute(book: Book, disputed: Json, *, outcome: str) -> Json:
    """Decide a dispute: won, lost or warning_closed. Raises Refused."""
    inquiry = disputed["status"].startswith("warning_")
    if disputed["status"] not in _OPEN_DISPUTE or outcome not in _OUTCOMES or inquiry != (outcome == "warning_closed"):
        raise Refused(f"Dispute {disputed['id']} is {disputed['status']} and can't become {outcome}.")
    disputed["status"] = outcome
    if outcome == "won":
        book.emit("charge.dispute.funds_reinstated", disputed)
    book.emit("charge.dispute.closed", disputed)
    return disputed


class EvidenceWish(msgspec.Struct, forbid_unknown_fields=True):
    """What we say against a dispute; it is kept and nobody reads it."""

    evidence: dict[str, str] = {}
    metadata: dict[str, str] | str | None = None
    submit: bool = True


def _answer_dispute(book: Book, wish: EvidenceWish, name: str) -> Json:
    found = book.get("dispute", name)
    if found["status"] not in _OPEN_DISPUTE:
        raise Refused("This dispute is already closed.")
    status = found["status"].replace("needs_response", "under_review") if wish.submit else found["status"]
    kept: dict[str, Any] = {"evidence": found["evidence"] | wish.evidence}
    book.change(
        found, "charge.dispute.updated", status=status, metadata=merged(found["metadata"], wish.metadata), **kept
    )
    return found


def _concede(book: Book, _: msgspec.Struct, name: str) -> Json:
    return close_dispute(book, book.get("dispute", name), outcome="lost")


ROUTES = (
    Route("POST", "refunds", refund, RefundWish),
    Route("POST", "disputes/{}", _answer_dispute, EvidenceWish),
    Route("POST", "disputes/{}/close", _concede),
)
