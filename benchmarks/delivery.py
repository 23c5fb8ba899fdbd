"""How fast does a stage run travel: claim, complete, promise the next, publish, sign, POST, verify, claim?

    python benchmarks/delivery.py              10,000 waiting, tables of 100 and 100,000 rows, kill -9: minutes
    python benchmarks/delivery.py --short      half a minute, a small backlog, and noisy
    python benchmarks/delivery.py --recovery   only this: kill -9 a worker, with production's leases (a minute)

Real PostgreSQL, Valkey, local queue and worker, each a process of its own, on this machine's cores together. A
generation is a script whose three stages do nothing, so that every third delivery also ends one; a hundred accounts
share them. All is read from the rows, by the database's clock: a delivery waits from its outbox row's writing, just
before the commit, to its claim. CPU is what all processes of a kind used.

Two floors are measured in the same run, which together are what no program in this place can save: the bare claim and
complete, two transactions by asyncpg; and messages of runs that don't exist, which are signed, posted, verified and
looked for in vain.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import delivery_floor
import psutil
from rich.console import Console
from rich.table import Table

from reelwright import outbox
from reelwright.billing import Plan
from reelwright.dev import child
from reelwright.dev.credentials import Credentials
from reelwright.dev.postgres import Postgres
from reelwright.dev.program import Program
from reelwright.dev.valkey import Valkey
from reelwright.generations import Draft, Drafts, GenerationKind, Generations, NewGeneration, Stage, Unit
from reelwright.ground import clock, log, migrations, postgres
from reelwright.ground.ids import DraftId, GenerationId
from reelwright.journeys import creation, onboarding

PLACES = 8  # deliveries that the worker takes at once; the queue has twice as many under way
STAGES = 3  # of a script
FIRST = Unit(stage=Stage.INGESTION)
HERE = str(Path(__file__).resolve().parents[1])
WORKER = [sys.executable, str(Path(__file__).with_name("delivery_worker.py"))]
QUEUE = [sys.executable, "-m", "reelwright.dev.delivery"]

OWNERS = """
    INSERT INTO users
    SELECT (jsonb_populate_record(u, jsonb_build_object('id', gen_random_uuid(), 'email', n || '@example.com'))).*
      FROM users u, generate_series(1, 100) AS n
"""
CLONE = """
    WITH owners AS (SELECT id, row_number() OVER () AS n FROM users)
    INSERT INTO generations
    SELECT (jsonb_populate_record(g, jsonb_build_object(
                'id', made.id, 'created_at', clock_timestamp(), 'account_id', owners.id))).*
      FROM generations g, unnest($2::uuid[]) WITH ORDINALITY AS made (id, n), owners
     WHERE g.id = $1 AND owners.n = 1 + made.n % 100
"""
RUNS = """
    INSERT INTO stage_runs (id, generation_id, stage, round, max_attempts)
    SELECT run, generation, 'INGESTION', 0, 5 FROM unnest($1::uuid[], $2::uuid[]) AS made (run, generation)
"""
PROMISES = """
    WITH promised AS (
        INSERT INTO outbox (generation_id, run_id, body)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) RETURNING id)
    SELECT pg_notify($4, '') FROM promised LIMIT 1
"""
PAST_RUNS = """
    INSERT INTO stage_runs
    SELECT (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid(), 'generation_id', made.id))).*
      FROM stage_runs r, unnest($2::uuid[]) AS made (id) WHERE r.generation_id = $1
"""
PAST_PROMISES = """
    INSERT INTO outbox (generation_id, run_id, body, attempts, published_at, message_id)
    SELECT generation_id, id, '{}', 1, clock_timestamp(), 'past' FROM stage_runs WHERE generation_id = ANY($1)
"""
NOT_BEGUN = "SELECT count(*) FROM stage_runs WHERE generation_id = $1 AND state <> 'running'"
LIVE = "SELECT count(*) FROM generations WHERE ended_at IS NULL AND id <> $1"
TRAVELS = """
    SELECT extract(epoch FROM r.started_at - o.written)::float8 * 1000 AS waited_ms,
           extract(epoch FROM r.started_at)::float8 AS began, extract(epoch FROM r.finished_at)::float8 AS ended
      FROM stage_runs r JOIN LATERAL (
        SELECT min(created_at) AS written FROM outbox WHERE generation_id = r.generation_id AND run_id = r.id) o ON true
     WHERE r.generation_id = ANY($1) AND r.state = 'succeeded'
