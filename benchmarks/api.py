"""How much of a request is ours: create, read and list, against a bare Litestar route and the same SQL by asyncpg.

    python benchmarks/api.py            three rounds, then 20 s of orders at 300 a second: two minutes
    python benchmarks/api.py --short    one round and 5 s: half a minute, and noisy

One API process (uvicorn on uvloop and httptools), real PostgreSQL and Valkey, a generator in a process of its own,
eight requests in flight, all on this machine's cores together. Two floors in the same run, in turn with ours: a bare
Litestar route that encodes one small Struct, and a Litestar route that plays the very statements that ours sent, any
BEGIN and COMMIT included, by plain asyncpg from a prepared pool, with new ids. They check no key, limit or body. The
relay publishes each order to a queue that says yes and delivers nothing. Each account orders the five that it may
have at once, with forty orders of others between two of them, as the floor's two hundred accounts have: every fifth
order is the first of an account that Redis has never heard of. In an arm of its own all five of one account come
together, and wait for one another's COMMIT. Before all that come two thousand orders and an ANALYZE, as autovacuum
does, and the log has segments to write over: neither plans of empty tables nor a log that first has to be laid out,
16 MB at a time, are those of a database that is in use. CPU is what a process and its children used, for one request:
it says what to mend, while seconds on a shared machine don't. The floors' server has its own CPU column. The SQL of
orders is also sent without any HTTP, so that it shows what PostgreSQL could take here at most.
"""

import argparse
import asyncio
import contextlib
import json
import os
import pickle
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import psutil
from api_floor import Tape
from api_tape import taped
from rich.console import Console
from rich.table import Table

from reelwright.billing import Plan
from reelwright.dev import child
from reelwright.dev.postgres import ROLE, Postgres
from reelwright.dev.program import Program
from reelwright.dev.valkey import Valkey
from reelwright.ground import clock, log, migrations, postgres
from reelwright.journeys import onboarding

AT_ONCE, RATE = 8, 300.0
RUNNING = 5  # generations that a Pro account may have at once
FLOORS = 200  # accounts of the floor's own: what it writes counts against nobody else
HERE = Path(__file__).parent
LOAD = HERE / "api_load.py"
MAY_USE_LOG = f"GRANT EXECUTE ON FUNCTION pg_switch_wal() TO {ROLE}", f"GRANT pg_checkpoint TO {ROLE}"
BODY = json.dumps({"topic": "Why do cats purr?", "kind": "script"})


@dataclass(frozen=True)
class Found:
    """One arm's requests in one round. CPU in milliseconds for each, by process."""

    per_s: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    cpu_ms: dict[str, float]


