"""The relay: promised means published, by whichever relay is alive, and never held up by one bad row."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from reelwright import outbox
from reelwright.generations import Stage, Unit
from reelwright.ground import notified, qstash, tasks
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.outbox import Destination, Relay, StageDue, depth, promises, relay
from tests.builders import a_generation

TO = Destination("http://127.0.0.1:7777/worker/generate", failures="http://127.0.0.1:7777/worker/failed")
FIRST = Unit(stage=Stage.INGESTION)


class Queue:
    """The QStash batch endpoint, in the client's transport: it records what arrives and answers as told.

    `answers` are whole requests' statuses, in their order; `spoilt` names runs whose own item is refused, `poison`
    those with which no whole request is taken.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self.requests: list[int] = []
        self.headers: dict[str, str] = {}
        self.answers: list[int | Exception] = []
        self.spoilt: set[str] = set()
        self.poison: set[str] = set()
        self.all = 0
        self.has_all = asyncio.Event()
        self.client = qstash.connect(token="t", base_url="http://queue")
        self.client.http._client = httpx.AsyncClient(transport=httpx.MockTransport(self.handle))

    def handle(self, request: httpx.Request) -> httpx.Response:
        answer = self.answers.pop(0) if self.answers else 200
        items = json.loads(request.content)
        self.requests.append(len(items))
        if isinstance(answer, Exception):
            raise answer
        if any(json.loads(item["body"])["run_id"] in self.poison for item in items):
            answer = 413
        if answer != 200:
            return httpx.Response(answer, json={"error": "no"})
        assert request.url.path == "/v2/batch"
        return httpx.Response(200, json=[self.take(item) for item in items])

    def take(self, item: dict[str, Any]) -> dict[str, str]:
        if json.loads(item["body"])["run_id"] in self.spoilt:
            return {"error": "invalid"}
        self.headers = item["headers"]
        self.seen.append((item["headers"]["Upstash-Deduplication-Id"], item["body"].encode()))
        if len(self.seen) == self.all:
            self.has_all.set()
        return {"messageId": f"msg_{len(self.seen)}"}


@pytest.fixture
async def queue() -> Queue:
    return Queue()


async def promise(db: Database, count: int = 1, *, delay: timedelta = timedelta(0)) -> list[StageDue]:
    messages: list[StageDue] = []
    for _ in range(count):
        generation = await a_generation(db)
        unit = Unit(stage=Stage.INGESTION)
        messages.append(StageDue(generation_id=generation, run_id=unit.run_id(generation), stage=unit.stage))
    async with db.begin() as tx:
        for message in messages:
            await outbox.enqueue(tx, message, delay=delay)
    return messages


async def states(db: Database) -> dict[str, int]:
    query = (
        "SELECT count(*) FILTER (WHERE published_at IS NOT NULL) AS published,"
        " count(*) FILTER (WHERE parked_at IS NOT NULL) AS parked,"
        " count(*) FILTER (WHERE published_at IS NULL AND parked_at IS NULL) AS waiting FROM outbox"
    )
    async with db.begin() as tx:
        return dict((await tx.execute(text(query))).mappings().one())


async def test_what_was_promised_is_published_once_by_many_relays(db: Database, queue: Queue) -> None:
    promised = await promise(db, 30)
    relays = [Relay(db, queue.client, TO) for _ in range(4)]

    await asyncio.gather(*(relay.publish_due() for relay in relays))

    assert await states(db) == {"published": 30, "parked": 0, "waiting": 0}
    assert sorted(body for _, body in queue.seen) == sorted(outbox.encoded(m) for m in promised)
    assert len({dedup for dedup, _ in queue.seen}) == 30
    assert all(dedup.replace("-", "").isalnum() for dedup, _ in queue.seen)


async def test_a_message_of_a_transaction_that_rolled_back_never_existed(db: Database, queue: Queue) -> None:
    generation = await a_generation(db)
    unit = Unit(stage=Stage.INGESTION)
    message = StageDue(generation_id=generation, run_id=unit.run_id(generation), stage=unit.stage)
    with pytest.raises(RuntimeError):
        async with db.begin() as tx:
            await outbox.enqueue(tx, message)
            raise RuntimeError
    assert await Relay(db, queue.client, TO).publish_due() == 0


async def test_a_lost_answer_publishes_again_under_the_same_deduplication_id(db: Database, queue: Queue) -> None:
    await promise(db)
    queue.answers = [httpx.ReadTimeout("lost")]
    relay = Relay(db, queue.client, TO)
    await relay.publish_due()
    assert await states(db) == {"published": 0, "parked": 0, "waiting": 1}

    async with db.begin() as tx:
        await tx.execute(text("UPDATE outbox SET claimed_until = NULL"))
        row = await tx.scalar(text("SELECT id FROM outbox"))
    await relay.publish_due()
    assert [dedup.endswith(f"-{row}") for dedup, _ in queue.seen] == [True]


