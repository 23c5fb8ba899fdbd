"""Cases F62, F69 to F73: clocks that are wrong, workers that are told to go, versions and tables that change."""

import asyncio
import contextlib
import signal
import struct
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from urllib.parse import urlsplit

import asyncpg
import httpx
import msgspec
from sqlalchemy import text

from reelwright.accounts import Account
from reelwright.ground.ids import GenerationId
from tests.chaos.cases import makes
from tests.chaos.deliveries import once_each, published
from tests.chaos.fleet import PATIENCE_S, Fleet
from tests.chaos.kills import succeeded
from tests.chaos.program import CLOCK
from tests.chaos.refitting import refitted
from tests.chaos.stages import repeated
from tests.waiting import wait_until

_STAGE = "TTS_GENERATION"
_MOST_FENCED = "SELECT max(fence) FROM stage_runs WHERE generation_id = :id AND stage = 'TTS_GENERATION'"
_ATTEMPTS = "SELECT max(attempt) FROM stage_runs WHERE generation_id = :id"
_STREAMS, _EACH = 60, 10  # so many may one account have open
_SLOW_S = 8.0
_LISTENING = "0A"


@makes("F62")
async def clocks_are_wrong(on: Fleet) -> None:
    """Only the database's clock decides: who is ten minutes ahead steals no lease, who is behind keeps none."""
    first, second = on.workers
    async with refitted([first], {CLOCK: "600"}), refitted([second], {CLOCK: "-600"}):
        body = await published(on, await on.order())
        answers = [(await on.deliver(body, to=turn)).status_code for turn in range(2)]
        assert answers == [401, 401], "signatures are five minutes old at most"
    async with refitted([first], {CLOCK: "600"}):  # it sweeps, relays and reconciles; the other works
        generation = await on.order()
        await second.arm(f"stage.{_STAGE}.before_provider=sleep:5000@1")  # longer than two leases
        await succeeded(on, generation)
        assert await on.one(_ATTEMPTS, id=generation) == 1, "a lease that was kept alive was taken"
        assert not repeated(on.calls(generation))
    async with refitted([first], {CLOCK: "-600"}):
        generation = await on.order()
        await on.strike(f"stage.{_STAGE}.after_claim=kill9@1", members=[second])
        await wait_until(lambda: not second.program.alive)
        await second.revive()
        await succeeded(on, generation)


@makes("F69", quick=True)
async def told_to_go(on: Fleet) -> None:
    """It takes nothing new, says so, finishes what it has with its heart beating, and nobody has to do it again."""
    generation = await on.order()
    leaving = await on.strike(f"stage.{_STAGE}.before_provider=sleep:3500@1")  # longer than a lease
    leaving.send(signal.SIGTERM)
    url = on.worker_urls[on.workers.index(leaving)]

    async def draining() -> bool:
        answer = await on.client.get(f"{url}/health/ready")
        return answer.status_code == 503 and answer.json()["status"] == "draining"

    await wait_until(draining, timeout=PATIENCE_S)
    await wait_until(lambda: not leaving.program.alive, timeout=PATIENCE_S, message="it doesn't go")
    await once_each(on, generation)
    assert await on.one(_ATTEMPTS, id=generation) == 1
    await leaving.revive()


@makes("F70")
async def told_twice_then_killed(on: Fleet) -> None:
    """A second signal hurries nothing; the kill at the end of the platform's patience is a crash like any other."""
    generation = await on.order()
    leaving = await on.strike(f"stage.{_STAGE}.before_provider=hang@1")
    for _ in range(2):
        leaving.send(signal.SIGTERM)
    await wait_until(lambda: leaving.said("worker.stopping"), timeout=PATIENCE_S)
    assert leaving.program.alive
    leaving.send(signal.SIGKILL)
    await wait_until(lambda: not leaving.program.alive)
    await succeeded(on, generation)
    assert await on.one(_MOST_FENCED, id=generation) > 1
    assert not repeated(on.calls(generation))
    await leaving.revive()


