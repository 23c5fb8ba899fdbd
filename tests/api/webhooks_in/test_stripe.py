"""POST /webhooks/stripe: stored and answered at once, for Stripe alone; and what administrators see of it."""

import hmac
import json
import time
from hashlib import sha256

import httpx
import pytest
from sqlalchemy import text

from reelwright.ground.postgres import Database
from tests.api.payments.conftest import NEXT_SECRET
from tests.simulators.stripe import WEBHOOK_SECRET, SimulatedStripe

PATH, EVENTS = "/webhooks/stripe", "/v1/admin/stripe-events"


@pytest.fixture
def event(stripe: SimulatedStripe) -> dict[str, object]:
    """An event about a customer whom nobody knows."""
    about = {"id": "sub_nobodys", "object": "subscription", "customer": "cus_nobodys"}
    told = {"id": "evt_strange", "object": "event", "type": "customer.subscription.updated", "livemode": False}
    return told | {"created": stripe.book.now(), "data": {"object": about}, "api_version": "2026-10-28.endive"}


async def send(shop: httpx.AsyncClient, stripe: SimulatedStripe, event: dict[str, object]) -> httpx.Response:
    body, headers = stripe.signed(event)
    del shop.headers["Authorization"]
    return await shop.post(PATH, content=body, headers=headers)


async def test_new_and_known_are_answered_alike_and_fast(
    shop: httpx.AsyncClient, stripe: SimulatedStripe, event: dict[str, object], db: Database
) -> None:
    body, headers = stripe.signed(event)
    began = time.monotonic()
    answers = [await shop.post(PATH, content=body, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert time.monotonic() - began < 3, "and this waits for the handling, too"
    async with db.begin() as tx:
        rows = (await tx.execute(text("SELECT event_id, status, attempts FROM stripe_events"))).all()
    assert [tuple(row) for row in rows] == [("evt_strange", "failed", 1)]


async def test_an_unsigned_body_is_400_and_kept_nowhere(
    shop: httpx.AsyncClient, stripe: SimulatedStripe, event: dict[str, object], db: Database
) -> None:
    body, headers = stripe.signed(event)
    wrong = [(body + b" ", headers), (body, {}), (body, {"Stripe-Signature": "t=1,v1=00"})]
    answers = [await shop.post(PATH, content=content, headers=given) for content, given in wrong]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(400, "payments.signature_wrong")}
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM stripe_events")) == 0


def told_by(body: bytes, *secrets: str, late_s: int = 0) -> dict[str, str]:
    """Return the headers of what was signed by each of these secrets, so late."""
    at = int(time.time()) - late_s
    macs = [hmac.new(secret.encode(), b"%d." % at + body, sha256).hexdigest() for secret in secrets]
    return {"Stripe-Signature": ",".join([f"t={at}", *(f"v1={mac}" for mac in macs)])}


async def test_s86_only_a_fresh_signature_by_one_of_our_two_secrets_is_taken(
    shop: httpx.AsyncClient, stripe: SimulatedStripe, event: dict[str, object], db: Database
) -> None:
    body, _ = stripe.signed(event)
    larger = body[:-1] + b',"x":"' + b"a" * 300_000 + b'"}'
    del shop.headers["Authorization"]
    refused = {
        "ten minutes old": (400, body, told_by(body, WEBHOOK_SECRET, late_s=600)),
        "from in ten minutes": (400, body, told_by(body, WEBHOOK_SECRET, late_s=-600)),
        "another endpoint's": (400, body, told_by(body, "whsec_anothers")),
        "no secret's": (400, body, told_by(body, "")),
        "written anew": (400, json.dumps(json.loads(body), indent=1).encode(), told_by(body, WEBHOOK_SECRET)),
        "too large": (413, larger, told_by(larger, WEBHOOK_SECRET)),
    }
    for name, (status, content, headers) in refused.items():
        assert (await shop.post(PATH, content=content, headers=headers)).status_code == status, name
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM stripe_events")) == 0
    for secrets in ([NEXT_SECRET], ["whsec_anothers", WEBHOOK_SECRET], [WEBHOOK_SECRET, NEXT_SECRET]):
        assert (await shop.post(PATH, content=body, headers=told_by(body, *secrets))).status_code == 200, secrets


async def test_signed_nonsense_is_400_and_unknown_types_are_kept(
    shop: httpx.AsyncClient, stripe: SimulatedStripe, event: dict[str, object]
) -> None:
    assert (await send(shop, stripe, {"id": "evt"})).json()["code"] == "payments.event_unreadable"
    body, headers = stripe.signed(event | {"id": "evt_new", "type": "something.new"})
    assert (await shop.post(PATH, content=body, headers=headers)).status_code == 200


async def test_without_a_secret_there_is_no_such_page(
    api: httpx.AsyncClient, stripe: SimulatedStripe, event: dict[str, object]
) -> None:
    assert (await send(api, stripe, event)).status_code == 404


async def test_administrators_see_what_failed_and_replay_it(
    office: httpx.AsyncClient, shop: httpx.AsyncClient, stripe: SimulatedStripe, event: dict[str, object], db: Database
) -> None:
    for n in range(3):
        await send(shop, stripe, event | {"id": f"evt_{n}"}) if n == 0 else await shop.post(
            PATH, content=(signed := stripe.signed(event | {"id": f"evt_{n}"}))[0], headers=signed[1]
        )
    page = (await office.get(EVENTS, params={"status": "failed", "limit": 2})).json()
    rest = (await office.get(EVENTS, params={"status": "failed", "limit": 2, "cursor": page["next_cursor"]})).json()
    assert [one["id"] for one in page["events"] + rest["events"]] == ["evt_2", "evt_1", "evt_0"]
    assert rest["next_cursor"] is None
    assert "payload" not in page["events"][0]
    assert page["events"][0]["error"]

    assert (await office.post(f"{EVENTS}/evt_1/replay")).status_code == 202
    async with db.begin() as tx:
        row = (await tx.execute(text("SELECT status, attempts FROM stripe_events WHERE event_id = 'evt_1'"))).one()
    assert tuple(row) == ("received", 0)
    keyed = {"Idempotency-Key": "again"}
    first = await office.post(f"{EVENTS}/evt_2/replay", headers=keyed)
    async with db.begin() as tx:  # it has failed once more since
        await tx.execute(text("UPDATE stripe_events SET status = 'failed' WHERE event_id = 'evt_2'"))
    repeat = await office.post(f"{EVENTS}/evt_2/replay", headers=keyed)
    assert [(one.status_code, one.headers.get("Idempotency-Replayed")) for one in (first, repeat)] == [
        (202, None),
        (202, "true"),
    ]
    async with db.begin() as tx:
        assert await tx.scalar(text("SELECT status FROM stripe_events WHERE event_id = 'evt_2'")) == "failed"
    assert (await office.post(f"{EVENTS}/evt_none/replay")).status_code == 404
    assert (await office.get(EVENTS, params={"status": "odd"})).status_code == 400


async def test_events_are_for_administrators(api: httpx.AsyncClient) -> None:
    assert (await api.get(EVENTS)).status_code == 403
    assert (await api.post(f"{EVENTS}/evt_1/replay")).status_code == 403
