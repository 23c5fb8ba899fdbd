"""What time and administrators do leaves the books right."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from reelwright import ledger
from reelwright.billing import MICRO
from reelwright.generations import Generations, GenerationState
from reelwright.ground import clock
from reelwright.ground.errors import NotFound
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import credits as journey
from tests.builders import a_generation, an_account, started


async def test_every_accounts_lapsed_credits_are_swept(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journey, "_BATCH", 2)
    now = clock.now()
    for _ in range(5):
        account = await an_account(db)
        async with db.begin() as tx:
            await ledger.grant(
                tx, account=account.id, micro=7, source=str(account.id), effective_at=now - timedelta(days=2),
                expires_at=now + timedelta(days=1),
            )  # fmt: skip
    async with db.begin() as tx:
        await tx.execute(text("UPDATE credit_lots SET expires_at = now() WHERE expires_at IS NOT NULL"))
    assert [await journey.sweep_lapsed(db=db) for _ in range(2)] == [5, 0]
    assert await journey.verify(db=db) == ()


async def test_i9_a_charge_without_its_generation_and_one_that_was_never_made_are_found(db: Database) -> None:
    """One hold for each of: charged and then failed, ended and still held, succeeded and never charged."""
    account = await an_account(db)
    works = [await a_generation(db, account=account) for _ in range(3)]
    async with db.begin() as tx:
        for work in works[:2]:
            await ledger.hold(tx, account=account.id, generation=work, micro=5)
        await ledger.capture(tx, generation=works[0], micro=5)
        await tx.execute(text("UPDATE generations SET hold_micro = 5 WHERE id = :id"), {"id": works[2]})
        await started(tx, works[2])
        states = (GenerationState.FAILED, GenerationState.CANCELLED, GenerationState.SUCCEEDED)
        for work, state in zip(works, states, strict=True):
            failure = {"failure_code": "x", "failure_sentence": "x"} if state is GenerationState.FAILED else {}
            await Generations(session=tx).finish(work, state, **failure)
    assert {violation.fact for violation in await journey.verify(db=db)} == {str(work) for work in works}


async def test_nobody_is_corrected_who_does_not_exist(db: Database) -> None:
    by = await an_account(db)
    with pytest.raises(NotFound):
        await journey.correct(AccountId(UUID(int=5)), MICRO, key="k", reason="x", force=False, by=by, db=db)
