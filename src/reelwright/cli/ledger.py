"""`reelwright admin ledger`: the books against themselves, recomputed whenever somebody wants to know."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rich_click as click

from reelwright.ground import log, postgres
from reelwright.journeys import credits as journey
from reelwright.journeys.credits import Audit

Reach = Callable[[Path], AbstractContextManager[str]]
"""Gives the URL of the database that a data folder, or the environment, means."""

_PATIENCE_MS = 600_000  # it reads every line there is


def group(reach: Reach, data: Callable[[Any], Any]) -> click.RichGroup:
    """Return the commands. `reach` finds the database, `data` is the option that says whose."""

    @click.group("ledger", cls=click.RichGroup)
    def commands() -> None:
        """See whether the credits add up.

        Start here:  reelwright admin ledger verify
        """

    @commands.command("verify")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    @data
    def verify(as_json: bool, data: Path) -> None:  # noqa: FBT001 - a flag
        """Check journal, balances, lots, holds, charges and daily figures against one another; nothing is changed.

        Exit code 0: all of it balances; 1: something doesn't, and each is named, or the database is away.
        """
        with reach(data) as url:
            log.configure(as_json=False)
            audit = asyncio.run(_audited(url))
        click.echo(json.dumps(asdict(audit) | {"balanced": audit.balanced}) if as_json else _told(audit))
        if not audit.balanced:
            raise SystemExit(1)

    return commands


async def _audited(url: str) -> Audit:
    db = postgres.connect(url, name="reelwright-cli", pool_size=1, statement_timeout_ms=_PATIENCE_MS)
    try:
        return await journey.audit(db=db)
    finally:
        await db.close()


def _told(audit: Audit) -> str:
    size = f"{audit.accounts:,} accounts, {audit.lines:,} lines"
    if audit.balanced:
        return f"the books balance: {size}"
    broken = [f"{violation.invariant}: {violation.fact}" for violation in audit.violations]
    return "\n".join([*broken, f"the books do not balance: {len(broken)} violations, {size}"])