"""


@dataclass(frozen=True)
class Travels:
    """Deliveries: how many a second, how long each waited, CPU milliseconds of each kind of process for one."""

    count: int
    took_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: dict[str, float]

    @property
    def per_s(self) -> float:
        return self.count / self.took_s


@dataclass(frozen=True)
class Bench:
    """The running processes, and a generation that is copied to make others."""

    db: "asyncpg.Pool[asyncpg.Record]"
    sample: UUID
    processes: dict[str, Callable[[], int]]
    environment: dict[str, str]
    folder: Path

    async def seed(self, count: int, *, promised: bool = True) -> list[UUID]:
        """Queue so many generations; return their ids."""
        generations = [uuid4() for _ in range(count)]
        due = [creation.due(GenerationId(each), FIRST, request_id=None) for each in generations]
        runs, bodies = [each.run_id for each in due], [outbox.encoded(each) for each in due]
        async with self.db.acquire() as connection, connection.transaction():
            await connection.execute(CLONE, self.sample, generations)
            await connection.execute(RUNS, runs, generations)
            if promised:
                await connection.execute(PROMISES, generations, runs, bodies, outbox.CHANNEL)
        return generations

    async def end_all(self, *, every_s: float = 0.02) -> None:
        await until(lambda: self.db.fetchval(LIVE, self.sample), every_s=every_s)

    async def travelled(self, generations: Sequence[UUID], before: dict[str, float]) -> Travels:
        await self.end_all(every_s=0.25)
        used = {name: spent - before[name] for name, spent in self.cpu_s().items()}
        rows = await self.db.fetch(TRAVELS, list(generations))
        assert len(rows) == STAGES * len(generations), f"{len(rows)} of {STAGES * len(generations)} stages ended well"
        waits = sorted(row["waited_ms"] for row in rows)
        return Travels(
            count=len(rows),
            took_s=max(row["ended"] for row in rows) - min(row["began"] for row in rows),
            p50_ms=statistics.median(waits),
            p99_ms=waits[len(waits) * 99 // 100],
            cpu_ms={name: 1000 * spent / len(rows) for name, spent in used.items()},
        )

    def cpu_s(self) -> dict[str, float]:
        """Return what each kind of process has used, with its children."""
        spent: dict[str, float] = {}
        for name, pid in self.processes.items():
            family = [psutil.Process(pid())]
            family += [] if name == "bench" else family[0].children(recursive=True)
            spent[name] = sum(sum(each.cpu_times()[:2]) for each in family)
        return spent

    def worker(self, *, port: int, lasts_s: float = 0) -> Program:
        environment = self.environment | {"DELIVERY_STAGE_S": str(lasts_s)}
        return Program("worker", WORKER, port=port, environment=environment, log=self.folder / "worker.log")


async def until(left: Callable[[], Awaitable[int]], *, every_s: float = 0.02) -> None:
    """Wait for rows that other processes change. Looking takes its share of the processors."""
    while await left():  # noqa: ASYNC110 - they tell nobody
        await asyncio.sleep(every_s)


async def sample_of(url: str) -> UUID:
    """Write the generation that is copied, by the real rooms."""
    db = postgres.connect(url, name="benchmark")
    welcome = await onboarding.create_user(
        email="a@example.com", plan=Plan.PRO, role="user", live=False, db=db, now=clock.now()
    )
    owner, draft, generation = welcome.account, DraftId(uuid4()), GenerationId(uuid4())
    made = NewGeneration(
        id=generation,
        account_id=owner.id,
        draft_id=draft,
        kind=GenerationKind.SCRIPT,
        fingerprint=b"f" * 32,
        plan=owner.plan,
        price_version=1,
        hold_micro=0,
        generation_units=0,
        admitted_at=clock.now(),
        deadline=timedelta(hours=24),
    )
    async with db.begin() as tx:
        await Drafts(session=tx).add(Draft(id=draft, account_id=owner.id, topic="Cats"))
        await Generations(session=tx).add_once(made)
    await db.close()
    return generation


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[Bench]:
    """Start everything but a worker; end all of it."""
    async with AsyncExitStack() as stack:
        database, valkey = Postgres(folder / "postgres"), Valkey(folder / "valkey")
        for server in (database, valkey):
            server.start()
            stack.callback(server.stop)
        migrations.upgrade(database.url)
        queue_port, worker_port, state = child.free_port(), child.free_port(), child.open_folder(folder / "queue")
        worker_url, credentials = f"http://127.0.0.1:{worker_port}", Credentials.kept_in(state / "credentials.json")
        words = [*QUEUE, "--state", str(state), "--allow", worker_url, "--parallel", str(2 * PLACES)]
        queue = Program("queue", words, port=queue_port, environment=dict(os.environ), log=folder / "queue.log")
        queue.start()
        stack.callback(queue.stop)
        queue.await_ready()
        environment = {
            **os.environ,
            "DATABASE_URL": database.url,
            "REDIS_URL": valkey.url,
            "QSTASH_URL": f"http://127.0.0.1:{queue_port}",
            "QSTASH_TOKEN": credentials.token,
            "QSTASH_CURRENT_SIGNING_KEY": credentials.current,
            "QSTASH_NEXT_SIGNING_KEY": credentials.next,
            "REELWRIGHT_ENVIRONMENT": "development",
            "REELWRIGHT_LOG_LEVEL": "WARNING",
            "REELWRIGHT_REDIS_TIMEOUT": "2s",
            "REELWRIGHT_STORAGE_URL": f"file://{child.open_folder(folder / 'artefacts')}",
            "REELWRIGHT_WORKER_CONCURRENCY": str(PLACES),
            "REELWRIGHT_WORKER_URL": worker_url,
            "PYTHONPATH": HERE,
        }
        db = await stack.enter_async_context(asyncpg.create_pool(database.url, min_size=1, max_size=PLACES))
        sample = await sample_of(database.url)
        await db.execute(OWNERS)
        processes = {
            "bench": os.getpid,
            "queue": lambda: queue.pid,
            "postgres": lambda: database.pid,
            "valkey": lambda: valkey.pid,
        }
        yield Bench(db, sample, processes, environment | {"WORKER_PORT": str(worker_port)}, folder)


@asynccontextmanager
async def working(bench: Bench, *, lasts_s: float = 0) -> AsyncGenerator[Program]:
    worker = bench.worker(port=int(bench.environment["WORKER_PORT"]), lasts_s=lasts_s)
    worker.start()
    try:
        worker.await_ready()
        bench.processes["worker"] = lambda: worker.pid
        yield worker
    finally:
        bench.processes.pop("worker", None)
        worker.stop()


async def drained(bench: Bench, generations: int) -> Travels:
    """Queue them at once and see them all through."""
    before = bench.cpu_s()
    return await bench.travelled(await bench.seed(generations), before)


async def arriving(bench: Bench, generations: int, *, every_s: float | None) -> Travels:
    """Queue one after another: at a pace, or each when the one before has ended."""
    before, made = bench.cpu_s(), list[UUID]()
    for _ in range(generations):
        made += await bench.seed(1)
        await (bench.end_all() if every_s is None else asyncio.sleep(every_s))
    return await bench.travelled(made, before)


async def measured(bench: Bench, count: int, work: Awaitable[None]) -> Travels:
    before, began = bench.cpu_s(), time.perf_counter()
    await work
    took_s, used = time.perf_counter() - began, bench.cpu_s()
    cpu_ms = {name: 1000 * (used[name] - spent) / count for name, spent in before.items()}
    return Travels(count=count, took_s=took_s, p50_ms=0, p99_ms=0, cpu_ms=cpu_ms)


async def bare_claims(bench: Bench, runs: int) -> Travels:
    generations = await bench.seed(runs, promised=False)
    todo = [FIRST.run_id(GenerationId(each)) for each in generations]
    found = await measured(bench, runs, delivery_floor.claimed_and_completed(bench.db, todo, places=PLACES))
    await bench.db.execute("DELETE FROM generations WHERE id = ANY($1)", generations)
    return found


async def bare_posts(bench: Bench, messages: int) -> Travels:
    """Deliver messages of runs that don't exist."""
    of = [creation.due(GenerationId(uuid4()), FIRST, request_id=None) for _ in range(messages)]
    queue, to = bench.environment["QSTASH_URL"], bench.environment["REELWRIGHT_WORKER_URL"] + outbox.GENERATE
    bodies = [outbox.encoded(each) for each in of]
    return await measured(bench, messages, delivery_floor.posted(queue, bench.environment["QSTASH_TOKEN"], to, bodies))


