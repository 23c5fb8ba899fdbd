"""Does a page of the library take as long with a million assets as with a thousand, whatever is looked for?

    python benchmarks/library.py             1,000 against 1,000,000 assets of one account: some minutes to fill
    python benchmarks/library.py --short     1,000 against 50,000: half a minute, and noisy

One PostgreSQL as `reelwright dev` runs it, filled by `generate_series`; each asset has some 40 terms of a vocabulary of
20,000 words of very unlike frequency, as people's words are. A page is the journey's own call, with its transaction:
26 assets. The few-rows figure is taken in the same run, on the same server, before the rest is filled in; the two are
medians of `--pages` calls each. The promise is the plain page and every search for what is common or rare at no more
than 1.3 times; what lies between (one in a thousand, say) is shown, too, for it is the worst case.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from time import perf_counter

import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from reelwright.accounts import Account
from reelwright.billing import Plan
from reelwright.dev.postgres import Postgres
from reelwright.ground import clock, log, migrations, postgres
from reelwright.ground.postgres import Database
from reelwright.journeys import library, onboarding
from reelwright.library import AssetFilter, AssetStatus, terms

TARGET = 1.3
VOCABULARY = 20_000
FEW, MANY, SHORT = 1_000, 1_000_000, 50_000
BATCH = 50_000

FILL = text(
    """
    INSERT INTO assets (id, account_id, kind, status, title, platform, tags, words, terms, created_at)
    SELECT gen_random_uuid(), :account, 'text', CASE WHEN n % 50 = 0 THEN 'archived' ELSE 'ready' END, 'asset ' || n,
           'tiktok', '{}', jsonb_build_object('text', repeat('word ' || n || ' ', 60)),
           (SELECT array_agg((CAST(:words AS bigint[]))[1 + floor(CAST(:vocabulary AS int) * power(random(), 3))::int])
              FROM generate_series(1, 34 + 0 * n))
           || CAST(:always AS bigint[])
           || CASE WHEN n % 50 = 0 THEN CAST(:archived AS bigint[]) ELSE CAST(:ready AS bigint[]) END
           || CASE WHEN n % 2 = 0 THEN CAST(:half AS bigint[]) ELSE '{}' END
           || CASE WHEN n % 1000 = 500 THEN CAST(:thousandth AS bigint[]) ELSE '{}' END
           || CASE WHEN n IN (3, 400, 900) THEN CAST(:three AS bigint[]) ELSE '{}' END,
           timestamptz '2026-01-01 00:00Z' + n * interval '1 second'
      FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
    """
)
CASES: Mapping[str, AssetFilter] = {
    "the newest": AssetFilter(),
    "a status that one in 50 has": AssetFilter(status=AssetStatus.ARCHIVED),
    "a tag that half have": AssetFilter(tags=("half",)),
    "half, archived, tiktok": AssetFilter(tags=("half",), status=AssetStatus.ARCHIVED, platform="tiktok"),
    "a word that three have": AssetFilter(q="three"),
    "three, of half": AssetFilter(q="three", tags=("half",)),
    "a word that nobody has": AssetFilter(q="nowhere"),
    "a word that one in 1,000 has": AssetFilter(q="thousandth"),
}
BETWEEN = "a word that one in 1,000 has"


async def fill(db: Database, account: Account, first: int, last: int) -> None:
    """Add assets number first to last."""

    def of(**wanted: object) -> list[int]:
        return terms.terms_wanted(account.id, AssetFilter(**wanted))  # type: ignore[arg-type] - by name, below

    words = [of(q=f"word{n}")[0] for n in range(VOCABULARY)]
    values: dict[str, object] = {"account": account.id, "words": words, "vocabulary": VOCABULARY}
    values |= {
        "always": of(kind="text", platform="tiktok"),
        "archived": of(status="archived"),
        "ready": of(status="ready"),
    }
    values |= {"half": of(tags=("half",)), "thousandth": of(q="thousandth"), "three": of(q="three")}
    for start in range(first, last + 1, BATCH):
        async with db.begin() as tx:
            await tx.execute(text("SET LOCAL statement_timeout = '10min'"))
            await tx.execute(FILL, values | {"first": start, "last": min(last, start + BATCH - 1)})
    async with db.single() as tx:
        await tx.execute(text("SET statement_timeout = '10min'"))
        await tx.execute(text("VACUUM ANALYZE assets"))
        await tx.execute(text("SET statement_timeout = '10s'"))


async def timed(db: Database, account: Account, pages: int) -> dict[str, float]:
    """Return each case's median, in milliseconds."""
    took: dict[str, list[float]] = {name: [] for name in [*CASES, "the 20th page"]}
    page = await library.page(account.id, AssetFilter(), after=None, limit=500, db=db)
    if page[-1].created_at is None:
        raise AssertionError
    deep = page[-1].created_at, page[-1].id
    for turn in range(pages + 3):
        for name, wanted in [*CASES.items(), ("the 20th page", AssetFilter())]:
            began = perf_counter()
            await library.page(account.id, wanted, after=deep if "20th" in name else None, limit=26, db=db)
            if turn > 2:
                took[name].append((perf_counter() - began) * 1000)
    return {name: median(times) for name, times in took.items()}


async def measured(url: str, *, many: int, pages: int) -> bool:
    db = postgres.connect(url, name="library")
    made = await onboarding.create_user(
        email="a@example.com", plan=Plan.PRO, role="user", live=False, db=db, now=clock.now()
    )
    await fill(db, made.account, 1, FEW)
    few = await timed(db, made.account, pages)
    await fill(db, made.account, FEW + 1, many)
    lots = await timed(db, made.account, pages)
    async with db.single() as tx:
        sizes = text("SELECT pg_relation_size('assets') / 1048576.0, pg_relation_size('ix_assets_terms') / 1048576.0")
        heap, index = (await tx.execute(sizes)).one()
    await db.close()
    table = Table(title=f"A page of 26, median of {pages}, ms")
    for column in ("what", f"{FEW:,} assets", f"{many:,} assets", "ratio"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, base in few.items():
        table.add_row(name, f"{base:.2f}", f"{lots[name]:.2f}", f"{lots[name] / base:.2f}")
    console = Console()
    console.print(table)
    worst = max(lots[name] / few[name] for name in few if name != BETWEEN)
    console.print(
        f"Worst ratio of what was promised: {worst:.2f} (≤ {TARGET}). Heap {heap:.0f} MiB, terms {index:.0f} MiB."
    )
    return worst <= TARGET


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="half a minute, and noisy")
    parser.add_argument("--pages", type=int, default=200, help="calls of each kind")
    chosen = parser.parse_args()
    log.configure(as_json=True)
    with tempfile.TemporaryDirectory(prefix="reelwright-library-") as folder:
        server = Postgres(Path(folder) / "postgres")
        server.start()
        try:
            migrations.upgrade(server.url)
            many = SHORT if chosen.short else MANY
            fine = uvloop.run(measured(server.url, many=many, pages=chosen.pages))
        finally:
            server.stop()
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
