"""The relay: promised means published, by whichever relay is alive, and never held up by one bad row."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from reelwright import outbox
from reelwright.generations import Stage, Unit
from reelwright.ground import qstash
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.outbox import Destination, Relay, StageDue
from tests.builders import a_generation

TO = Destination("http://127.0.0.1:7777/worker/generate")


class Queue:
    """The QStash publish endpoint, in the client's transport: it records what arrives and answers as told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self.answers: list[int | Exception] = []
        self.client = qstash.connect(token="t", base_url="http://queue")
        self.client.http._client = httpx.AsyncClient(transport=httpx.MockTransport(self.handle))

    def handle(self, request: httpx.Request) -> httpx.Response:
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        if answer == 200:
            self.seen.append((request.headers["Upstash-Deduplication-Id"], request.content))
        return httpx.Response(answer, json={"messageId": f"msg_{len(self.seen)}"})


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


async def test_a_message_that_can_never_be_published_is_parked_and_holds_nobody_up(db: Database, queue: Queue) -> None:
    await promise(db, 2)
    relay = Relay(db, queue.client, TO)
    queue.answers = [400]
    await relay.publish_due()
    for _ in range(4):
        queue.answers = [413]
        async with db.begin() as tx:
            await tx.execute(text("UPDATE outbox SET claimed_until = NULL"))
        await relay.publish_due()
    assert await states(db) == {"published": 1, "parked": 1, "waiting": 0}


async def test_a_later_message_waits_for_its_time(db: Database, queue: Queue) -> None:
    await promise(db, delay=timedelta(hours=1))
    assert await Relay(db, queue.client, TO).publish_due() == 0
    assert await states(db) == {"published": 0, "parked": 0, "waiting": 1}


def test_a_message_reads_back_as_it_was_and_unknown_ones_are_refused() -> None:
    generation = GenerationId(uuid4())
    unit = Unit(stage=Stage.TTS_GENERATION, scene=2)
    message = StageDue(generation_id=generation, run_id=unit.run_id(generation), stage=unit.stage, scene=2)
    assert outbox.decoded(outbox.encoded(message)) == message
    for wrong in (b"{}", b'{"message":"stage_due.v9"}', outbox.encoded(message)[:-1] + b',"more":1}'):
        with pytest.raises(ValueError):
            outbox.decoded(wrong)
