"""Webhook secrets at rest: what the database holds signs nothing, and what it held before still does."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from reelwright.accounts import Account
from reelwright.ground.postgres import Database
from reelwright.ground.sealing import BrokenSealError, Seal
from reelwright.journeys import notifying, webhooks
from reelwright.notices import Endpoints, Post, Reach, claim_deliveries, opened, seal_anew, sealed, tell
from reelwright.notices.endpoints import shown
from tests.builders import an_account
from tests.rooms.notices.receiver import Receiver, receiving

KEY, NEXT = "a secret of thirty-two characters", "another secret of such a length"
SEAL, OTHER = Seal(KEY), Seal(NEXT)
LEARNT, SWAPPED = Seal(KEY, previous=NEXT), Seal(NEXT, previous=KEY)
REACH, URL = Reach(https_only=False), "https://hooks.example.com/x"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


async def kept(db: Database) -> list[bytes]:
    async with db.begin() as tx:
        return list(await tx.scalars(text("SELECT secret FROM webhook_endpoints ORDER BY id")))


async def added(db: Database, account: Account, *, seal: Seal = SEAL, url: str = URL, reach: Reach = REACH) -> str:
    made, secret = await webhooks.add(account, url, description="", events=[], reach=reach, seal=seal, db=db)
    assert secret is not None
    await webhooks.rotate(account.id, made.id, seal=seal, db=db)
    _, rotated = await webhooks.rotate(account.id, made.id, seal=seal, db=db)
    assert rotated != secret
    return rotated


def reach_of(receiver: Receiver) -> Reach:
    return Reach(https_only=False, allowlist=receiver.allowed)


async def hook(db: Database, account: Account, receiver: Receiver, seal: Seal) -> str:
    return await added(db, account, seal=seal, url=receiver.url, reach=reach_of(receiver))


def left(state: str) -> float | None:
    return REGISTRY.get_sample_value("reelwright_webhook_secrets", {"state": state})


async def change(db: Database, statement: str) -> None:
    async with db.begin() as tx:
        await tx.execute(text(statement))


def fits(secret: str, head: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, head)
    except WebhookVerificationError:
        return False
    return True


async def arrives(db: Database, account: Account, receiver: Receiver, secrets: Sequence[str], *, by: Seal) -> bool:
    """Send something by a process with this seal; say whether all who know these secrets, and no others, got it."""
    before = len(receiver.heads)
    async with db.begin() as tx:
        await tell(tx, account_id=account.id, kind="generation_succeeded", key=uuid4().hex, facts={})
    await notifying.send(db=db, post=Post(base_url="http://x", reach=reach_of(receiver), seal=by))
    came = list(zip(receiver.heads, receiver.bodies, strict=True))[before:]
    known = [[fits(secret, *each) for each in came] for secret in secrets]
    return bool(came) and all(map(any, known)) and all(map(any, zip(*known, strict=True)))


async def test_a_secret_is_stored_encrypted_and_signs(db: Database) -> None:
    account = await an_account(db)
    secret = await added(db, account)
    (stored,) = await kept(db)
    assert (len(stored), stored[:1]) == (61, b"\x01")
    async with db.begin() as tx:
        await tell(tx, account_id=account.id, kind="generation_succeeded", key="one", facts={})
        (parcel,) = await claim_deliveries(tx, limit=5)
    ready = opened(parcel, SEAL)
    assert (shown(ready.secret), [len(each) for each in ready.secrets_before]) == (secret, [32, 32])
    with pytest.raises(BrokenSealError):
        opened(parcel, OTHER)


async def test_a_secret_of_before_signs_on_and_is_encrypted_by_the_chore(db: Database) -> None:
    account = await an_account(db)
    async with db.begin() as tx:
        _, secret = await Endpoints(tx, account.id).add(URL, description="", events=[], reach=REACH)
        await tell(tx, account_id=account.id, kind="generation_succeeded", key="one", facts={})
        (parcel,) = await claim_deliveries(tx, limit=5)
    assert shown(opened(parcel, SEAL).secret) == secret
    assert [await notifying.seal_secrets(db=db, seal=SEAL) for _ in range(2)] == [1, 0]
    (stored,) = await kept(db)
    assert parcel.secret not in stored
    assert SEAL.decrypted("webhooks", stored[1:]) == parcel.secret


@pytest.mark.parametrize(
    ("before", "after"),
    [(SEAL, LEARNT), (LEARNT, SWAPPED), (SWAPPED, OTHER)],
    ids=["the new key becomes known", "the keys are swapped", "the old one is dropped"],
)
async def test_while_processes_are_replaced_each_opens_what_the_others_sealed(
    before: Seal, after: Seal, db: Database, receiver: Receiver
) -> None:
    account = await an_account(db)
    secrets = [await hook(db, account, receiver, seal) for seal in (before, after)]
    for chore in (before, after, before):
        await notifying.seal_secrets(db=db, seal=chore)
        for by in (before, after):
            assert await arrives(db, account, receiver, secrets, by=by)
    assert left("unreadable") == 0


async def test_a_key_is_replaced_without_losing_a_delivery(db: Database, receiver: Receiver) -> None:
    """Through all steps as operations.md prints them, and the older secrets sign too at each."""
    account = await an_account(db)
    _, first = await webhooks.add(
        account, receiver.url, description="", events=[], reach=reach_of(receiver), seal=SEAL, db=db
    )
    async with db.begin() as tx:
        (one,) = await Endpoints(tx, account.id).listed()
    _, second = await webhooks.rotate(account.id, one.id, seal=SEAL, db=db)
    for step in (SEAL, LEARNT, SWAPPED):
        assert await arrives(db, account, receiver, [str(first), second], by=step)
    assert await notifying.seal_secrets(db=db, seal=LEARNT) == 0
    assert await notifying.seal_secrets(db=db, seal=SWAPPED) == 1
    assert left("old") == 1, "what this look has found; the next one says whether some came meanwhile"
    assert await notifying.seal_secrets(db=db, seal=SWAPPED) == 0
    assert (left("old"), left("unreadable")) == (0, 0)
    for secret in (str(first), second):
        assert await arrives(db, account, receiver, [secret], by=OTHER)


async def test_a_key_that_was_dropped_too_early_is_seen_and_its_owner_can_go_on(
    db: Database, receiver: Receiver
) -> None:
    account = await an_account(db)
    secret = await hook(db, account, receiver, SEAL)
    await notifying.seal_secrets(db=db, seal=OTHER)
    assert (left("old"), left("unreadable")) == (0, 1)
    assert not await arrives(db, account, receiver, [secret], by=OTHER)
    async with db.begin() as tx:
        (one,) = await Endpoints(tx, account.id).listed()
    _, fresh = await webhooks.rotate(account.id, one.id, seal=OTHER, db=db)
    await change(db, "UPDATE webhook_endpoints SET paused_until = NULL")
    assert await arrives(db, account, receiver, [fresh], by=OTHER)
    await notifying.seal_secrets(db=db, seal=SWAPPED)
    assert await arrives(db, account, receiver, [secret], by=OTHER), "given back, the old key brings it back"


async def test_an_older_secret_that_signs_no_more_is_dropped(db: Database) -> None:
    account = await an_account(db)
    await added(db, account)
    await change(db, "UPDATE webhook_endpoints SET secret_before_until = now()")
    assert await notifying.seal_secrets(db=db, seal=SEAL) == 0
    async with db.begin() as tx:
        assert list(await tx.scalars(text("SELECT secret_before FROM webhook_endpoints"))) == [None]
    assert (left("old"), left("unreadable")) == (0, 0)


async def test_many_are_sealed_anew_page_by_page_by_whoever_looks(db: Database) -> None:
    """A stop in the middle loses nothing, others at once do no harm, and what somebody rotates meanwhile stays so."""
    account = await an_account(db)
    many = [sealed(bytes([n % 256]) * 32, SEAL) for n in range(1200)]
    async with db.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO webhook_endpoints (id, account_id, url, events, secret)"
                " SELECT gen_random_uuid(), :account, 'https://x.io', '{}', s FROM unnest(CAST(:many AS bytea[])) s"
            ),
            {"account": account.id, "many": many},
        )
    async with db.begin() as tx:
        page = await seal_anew(tx, SWAPPED, after=UUID(int=0), limit=500)
        one = await tx.scalar(text("SELECT max(id::text)::uuid FROM webhook_endpoints"))
    assert (page.old, page.last is None) == (500, False)
    *counted, (_, rotated) = await asyncio.gather(
        *(notifying.seal_secrets(db=db, seal=SWAPPED) for _ in range(3)),
        webhooks.rotate(account.id, one, seal=SWAPPED, db=db),
    )
    assert max(counted) >= 699
    await notifying.seal_secrets(db=db, seal=SWAPPED)
    opening = {OTHER.decrypted("webhooks", one[1:]) for one in await kept(db)}
    assert len(opening) == 257
    assert rotated in {shown(secret) for secret in opening}
