"""Webhook secrets at rest: what the database holds signs nothing, and what it held before still does."""

import pytest
from sqlalchemy import text

from reelwright.accounts import Account
from reelwright.ground.postgres import Database
from reelwright.ground.sealing import BrokenSealError, Seal
from reelwright.journeys import notifying, webhooks
from reelwright.notices import Endpoints, Reach, claim_deliveries, opened, tell
from reelwright.notices.endpoints import shown
from tests.builders import an_account

SEAL, OTHER = Seal("a secret of thirty-two characters"), Seal("another secret of such a length")
REACH, URL = Reach(https_only=False), "https://hooks.example.com/x"


async def kept(db: Database) -> list[bytes]:
    async with db.begin() as tx:
        return list(await tx.scalars(text("SELECT secret FROM webhook_endpoints ORDER BY id")))


async def added(db: Database, account: Account) -> str:
    made, secret = await webhooks.add(account, URL, description="", events=[], reach=REACH, seal=SEAL, db=db)
    assert secret is not None
    await webhooks.rotate(account.id, made.id, seal=SEAL, db=db)
    _, rotated = await webhooks.rotate(account.id, made.id, seal=SEAL, db=db)
    assert rotated != secret
    return rotated


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
