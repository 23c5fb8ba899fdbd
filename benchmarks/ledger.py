"""What do lots, numbered lines and debts cost a hold and a capture, against the bare statement that knows none of them?

    python benchmarks/ledger.py            three rounds of 1,000 pairs a cell, and a million journal lines: minutes
    python benchmarks/ledger.py --short    one round of 120, and 100,000 lines: less than half a minute, and noisy
    python benchmarks/ledger.py --only usage --rows 5000000       the usage figures alone, over so many usage rows

One PostgreSQL as `reelwright dev` runs it (commits reach the disk); one Python process on uvloop with our own sessions,
eight connections. A pair is two transactions: hold, then capture of a part, so that there is something to void. The
floor does the same to tables of its own with the same keys and the same append-only journal, one statement each: a
balance moved under a condition, a hold, one journal line or two. It has no lots, no line numbers, no balance after each
line. Arms take turns within a cell; ratios are medians of each round's own ratio.

Usage: what counting adds to a request, as the same request with and without it, while PostgreSQL answers at once, 50 ms
late, and not at all; and a month's report from the daily figures of so many calls of 1,000 accounts, with what the
same question costs of the calls themselves.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import uvloop
from litestar import Litestar, get
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import api, ledger
from reelwright.accounts import Account
from reelwright.dev.postgres import Postgres
from reelwright.ground import log, migrations, postgres
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database

TARGET = 0.7
FLAT = 1.5
ADDED_MS, REPORT_MS = 1.0, 200.0
MONTH = (date(2026, 10, 1), date(2026, 10, 31))
PRICE, USED, PLENTY = 20_000_000, 15_000_000, 10**15

FLOOR = """
    CREATE TABLE bare_balances (account_id uuid PRIMARY KEY REFERENCES users (id),
        available_micro bigint NOT NULL CHECK (available_micro >= 0),
        held_micro bigint NOT NULL CHECK (held_micro >= 0),
        updated_at timestamptz NOT NULL DEFAULT now()) WITH (fillfactor = 70);
    CREATE TABLE bare_journal (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account_id uuid NOT NULL REFERENCES users (id), kind text NOT NULL, from_bucket text NOT NULL,
        to_bucket text NOT NULL, amount_micro bigint NOT NULL CHECK (amount_micro > 0), generation_id uuid,
        source text NOT NULL UNIQUE, at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX ON bare_journal (account_id, id);
    CREATE INDEX ON bare_journal (generation_id);
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON bare_journal FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE TABLE bare_holds (generation_id uuid NOT NULL REFERENCES generations (id), attempt smallint NOT NULL,
        account_id uuid NOT NULL REFERENCES users (id), amount_micro bigint NOT NULL CHECK (amount_micro > 0),
        state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'captured', 'voided')), captured_micro bigint,
        created_at timestamptz NOT NULL DEFAULT now(), settled_at timestamptz,
        PRIMARY KEY (generation_id, attempt));
    CREATE INDEX ON bare_holds (account_id, state);
    CREATE UNIQUE INDEX ON bare_holds (generation_id) WHERE state = 'pending'