@dataclass
class Bench:
    """The running processes, the accounts that order, and how much each has left."""

    processes: dict[str, Program | Postgres | Valkey]
    keys: list[str]
    ports: dict[str, int]
    served: int = 1  # the first account is the tapes'
    reads: str = ""
    url: str = ""
    tapes: dict[str, Tape] = field(default_factory=dict[str, Tape])
    found: dict[str, list[Found]] = field(default_factory=dict[str, list[Found]])

    def orders(self, count: int, *, together: bool = False) -> list[str]:
        """Return so many orders, five of each account: `together`, or forty others' between two of them."""
        accounts = -(-count // RUNNING)
        apart = 0 if together else AT_ONCE
        keys = self.keys[self.served : self.served + accounts]
        self.served += accounts
        turns = [keys[(n // RUNNING - apart * (n % RUNNING)) % accounts] for n in range(count)]
        return [request("POST", "/v1/create", key, body=BODY, idempotency=uuid4().hex) for key in turns]

    async def run(self, arm: str, server: str, requests: Sequence[str], *, rate: float | None = None) -> Found:
        """Let the generator send these, and keep what it found. Every answer must be a success."""
        before = self.cpu_s()
        plan = {"port": self.ports[server], "requests": requests, "rate": rate, "at_once": AT_ONCE}
        generator = await asyncio.create_subprocess_exec(
            sys.executable, str(LOAD), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await generator.communicate(json.dumps(plan).encode())
        told = json.loads(said)
        used = {name: (spent - before[name]) for name, spent in self.cpu_s().items()} | {"generator": told["cpu_s"]}
        assert told["statuses"].keys() <= {"200", "201", "202"}, (arm, told["statuses"])
        return self._kept(arm, told, used)

    def _kept(self, arm: str, told: dict[str, Any], used_s: dict[str, float]) -> Found:
        found = Found(
            per_s=told["count"] / told["whole_s"],
            p50_ms=told["p50_ms"],
            p99_ms=told["p99_ms"],
            worst_ms=told["worst_ms"],
            cpu_ms={name: 1000 * spent / told["count"] for name, spent in used_s.items()},
        )
        self.found.setdefault(arm, []).append(found)
        return found

    async def play(self, arm: str, tape: Tape, count: int) -> Found:
        """Send a request's SQL from here, without HTTP, over as many connections as there are requests in flight."""
        settings, took_ms, todo = (
            {"plan_cache_mode": "force_generic_plan", "jit": "off", "random_page_cost": "1.1"},
            list[float](),
            iter(range(count)),
        )
        async with asyncpg.create_pool(self.url, min_size=AT_ONCE, max_size=AT_ONCE, server_settings=settings) as pool:

            async def work() -> None:
                async with pool.acquire() as connection:
                    for _ in todo:
                        since = time.perf_counter()
                        await tape.play(connection)
                        took_ms.append((time.perf_counter() - since) * 1000)

            before, own, began = self.cpu_s(), time.process_time(), time.perf_counter()
            await asyncio.gather(*(work() for _ in range(AT_ONCE)))
            whole_s = time.perf_counter() - began
            used = {name: (spent - before[name]) for name, spent in self.cpu_s().items()}
            used["generator"] = time.process_time() - own
        took_ms.sort()
        p50_ms, p99_ms, worst_ms = took_ms[count // 2], took_ms[count * 99 // 100], took_ms[-1]
        told = {"count": count, "whole_s": whole_s, "p50_ms": p50_ms, "p99_ms": p99_ms, "worst_ms": worst_ms}
        return self._kept(arm, told, used)

    async def look(self) -> None:
        """Let PostgreSQL learn how much there is; its plans are made anew."""
        connection = await asyncpg.connect(self.url)
        await connection.execute("ANALYZE")
        await connection.close()

    def cpu_s(self) -> dict[str, float]:
        spent: dict[str, float] = {}
        for name, process in self.processes.items():
            root = psutil.Process(process.pid)
            spent[name] = sum(map(used_s, (root, *root.children(recursive=True))))
        return spent


def used_s(process: psutil.Process) -> float:
    """Return the CPU seconds of a process; none of one that has just ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return sum(process.cpu_times()[:2])
    return 0.0


def request(method: str, path: str, key: str = "", *, body: str = "", idempotency: str = "") -> str:
    """Spell one request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"Authorization: Bearer {key}"] if key else []
    lines += [f"Idempotency-Key: {idempotency}"] if idempotency else []
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join(lines) + "\r\n\r\n" + body


async def agree(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be a queue that takes every batch."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r")[0]))
            said = json.dumps([{"messageId": uuid4().hex} for _ in json.loads(body)]).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(said))
            writer.write(said)
    writer.close()


async def people(url: str, count: int) -> tuple[list[str], list[UUID]]:
    """Make so many Pro accounts; return their keys and ids."""
    db, made = postgres.connect(url, name="benchmark"), list[tuple[str, UUID]]()
    todo = iter(range(count))

    async def work() -> None:
        for n in todo:
            welcome = await onboarding.create_user(
                email=f"p{n}@example.com", plan=Plan.PRO, role="user", live=True, db=db, now=clock.now()
            )
            made.append((welcome.secret, welcome.account.id))

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    await db.close()
    return [secret for secret, _ in made], [account for _, account in made]


async def use_log(url: str) -> None:
    """Fill sixteen segments of the log, which are written over from then on."""
    connection = await asyncpg.connect(url, database="postgres")
    for _ in range(16):
        await connection.execute("SELECT pg_logical_emit_message(false, '', '')")
        await connection.execute("SELECT pg_switch_wal()")
    await connection.execute("CHECKPOINT")
    await connection.close()


@contextlib.asynccontextmanager
async def running(folder: Path, customers: int) -> AsyncGenerator[Bench]:
    """Start everything; end all of it."""
    async with contextlib.AsyncExitStack() as stack:
        servers: dict[str, Postgres | Valkey] = {
            "postgres": Postgres(folder / "postgres", settings={"min_wal_size": "512MB"}, statements=MAY_USE_LOG),
            "valkey": Valkey(folder / "valkey"),
        }
        for server in servers.values():
            server.start()
            stack.callback(server.stop)
        url = servers["postgres"].url
        await use_log(url)
        migrations.upgrade(url)
        keys, accounts = await people(url, customers + FLOORS)
        queue = await asyncio.start_server(agree, "127.0.0.1", 0)
        stack.callback(queue.close)
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "REDIS_URL": servers["valkey"].url,
            "QSTASH_URL": f"http://127.0.0.1:{queue.sockets[0].getsockname()[1]}",
            "QSTASH_TOKEN": "token",
            "QSTASH_CURRENT_SIGNING_KEY": "sig_benchmark_key_of_32_characters",
            "REELWRIGHT_ENVIRONMENT": "development",
            "REELWRIGHT_LOG_LEVEL": "INFO",
            "REELWRIGHT_SECRET_KEY": "a benchmark's own secret, which guards nothing",
            "REELWRIGHT_REDIS_TIMEOUT": "2s",
            "REELWRIGHT_STORAGE_URL": f"file://{child.open_folder(folder / 'artefacts')}",
            "REELWRIGHT_WORKER_URL": "http://127.0.0.1:9",
            "PYTHONPATH": f"{HERE.parent}/src:{HERE.parent}:{HERE}",
        }
        tapes, read = await taped(environment, keys[0], [accounts[0], *accounts[-FLOORS:]], BODY)
        pickled = folder / "tapes"
        pickled.write_bytes(pickle.dumps(tapes))
        ports, programs = {"api": child.free_port(), "floor": child.free_port()}, dict[str, Program]()
        for name, file in (("api", "api_server.py"), ("floor", "api_floor.py")):
            program = programs[name] = Program(
                name,
                [sys.executable, str(HERE / file)],
                port=ports[name],
                environment=environment | {"FLOOR_TAPES": str(pickled)},
                log=folder / f"{name}.log",
            )
            program.start()
            stack.callback(program.stop)
            program.await_ready()
        bench = Bench({**servers, **programs}, keys, ports, reads=read, url=url, tapes=tapes)
        print({name: len(tape.statements) for name, tape in tapes.items()}, "statements a request, BEGIN and COMMIT in")
        yield bench


ARMS = ("read", "list", "create")
FLOOR = "bare Litestar route"
NO_HTTP = "create, its SQL without HTTP"
TOGETHER = "create, one account's five together"
HISTORY = 2000


async def compared(bench: Bench, *, rounds: int, reads: int, orders: int) -> None:
    """Let each arm run in turn, so often; the first round warms up and is forgotten."""
    await bench.play(NO_HTTP, bench.tapes["create"], HISTORY)
    await bench.look()
    paths = {"read": f"/v1/generations/{bench.reads}", "list": "/v1/generations?limit=20"}
    for turn in range(rounds + 1):
        part = 10 if turn == 0 else 1
        await bench.run(FLOOR, "floor", [request("GET", "/bare")] * (reads // part))
        for arm in ARMS:
            if arm == "create":
                ours = bench.orders(orders // part)
                floor = [request("POST", "/sql/create", "x", body=BODY)] * len(ours)
            else:
                ours = [request("GET", paths[arm], bench.keys[0])] * (reads // part)
                floor = [request("GET", f"/sql/{arm}")] * len(ours)
            await bench.run(f"{arm}, its SQL alone", "floor", floor)
            await bench.run(arm, "api", ours)
        await bench.run(TOGETHER, "api", bench.orders(orders // part, together=True))
        await bench.play(NO_HTTP, bench.tapes["create"], orders // part)
        if turn == 0:
            bench.found.clear()


def median(found: Sequence[Found], of: Callable[[Found], float]) -> float:
    return statistics.median(map(of, found))


def told(console: Console, bench: Bench) -> None:
    kinds = ("api", "floor", "postgres", "valkey", "generator")
    table = Table("", "a second", "p50 ms", "p99 ms", *(f"{kind} CPU ms" for kind in kinds))
    for arm, found in bench.found.items():
        cells = [f"{median(found, lambda f, kind=kind: f.cpu_ms[kind]):.2f}" for kind in kinds]
        speed = f"{median(found, lambda f: f.per_s):.0f}"
        times = f"{median(found, lambda f: f.p50_ms):.1f}", f"{median(found, lambda f: f.p99_ms):.1f}"
        table.add_row(arm, speed, *times, *cells)
    console.print(table)
    for arm in ARMS:
        to_sql, to_bare = ratio(bench, arm, f"{arm}, its SQL alone"), ratio(bench, arm, FLOOR)
        console.print(f"{arm}: {to_sql:.2f} of Litestar with the same SQL by asyncpg, {to_bare:.2f} of the bare route")
    p99_ms = median(bench.found["create"], lambda f: f.p99_ms)
    goals = (
        ("orders a second, eight in flight", median(bench.found["create"], _per_s), RATE, 1),
        ("their p99 in ms", p99_ms, 40.0, -1),
        ("reads, as a part of the same SQL on a bare route", ratio(bench, "read", "read, its SQL alone"), 0.6, 1),
    )
    aims = Table("", "found", "target", "")
    for aim, value, wanted, sign in goals:
        target = f"{'at least' if sign > 0 else 'at most'} {wanted:g}"
        aims.add_row(aim, f"{value:.2f}", target, "met" if sign * value >= sign * wanted else "MISSED")
    console.print(aims)
    console.print("p99 of orders by round, in ms:", *(f"{found.p99_ms:.1f}" for found in bench.found["create"]))
    spent = median(bench.found["create"], lambda f: sum(f.cpu_ms.values())) / (os.cpu_count() or 1)
    api, alone = median(bench.found["create"], lambda f: f.cpu_ms["api"]), median(bench.found[NO_HTTP], _per_s)
    console.print(
        f"By CPU alone the API process could take {1000 / api:.0f} orders a second, and this machine's cores"
        f" {1000 / spent:.0f}; PostgreSQL takes {alone:.0f} of the same SQL by asyncpg without HTTP, Redis or a relay."
    )


STEADY = f"create, {RATE:.0f} a second fall due"


def _per_s(found: Found) -> float:
    return found.per_s


def ratio(bench: Bench, arm: str, floor: str) -> float:
    """Requests a second, as a part of the floor's in the same round; the median round."""
    pairs = zip(bench.found[arm], bench.found[floor], strict=True)
    return statistics.median(ours.per_s / bare.per_s for ours, bare in pairs)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found")
    chosen = parser.parse_args()
    log.configure(level="WARNING", as_json=False)
    rounds, reads, orders, lasts_s = (1, 1000, 400, 5) if chosen.short else (3, 4000, 1500, 20)
    with tempfile.TemporaryDirectory(prefix="api-") as folder:
        steady = int(RATE * lasts_s)
        customers = (2 * (rounds + 1) * orders + steady) // RUNNING + 2 * rounds + 5
        async with running(Path(folder), customers) as bench:
            await compared(bench, rounds=rounds, reads=reads, orders=orders)
            await bench.run(STEADY, "api", bench.orders(steady), rate=RATE)
    told(Console(width=160), bench)
    if chosen.json:
        chosen.json.write_text(json.dumps({arm: [asdict(row) for row in found] for arm, found in bench.found.items()}))


if __name__ == "__main__":
    asyncio.run(main())
