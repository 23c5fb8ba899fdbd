"""Hammers the limits over HTTP, from many processes at several API processes, and checks that each holds exactly.

    python -m tests.load.hammer [--attempts N] [--seed S] [--scenario NAME]…

It starts servers of its own and ends them. Exit code 1 where an expectation fails.
"""

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncGenerator, Callable, Sequence

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from reelwright.ground import log, postgres, redis
from tests.builders import a_gate
from tests.load.fleet import Fleet, manned
from tests.load.rig import running
from tests.load.scenarios import SCENARIOS
from tests.load.siege import Field, Outcome, warm_up

APIS, CLIENTS, LANES = 2, 4, 8
_SHOWN_EVERY_S = 0.1
_WIDE = 140


@contextlib.asynccontextmanager
async def field(
    *, seed: int, say: Callable[[str], None], apis: int = APIS, clients: int = CLIENTS
) -> AsyncGenerator[Field]:
    """Start servers and clients, and end them at the end."""
    async with running(apis=apis) as rig, manned(clients=clients, apis=rig.addresses, lanes=LANES) as fleet:
        db = postgres.connect(rig.postgres.url, name="hammer")
        client = redis.connect(rig.valkey.url, timeout_ms=2_000)
        gate = a_gate(db, redis.connect(rig.valkey.url, timeout_ms=None))
        try:
            on = Field(rig=rig, fleet=fleet, db=db, gate=gate, redis=client, luck=random.Random(seed), say=say)
            await warm_up(on)
            yield on
        finally:
            await gate.close()
            await client.aclose()
            await db.close()


async def hammer(names: Sequence[str], *, attempts: int, seed: int, console: Console) -> list[Outcome]:
    """Run the scenarios one after the other, each with its share of the attempts, and return what they came to."""
    whole = sum(SCENARIOS[name][1] for name in names)
    outcomes: list[Outcome] = []
    with Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as progress:
        bar = progress.add_task("starting", total=attempts)
        async with field(seed=seed, say=progress.console.print) as on:
            watching = asyncio.create_task(_watch(on.fleet, lambda n: progress.update(bar, completed=n)))
            for name in names:
                scenario, share = SCENARIOS[name]
                progress.update(bar, description=name)
                outcomes.append(await scenario(on, attempts * share // whole))
                _tell(outcomes[-1], progress.console)
            watching.cancel()
    return outcomes


async def _watch(fleet: Fleet, show: Callable[[int], None]) -> None:
    while True:
        show(fleet.answered)
        await asyncio.sleep(_SHOWN_EVERY_S)


def _tell(outcome: Outcome, console: Console) -> None:
    for fault in outcome.faults:
        console.print(f"[red]{outcome.name}: {fault}")


def table(outcomes: Sequence[Outcome]) -> Table:
    """Return the outcomes as a table, the sums last."""
    shown = Table(title="The hammer", show_footer=True)
    attempts, seconds = sum(o.attempts for o in outcomes), sum(o.seconds for o in outcomes)
    admitted = str(sum(o.admitted for o in outcomes))
    columns = {"scenario": "all", "attempts": f"{attempts:,}", "admitted": admitted, "allowed": "", "answers": ""}
    columns |= {"by rows": "", "withdrawn": "", "drifted": "", "released": "", "req/s": _rate(attempts, seconds)}
    columns["verdict"] = ""
    for name, footer in columns.items():
        shown.add_column(name, footer=footer, justify="left" if name in {"scenario", "answers", "verdict"} else "right")
    for o in outcomes:
        answers = " ".join(f"{count}×{status or 'none'}" for status, count in sorted(o.statuses.items()))
        verdict = "[red]✗ " + f"{len(o.faults)} faults" if o.faults else "[green]✓ exact"
        counts = (o.by_rows, o.withdrawn, o.drifted, o.released)
        shown.add_row(
            *(o.name, f"{o.attempts:,}", str(o.admitted), o.allowed, answers),
            *(str(count or "") for count in counts),
            *(_rate(o.attempts, o.seconds), verdict),
        )
    return shown


def _rate(attempts: int, seconds: float) -> str:
    return f"{attempts / seconds:.0f}" if seconds else ""


@click.command()
@click.option(
    "--attempts",
    type=click.IntRange(100),
    default=9_000,
    show_default=True,
    help="Orders at least; some thousand more follow them.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Repeats the same shots in the same order.")
@click.option("--scenario", "names", type=click.Choice(list(SCENARIOS)), multiple=True, help="Only this one, or these.")
def main(attempts: int, seed: int, names: tuple[str, ...]) -> None:
    """Hammer the limits, and say whether each held exactly."""
    log.configure(level="CRITICAL")
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    outcomes = asyncio.run(hammer(names or tuple(SCENARIOS), attempts=attempts, seed=seed, console=console))
    console.print(table(outcomes))
    sys.exit(any(outcome.faults for outcome in outcomes))


if __name__ == "__main__":
    main()
