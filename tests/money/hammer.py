"""Many processes reach for the same accounts with all that the ledger can do, and are killed, and lose connections.

    python -m tests.money.hammer [--processes 8] [--seconds 60] [--seed 1] [--accounts 100]
    python -m tests.money.hammer --calm --commands 100000       nobody is killed: C40
    python -m tests.money.hammer --mutant "burns dear first"    a ledger that is wrong (tests/money/mutants.py)

Then the books are made again from the journal alone and compared with every balance, hold, lot and count, and every
answer that was given is looked up. A table tells what was done. Exit code 1, with the differences, where there are any.
"""

import argparse
import asyncio
import json
import logging
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import text

from reelwright import ledger
from reelwright.dev.postgres import Postgres
from reelwright.ground import log, migrations, postgres
from tests.money.commands import Hand, Purse, purses
from tests.money.mutants import MUTANTS
from tests.money.recomputed import Books, recomputed

HANDS, NAME, SHOWN, PATIENCE_S = 5, "hammer", 20, 60
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
ENDED = text("SELECT generation_id, coalesce(captured_micro, 0), amount_micro - coalesce(captured_micro, 0)"
             " FROM credit_holds WHERE state <> 'pending'")  # fmt: skip
SOURCES = text("SELECT source, amount_micro FROM credit_journal")
PATIENT = text("SET LOCAL idle_in_transaction_session_timeout = 0")  # a long book is added up for longer
TERMINATE = """
    SELECT count(pg_terminate_backend(pid)) FROM (
        SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY random() LIMIT $2) AS unlucky
"""


@dataclass
class Mayhem:
    """The processes that run, and what was done to them."""

    living: dict[int, int] = field(default_factory=dict)
    killed: int = 0
    terminated: int = 0
    faults: list[str] = field(default_factory=list)


