"""Cases F43 to F49: whoever publishes dies in the middle, and the queue is unheard, forgetful, away or unwilling."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import uvicorn
from sqlalchemy import text

from reelwright import outbox
from reelwright.accounts import Account
from reelwright.generations import GenerationKind, Stage, Unit
from reelwright.ground.ids import GenerationId
from reelwright.journeys.ordering import order_id
from tests.chaos.cases import makes
from tests.chaos.deliveries import once_each, published
from tests.chaos.fleet import PATIENCE_S, Fleet
from tests.chaos.kills import succeeded
from tests.chaos.proxy import Fault
from tests.chaos.refitting import queue_line, refitted
from tests.waiting import wait_until

FIRST = Unit(stage=Stage.INGESTION)
_SENDING = """
    SELECT id, attempts, published_at, message_id, parked_at FROM outbox
     WHERE generation_id = :id AND run_id = :run ORDER BY id LIMIT 1
"""
_LAPSE = "UPDATE outbox SET claimed_until = clock_timestamp() WHERE published_at IS NULL"
_TRIED = "SELECT coalesce(min(attempts), 0) FROM outbox WHERE generation_id = ANY(:ids) AND published_at IS NULL"


async def sending(on: Fleet, generation: GenerationId) -> Any:
    """Return what is known of a generation's first message."""
    (row,) = await on.rows(_SENDING, id=generation, run=FIRST.run_id(generation))
    return row


async def ordered_as_it_dies(on: Fleet, spec: str) -> GenerationId:
    """Let the API die over an order's message; return the order, for which its client asks again."""
    account, key = await on.customer(), uuid4().hex
    await on.api.arm(spec)
    with contextlib.suppress(httpx.TransportError):
        await on.ask(account, key=key)
    await wait_until(lambda: not on.api.program.alive, timeout=PATIENCE_S, message="the API did not die")
    await on.api.revive()
    answer = await on.ask(account, key=key)
    assert answer.status_code == 202
    return GenerationId(answer.json()["generation_id"])


async def published_again(on: Fleet, generation: GenerationId) -> str:
    """Let the dead relay's claim lapse, as half a minute does; return the message id that is marked in the end."""
    assert (await sending(on, generation)).published_at is None, "it was marked before its relay died"
    async with on.db.begin() as tx:
        await tx.execute(text(_LAPSE))

    async def marked() -> bool:
        return (await sending(on, generation)).published_at is not None

    await wait_until(marked, timeout=PATIENCE_S, message="nobody takes over what the dead relay had claimed")
    row = await sending(on, generation)
    assert row.attempts == 2
    return row.message_id


async def message(on: Fleet, message_id: str) -> dict[str, Any]:
    """Return what the queue knows of a message."""
    headers = {"Authorization": f"Bearer {on.credentials.token}"}
    answer = await on.client.get(f"{on.queue_url}/v2/messages/{message_id}", headers=headers)
    return answer.json() if answer.status_code == 200 else {}


async def known_by_its_id(on: Fleet, generation: GenerationId) -> bool:
    """Say whether the queue knows a generation's first message, and no other, by the id that our row gives it."""
    row, url = await sending(on, generation), f"{on.worker_urls[0]}{outbox.GENERATE}"
    headers = {
        "Authorization": f"Bearer {on.credentials.token}",
        "Upstash-Deduplication-Id": f"{FIRST.run_id(generation).hex}-{row.id}",
    }
    answer = await on.client.post(f"{on.queue_url}/v2/publish/{url}", content=b"{}", headers=headers)
    return answer.json() == {"messageId": row.message_id, "deduplicated": True}


@makes("F43", quick=True)
async def dies_before_marking(on: Fleet) -> None:
    """It is published twice under one deduplication id, and delivered once."""
    generation = await ordered_as_it_dies(on, "outbox.after_publish=kill9@1")
    await once_each(on, generation)
    await published_again(on, generation)
    assert await known_by_its_id(on, generation)
    await once_each(on, generation)


@makes("F44")
async def dies_after_claiming(on: Fleet) -> None:
    """Half a minute later another relay takes what it had claimed, and nobody before."""
    generation = await ordered_as_it_dies(on, "outbox.after_claim=kill9@1")
    assert (await sending(on, generation)).published_at is None
    await on.ended(generation, within_s=2 * PATIENCE_S)
    assert (await sending(on, generation)).attempts == 2
    await once_each(on, generation)


@makes("F45")
async def acceptance_unheard(on: Fleet) -> None:
    """The relay asks again with the same deduplication id, and the queue delivers once."""
    async with queue_line(on) as line:
        line.set(Fault(swallow=b"/v2/batch"))
        generation = await on.order()
        await succeeded(on, generation)
        assert (line.struck, (await sending(on, generation)).attempts) == (1, 2)
        assert await known_by_its_id(on, generation)
        await once_each(on, generation)


