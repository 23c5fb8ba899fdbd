"""What do lots, numbered lines and debts cost a hold and a capture, against the bare statement that knows none of them?

    python benchmarks/ledger.py            31 rounds of 64 pairs a cell, and a million journal lines: minutes
    python benchmarks/ledger.py --short    two rounds, and 100,000 lines: less than half a minute, and noisy
    python benchmarks/ledger.py --only usage --rows 5000000       the usage figures alone, over so many usage rows

One PostgreSQL as `reelwright dev` runs it (commits reach the disk); one Python process on uvloop with our own sessions,
eight connections. A pair is two transactions: hold, then capture of a part, so that there is something to void. The
floor does the same to tables of its own with the same keys and the same append-only journal, one statement each: a
balance moved under a condition, a hold, one journal line or two. It has no lots, no line numbers, no balance after each
line. Arms take turns, some tenths of a second each, so that what else the machine does meets both; ratios are medians
of each round's own ratio, with the quartiles.

Usage: what counting adds to a request, as the same request with and without it, while PostgreSQL answers at once, 50 ms
late, and not at all; and a month's report from the daily figures of so many calls of 1,000 accounts, with what the
same question costs of the calls themselves.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import perf_counter
from uuid import UUID, uuid4

import uvloop
from ledger_usage import CHUNK, UNCHECKED, counted, reported
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger
from reelwright.dev.postgres import Postgres
from reelwright.ground import log, migrations, postgres
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database, Statement

TARGET = 0.7
FLAT = 1.5
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
BARE_HOLD = Statement(
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
BARE_CAPTURE = Statement(
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
    assert await postgres.rows(tx, BARE_HOLD, values)


async def bare_capture(tx: AsyncConnection, work: Work) -> None:
    [taken] = await postgres.rows(tx, BARE_CAPTURE, {"generation": work[1], "micro": USED})
    assert taken["captured_micro"] == USED


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
    """Return medians: ours and the floor's pairs a second; then the median and the quartiles of a round's ratio."""
    found = list[tuple[float, float]]()
    for at in range(rounds + 1):
        order = list(ARMS) if at % 2 else list(ARMS)[::-1]
        told = {}
        for name in order:
            told[name] = await pairs_per_s(db, ARMS[name], await works(db, accounts, count), at_once)
        if at:  # the first round is for warming up
            found.append((told["ours"], told["floor"]))
    ours, floor = zip(*found, strict=True)
    low, middle, high = statistics.quantiles([a / b for a, b in found], n=4, method="inclusive")
    return [statistics.median(ours), statistics.median(floor), middle, low, high]


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
    async with db.begin() as tx:
        await tx.execute(UNCHECKED["credit_journal"])
    for _ in range(max(1, lines // CHUNK)):
        values = {"account": account, "lines": min(lines, CHUNK)}
        async with db.begin() as tx:
            await tx.execute(more, values)
            grown = text("UPDATE credit_balances SET version = version + :lines WHERE account_id = :account")
            await tx.execute(grown, values)
            assert await tx.scalar(version, {"account": account})


async def measured(url: str, *, short: bool, rows: int, only: str) -> bool:
    """Measure and print everything that is asked for; return whether every target is met."""
    db = postgres.connect(url, pool_size=8, statement_timeout_ms=600_000)
    console, fine = Console(), True
    async with db.begin() as tx:
        for statement in FLOOR.split(";"):
            await tx.exec_driver_sql(statement)
    if only != "credits":
        fine = await counted(url, console, count=1_000 if short else 5_000)
        await people(db, 1_000, 0)
        fine = await reported(db, console, rows=rows) and fine
    if only != "usage":
        fine = await charged(db, console, short=short) and fine
    await db.close()
    return fine


async def charged(db: Database, console: Console, *, short: bool) -> bool:
    """Measure holds and captures against the floor, and balance reads; return whether every target is met."""
    fine = True
    hot, crowd = await people(db, 1, 3), await people(db, 40 if short else 1_000, 3)
    rounds, count = (2, 64) if short else (31, 64)
    table = Table("hold + capture", "at once", "ours /s", "floor /s", "share (quartiles)", f"target {TARGET:.0%}")
    for name, accounts in (("one account", hot), (f"{len(crowd)} accounts", crowd)):
        for at_once in (1, 8):
            ours, floor, share, low, high = await compared(db, accounts, rounds=rounds, count=count, at_once=at_once)
            met = share >= TARGET
            fine = fine and met
            told = (f"{ours:,.0f}", f"{floor:,.0f}", f"{share:.0%} ({low:.0%} to {high:.0%})")
            table.add_row(name, str(at_once), *told, "met" if met else "MISSED")
    console.print(table)
    lengths = (10, 100_000) if short else (10, 10_000, 1_000_000)
    owners = await people(db, len(lengths), 3)
    for owner, length in zip(owners, lengths, strict=True):
        await longer(db, owner, length)
    async with db.begin() as tx:
        await tx.execute(text("ANALYZE credit_journal"))
    turns = [[await reads(db, owner, 30) for owner in owners] for _ in range(11)]  # in turns, as above
    medians = [statistics.median(one) for one in zip(*turns, strict=True)]
    table = Table("journal lines of the account", "balance read, ms", f"target: below {FLAT} times the first")
    for length, took in zip(lengths, medians, strict=True):
        met = took <= medians[0] * FLAT
        fine = fine and met
        table.add_row(f"{length:,}", f"{took:.3f}", "met" if met else "MISSED")
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
