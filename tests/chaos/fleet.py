"""The servers of a chaos test: everything real, each process killed, stopped, armed and started again by its name.

API and workers reach PostgreSQL and Valkey through fault proxies (`db_line`, `redis_line`); the test goes straight.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import httpx
from redis.asyncio import Redis
from sqlalchemy import text

from reelwright.accounts import Account
from reelwright.billing import Plan
from reelwright.dev import child
from reelwright.dev.credentials import Credentials
from reelwright.dev.postgres import Postgres
from reelwright.dev.program import Program
from reelwright.dev.valkey import Valkey
from reelwright.ground import clock, migrations, postgres, redis
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import invariants, onboarding
from tests.chaos import outside, stages
from tests.chaos.nursery import Grown, Nursery
from tests.chaos.proxy import Fault, Proxy, proxied
from tests.load.rig import FAST, search_path
from tests.waiting import wait_until

WORKERS = 2
LEASE, SWEEP = timedelta(seconds=2), timedelta(milliseconds=500)
DURABLE = FAST | {"synchronous_commit": "on"}
"""What was committed must outlive PostgreSQL's processes, though not the machine."""
PATIENCE_S = 45.0
"""How long a test waits for what should take a second or five: two cores are shared with whatever else runs."""
_ENDED = text("SELECT count(*) FROM generations WHERE id = ANY(:ids) AND ended_at IS NOT NULL")
_UNENDED = text("SELECT id FROM generations WHERE ended_at IS NULL")
_UNSENT = text("SELECT count(*) FROM outbox WHERE published_at IS NULL AND parked_at IS NULL")


@dataclass
class Member:
    """One of our processes, which can be armed while it runs."""

    program: Program
    folder: Path
    orders: int = 0
    log_from: int = 0

    @property
    def pid(self) -> int:
        return self.program.pid

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def arm(self, spec: str) -> None:
        """Return when these failpoints, and no others, are armed. `reached` counts from here."""
        self.orders += 1
        self.listen()
        done = arms_of(self.folder).with_suffix(".done")
        arms_of(self.folder).write_text(f"{self.orders}\n{spec}", encoding="utf-8")
        self.send(signal.SIGUSR1)
        expected = f"{self.pid} {self.orders}"
        await wait_until(lambda: done.exists() and done.read_text() == expected, message=f"{self.program.name} is deaf")

    def listen(self) -> None:
        """Let `said` and `reached` count from here."""
        self.log_from = self.program.log.stat().st_size

    def said(self, *words: str) -> int:
        """Return how many lines with all these words it has logged since it was last armed."""
        with self.program.log.open("rb") as log:
            log.seek(self.log_from)
            return sum(all(word.encode() in line for word in words) for line in log)

    def reached(self, failpoint: str = "") -> int:
        """Return how often it came to an armed failpoint (whose name holds these letters)."""
        return self.said("failpoint.reached", failpoint)

    async def revive(self) -> None:
        """Start it again if it has died, and return when it is ready."""
        if not self.program.alive:
            await asyncio.to_thread(self.program.start)
            await asyncio.to_thread(self.program.await_ready)


def arms_of(folder: Path) -> Path:
    return folder / "arms"


