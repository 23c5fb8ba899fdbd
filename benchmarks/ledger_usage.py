"""The usage half of `ledger.py`: what counting adds to a request, and a month's report from the daily figures."""

import asyncio
import contextlib
import resource
import statistics
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import date
from functools import partial
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from litestar import Litestar, get
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import api, ledger
from reelwright.accounts import Account
from reelwright.ground import postgres
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database

ADDED_MS, REPORT_MS = 1.0, 200.0
MONTH = (date(2026, 10, 1), date(2026, 10, 31))
DAYS, CHUNK = 31, 200_000
# What is looked up and indexed for each row, millions of rows can do without: no report reads it.
UNCHECKED = {
    book: text(f"ALTER TABLE {book} DROP CONSTRAINT IF EXISTS fk_{book}_account_id_users")
    for book in ("usage_ledger", "credit_journal")
}
UNINDEXED = text(
    "DROP INDEX uq_usage_ledger_call, uq_usage_ledger_success,"
    " ix_usage_ledger_generation_id, ix_usage_ledger_account_id"
)
# As they come: the days one behind the other, and the accounts in turn.
CALLS = text(
    """
    INSERT INTO usage_ledger (account_id, generation_id, run_id, fence, call_no, stage, action, provider, model,
                              outcome, quantity, prompt_tokens, completion_tokens, wall_ms, cost_nano_usd,
                              credits_micro, plan, price_version, at)
    SELECT ids.a[1 + n % 1000], gen_random_uuid(), gen_random_uuid(), 1, 0, 'STAGE', kind.action, 'openai', kind.model,
           CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'succeeded' END, 1, 900, 300, 1500, 2000000,
           CASE WHEN n % 50 = 0 THEN 0 ELSE 1000000 END, (ARRAY['basic', 'standard', 'pro'])[1 + n % 1000 % 3], 1,
           timestamptz '2026-10-01 00:00Z' + n * CAST(:days AS bigint) / CAST(:rows AS bigint) * interval '1 day'
      FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n,
           (SELECT array_agg(id) AS a FROM (SELECT id FROM users ORDER BY id LIMIT 1000) AS u) AS ids,
           LATERAL (SELECT (ARRAY['ingestion', 'story', 'image', 'vision_check', 'speech', 'render'])[1 + n / 7 % 6]
                               AS action, (ARRAY['m-1', 'm-2'])[1 + n / 11 % 2] AS model) AS kind
    """
)
BARE_REPORT = text(
    "SELECT plan, count(*), sum(cost_nano_usd), sum(prompt_tokens) FROM usage_ledger"
    " WHERE at >= '2026-10-01Z' AND at < '2026-11-01Z' GROUP BY plan"
)


@get("/asked")
async def asked() -> dict[str, bool]:
    return {"ok": True}


async def request_ms(app: Litestar, account: Account | None) -> float | None:
    """Return how long the app took to answer one request of an account, without a network.

    None where the machine took the processor away meanwhile: that says nothing of the app, which only gives it away.
    """
    scope: Any = {"type": "http", "method": "GET", "path": "/asked", "raw_path": b"/asked", "query_string": b"",
                  "headers": [], "state": {"account": account}, "http_version": "1.1", "scheme": "http",
                  "root_path": "", "client": None, "server": None, "asgi": {"version": "3.0"}}  # fmt: skip

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Any) -> None:
        pass

    began, taken = perf_counter(), resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
    await app(scope, receive, send)
    took_ms = (perf_counter() - began) * 1000
    return took_ms if resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw == taken else None


