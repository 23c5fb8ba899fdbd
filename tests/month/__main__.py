"""`python -m tests.month --users 200 --seed 1`: live a month on servers of its own, and say what it came to."""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from reelwright.dev.postgres import Postgres
from reelwright.dev.valkey import Valkey
from reelwright.ground import log
from tests.conftest import FAST, new_database
from tests.month import promises
from tests.month.month import DAYS, HOURS, Month
from tests.month.running import a_month

_TABLE = {
    "generations": "SELECT state, count(*) FROM generations GROUP BY 1 ORDER BY 1",
    "journal lines": "SELECT kind, count(*) FROM credit_journal GROUP BY 1 ORDER BY 1",
    "notices": "SELECT kind, count(*) FROM notices GROUP BY 1 ORDER BY 1",
    "Stripe's events": "SELECT status, count(*) FROM stripe_events GROUP BY 1 ORDER BY 1",
    "schedules' runs": "SELECT state, count(*) FROM schedule_runs GROUP BY 1 ORDER BY 1",
    "plans now": "SELECT plan, count(*) FROM users GROUP BY 1 ORDER BY 1",
}


async def _live(*, users: int, seed: int, days: int, folder: Path, urls: tuple[str, str]) -> int:
    began, wrong = time.monotonic(), list[str]()
    opened = a_month(database_url=urls[0], redis_url=urls[1], folder=folder, people=users, seed=seed, steps=len(HOURS))
    async with opened as month:
        for day in range(days):
            await month.day(day)
            wrong = [f"day {day + 1}: {one}" for one in await promises.broken(month)]
            done = round(30 * (day + 1) / days)
            took = time.monotonic() - began
            sys.stderr.write(f"\r[{'#' * done}{'.' * (30 - done)}] day {day + 1}/{days}, {took:.0f} s ")
            sys.stderr.flush()
            if wrong:
                break
        else:
            await month.end()
            wrong = await promises.broken(month, at_the_end=True)
        sys.stderr.write("\n")
        await _tell(month)
    for one in wrong:
        sys.stdout.write(f"BROKEN  {one}\n")
    sys.stdout.write("Every promise was kept.\n" * (not wrong))
    return 1 if wrong else 0


async def _tell(month: Month) -> None:
    async with month.db.begin() as tx:
        for name, query in _TABLE.items():
            rows = await tx.execute(text(query))
            sys.stdout.write(f"{name:<16} {', '.join(f'{count} {kind}' for kind, count in rows)}\n")
    done = ", ".join(f"{count} {what}" for what, count in sorted(month.done.items()))
    bill, ours = month.stages.bill, await promises.cost_nano_usd(month)
    sys.stdout.write(f"{'done':<16} {done}\n")
    sys.stdout.write(
        f"{'cost':<16} bill {bill.nano_usd / 1e9:.6f} USD for {bill.calls} calls, {bill.failed} of them failed;"
        f" ledger {ours / 1e9:.6f} USD, {abs(ours - bill.nano_usd) / max(1, bill.nano_usd):.4%} apart\n"
    )


def main() -> int:
    """Run the command; return its exit code, 1 where a promise was broken."""
    asked = argparse.ArgumentParser(prog="python -m tests.month", description=__doc__)
    asked.add_argument("--users", type=int, default=200, help="how many people live in it (200)")
    asked.add_argument("--seed", type=int, default=1, help="what decides everything that is left to chance (1)")
    asked.add_argument("--days", type=int, default=DAYS, help=f"how many days, from a 25 January on ({DAYS})")
    wish = asked.parse_args()
    log.configure(as_json=True, level="CRITICAL")
    with tempfile.TemporaryDirectory(prefix="reelwright-month-") as made:
        folder = Path(made)
        database, valkey = Postgres(folder / "postgres", settings=FAST), Valkey(folder / "valkey")
        with contextlib.ExitStack() as servers:
            for server in (database, valkey):
                server.start()
                servers.callback(server.stop)
            urls = (asyncio.run(new_database(database.url, "month")), valkey.url)
            return asyncio.run(_live(users=wish.users, seed=wish.seed, days=wish.days, folder=folder, urls=urls))


if __name__ == "__main__":
    sys.exit(main())