@makes("F46")
async def again_after_the_window(on: Fleet) -> None:
    """A queue that has forgotten delivers it anew, as another message: the run's own row knows better."""
    generation = await ordered_as_it_dies(on, "outbox.after_publish=kill9@1")
    await once_each(on, generation)
    await asyncio.to_thread(on.delivery.stop)
    await asyncio.to_thread(on.delivery.start)
    await asyncio.to_thread(on.delivery.await_ready)
    again = await published_again(on, generation)

    async def delivered() -> bool:
        return (await message(on, again)).get("state", "").lower() == "delivered"

    await wait_until(delivered, timeout=PATIENCE_S, message="it was not delivered again")
    await once_each(on, generation)


@makes("F47")
async def queue_away(on: Fleet) -> None:
    """Orders are taken all the same, operators see how much waits and how long, and it goes out when the queue is back.

    Minutes are played as tries: waits between them double, to half a minute at most.
    """
    async with queue_line(on) as line:
        line.set(Fault(refuse=True))
        line.cut()
        waiting = [await on.order() for _ in range(3)]

        async def tried() -> bool:
            return await on.one(_TRIED, ids=waiting) >= 4

        await wait_until(tried, timeout=PATIENCE_S, message="nobody tries again")
        seen = [(await on.client.get(f"{url}/metrics")).text for url in on.worker_urls]
        assert any(_value(page, "reelwright_outbox_waiting") >= 3 for page in seen)
        assert any(_value(page, "reelwright_outbox_oldest_seconds") > 1 for page in seen)
        line.set(Fault())
        for generation in waiting:
            await once_each(on, generation)


def _value(page: str, metric: str) -> float:
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(metric))


@dataclass
class Choosy:
    """A queue that refuses the messages of some runs for good, and hands all else on to the real one."""

    url: str
    refused: set[str] = field(default_factory=set)
    turned_away: int = 0

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        items = json.loads(body)
        bad = {n for n, item in enumerate(items) if any(run in item["body"] for run in self.refused)}
        self.turned_away += len(bad)
        taken = iter(await self._handed_on(scope, [item for n, item in enumerate(items) if n not in bad]))
        said = [{"error": "message is not acceptable"} if n in bad else next(taken) for n in range(len(items))]
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(said).encode()})

    async def _handed_on(self, scope: Mapping[str, Any], items: list[Any]) -> list[Any]:
        if not items:
            return []
        headers = {name: value for name, value in scope["headers"] if name in {b"authorization", b"content-type"}}
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(self.url + scope["path"], headers=headers, content=json.dumps(items))
            return answer.json()


@contextlib.asynccontextmanager
async def choosy(on: Fleet) -> AsyncGenerator[Choosy]:
    """Let API and workers publish to a queue that may refuse."""
    app = Choosy(on.queue_url)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="none"))
    running = asyncio.create_task(server.serve())
    await wait_until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with refitted((on.api, *on.workers), {"QSTASH_URL": f"http://127.0.0.1:{port}"}):
            yield app
    finally:
        server.should_exit = True
        await running


async def _unwelcome(on: Fleet, account: Account, queue: Choosy) -> GenerationId:
    """Order what the queue will refuse to hear of."""
    key = uuid4().hex
    generation = order_id(account.id, GenerationKind.VIDEO, key)
    queue.refused.add(str(FIRST.run_id(generation)))
    answer = await on.ask(account, key=key)
    assert (answer.status_code, answer.json()["generation_id"]) == (202, str(generation))
    return generation


@makes("F48")
async def refused_for_good(on: Fleet) -> None:
    """It is put aside, loudly, and holds nobody up; once the queue takes it, the sweep's next message does the work."""
    async with choosy(on) as queue:
        bad = await _unwelcome(on, await on.customer(), queue)
        await once_each(on, await on.order())

        async def parked() -> bool:
            return (await sending(on, bad)).parked_at is not None

        await wait_until(parked, timeout=2 * PATIENCE_S, message="it is tried for ever")
        assert ((await sending(on, bad)).attempts, queue.turned_away >= 5) == (5, True)
        members = (on.api, *on.workers)
        assert sum(member.said("outbox.parked") for member in members) >= 1
        queue.refused.clear()
        await succeeded(on, bad)
        await once_each(on, bad)


@makes("F49")
async def tries_used_up(on: Fleet) -> None:
    """A message that no worker could even record is given up by the queue, which says so; its run is sent again."""
    await on.misdeliver(stopped=True)
    generation = await on.order()
    body = await published(on, generation)
    on.db_line.set(Fault(refuse=True))
    on.db_line.cut()
    await on.misdeliver()
    headers = {"Authorization": f"Bearer {on.credentials.token}"}

    async def given_up() -> bool:
        dead = (await on.client.get(f"{on.queue_url}/v2/dlq", headers=headers)).json()["messages"]
        return any(letter.get("body") == body.decode() for letter in dead)

    await wait_until(given_up, timeout=2 * PATIENCE_S, message="the queue never gives up")
    on.db_line.set(Fault())
    await wait_until(
        lambda: any(worker.said("delivery.given_up", str(generation)) for worker in on.workers), timeout=PATIENCE_S
    )
    await once_each(on, generation)