@makes("F71", quick=True)
async def a_newer_version_speaks(on: Fleet) -> None:
    """What newer code wrote waits for newer code; what nobody ever wrote is thrown away; our own work goes on."""
    await on.misdeliver(stopped=True)
    generation = await on.order()
    known = msgspec.json.decode(await published(on, generation))
    newer = ({"message": "stage_due.v2"}, {"priority": 3}, {"stage": "DUBBING"}, {"message": "reel_due.v1"})
    for change in newer:
        answer = await on.deliver(msgspec.json.encode(known | change))
        assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True), change
    assert (await on.deliver(b'{"hello": "world"}')).status_code == 489
    await on.misdeliver()
    await once_each(on, generation)


@contextlib.asynccontextmanager
async def _busy_reader(on: Fleet) -> AsyncGenerator[None]:
    """A report that reads generations in one long transaction."""
    async with on.db.begin() as tx:
        await tx.execute(text("SELECT count(*) FROM generations"))
        yield


@makes("F72")
async def migration_waits(on: Fleet) -> None:
    """It gives up before anybody else does, and goes through when the reader has gone, with work under way."""
    connection = await asyncpg.connect(on.postgres.url)
    try:
        await connection.execute("SET lock_timeout = '3s'")  # as migrations/script.py.mako says
        async with _busy_reader(on):
            began = time.monotonic()
            migration = asyncio.create_task(connection.execute("ALTER TABLE generations ADD COLUMN chaos int"))
            answer = await on.ask(await on.customer())
            assert answer.status_code == httpx.codes.ACCEPTED, answer.text
            assert isinstance(
                (await asyncio.gather(migration, return_exceptions=True))[0], asyncpg.LockNotAvailableError
            )
            assert time.monotonic() - began < _SLOW_S
        await connection.execute("ALTER TABLE generations ADD COLUMN chaos int")
        try:
            await succeeded(on, GenerationId(answer.json()["generation_id"]))
            await succeeded(on, await on.order())
        finally:
            await connection.execute("ALTER TABLE generations DROP COLUMN chaos")
    finally:
        await connection.close()
    await succeeded(on, await on.order())


async def _stream(on: Fleet, account: Account, generation: GenerationId) -> asyncio.StreamWriter:
    """Follow a generation and read no more than the first bytes."""
    place = urlsplit(str(on.client.base_url))
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=1 << 10)
    head = f"GET /v1/generations/{generation}/events HTTP/1.1\r\nHost: {place.netloc}\r\n"
    writer.write(f"{head}Authorization: Bearer {on.secrets[account.id]}\r\n\r\n".encode())
    assert b"200" in await reader.readline()
    return writer


def _connections(port: int) -> int:
    """Return how many connections the listener of a port has open."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for row in rows if row[1].endswith(f":{port:04X}") and row[3] != _LISTENING and row[9] != "0")


@makes("F73", quick=True)
async def followers_vanish(on: Fleet) -> None:
    """Half of them read nothing more, half are gone without a word: the API goes on, and keeps no socket of theirs."""
    port = urlsplit(str(on.client.base_url)).port or 0
    for worker in on.workers:
        await worker.arm("stage.INGESTION.before_provider=sleep:3000@always")
    watched = [(one, await on.order(one)) for one in [await on.customer() for _ in range(_STREAMS // _EACH)]]
    followers = await asyncio.gather(*(_stream(on, *each) for each in watched for _ in range(_EACH)))
    assert _connections(port) >= _STREAMS
    for follower in followers[::2]:
        follower.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        follower.transport.abort()
    for worker in on.workers:
        await worker.arm("")
    for _, generation in watched:
        await succeeded(on, generation)
    await succeeded(on, await on.order())
    for follower in followers[1::2]:
        follower.close()
    own = 10  # what this test's own client keeps alive
    await wait_until(lambda: _connections(port) <= own, timeout=PATIENCE_S, message="sockets of followers stay open")