async def fill(bench: Bench, past: UUID, rows: int) -> None:
    """Let the tables hold so many runs that have ended, each with its outbox row."""
    while (held := await bench.db.fetchval("SELECT count(*) FROM stage_runs")) < rows:
        made = [uuid4() for _ in range(min(5000, -(-(rows - held) // STAGES)))]
        await bench.db.execute(CLONE, past, made)
        await bench.db.execute(PAST_RUNS, past, made)
        await bench.db.execute(PAST_PROMISES, made)
    await bench.db.execute("ANALYZE")


async def recovered(bench: Bench) -> float:
    """Kill a worker in the middle of a stage, start another; return the seconds until the generation has ended."""
    async with working(bench, lasts_s=600) as worker:
        [generation] = await bench.seed(1)
        await until(lambda: bench.db.fetchval(NOT_BEGUN, generation))
        psutil.Process(worker.pid).kill()
        began = time.perf_counter()
    async with working(bench):
        await bench.end_all()
    return time.perf_counter() - began


def cpu_of(used: dict[str, float]) -> str:
    parts = [used[kind] for kind in ("queue", "postgres", "valkey", "worker")]
    return " + ".join(f"{part:.2f}" for part in parts) + f" = {sum(parts):.2f}"


def cost_of(used: dict[str, float]) -> float:
    return sum(used.values()) - used["bench"]


def told(console: Console, found: dict[str, Travels], floors: dict[str, Travels]) -> None:
    table = Table("", "deliveries", "a second", "p50 wait ms", "p99 wait ms", "CPU ms: queue, postgres, valkey, worker")
    for name, row in (found | floors).items():
        used = " + ".join(f"{row.cpu_ms[kind]:.2f}" for kind in ("queue", "postgres", "valkey", "worker"))
        waits = ("", "") if name in floors else (f"{row.p50_ms:.1f}", f"{row.p99_ms:.1f}")
        table.add_row(name, str(row.count), f"{row.per_s:.0f}", *waits, f"{used} = {cost_of(row.cpu_ms):.2f}")
    console.print(table)
    backlog, (claims, posts) = found["backlog"], floors.values()
    least_ms = sum(claims.cpu_ms.values()) + cost_of(posts.cpu_ms)  # what claims bare is this process itself
    console.print(
        f"{backlog.per_s / claims.per_s:.3f} of the bare claims' speed; {cost_of(backlog.cpu_ms) / least_ms:.2f} times"
        f" both floors' CPU, {least_ms:.2f} ms, with which two cores could do {2000 / least_ms:.0f} a second"
    )


def judged(console: Console, lines: dict[str, tuple[float | None, float]]) -> None:
    """Show each line of the issue with its target; below zero stands what has to be reached."""
    table = Table("line", "found", "target", "")
    for line, (value, most) in lines.items():
        verdict = "not measured" if value is None else "met" if value <= most else "MISSED"
        shown = "" if value is None else f"{abs(value):.2f}"
        table.add_row(line, shown, f"at {'least' if most < 0 else 'most'} {abs(most):g}", verdict)
    console.print(table)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--recovery", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found")
    chosen = parser.parse_args()
    log.configure(level="WARNING", as_json=False)
    console, short, recovery_s, flat = Console(width=160), chosen.short, None, None
    found, floors = dict[str, Travels](), dict[str, Travels]()
    with tempfile.TemporaryDirectory(prefix="delivery-") as folder:
        async with running(Path(folder)) as bench:
            if not chosen.recovery:
                async with working(bench):
                    [past] = (await warmed(bench))[:1]
                    found["backlog"] = await drained(bench, 150 if short else 3334)
                    found["one at a time"] = await arriving(bench, 15 if short else 60, every_s=None)
                    found["40 a second arrive"] = await arriving(bench, 80 if short else 400, every_s=0.025)
                    floors["floor: claim, complete"] = await bare_claims(bench, 600 if short else 4000)
                    floors["floor: sign, post, verify"] = await bare_posts(bench, 600 if short else 4000)
                    flat = None if short else await flatness(bench, past, found)
                told(console, found, floors)
            if not short:
                recovery_s = await recovered(bench)
    fastest, idle = found.get("backlog"), found.get("one at a time")
    lines = {
        "deliveries a second": (fastest and -fastest.per_s, -200.0),
        "wait when idle, p50, ms": (idle and idle.p50_ms, 25.0),
        "10,000 waiting are gone in, s": (fastest and 10_000 / fastest.per_s, 60.0),
        "finished after kill -9 in, s": (recovery_s, 60.0),
        "CPU with 100,000 rows to that with 100": (flat, 1.2),
    }
    judged(console, lines)
    if chosen.json:
        chosen.json.write_text(json.dumps({name: asdict(row) for name, row in (found | floors).items()} | lines))


async def warmed(bench: Bench) -> list[UUID]:
    generations = await bench.seed(20)
    await bench.end_all()
    return generations


async def flatness(bench: Bench, past: UUID, found: dict[str, Travels]) -> float:
    """Return the CPU of a delivery with 100,000 rows in the tables, as a multiple of that with 100."""
    await bench.db.execute("DELETE FROM generations WHERE id <> ALL($1)", [bench.sample, past])
    await bench.db.execute("VACUUM ANALYZE")
    found["100 rows in the tables"] = few = await drained(bench, 300)
    await fill(bench, past, 100_000)
    found["100,000 rows in the tables"] = many = await drained(bench, 300)
    return cost_of(many.cpu_ms) / cost_of(few.cpu_ms)


if __name__ == "__main__":
    asyncio.run(main())