async def play(url: str, name: str, seed: str, book: Path, all_of: list[Purse], ends: float, most: int) -> None:
    db = postgres.connect(url, pool_size=HANDS, name=NAME)
    with book.open("a", encoding="utf-8") as told:
        hands = [Hand(db, all_of, f"{name}.{at}", random.Random(f"{seed}:{name}.{at}"), told) for at in range(HANDS)]
        await asyncio.gather(*(hand.until(ends, most // HANDS) for hand in hands))
    await db.close()


def born(
    url: str, slot: int, birth: int, given: argparse.Namespace, folder: Path, all_of: list[Purse], ends: float
) -> int:
    """Fork a process that plays until the end; return its id. It leaves its traceback where it fails."""
    pid = os.fork()
    if pid:
        return pid
    name = f"{slot}.{birth}"
    most = given.commands // given.processes if given.commands else sys.maxsize
    try:
        asyncio.run(play(url, name, str(given.seed), folder / f"{name}.book", all_of, ends, most))
    except BaseException:  # noqa: BLE001 - whatever it is, the parent wants to know
        (folder / f"{name}.fault").write_text(traceback.format_exc())
        os._exit(1)
    os._exit(0)


def hammered(url: str, given: argparse.Namespace, folder: Path, all_of: list[Purse]) -> Mayhem:
    """Let the processes play, and kill, until the end. The dead are replaced."""
    dice, mayhem, births = random.Random(given.seed), Mayhem(), Counter[int]()
    ends, pause = time.monotonic() + given.seconds, min(1.5, given.seconds / 8)

    def bear(slot: int) -> None:
        births[slot] += 1
        mayhem.living[slot] = born(url, slot, births[slot], given, folder, all_of, ends)

    try:
        for slot in range(given.processes):
            bear(slot)
        while not given.calm and time.monotonic() < ends - 1:
            time.sleep(dice.uniform(pause / 3, pause))
            if dice.random() < 0.5:
                mayhem.terminated += asyncio.run(terminated(url, dice.randint(1, 4)))
                continue
            slot = dice.randrange(given.processes)
            os.kill(mayhem.living[slot], signal.SIGKILL)
            buried(mayhem, slot)
            bear(slot)
        for slot in [*mayhem.living]:
            buried(mayhem, slot)
    finally:
        for pid in mayhem.living.values():
            os.kill(pid, signal.SIGKILL)
    mayhem.faults += [file.read_text() for file in sorted(folder.glob("*.fault"))]
    return mayhem


def buried(mayhem: Mayhem, slot: int) -> None:
    status = os.waitstatus_to_exitcode(os.waitpid(mayhem.living.pop(slot), 0)[1])
    mayhem.killed += status == -signal.SIGKILL


async def terminated(url: str, most: int) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(TERMINATE, NAME, most))
    finally:
        await connection.close()


def answered(folder: Path) -> list[dict[str, Any]]:
    """What the hands were told; the last line of a killed one may be cut."""
    lines = (line for book in folder.glob("*.book") for line in book.read_text().splitlines())
    return [json.loads(line) for line in lines if line.endswith("}")]


async def judged(url: str, told: list[dict[str, Any]]) -> tuple[Books, Counter[tuple[str, str]], list[str]]:
    """Make the books again and look every answer up; return them, the answers by kind, and what differs."""
    db = postgres.connect(url, statement_timeout_ms=600_000)
    async with db.begin() as tx:
        await tx.execute(PATIENT)
        books = await recomputed(tx)
        wrong = [*books.wrong, *(f"{one.invariant}: {one.fact}" for one in await ledger.verify(tx))]
        written, parts = Counter[str](), Counter[str]()
        for source, micro in await tx.execute(SOURCES):
            name = source.partition(" ")[0] if source.startswith(("clawback:", "adjust:")) else source
            written[source] += micro
            parts[name] += micro if name != source else 0
        ended = {tuple(row) for row in await tx.execute(ENDED)}
    await db.close()
    wrong += [fault for answer in told if (fault := _broken(answer, written, parts, ended))]
    return books, Counter((answer["kind"], answer["answer"]) for answer in told), wrong


def _broken(answer: dict[str, Any], written: Counter[str], parts: Counter[str], ended: set[tuple[Any, ...]]) -> str:
    """What is wrong with an answer: accepted things are in the journal, to the unit; refused ones are not at all."""
    if "work" in answer:
        so = (UUID(answer["work"]), answer["captured"], answer["voided"])
        return "" if so in ended else f"ended otherwise: {answer}"
    source = answer.get("source", "")
    micro = written[source] + parts[source]
    if not source or answer["answer"].startswith("database."):
        return ""
    should = answer["micro"] if answer["answer"] == "accepted" else 0
    return "" if micro == should else f"answered {answer['answer']}, and {micro} were moved: {answer}"


def table(mayhem: Mayhem, books: Books, answers: Counter[tuple[str, str]], seconds: float) -> Iterator[str]:
    outcomes = sorted({answer for _, answer in answers})
    yield f"{'asked':<12}" + "".join(f"{outcome.split('.')[-1][:20]:>22}" for outcome in outcomes)
    for kind in sorted({kind for kind, _ in answers}):
        yield f"{kind:<12}" + "".join(f"{answers[kind, outcome]:>22,}" for outcome in outcomes)
    yield ""
    yield f"{'journal':<12}{'lines':>12}{'micro-credits':>20}"
    for kind in sorted(books.count):
        yield f"{kind:<12}{books.count[kind]:>12,}{books.micro[kind]:>20,}"
    done = sum(count for (_, answer), count in answers.items() if answer == "accepted")
    yield ""
    yield (
        f"{done:,} accepted in {seconds:.0f} s; {mayhem.killed} processes killed, {mayhem.terminated} connections cut;"
        f" {len(books.money)} accounts, {len(books.lots):,} lots, {len(books.holds):,} holds made again"
    )


@contextmanager
def server(given: argparse.Namespace, folder: Path) -> Iterator[str]:
    if given.database:
        yield given.database
        return
    own = Postgres(folder / "postgres", settings=FAST)
    own.start()
    try:
        migrations.upgrade(own.url)
        yield own.url
    finally:
        own.stop()


async def prepared(url: str, accounts: int, mutant: str | None) -> list[Purse]:
    db = postgres.connect(url)
    try:
        if mutant:
            async with db.begin() as tx:
                await MUTANTS[mutant].take_effect(tx)
        return await purses(db, accounts)
    finally:
        await db.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.money.hammer")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--commands", type=int, default=0, help="as many in all, however long it takes")
    parser.add_argument("--calm", action="store_true", help="kill nobody")
    parser.add_argument("--mutant", choices=[*MUTANTS])
    parser.add_argument("--database", help="an upgraded and empty one; its own server otherwise")
    given = parser.parse_args()
    if given.commands:
        given.seconds = 24 * 3600.0
    return given


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that nothing is left behind
    log.configure(as_json=True)
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)  # connections are cut all the time
    given = arguments()
    with tempfile.TemporaryDirectory(prefix="reelwright-hammer-") as name, server(given, Path(name)) as url:
        folder = Path(name)
        all_of = asyncio.run(prepared(url, given.accounts, given.mutant))
        began = time.monotonic()
        mayhem = hammered(url, given, folder, all_of)
        took = time.monotonic() - began
        books, answers, wrong = asyncio.run(judged(url, answered(folder)))
    print(*table(mayhem, books, answers, took), sep="\n")  # noqa: T201 - a command
    if given.mutant and mayhem.faults and not wrong:
        print("it crashed, which says nothing of the books:", *mayhem.faults[:SHOWN], sep="\n")  # noqa: T201 - a command
        return 2
    wrong = [*mayhem.faults, *wrong]
    if wrong:
        print(*wrong[:SHOWN], f"{len(wrong)} differences", sep="\n")  # noqa: T201 - a command
        return 1
    print("the books, made again from the journal, are the stored ones")  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    sys.exit(main())