async def let_go(db: Database) -> None:
    """End every claim and wait, as time would."""
    async with db.begin() as tx:
        await tx.execute(text("UPDATE outbox SET claimed_until = NULL WHERE published_at IS NULL"))


@pytest.mark.parametrize("how", ["spoilt", "poison"])
async def test_what_can_never_be_published_is_parked_holds_nobody_up_and_can_be_let_out(
    db: Database, queue: Queue, how: str
) -> None:
    """One item that the queue refuses, or one that spoils the whole request: the others go out with the first try."""
    bad, *good = await promise(db, 4)
    getattr(queue, how).add(str(bad.run_id))
    relay = Relay(db, queue.client, TO)
    for _ in range(5):
        assert (await states(db))["parked"] == 0
        await relay.publish_due()
        assert sorted(body for _, body in queue.seen) == sorted(outbox.encoded(m) for m in good)
        await let_go(db)
    assert await states(db) == {"published": 3, "parked": 1, "waiting": 0}

    async with db.begin() as tx:
        (stuck,) = await outbox.parked(tx, 10)
        assert (stuck.run_id, stuck.attempts) == (bad.run_id, 5)
        assert stuck.reason
        assert await outbox.parked(tx, 10, after=stuck.id) == []
    queue.spoilt.clear()
    queue.poison.clear()
    async with db.begin() as tx:
        assert [await outbox.unpark(tx, [stuck.id]) for _ in range(2)] == [1, 0]
    await relay.publish_due()
    assert await states(db) == {"published": 4, "parked": 0, "waiting": 0}


@pytest.mark.parametrize("answer", [401, 403, 429, 500, httpx.ConnectError("refused")])
async def test_a_queue_that_is_away_or_knows_us_no_more_parks_nothing(
    db: Database, queue: Queue, answer: int | Exception
) -> None:
    await promise(db, 3)
    relay = Relay(db, queue.client, TO)
    for _ in range(7):
        queue.answers = [answer]
        await relay.publish_due()
        await let_go(db)
    assert queue.requests == [3] * 7, "rows were asked for one by one although the queue is away"
    assert await states(db) == {"published": 0, "parked": 0, "waiting": 3}


async def test_a_hundred_rows_are_one_request_which_says_where_failures_go(db: Database, queue: Queue) -> None:
    (message,) = await promise(db)
    async with db.begin() as tx:
        await outbox.enqueue(tx, *[message] * 119)
    queue.all = 120
    relay = Relay(db, queue.client, TO)
    running = asyncio.create_task(relay.run())
    await asyncio.wait_for(queue.has_all.wait(), 10)
    relay.stop()
    await asyncio.wait_for(running, 5)
    assert (await states(db))["published"] == 120
    assert queue.requests == [100, 20]
    assert queue.headers["Upstash-Failure-Callback"] == TO.failures


async def test_a_stopped_relay_settles_what_it_has_sent_and_claims_nothing_more(db: Database, queue: Queue) -> None:
    """At the end of a process, rows left claimed would wait half a minute for somebody else."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(request: httpx.Request) -> httpx.Response:
        asked.set()
        await answer.wait()
        return queue.handle(request)

    queue.client.http._client = httpx.AsyncClient(transport=httpx.MockTransport(slow))
    await promise(db)
    relay = Relay(db, queue.client, TO)
    running = asyncio.create_task(relay.run())
    await asked.wait()
    relay.stop()
    await promise(db)
    relay.notified()
    answer.set()
    await asyncio.wait_for(running, 5)
    assert await states(db) == {"published": 1, "parked": 0, "waiting": 1}


async def test_a_relay_is_woken_at_the_commit_and_only_where_there_is_none_are_others_notified(
    db: Database, database_url: str, queue: Queue
) -> None:
    """PostgreSQL commits transactions that notify one after another: deliveries should not be among them."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    listening = asyncio.create_task(notified.listen(database_url, outbox.CHANNEL, heard.put_nowait))
    await asyncio.wait_for(heard.get(), 10)  # it listens
    relay = Relay(db, queue.client, TO)
    running = asyncio.create_task(relay.run())
    queue.all = 1
    async with asyncio.timeout(10):
        await promise(db)
        await queue.has_all.wait()
        relay.stop()
        await running
    assert heard.empty()
    await promise(db)
    await asyncio.wait_for(heard.get(), 10)
    await tasks.end(listening)


async def test_a_relay_is_not_woken_by_what_was_rolled_back(db: Database) -> None:
    woken = asyncio.Event()
    generation = await a_generation(db)
    message = StageDue(generation_id=generation, run_id=FIRST.run_id(generation), stage=FIRST.stage)
    with promises.woken(woken.set):
        with pytest.raises(RuntimeError):
            async with db.begin() as tx:
                await outbox.enqueue(tx, message)
                raise RuntimeError
        await db.ping()
        async with db.begin() as tx:  # on the connection that the other had
            await tx.execute(text("SELECT 1"))
        assert not woken.is_set()
        async with db.begin() as tx:
            await outbox.enqueue(tx, message)
            assert not woken.is_set()
    assert woken.is_set()