@dataclass
class Fleet:
    """What a case plays with. `spoiled`: something went wrong in it, so the next case gets a new one."""

    folder: Path
    postgres: Postgres
    valkey: Valkey
    delivery: Program
    api: Member
    workers: list[Member]
    db: Database
    redis: Redis
    db_line: Proxy
    redis_line: Proxy
    credentials: Credentials
    queue_url: str
    worker_urls: list[str]
    client: httpx.AsyncClient
    spoiled: bool = False
    secrets: dict[UUID, str] = field(default_factory=dict)

    # --- people ----------------------------------------------------------------------------------------------------

    async def customer(self, plan: Plan = Plan.PRO) -> Account:
        """Return a new account with its month's credits."""
        email = f"{uuid4().hex[:12]}@example.com"
        made = await onboarding.create_user(
            email=email, plan=plan, role="user", live=False, db=self.db, now=clock.now()
        )
        self.secrets[made.account.id] = made.secret
        return made.account

    async def ask(self, account: Account, *, key: str | None = None, **body: Any) -> httpx.Response:
        """POST /v1/create. The default is a video of one scene: ten runs."""
        headers = {"Authorization": f"Bearer {self.secrets[account.id]}", "Idempotency-Key": key or uuid4().hex}
        order = {"topic": "Why do cats purr?", "duration_s": 10} | body
        return await self.client.post("/v1/create", json=order, headers=headers)

    async def order(self, account: Account | None = None, **body: Any) -> GenerationId:
        """Return a generation that was accepted."""
        answer = await self.ask(account or await self.customer(), **body)
        assert answer.status_code == 202, answer.text
        return GenerationId(UUID(answer.json()["generation_id"]))

    async def ended(self, *generations: GenerationId, within_s: float = PATIENCE_S) -> None:
        """Return when all of them have ended, well or badly."""

        async def all_ended() -> bool:
            return await self.one(_ENDED.text, ids=list(generations)) == len(generations)

        await wait_until(all_ended, timeout=within_s, message=f"not ended within {within_s} s")

    async def one(self, query: str, **values: Any) -> Any:
        """Return one value."""
        async with self.db.begin() as tx:
            return await tx.scalar(text(query), values)

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.db.begin() as tx:
            return list((await tx.execute(text(query), values)).all())

    def calls(self, generation: GenerationId) -> list[stages.Call]:
        """Return every call that stages made for a generation: what a provider would have billed."""
        return stages.calls(self.folder / "calls", generation)

    # --- faults ----------------------------------------------------------------------------------------------------

    async def strike(self, spec: str, *, members: Iterable[Member] | None = None) -> Member:
        """Arm all workers, wait until one comes to the failpoint, disarm the others, and return that one."""
        struck = list(members or self.workers)
        await asyncio.gather(*(member.arm(spec) for member in struck))
        await wait_until(lambda: any(m.reached() for m in struck), timeout=PATIENCE_S, message=f"never reached: {spec}")
        hit = next(member for member in struck if member.reached())
        await asyncio.gather(*(m.arm("") for m in struck if m is not hit and m.program.alive and not m.reached()))
        return hit

    async def misdeliver(self, **faults: Any) -> None:
        """Let this go wrong with the queue's messages from now on (dev/delivery/engine.py), and nothing else."""
        headers = {"Authorization": f"Bearer {self.credentials.token}"}
        answer = await self.client.put(f"{self.queue_url}/v2/local/faults", json=faults, headers=headers)
        assert answer.status_code == 200, answer.text

    async def deliver(self, body: bytes, *, to: int = 0) -> httpx.Response:
        """Deliver a message to a worker ourselves, signed as the queue signs."""
        url = f"{self.worker_urls[0]}/worker/generate"
        headers = {"Upstash-Signature": self.credentials.signature(url=url, body=body)}
        headers["Content-Type"] = "application/json"
        target = f"{self.worker_urls[to]}/worker/generate"
        return await self.client.post(target, content=body, headers=headers, timeout=PATIENCE_S)

    async def restart_postgres(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop PostgreSQL (SIGINT: fast, SIGQUIT: as in a crash) and start it again, on its port."""
        os.kill(self.postgres.pid, how)
        await wait_until(lambda: not self.postgres.alive)
        await asyncio.to_thread(self.postgres.start)
        await self.db.engine.dispose()  # the test's own connections have died with it

    async def lose_valkey(self) -> None:
        """Kill Valkey with all it remembers, and start it again empty."""
        os.kill(self.valkey.pid, signal.SIGKILL)
        await wait_until(lambda: not self.valkey.alive)
        shutil.rmtree(self.valkey.folder / "appendonlydir", ignore_errors=True)
        await asyncio.to_thread(self.valkey.start)
        await self.redis.connection_pool.disconnect()

    @contextlib.asynccontextmanager
    async def keeping_alive(self) -> AsyncGenerator[None]:
        """Start workers again whenever they die, as a platform does."""

        async def watch(member: Member) -> None:
            while True:
                await member.revive()
                await asyncio.sleep(0.05)

        watching = [asyncio.create_task(watch(member)) for member in self.workers]
        try:
            yield
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    # --- afterwards ------------------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """End every fault, and return when all processes work again and all that was accepted has ended."""
        for line in (self.db_line, self.redis_line):
            line.set(Fault())
            line.resume()
        for server in (self.postgres, self.valkey):
            await asyncio.to_thread(server.start)
        members = (self.api, *self.workers)
        for member in members:
            if member.program.alive:
                member.send(signal.SIGCONT)
        await asyncio.gather(*(member.revive() for member in members))
        await asyncio.gather(*(member.arm("") for member in members))
        await self.misdeliver()

        async def over() -> bool:
            return not await self.rows(_UNENDED.text) and not await self.one(_UNSENT.text)

        await wait_until(over, timeout=PATIENCE_S, message="accepted work never ends")

    async def faults(self) -> list[str]:
        """Return every invariant that doesn't hold, in the rows and outside of them."""
        broken = await invariants.check(self.db, patience=outside.SOON)
        found = [f"{one.number} {one.name}: {one.count}, {', '.join(one.examples)}" for one in broken]
        last: list[str] = []

        async def clear() -> bool:  # a message that came twice may still be looked at, and a folder be closing
            last[:] = await outside.faults(self.db, self.redis, self.folder)
            return not last

        with contextlib.suppress(AssertionError):
            await wait_until(clear, timeout=5)
        return found + last


def _environment(folder: Path, **more: str) -> dict[str, str]:
    foreign = ("DATABASE_URL", "REDIS_URL", "UPSTASH_", "QSTASH_", "REELWRIGHT_", "OPENAI_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return own | {
        "PYTHONPATH": search_path(),
        "REELWRIGHT_ENVIRONMENT": "test",
        "REELWRIGHT_STORAGE_URL": f"file://{folder / 'artefacts'}",
        "REELWRIGHT_WORKSPACE": str(folder / "work"),
        "REELWRIGHT_REDIS_TIMEOUT": "1s",
        "REELWRIGHT_LEASE": f"{LEASE.total_seconds()}s",
        "REELWRIGHT_HEARTBEAT": "500ms",
        "REELWRIGHT_SWEEP": f"{SWEEP.total_seconds()}s",
        "REELWRIGHT_RECONCILE": "2s",
        "REELWRIGHT_RETRY_DELAY": "200ms",
        "REELWRIGHT_STAGE_DEADLINE": "20s",
        "REELWRIGHT_GENERATION_DEADLINE": "90s",
        "REELWRIGHT_WORKER_CONCURRENCY": "4",
        stages.CALLS: str(folder / "calls"),
        **more,
    }


def _through(url: str, line: Proxy) -> str:
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{line.listens_on}"))


@contextlib.asynccontextmanager
async def sailing(nursery: Nursery, **settings: str) -> AsyncGenerator[Fleet]:
    """Start everything, and end it at the end. `settings`: of API and workers, above those of `_environment`."""
    folder = Path(tempfile.mkdtemp(prefix="reelwright-chaos-"))
    pg, valkey = Postgres(folder / "postgres", settings=DURABLE), Valkey(folder / "valkey")
    ports = [child.free_port() for _ in range(WORKERS + 2)]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    state = child.open_folder(folder / "delivery")
    credentials = Credentials.kept_in(state / "credentials.json")
    spread = ",".join(urls[:WORKERS])
    delivery = Program(
        "delivery",
        (
            sys.executable,
            "-m",
            "reelwright.dev.delivery",
            "--state",
            str(state),
            "--allow",
            urls[0],
            "--spread",
            spread,
        ),
        port=ports[WORKERS],
        environment=_environment(folder),
        log=folder / "delivery.log",
    )
    async with contextlib.AsyncExitStack() as at_end:
        at_end.callback(shutil.rmtree, folder, ignore_errors=True)
        for server in (pg, valkey):
            at_end.push_async_callback(asyncio.to_thread, server.stop)
        at_end.push_async_callback(asyncio.to_thread, delivery.stop)
        delivery.start()
        await asyncio.gather(asyncio.to_thread(pg.start), asyncio.to_thread(valkey.start))
        db_line = await at_end.enter_async_context(proxied("127.0.0.1", urlsplit(pg.url).port or 0))
        redis_line = await at_end.enter_async_context(proxied("127.0.0.1", urlsplit(valkey.url).port or 0))
        queue = {
            "DATABASE_URL": _through(pg.url, db_line),
            "REDIS_URL": _through(valkey.url, redis_line),
            "REELWRIGHT_WORKER_URL": urls[0],
            "REELWRIGHT_BASE_URL": urls[-1],
            "QSTASH_URL": urls[WORKERS],
            "QSTASH_TOKEN": credentials.token,
            "QSTASH_CURRENT_SIGNING_KEY": credentials.current,
            "QSTASH_NEXT_SIGNING_KEY": credentials.next,
            **settings,
        }
        await asyncio.to_thread(migrations.upgrade, pg.url)
        names = {f"worker-{n}": ("worker", ports[n]) for n in range(WORKERS)} | {"api": ("api", ports[-1])}
        members = [_member(name, *what, folder=folder, settings=queue, nursery=nursery) for name, what in names.items()]
        for member in members:
            at_end.push_async_callback(asyncio.to_thread, member.program.stop)
            await asyncio.to_thread(member.program.start)
        db = postgres.connect(pg.url, name="chaos")
        at_end.push_async_callback(db.close)
        client = redis.connect(valkey.url, timeout_ms=2_000)
        at_end.push_async_callback(client.aclose)
        http = await at_end.enter_async_context(httpx.AsyncClient(base_url=urls[-1], timeout=20, trust_env=False))
        for program in (delivery, *(member.program for member in members)):
            await asyncio.to_thread(program.await_ready)
        yield Fleet(
            folder=folder,
            postgres=pg,
            valkey=valkey,
            delivery=delivery,
            api=members[-1],
            workers=members[:WORKERS],
            db=db,
            redis=client,
            db_line=db_line,
            redis_line=redis_line,
            credentials=credentials,
            queue_url=urls[WORKERS],
            worker_urls=urls[:WORKERS],
            client=http,
        )


def _member(name: str, kind: str, port: int, *, folder: Path, settings: dict[str, str], nursery: Nursery) -> Member:
    own = child.open_folder(folder / name)
    environment = _environment(folder, **settings, **{stages.ARMS: str(arms_of(own))})
    log = folder / f"{name}.log"
    return Member(Grown(name, kind, nursery=nursery, port=port, environment=environment, log=log), own)
