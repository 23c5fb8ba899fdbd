"""Webhooks arrive signed, are tried again on a schedule, go to no inward address, and give a hopeless place up."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from reelwright import notices
from reelwright.accounts import Account
from reelwright.ground import clock
from reelwright.ground.postgres import Database
from reelwright.journeys import notifying
from reelwright.notices import Endpoints, Post, Reach, Receipt
from reelwright.notices.webhooks import WebhookCaller
from tests.builders import an_account
from tests.rooms.notices.receiver import STALL, Receiver, receiving
from tests.simulators.canary import connections


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest.fixture
async def account(db: Database) -> Account:
    return await an_account(db)


def post_to(receiver: Receiver, *, total_s: float = 15.0) -> Post:
    reach = Reach(https_only=False, allowlist=receiver.allowed)
    return Post(base_url="http://x", reach=reach, caller=WebhookCaller(reach, total_s=total_s))


async def endpoint(db: Database, account: Account, receiver: Receiver) -> tuple[UUID, str]:
    async with db.begin() as tx:
        made, secret = await Endpoints(tx, account.id).add(
            receiver.url, description="", events=[], reach=Reach(https_only=False, allowlist=receiver.allowed)
        )
    return made.id, secret


async def tell(db: Database, account: Account, key: str = "one") -> None:
    """Something without an e-mail, so that only the webhook is sent."""
    async with db.begin() as tx:
        facts = {"generation_id": key, "credits_micro": 7}
        assert await notices.tell(tx, account_id=account.id, kind="generation_succeeded", key=key, facts=facts)


async def one(db: Database, query: str) -> Any:
    async with db.begin() as tx:
        return (await tx.execute(text(query))).mappings().one()


async def change(db: Database, statement: str) -> None:
    async with db.begin() as tx:
        await tx.execute(text(statement))


async def delivery(db: Database) -> Any:
    return await one(db, "SELECT *, extract(epoch FROM due_at - now())::float8 AS due_s FROM webhook_deliveries")


async def due_now(db: Database) -> None:
    await change(db, "UPDATE webhook_deliveries SET due_at = now() WHERE state = 'waiting'")
    await change(db, "UPDATE webhook_endpoints SET paused_until = NULL")


def verified(receiver: Receiver, secret: str, at: int = -1) -> Any:
    return Webhook(secret).verify(receiver.bodies[at], receiver.heads[at])


async def test_it_arrives_signed_as_standard_webhooks_says(db: Database, account: Account, receiver: Receiver) -> None:
    _, secret = await endpoint(db, account, receiver)
    await tell(db, account)
    assert await notifying.send(db=db, post=post_to(receiver)) == 1

    payload = verified(receiver, secret)
    assert payload["type"] == "generation.succeeded"
    assert payload["data"] == {"generation_id": "one", "credits_micro": 7}
    assert payload["timestamp"].endswith("Z")
    assert receiver.paths == ["POST /hook?x=1 HTTP/1.1"]
    assert receiver.heads[0]["webhook-id"].startswith("msg_")
    assert receiver.heads[0]["content-type"] == "application/json"
    assert "cookie" not in receiver.heads[0]
    found = await delivery(db)
    assert (found["state"], found["attempts"], found["tries"][0]["status"]) == ("delivered", 1, 204)
    assert await notifying.send(db=db, post=post_to(receiver)) == 0
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(receiver.bodies[0] + b" ", receiver.heads[0])


async def test_for_a_day_the_old_secrets_sign_too(db: Database, account: Account, receiver: Receiver) -> None:
    hook, old = await endpoint(db, account, receiver)
    async with db.begin() as tx:
        _, between = await Endpoints(tx, account.id).rotate(hook)
        _, new = await Endpoints(tx, account.id).rotate(hook)
    assert len(base64.b64decode(new.removeprefix("whsec_"))) == 32
    await tell(db, account)
    await notifying.send(db=db, post=post_to(receiver))
    assert verified(receiver, new) == verified(receiver, old) == verified(receiver, between), "any may be in use there"

    await change(db, "UPDATE webhook_endpoints SET secret_before_until = now()")
    await tell(db, account, "two")
    await notifying.send(db=db, post=post_to(receiver))
    assert verified(receiver, new)
    with pytest.raises(WebhookVerificationError):
        verified(receiver, old)


async def test_a_failure_is_tried_ten_times_with_the_same_bytes_and_id(
    db: Database, account: Account, receiver: Receiver
) -> None:
    await endpoint(db, account, receiver)
    receiver.answers = ["500 No"]
    await tell(db, account)
    waits = list[float]()
    for _ in range(10):
        await notifying.send(db=db, post=post_to(receiver))
        found = await delivery(db)
        waits.append(found["due_s"] or 0)
        await due_now(db)
    planned = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert all(p * 0.9 <= wait <= p * 1.25 for p, wait in zip(planned, waits, strict=False)), waits
    assert (found["state"], found["attempts"], len(found["tries"])) == ("given_up", 10, 10)
    assert len(set(receiver.bodies)) == len({head["webhook-id"] for head in receiver.heads}) == 1
    await notifying.send(db=db, post=post_to(receiver))
    assert len(receiver.bodies) == 10


async def test_a_place_that_is_gone_is_disabled_and_its_owner_told(
    db: Database, account: Account, receiver: Receiver
) -> None:
    await endpoint(db, account, receiver)
    receiver.answers = ["410 Gone"]
    for key in ("one", "two"):
        await tell(db, account, key)
    async with db.begin() as tx:
        first, second = await notices.claim_deliveries(tx, limit=5)
    for parcel in (first, second):  # two workers hear it at the same time
        receipt = await post_to(receiver).webhooks.call(parcel)
        async with db.begin() as tx:
            await notices.settle_delivery(tx, parcel, receipt)
    hook = await one(db, "SELECT disabled_reason FROM webhook_endpoints")
    assert hook["disabled_reason"] == "gone"
    said = await one(db, "SELECT * FROM notices WHERE kind = 'webhook_disabled'")
    assert (said["mail_state"], said["facts"]["host"]) == ("waiting", "127.0.0.1")
    left = await one(db, "SELECT count(*) FILTER (WHERE state = 'waiting') AS n FROM webhook_deliveries")
    assert left["n"] == 0
    await tell(db, account, "three")
    assert (await one(db, "SELECT count(*) AS n FROM webhook_deliveries"))["n"] == 2


async def test_five_days_of_failure_disable_and_one_success_begins_anew(
    db: Database, account: Account, receiver: Receiver
) -> None:
    await endpoint(db, account, receiver)
    receiver.answers = ["500 No", "200 OK", "500 No", "500 No"]
    for key in ("one", "two"):
        await tell(db, account, key)
        await notifying.send(db=db, post=post_to(receiver))
        if key == "one":
            assert (await one(db, "SELECT failing_since IS NOT NULL AS ill FROM webhook_endpoints"))["ill"]
            await change(db, "UPDATE webhook_endpoints SET failing_since = now() - interval '6 days'")
    assert not (await one(db, "SELECT failing_since IS NOT NULL AS ill FROM webhook_endpoints"))["ill"]
    for _ in range(2):
        await due_now(db)
        await notifying.send(db=db, post=post_to(receiver))
        await change(db, "UPDATE webhook_endpoints SET failing_since = now() - interval '5 days 1 minute'")
    hook = await one(db, "SELECT disabled_reason FROM webhook_endpoints")
    assert hook["disabled_reason"] == "failing"
    assert (await one(db, "SELECT count(*) AS n FROM notices WHERE kind = 'webhook_disabled'"))["n"] == 1


async def test_a_retry_after_is_honoured_for_all_that_goes_there(
    db: Database, account: Account, receiver: Receiver
) -> None:
    await endpoint(db, account, receiver)
    receiver.answers = ["429 Slow\r\nRetry-After: 3600", "204 No Content"]
    await tell(db, account)
    await notifying.send(db=db, post=post_to(receiver))
    assert 3500 < (await delivery(db))["due_s"] < 3700
    await tell(db, account, "two")
    assert await notifying.send(db=db, post=post_to(receiver)) == 0
    assert len(receiver.bodies) == 1


async def test_a_redirect_is_a_failure_and_not_followed(db: Database, account: Account, receiver: Receiver) -> None:
    await endpoint(db, account, receiver)
    receiver.answers = [f"307 There\r\nLocation: http://127.0.0.1:{receiver.port}/other"]
    await tell(db, account)
    with connections() as seen:
        await notifying.send(db=db, post=post_to(receiver))
    assert len(receiver.paths) == 1
    assert seen.count(f"127.0.0.1:{receiver.port}") == 1
    assert ((await delivery(db))["state"], (await delivery(db))["tries"][0]["status"]) == ("waiting", 307)


async def test_who_never_answers_is_left_alone_for_a_while(db: Database, account: Account, receiver: Receiver) -> None:
    await endpoint(db, account, receiver)
    receiver.answers = [STALL]
    await tell(db, account)
    await notifying.send(db=db, post=post_to(receiver, total_s=0.2))
    found = await delivery(db)
    assert (found["state"], found["tries"][0]["error"], found["tries"][0]["status"]) == ("waiting", "timeout", None)
    await change(db, "UPDATE webhook_deliveries SET due_at = now()")
    assert await notifying.send(db=db, post=post_to(receiver, total_s=0.2)) == 0


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::1"], []])
async def test_a_name_that_leads_inward_gets_no_packet(
    db: Database, account: Account, receiver: Receiver, answers: list[str]
) -> None:
    """One lookup; one private address among the answers spoils them all."""
    await endpoint(db, account, receiver)
    await change(db, "UPDATE webhook_endpoints SET url = 'https://hooks.rebind.test/x'")
    await tell(db, account)
    asked = list[str]()

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return answers

    reach = Reach(https_only=True)
    post = Post(base_url="http://x", reach=reach, caller=WebhookCaller(reach, resolve=resolve))
    async with db.begin() as tx:
        (parcel,) = await notices.claim_deliveries(tx, limit=1)
    with connections() as seen:
        receipt = await post.webhooks.call(parcel)
    assert (receipt.error, seen, asked) == ("address_not_allowed", [], ["hooks.rebind.test"])


async def test_only_https_leaves_production(db: Database, account: Account, receiver: Receiver) -> None:
    """An endpoint that was added in another environment is not called without encryption."""
    await endpoint(db, account, receiver)
    await tell(db, account)
    reach = Reach(https_only=True, allowlist=receiver.allowed)
    await notifying.send(db=db, post=Post(base_url="http://x", reach=reach))
    assert (await delivery(db))["tries"][0]["error"] == "address_not_allowed"
    assert receiver.paths == []


async def test_many_workers_send_each_delivery_once(db: Database, account: Account, receiver: Receiver) -> None:
    await endpoint(db, account, receiver)
    for n in range(12):
        await tell(db, account, str(n))
    post = post_to(receiver)
    sent = await asyncio.gather(*(notifying.send(db=db, post=post) for _ in range(3)))
    while await notifying.send(db=db, post=post):
        pass
    assert sum(sent) <= 12
    assert len(receiver.heads) == len({head["webhook-id"] for head in receiver.heads}) == 12


async def test_a_slow_place_holds_up_no_other(db: Database, account: Account, receiver: Receiver) -> None:
    """Few of one endpoint's deliveries are taken at a time, whatever waits for it."""
    await endpoint(db, account, receiver)
    for n in range(20):
        await tell(db, account, str(n))
    other = await an_account(db)
    await endpoint(db, other, receiver)
    await tell(db, other, "later")
    async with db.begin() as tx:
        claimed = await notices.claim_deliveries(tx, limit=16)
    assert len(claimed) == 5
    assert [parcel.facts["generation_id"] for parcel in claimed].count("later") == 1


async def test_who_lost_its_claim_changes_nothing(db: Database, account: Account, receiver: Receiver) -> None:
    await endpoint(db, account, receiver)
    await tell(db, account)
    async with db.begin() as tx:
        (slow,) = await notices.claim_deliveries(tx, limit=1)
        assert await notices.claim_deliveries(tx, limit=1) == []
    await change(db, "UPDATE webhook_deliveries SET claimed_until = now() - interval '1 second'")
    late = Receipt(at=clock.now(), status=500, error=None, ms=1)
    async with db.begin() as tx:
        (quick,) = await notices.claim_deliveries(tx, limit=1)
        assert await notices.settle_delivery(tx, slow, late) is None
    receipt = await post_to(receiver).webhooks.call(quick)
    async with db.begin() as tx:
        assert await notices.settle_delivery(tx, quick, receipt) == "delivered"
        assert await notices.settle_delivery(tx, slow, late) is None
    assert ((await delivery(db))["state"], len((await delivery(db))["tries"])) == ("delivered", 1)
    assert not (await one(db, "SELECT failing_since IS NOT NULL AS ill FROM webhook_endpoints"))["ill"]