async def test_published_rows_are_forgotten_after_a_day_and_the_backlog_is_told(db: Database, queue: Queue) -> None:
    await promise(db, 3)
    await Relay(db, queue.client, TO).publish_due()
    await promise(db, 2)
    await promise(db, 1, delay=timedelta(hours=1))
    async with db.begin() as tx:
        first = await tx.scalar(text("SELECT min(id) FROM outbox"))
        await tx.execute(
            text("UPDATE outbox SET published_at = now() - interval '25 h' WHERE id < :i"), {"i": first + 2}
        )
        await tx.execute(text("UPDATE outbox SET deliver_at = now() - interval '90 s' WHERE id = :i"), {"i": first + 3})
    async with db.begin() as tx:
        waits = await outbox.backlog(tx)
        assert (waits.waiting, 89 < waits.oldest_s < 100) == (2, True)
        assert [await outbox.forget(tx, limit=1) for _ in range(3)] == [1, 1, 0]
    assert await states(db) == {"published": 1, "parked": 0, "waiting": 3}


async def test_a_later_message_waits_for_its_time(db: Database, queue: Queue) -> None:
    await promise(db, delay=timedelta(hours=1))
    assert await Relay(db, queue.client, TO).publish_due() == 0
    assert await states(db) == {"published": 0, "parked": 0, "waiting": 1}


def test_a_message_reads_back_as_it_was_and_a_newer_one_is_told_from_nonsense() -> None:
    generation = GenerationId(uuid4())
    unit = Unit(stage=Stage.TTS_GENERATION, scene=2)
    message = StageDue(generation_id=generation, run_id=unit.run_id(generation), stage=unit.stage, scene=2)
    body = outbox.encoded(message)
    assert outbox.decoded(body) == message
    assert b"traceparent" not in body, "a worker that doesn't know a field must be able to read messages without it"
    for newer in (b'{"message":"stage_due.v9"}', body[:-1] + b',"more":1}', b'{"message":"reel_due.v1","x":[]}'):
        with pytest.raises(outbox.NotYetKnown):
            outbox.decoded(newer)
    for wrong in (b"", b"{}", b"[]", b'{"message":1}', b'{"message":"<script>"}', b'{"message":"stage_due.v1"'):
        with pytest.raises(outbox.NotOurs):
            outbox.decoded(wrong)


@pytest.fixture
def two_deep(db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let an outbox be too deep with three messages in it, and let this test's findings end with it."""
    monkeypatch.setattr(depth, "_DEEPEST", 2)
    depth._known.clear()
    yield
    depth._known.clear()


async def test_new_work_is_refused_while_too_much_waits_to_be_sent(
    db: Database, two_deep: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not due yet, parked or sent is no burden. Within a second PostgreSQL is not asked again."""
    monkeypatch.setattr(depth, "_KNOWN_FOR_S", -1.0)
    await promise(db, 2)
    await promise(db, delay=timedelta(hours=1))
    await outbox.check_depth(db)
    await promise(db)
    with pytest.raises(outbox.TooDeep) as refusal:
        await outbox.check_depth(db)
    assert refusal.value.wait == timedelta(seconds=30)

    monkeypatch.setattr(depth, "_KNOWN_FOR_S", 60.0)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE outbox SET published_at = now()"))
    with pytest.raises(outbox.TooDeep):
        await outbox.check_depth(db)
    monkeypatch.setattr(depth, "_KNOWN_FOR_S", -1.0)
    await outbox.check_depth(db)


async def test_a_claim_steps_over_what_was_sent_long_ago(db: Database) -> None:
    """No vacuum may clear it away while an old snapshot is open, so its entries stay in the index for that long."""
    async with db.begin() as tx:
        await tx.execute(text("TRUNCATE outbox"))  # pages that other tests have left would cost a plan
    await promise(db, 3)
    async with db.begin() as tx:
        await tx.execute(text("ANALYZE outbox"))
        for forced in ("on", "off"):
            await tx.execute(text(f"SET LOCAL enable_seqscan = {forced}"))
            values = {"batch": 100, "reach": timedelta(minutes=1)}
            plan = "\n".join(await tx.scalars(text(f"EXPLAIN {relay._CLAIM.text}"), values))
    assert "Index Cond: ((deliver_at >= (now() - " in plan
    assert "Index Cond: (deliver_at > now())" in plan


async def test_an_old_message_whose_relay_died_is_found_when_it_looks_back(db: Database, queue: Queue) -> None:
    sending = Relay(db, queue.client, TO)
    assert await sending.publish_due() == 0
    await promise(db, 2)
    async with db.begin() as tx:
        await tx.execute(text("UPDATE outbox SET deliver_at = now() - interval '2 min' WHERE id % 2 = 0"))
    assert await sending.publish_due() == 1
    sending._looked_back -= relay._LOOK_BACK_S
    assert await sending.publish_due() == 1
    assert await sending.publish_due() == 0