@contextlib.asynccontextmanager
async def proxied(url: str, delay_s: float) -> AsyncGenerator[str]:
    """Stand before PostgreSQL and hand everything on so much later; for ever, if that is infinite."""
    there, pumps = urlsplit(url), set[asyncio.Task[None]]()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                await asyncio.sleep(min(delay_s, 3600))
                sink.write(data)
                await sink.drain()
        sink.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, onward = await asyncio.open_connection(there.hostname, there.port)
        for pair in ((reader, onward), (upstream, writer)):
            pumps.add(asyncio.create_task(pump(*pair)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    credentials = there.netloc.rpartition("@")[0]
    yield urlunsplit(there._replace(netloc=f"{credentials}@127.0.0.1:{port}" if credentials else f"127.0.0.1:{port}"))
    server.close()
    for one in pumps:
        one.cancel()


async def counted(url: str, console: Console, *, count: int) -> bool:
    """Measure what counting adds to a request; return whether it is as little as it should be."""
    table = Table(
        "a request is answered",
        "without, ms p50 / p99",
        "counted, ms p50 / p99",
        "added p50 / p99",
        f"target: p99 below {ADDED_MS:g} ms",
    )
    fine = True
    for name, delay_s in (("PostgreSQL at once", 0.0), ("PostgreSQL 50 ms late", 0.05), ("PostgreSQL silent", 1e9)):
        async with proxied(url, delay_s) as there:
            db = postgres.connect(there, pool_size=2)
            recorder = ledger.Recorder(db, every_s=0.05)
            plain = Litestar([asked], logging_config=None, openapi_config=None)
            tracked = Litestar([asked], logging_config=None, openapi_config=None, before_send=[api.track_request])
            tracked.state.recorder = recorder
            accounts = [an_account() for _ in range(200)]
            took: dict[bool, list[float]] = {True: [], False: []}
            writing = asyncio.create_task(recorder._run())  # noqa: SLF001 - its end, which may take seconds, isn't asked
            for n in range(count * 2 + 200):
                ms = await request_ms(tracked if n % 2 else plain, accounts[n % 200])
                if n >= 200 and ms is not None:
                    took[n % 2 == 1].append(ms)
                if n % 21 == 0:  # the writer's turn, before either
                    await asyncio.sleep(0)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            async with asyncio.timeout(5):
                await db.close()
        p50, p99, bare50, bare99 = (told(took[arm], share) for arm in (True, False) for share in (0.5, 0.99))
        met = p99 - bare99 < ADDED_MS
        fine = fine and met
        table.add_row(
            name,
            f"{bare50:.3f} / {bare99:.3f}",
            f"{p50:.3f} / {p99:.3f}",
            f"{p50 - bare50:+.3f} / {p99 - bare99:+.3f}",
            "met" if met else "MISSED",
        )
    console.print(table)
    return fine


def an_account() -> Account:
    return Account(
        id=AccountId(uuid4()), email="", role="user", plan="pro", plan_version=1, boost_until=None, demo=False
    )


def told(took: Sequence[float], share: float) -> float:
    """Return a quantile as the median of those of ten stretches: what else the machine does hits some of them."""
    size = len(took) // 10
    stretches = [sorted(took[at * size : (at + 1) * size]) for at in range(10)]
    return statistics.median(stretch[int(size * share)] for stretch in stretches)


async def reported(db: Database, console: Console, *, rows: int) -> bool:
    """Measure the roll-up and a month's reports, over calls of the accounts there are; return whether each is quick."""
    async with db.begin() as tx:
        await tx.execute(UNCHECKED["usage_ledger"])
        await tx.execute(UNINDEXED)
    for first in range(0, rows, CHUNK):
        values = {"first": first, "last": min(first + CHUNK, rows) - 1, "days": DAYS, "rows": rows}
        async with db.begin() as tx:
            await tx.execute(CALLS, values)
    began = perf_counter()
    assert (await ledger.roll_up(db)).done
    rolling = perf_counter() - began
    async with db.begin() as tx:
        await tx.execute(text("ANALYZE usage_daily, usage_totals, usage_accounts, usage_ledger"))
        figures = await tx.scalar(text("SELECT count(*) FROM usage_daily"))
    console.print(f"{rows:,} calls rolled up into {figures:,} daily figures: {rows / rolling:,.0f} a second")
    table, fine = Table("a month's report", "ms, median of 9", f"target {REPORT_MS:.0f} ms"), True
    first, last = MONTH
    asked: dict[str, Callable[[AsyncConnection], Awaitable[object]]] = {
        f"by {by}": partial(ledger.report, by=by, first=first, last=last) for by in ledger.Grouping
    }
    asked["top consumers"] = partial(ledger.top_consumers, by=ledger.Ranking.COST, first=first, last=last, limit=20)
    for name, ask in asked.items():
        async with db.begin() as tx:
            took = statistics.median([await seconds(ask(tx)) * 1000 for _ in range(9)])
        fine = fine and took < REPORT_MS
        table.add_row(name, f"{took:.1f}", "met" if took < REPORT_MS else "MISSED")
    async with db.begin() as tx:
        table.add_row("by plan, of the calls themselves", f"{await seconds(tx.execute(BARE_REPORT)) * 1000:.1f}", "")
    console.print(table)
    return fine


async def seconds(work: Awaitable[object]) -> float:
    began = perf_counter()
    await work
    return perf_counter() - began