"""
BARE_HOLD = text(
    """
    WITH money AS (
        UPDATE bare_balances
           SET available_micro = available_micro - :micro, held_micro = held_micro + :micro, updated_at = now()
         WHERE account_id = :account AND available_micro >= :micro
           AND NOT EXISTS (SELECT FROM bare_holds WHERE generation_id = :generation AND attempt = 1)
        RETURNING account_id
    ), line AS (
        INSERT INTO bare_journal (account_id, kind, from_bucket, to_bucket, amount_micro, generation_id, source)
        SELECT account_id, 'hold', 'available', 'held', :micro, :generation, 'hold:' || :reference FROM money)
    INSERT INTO bare_holds (generation_id, attempt, account_id, amount_micro)
    SELECT :generation, 1, account_id, :micro FROM money RETURNING generation_id
    """
)
BARE_CAPTURE = text(
    """
    WITH hold AS (
        UPDATE bare_holds SET state = 'captured', settled_at = now(), captured_micro = least(:micro, amount_micro)
         WHERE generation_id = :generation AND state = 'pending'
        RETURNING account_id, generation_id, attempt, amount_micro, captured_micro
    ), money AS (
        UPDATE bare_balances b
           SET held_micro = held_micro - hold.amount_micro, updated_at = now(),
               available_micro = available_micro + hold.amount_micro - hold.captured_micro
          FROM hold WHERE b.account_id = hold.account_id
    ), lines AS (
        INSERT INTO bare_journal (account_id, kind, from_bucket, to_bucket, amount_micro, generation_id, source)
        SELECT account_id, move.kind, 'held', move.bucket, move.micro, generation_id,
               move.kind || ':' || generation_id || ':' || attempt
          FROM hold, LATERAL (VALUES ('capture', 'spent', captured_micro),
                                     ('void', 'available', amount_micro - captured_micro)) AS move (kind, bucket, micro)
         WHERE move.micro > 0)
    SELECT captured_micro FROM hold
    """
)
Work = tuple[AccountId, GenerationId]
Step = Callable[[AsyncConnection, Work], Awaitable[None]]


async def our_hold(tx: AsyncConnection, work: Work) -> None:
    await ledger.hold(tx, account=work[0], generation=work[1], micro=PRICE)


async def our_capture(tx: AsyncConnection, work: Work) -> None:
    assert (await ledger.capture(tx, generation=work[1], micro=USED)).now


async def bare_hold(tx: AsyncConnection, work: Work) -> None:
    values = {"account": work[0], "generation": work[1], "micro": PRICE, "reference": f"{work[1]}:1"}
    assert await tx.scalar(BARE_HOLD, values) is not None


async def bare_capture(tx: AsyncConnection, work: Work) -> None:
    assert await tx.scalar(BARE_CAPTURE, {"generation": work[1], "micro": USED}) == USED


ARMS: dict[str, tuple[Step, Step]] = {"ours": (our_hold, our_capture), "floor": (bare_hold, bare_capture)}


async def people(db: Database, count: int, lots: int) -> list[AccountId]:
    """Make accounts with so many lots each, and as much for the floor."""
    accounts = [AccountId(uuid4()) for _ in range(count)]
    async with db.begin() as tx:
        for account in accounts:
            named = {"id": account, "email": f"{account.hex}@example.com", "micro": PLENTY}
            await tx.execute(text("INSERT INTO users (id, email, plan) VALUES (:id, :email, 'pro')"), named)
            await tx.execute(text("INSERT INTO bare_balances VALUES (:id, :micro, 0)"), named)
            for lot in range(lots):
                await ledger.grant(tx, account=account, micro=PLENTY, source=f"{account}:{lot}")
    return accounts


async def works(db: Database, accounts: Sequence[AccountId], count: int) -> list[Work]:
    """Make so many generations, of the accounts in turn."""
    made = [(accounts[at % len(accounts)], GenerationId(uuid4())) for at in range(count)]
    async with db.begin() as tx:
        rows = [{"id": work, "account": account, "draft": uuid4()} for account, work in made]
        await tx.execute(
            text(
                "INSERT INTO drafts (id, account_id, topic, platform, tone, language, duration_s, aspect, voice, music)"
                " VALUES (:draft, :account, 'Cats', 'tiktok', 'calm', 'en', 30, '9:16', 'default', 'auto')"
            ),
            rows,
        )
        await tx.execute(
            text(
                "INSERT INTO generations (id, account_id, draft_id, kind, fingerprint, plan, price_version, hold_micro,"
                " lane, admitted_at, deadline_at)"
                " VALUES (:id, :account, :draft, 'video', '', 'pro', 1, 0, 'interactive', now(), now())"
            ),
            rows,
        )
    return made


async def pairs_per_s(db: Database, arm: tuple[Step, Step], todo: Sequence[Work], at_once: int) -> float:
    left = iter(todo)

    async def work() -> None:
        for one in left:
            for step in arm:
                async with db.begin() as tx:
                    await step(tx, one)

    began = perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return len(todo) / (perf_counter() - began)


async def compared(
    db: Database, accounts: Sequence[AccountId], *, rounds: int, count: int, at_once: int
) -> list[float]:
    """Return medians: ours and the floor's pairs a second, and the ratio of a round."""
    found = list[tuple[float, float]]()
    for at in range(rounds + 1):
        order = list(ARMS) if at % 2 else list(ARMS)[::-1]
        size = count if at else count // 10  # the first round is for warming up
        told = {}
        for name in order:
            told[name] = await pairs_per_s(db, ARMS[name], await works(db, accounts, size), at_once)
        if at:
            found.append((told["ours"], told["floor"]))
    ours, floor = zip(*found, strict=True)
    return [statistics.median(ours), statistics.median(floor), statistics.median(a / b for a, b in found)]


