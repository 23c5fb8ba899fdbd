"""Stripe's events: whose signature counts, what is read from them, and what is done about which type."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from reelwright.billing import (
    FAMILIES,
    EventUnreadable,
    Family,
    SignatureWrong,
    check_signature,
    parsed,
    review_since,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BODY = b'{"id":"evt_1","object":"event"}'
SECRET, NEXT = "whsec_present", "whsec_next"


def signed(body: bytes = BODY, secret: str = SECRET, *, at: datetime = NOW) -> str:
    return stripe.WebhookSignature.generate_signature_header(body.decode(), secret, int(at.timestamp()))


def accepted(header: str | None, *, body: bytes = BODY, secrets: tuple[str, ...] = (SECRET, NEXT)) -> bool:
    try:
        check_signature(body, header, secrets=secrets, now=NOW)
    except SignatureWrong:
        return False
    return True


def test_w1_either_secret_is_taken_and_no_other() -> None:
    assert accepted(signed())
    assert accepted(signed(secret=NEXT))
    assert not accepted(signed(secret="whsec_other"))
    assert not accepted(signed(), secrets=())
    assert not accepted(signed(secret=""), secrets=("",))


@pytest.mark.parametrize("shift", [-301, 301])
def test_w1_a_time_too_far_off_is_refused_both_ways(shift: int) -> None:
    """Stripe's own check lets a signature from the future pass."""
    assert not accepted(signed(at=NOW + timedelta(seconds=shift)))
    assert accepted(signed(at=NOW + timedelta(seconds=shift // 301 * 300)))


def test_w1_any_of_several_signatures_is_enough() -> None:
    """While a secret is rolled, Stripe signs with both."""
    stamp, _, good = signed().partition(",")
    bad = "v1=" + "0" * 64
    assert accepted(f"{stamp},{bad},{good}")
    assert accepted(f"{stamp},{good},{bad}")
    assert not accepted(f"{stamp},{bad}")
    assert not accepted(f"{stamp},{good.replace('v1=', 'v0=')}")


def test_w1_a_body_written_anew_is_another_body() -> None:
    assert not accepted(signed(), body=json.dumps(json.loads(BODY)).encode())


@pytest.mark.parametrize("header", [None, "", "t=", "v1=00", "t=x,v1=00", "t=-1,v1=00", "t=1,t=2,v1=00", "t=٣,v1=00"])
def test_w1_a_header_that_is_none_is_refused(header: str | None) -> None:
    assert not accepted(header)


@given(body=st.binary(max_size=60), secret=st.sampled_from([SECRET, NEXT, "whsec_other"]), cut=st.booleans())
def test_what_we_take_stripes_own_checker_takes(body: bytes, secret: str, *, cut: bool) -> None:
    text = body.decode("latin-1")
    header = stripe.WebhookSignature.generate_signature_header(text, secret, int(NOW.timestamp()))
    header = header[:-1] if cut else header
    taken = False
    for one in (SECRET, NEXT):
        try:
            taken |= stripe.WebhookSignature.verify_header(text, header, one, tolerance=None)
        except stripe.SignatureVerificationError:
            continue
    assert accepted(header, body=text.encode()) == taken


def told(kind: str, about: dict[str, object], **more: object) -> bytes:
    event = {"id": "evt_1", "object": "event", "type": kind, "created": 1_763_726_400, "livemode": False}
    return json.dumps(event | {"data": {"object": about}} | more).encode()


def test_everything_of_a_customer_is_one_series_and_everything_of_a_charge_another() -> None:
    session = parsed(told("checkout.session.completed", {"object": "checkout.session", "id": "cs", "customer": "cus"}))
    invoice = parsed(told("invoice.paid", {"object": "invoice", "id": "in", "customer": {"id": "cus"}}))
    gone = parsed(told("customer.deleted", {"object": "customer", "id": "cus"}))
    assert [one.serial for one in (session, invoice, gone)] == ["cus"] * 3
    assert [one.object_id for one in (session, invoice, gone)] == ["cs", "in", "cus"]

    charge = parsed(told("charge.refunded", {"object": "charge", "id": "ch", "customer": "cus"}))
    refund = parsed(told("refund.updated", {"object": "refund", "id": "re", "charge": "ch"}))
    dispute = parsed(told("charge.dispute.closed", {"object": "dispute", "id": "du", "charge": {"id": "ch"}}))
    assert {(one.serial, one.object_id) for one in (charge, refund, dispute)} == {("ch", "ch")}


def test_w30_a_thin_notification_names_the_object_to_fetch() -> None:
    thin = {
        "id": "evt_2",
        "object": "v2.core.event",
        "type": "v1.invoice.paid",
        "created": "2026-11-21T12:00:00.000Z",
        "livemode": True,
        "related_object": {"id": "in_1", "type": "invoice", "url": "/v1/invoices/in_1"},
    }
    event = parsed(json.dumps(thin).encode())
    assert (event.type, event.object_id, event.family) == ("invoice.paid", "in_1", Family.INVOICE)
    assert (event.livemode, event.created) == (True, NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b"\xff",
        told("invoice.paid", {"id": "in_1"}),
        told("", {"object": "invoice", "id": "in_1"}),
        told("invoice.paid", {"object": "invoice", "id": "in\x00"}),
        told("invoice.paid", {"object": "invoice", "id": 7}),
        told("invoice.paid", {"object": "invoice", "id": "in"}, created="soon"),
        told("invoice.paid", {"object": "invoice", "id": "in"}, created=10**30),
    ],
)
def test_what_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(EventUnreadable):
        parsed(body)


def test_what_we_do_not_act_on_is_an_event_all_the_same() -> None:
    event = parsed(told("entitlements.active_entitlement_summary.updated", {"object": "x", "customer": "cus"}))
    assert (event.family, event.object_id, event.serial) == (None, "evt_1", "cus")


def test_every_type_of_the_table_is_acted_on() -> None:
    per_family = {family: sum(one is family for one in FAMILIES.values()) for family in Family}
    assert per_family == {
        Family.CHECKOUT: 4,
        Family.SUBSCRIPTION: 8,
        Family.INVOICE: 6,
        Family.CHARGE: 9,
        Family.CUSTOMER: 1,
        Family.REVIEW: 1,
    }


def test_w25_a_comparison_looks_back_to_the_one_before_it() -> None:
    day = NOW.date()
    assert review_since(day, None) == timedelta(days=3)
    assert review_since(day, day - timedelta(days=1)) == timedelta(days=3)
    assert review_since(day, day - timedelta(days=9)) == timedelta(days=10)
    assert review_since(day, day - timedelta(days=90)) == timedelta(days=29)
