"""`reelwright admin dead-letters`: see what died of our own failure, and set it going again."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import rich_click as click
from rich.console import Console
from rich.table import Table

from reelwright.ground import log, postgres
from reelwright.ground.errors import Refusal
from reelwright.ground.postgres import Database
from reelwright.journeys import dead_letters as journey
from reelwright.journeys.dead_letters import Case, Entry, Operator, Redriven, Refused
from reelwright.journeys.ordering import Terms

T = TypeVar("T")
Reach = Callable[[Path], AbstractContextManager[str]]
"""Gives the URL of the database that a data folder, or the environment, means."""

_TERMS = Terms(places={})
_ONLINE = Operator()
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")


class BadChoice(Refusal):
    code = "cli.bad_choice"


class SomeRefused(Refusal):
    """Some of many could not be set going again; each has been told with its reason."""

    code = "dead_letter.some_refused"


def group(reach: Reach, data: Callable[[Any], Any]) -> click.RichGroup:
    """Return the commands. `reach` finds the database, `data` is the option that says whose."""

    @click.group("dead-letters", cls=click.RichGroup)
    def commands() -> None:
        """See what died of our own failure, and set it going again.

        Start here:  reelwright admin dead-letters list
        """

    @commands.command("list")
    @click.option("--all", "with_redriven", is_flag=True, help="Those that were set going again, too.")
    @click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
    @_JSON
    @data
    def list_(with_redriven: bool, limit: int, as_json: bool, data: Path) -> None:  # noqa: FBT001 - flags
        """List generations that died, newest first, then messages that the queue refused."""
        page = _run(reach, data, lambda db: journey.page(limit, open_only=not with_redriven, db=db))
        _print_json({"dead_letters": page.entries, "more": page.next_cursor is not None}) if as_json else _table(page)

    @commands.command("show")
    @click.argument("id")
    @_JSON
    @data
    def show(id: str, as_json: bool, data: Path) -> None:  # noqa: A002, FBT001 - the argument's name, and a flag
        """Show one with its generation, its runs and what to do next."""
        case = _run(reach, data, lambda db: journey.show(id, db=db))
        _print_json(case) if as_json else _case(case)

    _add_redrive(commands, reach, data)
    return commands


def _add_redrive(commands: click.RichGroup, reach: Reach, data: Callable[[Any], Any]) -> None:
    """Give the group its one command that changes something."""

    @commands.command("redrive")
    @click.argument("ids", nargs=-1)
    @click.option("--all", "everything", is_flag=True, help="All that is open, oldest first, one a second.")
    @click.option("--code", help="With --all: only those of this code.")
    @click.option("--dry-run", is_flag=True, help="Only say which would be redriven.")
    @_JSON
    @data
    def redrive(
        ids: tuple[str, ...],
        everything: bool,  # noqa: FBT001 - a flag
        code: str | None,
        dry_run: bool,  # noqa: FBT001 - a flag
        as_json: bool,  # noqa: FBT001 - a flag
        data: Path,
    ) -> None:
        """Set dead letters going again, on their owners' behalf: credits are held again, no unit is taken.

        Each goes on where it failed, once. Exit code 0: all of them go on; 2: some were refused, with the reason;
        1: the database is away, and what was told before goes on.
        """
        if bool(ids) is everything:
            raise BadChoice("Give the ids to redrive, or --all.", field="IDS")
        if code and not everything:
            raise BadChoice("--code chooses among all: give --all too.", field="--code")
        _run(reach, data, lambda db: _redrive(ids, code, dry_run=dry_run, as_json=as_json, db=db))


async def _redrive(ids: tuple[str, ...], code: str | None, *, dry_run: bool, as_json: bool, db: Database) -> None:
    """Redrive the named ones, or all of a code, and tell each as it happens. Raises SomeRefused, Outage."""
    if dry_run:
        chosen = [(await journey.show(one, db=db)).dead_letter for one in ids] or await journey.every(code=code, db=db)
        _print_json({"would_redrive": chosen}) if as_json else _would(chosen)
        return
    told: list[dict[str, object]] = []
    if ids:
        doing = journey.redrive_these(ids, by=_ONLINE, db=db, terms=_TERMS)
    else:
        doing = journey.redrive_all(code=code, by=_ONLINE, db=db, terms=_TERMS)
    async with contextlib.aclosing(doing) as results:
        async for result in results:
            told.append(_told(result))
            if not as_json:
                click.echo(_line(result))
    if as_json:
        _print_json({"redriven": told})
    refused = sum("code" in one for one in told)
    if refused:
        raise SomeRefused(f"{refused} of {len(told)} could not be redriven: see the reasons above.")
    if not told and not as_json:
        click.echo("There is nothing to redrive.")


def _told(result: Redriven | Refused) -> dict[str, object]:
    if isinstance(result, Refused):
        return {"id": result.entry, "code": result.why.code, "detail": result.why.sentence}
    return {"id": result.entry, "generation_id": str(result.generation_id), "repeated": result.repeated}


def _line(result: Redriven | Refused) -> str:
    if isinstance(result, Refused):
        return f"{result.entry}: not redriven, {result.why.code}: {result.why.sentence}"
    before = " (redriven before)" if result.repeated else ""
    return f"{result.entry}: generation {result.generation_id} goes on{before}"


def _would(entries: list[Entry]) -> None:
    for entry in entries:
        click.echo(f"{entry.id}: {entry.code}, {_where(entry)}")
    click.echo(f"{len(entries)} would be redriven; nothing was changed.")


def _table(page: journey.Page) -> None:
    if not page.entries:
        click.echo("Nothing has died: there are no dead letters.")
        return
    table = Table("when", "what", "code", "where", "tries", "state", show_edge=False)
    table.add_column("id", no_wrap=True, min_width=36)
    for entry in page.entries:
        tries, state = str(entry.attempts), "open" if entry.open else "redriven"
        when = f"{entry.at:%Y-%m-%d %H:%M}"
        table.add_row(when, entry.kind, entry.code, _where(entry), tries, state, entry.id)
    Console().print(table)
    if page.next_cursor:
        click.echo("There are more: raise --limit.")


def _where(entry: Entry) -> str:
    """Return the run that was given up, such as `TTS_GENERATION scene 2`."""
    if entry.stage is None:
        return entry.reason
    parts = [entry.stage.value]
    parts += [
        f"{name} {number}" for name, number in (("scene", entry.scene), ("chunk", entry.chunk)) if number is not None
    ]
    return " ".join(parts)


def _case(case: Case) -> None:
    entry, found = case.dead_letter, case.generation
    facts = {
        "dead letter": f"{entry.id} ({entry.kind}, {'open' if entry.open else 'redriven'})",
        "why": f"{entry.reason}: {entry.code}, after {entry.attempts} attempts",
        "where": _where(entry),
        "when": f"{entry.at:%Y-%m-%d %H:%M:%S} UTC",
        "generation": f"{found.id} ({found.kind}, {found.state}, {found.plan})",
        "owner": str(found.account_id),
        "told the owner": found.failure_sentence or "nothing",
        "request id": found.request_id or "none",
        "goes on as": str(entry.successor) if entry.successor else "nothing yet",
    }
    console = Console()
    for name, value in facts.items():
        console.print(f"[bold]{name:<15}[/bold]{value}", soft_wrap=True, highlight=False)
    table = Table("stage", "scene", "chunk", "round", "state", "attempts", "error", show_edge=False)
    for run in case.runs:
        unit = run.unit
        numbers = ["" if number is None else str(number) for number in (unit.scene, unit.chunk, unit.round)]
        tries = f"{run.attempt} of {run.max_attempts}"
        table.add_row(unit.stage, *numbers, run.state, tries, run.error_code or "")
    console.print(table)
    console.print(f"[bold]next[/bold]  {case.next_step}", soft_wrap=True, highlight=False)


def _print_json(value: object) -> None:
    click.echo(json.dumps(msgspec.to_builtins(value)))


def _run(reach: Reach, data: Path, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    """Do the work on the database that is meant; who did what goes to the log, on standard error."""
    with reach(data) as url:
        log.configure(as_json=False)
        return asyncio.run(_connected(url, work))


async def _connected(url: str, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    db = postgres.connect(url, name="reelwright-cli", pool_size=1)
    try:
        return await work(db)
    finally:
        await db.close()