async def reads(db: Database, account: UUID, count: int) -> float:
    """Return the median time of a balance read, in ms."""
    took = list[float]()
    async with db.begin() as tx:
        for _ in range(count):
            began = perf_counter()
            await ledger.balance(tx, account=AccountId(account))
            took.append((perf_counter() - began) * 1000)
    return statistics.median(took)


async def longer(db: Database, account: AccountId, lines: int) -> None:
    """Give the account so many more journal lines: each grants and lapses a micro-credit in turn."""
    version = text("SELECT version FROM credit_balances WHERE account_id = :account")
    more = text(
        """
        INSERT INTO credit_journal (account_id, seq, kind, from_bucket, to_bucket, amount_micro, available_after_micro,
                                    held_after_micro, debt_after_micro, source)
        SELECT b.account_id, b.version + n, CASE n % 2 WHEN 1 THEN 'grant' ELSE 'expire' END,
               CASE n % 2 WHEN 1 THEN 'granted' ELSE 'available' END,
               CASE n % 2 WHEN 1 THEN 'available' ELSE 'expired' END, 1, b.available_micro + n % 2, b.held_micro, 0,
               'bench:' || b.account_id || ':' || b.version + n
          FROM credit_balances b, generate_series(1, CAST(:lines AS bigint)) AS n WHERE b.account_id = :account
        """
    )
    for _ in range(max(1, lines // 100_000)):
        values = {"account": account, "lines": min(lines, 100_000)}
        async with db.begin() as tx:
            await tx.execute(more, values)
            grown = text("UPDATE credit_balances SET version = version + :lines WHERE account_id = :account")
            await tx.execute(grown, values)
            assert await tx.scalar(version, {"account": account})


CALLS = text(
    """
    INSERT INTO usage_ledger (account_id, generation_id, run_id, fence, call_no, stage, action, provider, model,
                              outcome, quantity, prompt_tokens, completion_tokens, wall_ms, cost_nano_usd,
                              credits_micro, plan, price_version, at)
    SELECT ids.a[1 + n % 1000], gen_random_uuid(), gen_random_uuid(), 1, 0, 'STAGE', kind.action, 'openai', kind.model,
           CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'succeeded' END, 1, 900, 300, 1500, 2000000,
           CASE WHEN n % 50 = 0 THEN 0 ELSE 1000000 END, (ARRAY['basic', 'standard', 'pro'])[1 + n % 1000 % 3], 1,
           timestamptz '2026-10-01 00:00Z' + (n % 31) * interval '1 day' + interval '1 hour'
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


async def request_ms(app: Litestar, account: Account | None) -> float:
    """Return how long the app took to answer one request of an account, without a network."""
    scope: Any = {"type": "http", "method": "GET", "path": "/asked", "raw_path": b"/asked", "query_string": b"",
                  "headers": [], "state": {"account": account}, "http_version": "1.1", "scheme": "http",
                  "root_path": "", "client": None, "server": None, "asgi": {"version": "3.0"}}  # fmt: skip

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Any) -> None:
        pass

    began = perf_counter()
    await app(scope, receive, send)
    return (perf_counter() - began) * 1000


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
        "a request is answered", "without, ms p50 / p99", "counted, ms p50 / p99", "added p50 / p99", "target"
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
                if n >= 200:
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
    """Measure the roll-up and a month's reports; return whether each is as quick as it should be."""
    await people(db, 1_000, 0)
    for first in range(0, rows, 100_000):
        async with db.begin() as tx:
            await tx.execute(CALLS, {"first": first, "last": min(first + 100_000, rows) - 1})
    began = perf_counter()
    assert (await ledger.roll_up(db)).done
    rolling = perf_counter() - began
    async with db.begin() as tx:
        await tx.execute(text("ANALYZE usage_daily, usage_ledger"))
        figures = await tx.scalar(text("SELECT count(*) FROM usage_daily"))
    console.print(f"{rows:,} calls rolled up into {figures:,} daily figures: {rows / rolling:,.0f} a second")
    table, fine = Table("a month's report by", "ms, median of 9", f"target {REPORT_MS:.0f} ms"), True
    for by in ledger.Grouping:
        async with db.begin() as tx:
            took = [await seconds(ledger.report(tx, by, first=MONTH[0], last=MONTH[1])) * 1000 for _ in range(9)]
        met = statistics.median(took) < REPORT_MS
        fine = fine and met
        table.add_row(by.value, f"{statistics.median(took):.1f}", "met" if met else "MISSED")
    async with db.begin() as tx:
        top = ledger.top_consumers(tx, ledger.Ranking.COST, first=MONTH[0], last=MONTH[1], limit=20)
        table.add_row("top consumers", f"{await seconds(top) * 1000:.1f}", "")
        table.add_row("plan, of the calls themselves", f"{await seconds(tx.execute(BARE_REPORT)) * 1000:.1f}", "")
    console.print(table)
    return fine


async def seconds(work: Awaitable[object]) -> float:
    began = perf_counter()
    await work
    return perf_counter() - began


async def measured(url: str, *, short: bool, rows: int, only: str) -> bool:
    """Measure and print everything that is asked for; return whether every target is met."""
    db = postgres.connect(url, pool_size=8, statement_timeout_ms=60_000)
    console, fine = Console(), True
    async with db.begin() as tx:
        for statement in FLOOR.split(";"):
            await tx.exec_driver_sql(statement)
    if only != "credits":
        fine = await counted(url, console, count=1_000 if short else 5_000)
        fine = await reported(db, console, rows=rows) and fine
    if only != "usage":
        fine = await charged(db, console, short=short) and fine
    await db.close()
    return fine


async def charged(db: Database, console: Console, *, short: bool) -> bool:
    """Measure holds and captures against the floor, and balance reads; return whether every target is met."""
    fine = True
    hot, crowd = await people(db, 1, 3), await people(db, 40 if short else 1_000, 3)
    rounds, count = (1, 120) if short else (3, 1_000)
    table = Table("hold + capture", "at once", "ours /s", "floor /s", "share", f"target {TARGET:.0%}")
    for name, accounts in (("one account", hot), (f"{len(crowd)} accounts", crowd)):
        for at_once in (1, 8):
            ours, floor, share = await compared(db, accounts, rounds=rounds, count=count, at_once=at_once)
            met = share >= TARGET
            fine = fine and met
            told = (f"{ours:,.0f}", f"{floor:,.0f}", f"{share:.0%}", "met" if met else "MISSED")
            table.add_row(name, str(at_once), *told)
    console.print(table)
    lengths = (10, 100_000) if short else (10, 10_000, 1_000_000)
    (owner,) = await people(db, 1, 3)
    table, first = Table("journal lines of the account", "balance read, ms"), 0.0
    for length in lengths:
        await longer(db, owner, length)
        async with db.begin() as tx:
            await tx.execute(text("ANALYZE credit_journal"))
        took = await reads(db, owner, 300)
        first = first or took
        fine = fine and took <= first * FLAT
        table.add_row(f"{length:,}", f"{took:.3f}")
    console.print(table)
    async with db.begin() as tx:
        accounts = hot + crowd
        wrong = set(await ledger.mismatches(tx)) & set(accounts)
        assert not wrong, wrong
    began = perf_counter()
    done = await ledger.roll_up(db)
    console.print(f"{done.upto['credit_journal']:,} journal lines rolled up in {perf_counter() - began:.1f} s")
    return fine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="less than half a minute, and noisy")
    parser.add_argument("--rows", type=int, default=50_000, help="usage rows to report on (5000000 is the promise)")
    parser.add_argument("--only", choices=("credits", "usage"), default="", help="measure only these")
    chosen = parser.parse_args()
    log.configure(as_json=True)
    with tempfile.TemporaryDirectory(prefix="reelwright-ledger-") as folder:
        server = Postgres(Path(folder) / "postgres")
        server.start()
        try:
            migrations.upgrade(server.url)
            fine = uvloop.run(measured(server.url, short=chosen.short, rows=chosen.rows, only=chosen.only))
        finally:
            server.stop()
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
