"""Four processes reach for the same eight accounts with everything the ledger can do, each command twice, one killed.

    python -m tests.rooms.ledger.hammer [SECONDS]

Then the books are verified, and every accepted command is counted in the journal: once. The seconds are 15 where none
are given; REELWRIGHT_LEDGER_SEED chooses another course.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from reelwright import ledger
from reelwright.dev.postgres import Postgres
from reelwright.ground import log, migrations, postgres
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from tests.rooms.generations import made

ACCOUNTS, HANDS, PROCESSES = 8, 6, 4
SEED = int(os.environ.get("REELWRIGHT_LEDGER_SEED", "1"))
SPACE = UUID(int=7)
RETRIED = ("40001", "40P01", "55P03")


async def command(db: Database, owner: AccountId, name: str, *, dice: random.Random) -> tuple[str, bool]:
    """Do one thing, named so that it can be done again; return the source of its line, and whether it is accepted."""
    kind = dice.choice(["work", "work", "work", "work", "grant", "adjust", "clawback", "expire"])
    micro = dice.randint(1, 40)
    if kind == "work":
        return await worked(db, owner, name, micro, dice=dice)
    source = {"grant": f"grant:{name}", "expire": "", "clawback": f"clawback:{owner}:{name}"}
    for _ in range(2):
        async with db.begin() as tx:
            if kind == "grant":
                await ledger.grant(
                    tx, account=owner, micro=3 * micro, source=name, origin=dice.choice([*ledger.Origin])
                )
            elif kind == "adjust":
                await ledger.adjust(
                    tx, account=owner, micro=micro - 20 or 1, reference=name, reason="", actor=owner, force=True
                )
            elif kind == "clawback":
                await ledger.clawback(tx, account=owner, micro=micro, reference=name, reason="")
            else:
                await ledger.expire(tx, account=owner)
    return source.get(kind, f"adjust:{owner}:{name}"), kind != "expire"


async def worked(db: Database, owner: AccountId, name: str, micro: int, *, dice: random.Random) -> tuple[str, bool]:
    """Order, hold, and end it one way or another; perhaps refund. Each step twice."""
    work, how = GenerationId(uuid5(SPACE, name)), dice.choice(["capture", "capture", "void", "left", "refund"])
    async with db.begin() as tx:
        await made.generation(tx, owner, id=work)
    for _ in range(2):
        async with db.begin() as tx:
            await ledger.hold(tx, account=owner, generation=work, micro=micro)
    for _ in range(2):
        async with db.begin() as tx:
            if how == "void":
                await ledger.void(tx, generation=work, ours=True)
            elif how != "left":
                await ledger.capture(tx, generation=work, micro=micro // 2 + 1)
    for _ in range(2 if how == "refund" else 0):
        async with db.begin() as tx:
            await ledger.refund(tx, generation=work, micro=1, reference=name, reason="")
    return f"hold:{work}:1", True


async def hand(db: Database, accounts: list[AccountId], number: int, until: float, accepted: Path) -> None:
    dice, at = random.Random(SEED * 1000 + number), 0
    with accepted.open("a") as book:
        while time.monotonic() < until:
            at += 1
            try:
                source, done = await command(db, dice.choice(accounts), f"{number}:{at}:{os.getpid()}", dice=dice)
            except (Refusal, Outage):
                continue
            except IntegrityError:
                raise
            except DBAPIError as error:
                if str(getattr(error.orig, "sqlstate", "")) not in RETRIED:
                    raise
                continue
            if done:
                book.write(source + "\n")
                book.flush()


async def play(url: str, number: int, seconds: float, accepted: Path, accounts: list[AccountId]) -> None:
    db = postgres.connect(url, pool_size=HANDS)
    until = time.monotonic() + seconds
    hands = (hand(db, accounts, number * HANDS + at, until, accepted) for at in range(HANDS))
    await asyncio.gather(*hands)
    await db.close()


async def accounts_with(url: str) -> list[AccountId]:
    db = postgres.connect(url)
    async with db.begin() as tx:
        accounts = [await made.account(tx) for _ in range(ACCOUNTS)]
        for account in accounts:
            await ledger.grant(tx, account=account, micro=1_000, source=str(account))
    await db.close()
    return accounts


async def judged(url: str, told: list[str]) -> int:
    """Verify the books and count every accepted command; return how many there were. Raises AssertionError."""
    db = postgres.connect(url)
    async with db.begin() as tx:
        assert await ledger.verify(tx) == ()
        sources = set(await tx.scalars(text("SELECT source FROM credit_journal")))
        lost = [source for source in told if source not in sources]
        assert not lost, lost[:5]
        assert len(told) == len(set(told))
    await db.close()
    return len(told)


def main() -> None:
    log.configure(as_json=True)
    if len(sys.argv) > 3:
        url, number, seconds, book, *accounts = sys.argv[1:]
        asyncio.run(play(url, int(number), float(seconds), Path(book), [AccountId(UUID(a)) for a in accounts]))
        return
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 15.0
    with tempfile.TemporaryDirectory(prefix="reelwright-hammer-") as folder:
        server = Postgres(Path(folder) / "postgres")
        server.start()
        try:
            migrations.upgrade(server.url)
            accounts, book = asyncio.run(accounts_with(server.url)), Path(folder) / "accepted"
            book.touch()
            start = [sys.executable, "-m", "tests.rooms.ledger.hammer", server.url]
            rest = [str(seconds), str(book), *map(str, accounts)]
            players = [subprocess.Popen([*start, str(number), *rest]) for number in range(PROCESSES)]
            time.sleep(seconds / 2)
            players[0].send_signal(signal.SIGKILL)
            ends = [player.wait(timeout=seconds + 60) for player in players]
            assert ends[1:] == [0] * (PROCESSES - 1), ends
            count = asyncio.run(judged(server.url, book.read_text().split()))
        finally:
            server.stop()
    print(f"{count} commands accepted, each once; every invariant holds")  # noqa: T201 - a command
    assert count > 0


if __name__ == "__main__":
    main()
