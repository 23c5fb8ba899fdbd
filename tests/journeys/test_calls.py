"""Paid calls as rows: written before they are made, known again by the next claim, and counted when paid for twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from reelwright import providers
from reelwright.generations import Claim
from reelwright.ground.errors import Outage
from reelwright.ground.ids import AccountId, StageRunId
from reelwright.ground.postgres import Database
from reelwright.journeys.calls import Calls
from reelwright.providers import Craft, ProviderAway, model_of
from reelwright.providers.openai_connection import CallBudget, OpenAIConnection
from reelwright.providers.speech import OpenAISpeech
from tests.builders import Worked, a_generation, an_account
from tests.simulators.openai import SimulatedOpenAI, fails, hangs, says, simulated_openai, swallows, warmed_up
from tests.waiting import wait_until

LEASE = timedelta(seconds=30)
CALL = {"provider": "openai", "model": "m", "craft": "text", "request_hash": "h"}


@pytest.fixture
async def server() -> AsyncIterator[SimulatedOpenAI]:
    async with simulated_openai() as running:
        await warmed_up(running)
        yield running


class Run:
    """A run that can be claimed again and again, as by workers that die one after another."""

    def __init__(self, db: Database, run: StageRunId, account: AccountId) -> None:
        self.db, self.id, self.account = db, run, account

    async def claim(self) -> Claim:
        async with self.db.begin() as tx:
            await tx.execute(
                text("UPDATE stage_runs SET lease_until = clock_timestamp() - interval '1 s' WHERE lease_until > now()")
            )
            claim = await Worked(session=tx).claim(self.id, lease=LEASE)
        assert isinstance(claim, Claim)
        return claim

    async def calls(self) -> Calls:
        return Calls(self.db, await self.claim(), self.account)

    async def rows(self) -> list[tuple[object, ...]]:
        query = text("SELECT fence, call_no, state, repeats FROM provider_calls WHERE run_id = :run ORDER BY began_at")
        async with self.db.begin() as tx:
            return [tuple(row) for row in await tx.execute(query, {"run": self.id})]


@pytest.fixture
async def run(db: Database) -> Run:
    owner = await an_account(db)
    generation = await a_generation(db, account=owner)
    async with db.begin() as tx:
        (planned,) = await Worked(session=tx).of(generation)
    return Run(db, planned.id, owner.id)


def repeats(model: str) -> float:
    labels = {"provider": "openai", "model": model}
    return REGISTRY.get_sample_value("reelwright_provider_repeats_total", labels) or 0.0


async def test_a_call_is_a_committed_row_before_it_is_made_and_says_how_it_ended(run: Run) -> None:
    calls = await run.calls()
    first = await calls.begin(**CALL)
    assert await run.rows() == [(1, 0, "intended", False)]
    await calls.end(first, "answered", external_id="req_1")
    second = await calls.begin(**CALL)
    await calls.end(second, "failed")
    await calls.end(second, "answered")
    assert await run.rows() == [(1, 0, "answered", False), (1, 1, "failed", False)]
    query = "SELECT account_id, generation_id IS NOT NULL, external_id, ended_at >= began_at FROM provider_calls"
    async with run.db.begin() as tx:
        found = {tuple(row) for row in await tx.execute(text(query))}
    assert found == {(run.account, True, "req_1", True), (run.account, True, None, True)}


@pytest.mark.parametrize(
    ("left", "counted"), [("intended", 1), ("unknown", 1), ("answered", 1), ("failed", 0)], ids=str
)
async def test_f56_the_next_claim_knows_what_the_last_one_paid_for_in_vain(run: Run, left: str, counted: int) -> None:
    """A worker that died after the answer lost it just as the wire can; only what failed was never bought."""
    calls, before = await run.calls(), repeats("m")
    call = await calls.begin(**CALL)
    if left != "intended":
        await calls.end(call, left)
    later = await run.calls()
    await later.begin(**CALL)
    await later.begin(**CALL | {"request_hash": "another"})
    assert [row[3] for row in await run.rows()] == [False, bool(counted), False]
    assert repeats("m") - before == counted


async def test_the_same_call_of_another_run_is_nobodys_repeat(run: Run, db: Database) -> None:
    await (await run.calls()).begin(**CALL)
    other = await a_generation(db)
    async with db.begin() as tx:
        (planned,) = await Worked(session=tx).of(other)
    another = Run(db, planned.id, run.account)
    await another.claim()
    await (await another.calls()).begin(**CALL)
    assert await another.rows() == [(2, 0, "intended", False)]


async def test_a_lost_call_keeps_its_key_and_a_failed_one_gets_another(run: Run) -> None:
    """A provider that knows the key answers a lost call from memory; a failed one it would only fail again."""
    keys: list[str] = []
    for state in ("unknown", "answered", "failed", "unknown"):
        calls = await run.calls()
        call = await calls.begin(**CALL)
        keys.append(calls.key(call))
        await calls.end(call, state)
        async with run.db.begin() as tx:  # the attempts are bounded, and not what this is about
            await tx.execute(text("UPDATE stage_runs SET max_attempts = 9 WHERE id = :id"), {"id": run.id})
    assert keys[0] == keys[1] == keys[2]
    assert keys[3] != keys[0]
    assert all(key.isalnum() for key in keys)


async def test_whoever_lost_the_run_may_not_pay_for_it(run: Run) -> None:
    late = await run.calls()
    await run.claim()
    with pytest.raises(Outage) as lost:
        await late.begin(**CALL)
    assert (lost.value.code, await run.rows()) == ("stage.lost", [])


def voice(server: SimulatedOpenAI, model: str) -> OpenAISpeech:
    budget = CallBudget(total_s=10, attempt_s=10, first_wait_s=0.01)
    connection = OpenAIConnection(api_key="k", base_url=server.base_url, budget=budget)
    return OpenAISpeech(connection, model_of("openai", Craft.SPEECH, model))


async def test_f56_a_lost_reply_costs_one_call_more_and_is_counted(run: Run, server: SimulatedOpenAI) -> None:
    server.faults = [swallows]
    before, spoken = repeats("tts-lost"), voice(server, "tts-lost")
    with providers.journaled(await run.calls()), pytest.raises(ProviderAway):
        await spoken.speak("Calm.", voice="default", language="en")
    with providers.journaled(await run.calls()):
        await spoken.speak("Calm.", voice="default", language="en")
    assert (len(server.asked), server.charged, repeats("tts-lost") - before) == (2, 2, 1)
    assert await run.rows() == [(1, 0, "unknown", False), (2, 0, "answered", True)]
    assert len({asked.headers["idempotency-key"] for asked in server.asked}) == 1


async def test_retries_and_nonsense_are_no_repeats(run: Run, server: SimulatedOpenAI) -> None:
    server.faults = [fails(503), says(b"<html>"), fails(500)]
    before, spoken = repeats("tts-no"), voice(server, "tts-no")
    with providers.journaled(await run.calls()), pytest.raises(ProviderAway):
        await spoken.speak("Calm.", voice="default", language="en")
    with providers.journaled(await run.calls()):
        await spoken.speak("Calm.", voice="default", language="en")
    assert [row[:3] for row in await run.rows()] == [
        (1, 0, "failed"),
        (1, 1, "failed"),
        (2, 0, "failed"),
        (2, 1, "answered"),
    ]
    assert repeats("tts-no") == before


async def test_a_worker_that_is_stopped_in_mid_call_leaves_it_unknown(run: Run, server: SimulatedOpenAI) -> None:
    server.faults = [hangs]
    with providers.journaled(await run.calls()):
        call = asyncio.create_task(voice(server, "tts-1").speak("Calm.", voice="default", language="en"))
    await wait_until(lambda: len(server.asked) == 1)
    assert await run.rows() == [(1, 0, "intended", False)], "written down before the request went out"
    call.cancel()
    await asyncio.wait([call])
    assert await run.rows() == [(1, 0, "unknown", False)]
