"""Killed with SIGKILL anywhere between order and answer, by real processes: held once, paid for once, or not at all."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from reelwright import ledger
from reelwright.accounts import Account
from reelwright.admission import InProgress, Periods
from reelwright.billing import Plan
from reelwright.generations import GenerationKind
from reelwright.ground import clock
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import credits as journey
from reelwright.journeys import recovery
from reelwright.journeys.ordering import order_id
from reelwright.journeys.workroom import Workroom
from tests.builders import an_account
from tests.journeys.killing import POINTS, delivered, finished, key_of, workroom

OVER = text("UPDATE stage_runs SET lease_until = now() - interval '1 second' WHERE state = 'running'")
DUE = text("UPDATE stage_runs SET next_attempt_at = now() WHERE state = 'queued'")
END = text(
    """
    SELECT g.state, (SELECT array_agg(state) FROM credit_holds h WHERE h.generation_id = g.id) AS holds,
           (SELECT count(*) FROM credit_journal j WHERE j.generation_id = g.id AND j.kind = 'hold') AS held,
           (SELECT count(*) FROM credit_journal j WHERE j.generation_id = g.id AND j.kind = 'capture') AS captured
      FROM generations g WHERE g.account_id = :account
    """
)


async def asked_again(point: str, account: Account, room: Workroom) -> GenerationId:
    """What was admitted and not written blocks its key until the sweep takes it back, a minute later: here at once."""
    if point == "api.create.before_tx":
        with pytest.raises(InProgress):
            await finished(point, account, room)
        assert await room.gate.withdraw(account.id, order_id(account.id, GenerationKind.SCRIPT, key_of(point)))
    return await finished(point, account, room)


async def test_c28_killed_anywhere_an_order_is_held_once_and_ended_once(
    db: Database, database_url: str, valkey_url: str, redis: object, tmp_path: Path
) -> None:
    """Then the person asks again with the same key, the sweep finds what is left behind, and a worker goes on."""
    assert redis is not None
    accounts = {point: await an_account(db, Plan.BASIC) for point in POINTS}
    deaths = [f"{point}={account.id}" for point, account in accounts.items()]
    command = (sys.executable, "-m", "tests.journeys.killing", database_url, valkey_url, str(tmp_path), *deaths)
    killer = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told = (await killer.communicate())[0].decode()
    assert [line for line in told.splitlines() if line[0] != "{"] == [f"{point} -9" for point in POINTS]

    async with workroom(database_url, valkey_url, tmp_path) as room:
        for point, account in accounts.items():
            generation = await asked_again(point, account, room)
            async with db.begin() as tx:
                await tx.execute(OVER)
            await recovery.sweep(db=room.db, gate=room.gate, resend_after=timedelta(0))
            async with db.begin() as tx:
                await tx.execute(DUE)
            await delivered(generation, room)

            async with db.begin() as tx:
                (end,) = (await tx.execute(END, {"account": account.id})).all()
                metered = await ledger.metered(tx, generation=generation)
                assert await ledger.charged(tx, generation=generation) == metered > 0, point
            assert tuple(end) == ("cancelled" if point == "cancel.after" else "succeeded", ["captured"], 1, 1), point
            assert (await room.gate.counted(account.id, Periods.at(clock.now()))).generations_month == 1, point
    assert await journey.verify(db=db) == ()
