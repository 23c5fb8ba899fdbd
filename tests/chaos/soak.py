"""Work in flight under a storm: `python -m tests.chaos.soak --minutes 10 --seed 1 --generations 150`.

Real API, two workers, queue, PostgreSQL and Valkey; people order again as soon as a reel has ended, now and then cancel
one, and ask again under the same key until they are answered. At the end all that was accepted has ended, each key has
one generation, and every invariant holds: else it ends with 1 and keeps the logs. The same seed makes the same faults
and orders, though not at the same instants.
"""

import argparse
import asyncio
import contextlib
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from reelwright.accounts import Account
from reelwright.ground.errors import Outage
from reelwright.journeys import invariants
from tests.chaos import storm
from tests.chaos.fleet import Fleet, sailing
from tests.chaos.nursery import nursing

SETTINGS = {"REELWRIGHT_GENERATION_DEADLINE": "15m"}
"""With so many in flight on two cores, and half of the servers down, a reel may take minutes."""
CANCELLED_SHARE, LONG_SHARE = 0.05, 0.2
AT_ONCE = 5
"""So many generations an account may have under way: the Pro plan."""
END_S = 600
CHECK_S = 20
HONEST = {"stage.exhausted", "generation.deadline"}
"""Failures that a storm may cause. Anything else would be a bug of ours."""
BUGS = ("stage.bug", "sweep.bug", "sweep.row_bug", "invariants.bug", "reconcile.bug", "Traceback")
_ENDED = "SELECT id FROM generations WHERE ended_at IS NOT NULL"
_OUTCOMES = "SELECT state || coalesce(' ' || failure_code, '') AS how, count(*) AS n FROM generations GROUP BY 1"
_AGAIN = "SELECT count(*) FILTER (WHERE attempt > 1), count(*) FILTER (WHERE fence > 1), count(*) FROM stage_runs"
_SENT = "SELECT count(*) FROM outbox"
_SILENCE = """
    SELECT CAST(extract(epoch FROM gap) AS float8) AS seconds, generation_id, kind FROM (
        SELECT at - lag(at) OVER (PARTITION BY generation_id ORDER BY seq) AS gap, generation_id, kind
          FROM generation_events) AS gaps WHERE gap IS NOT NULL ORDER BY gap DESC LIMIT 1
"""


@dataclass(kw_only=True)
class Soak:
    """What a soak has come to so far."""

    on: Fleet
    luck: random.Random
    until: float
    happened: Counter[str] = field(default_factory=Counter[str])
    answers: Counter[str] = field(default_factory=Counter[str])
    accepted: dict[str, UUID] = field(default_factory=dict[str, UUID])
    ended: set[UUID] = field(default_factory=set[UUID])
    broken: list[str] = field(default_factory=list[str])

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.until

    @property
    def live(self) -> int:
        return len(set(self.accepted.values()) - self.ended)


async def _account(soak: Soak) -> Account:
    while True:
        with contextlib.suppress(Outage):
            return await soak.on.customer()
        await asyncio.sleep(0.5)


async def _accepted(soak: Soak, account: Account, key: str, **order: object) -> UUID | None:
    """Ask under one key until it is answered; None where this account has had enough for its hour or month."""
    while True:
        try:
            answer = await soak.on.ask(account, key=key, **order)
        except httpx.HTTPError as error:
            soak.answers[type(error).__name__] += 1
            await asyncio.sleep(0.3)
            continue
        soak.answers[str(answer.status_code)] += 1
        if answer.status_code == 202:
            return UUID(answer.json()["generation_id"])
        if answer.status_code in {402, 429} and "concurrent" not in answer.text:
            return None
        if answer.status_code not in {409, 429, 503}:
            soak.broken.append(f"an order was answered {answer.status_code}: {answer.text[:200]}")
            return None
        await asyncio.sleep(0.3)


async def _person(soak: Soak, number: int) -> None:
    """Order `AT_ONCE`, wait for the end or cancel, and order again; from a new account where one is used up."""
    luck = random.Random(f"{soak.luck.random()}:{number}")
    account = [await _account(soak)]

    async def one_by_one() -> None:
        while not soak.over:
            key, mine = uuid4().hex, account[0]
            order = {"duration_s": 20 if luck.random() < LONG_SHARE else 10}
            generation = await _accepted(soak, mine, key, **order)
            if generation is None:
                if account[0] is mine:
                    account[0] = await _account(soak)
                continue
            soak.accepted[key] = generation
            if luck.random() < CANCELLED_SHARE:
                await asyncio.sleep(luck.uniform(0, 5))
                await _cancel(soak, mine, generation)
            while generation not in soak.ended and not soak.over:  # noqa: ASYNC110 - facts of another server
                await asyncio.sleep(0.2)

    await asyncio.gather(*(one_by_one() for _ in range(AT_ONCE)))


async def _cancel(soak: Soak, account: Account, generation: UUID) -> None:
    headers = {"Authorization": f"Bearer {soak.on.secrets[account.id]}"}
    with contextlib.suppress(httpx.HTTPError):
        headers["Idempotency-Key"] = uuid4().hex
        answer = await soak.on.client.post(f"/v1/generations/{generation}/cancel", json={}, headers=headers)
        soak.answers[f"cancel {answer.status_code}"] += 1


async def _watch(soak: Soak) -> None:
    """Learn which have ended, and judge the rows every now and then, while everything is under fire."""
    judged = time.monotonic()
    while True:
        with contextlib.suppress(Outage):
            soak.ended |= {row.id for row in await soak.on.rows(_ENDED)}
            if time.monotonic() - judged > CHECK_S:
                judged = time.monotonic()
                found = await invariants.check(soak.on.db, patience=timedelta(seconds=60))
                soak.broken += [f"under fire: {one.number} {one.name}: {one.examples}" for one in found]
        await asyncio.sleep(0.5)


async def _show(soak: Soak, minutes: float) -> None:
    """Draw how far it is; where nobody looks, one line every half minute."""
    console, began, told = Console(), time.monotonic(), 0.0
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("soaking", total=minutes * 60)
        while True:
            passed = time.monotonic() - began
            words = f"{soak.live} in flight, {len(soak.ended)} ended, {sum(soak.happened.values())} faults"
            progress.update(bar, completed=passed, description=words)
            if not console.is_terminal and passed - told > 30:
                told = passed
                print(f"{passed:4.0f} s: {words}", flush=True)  # noqa: T201 - its output
            await asyncio.sleep(0.5)


async def _report(soak: Soak) -> list[str]:
    """Print what it came to, and return what is wrong with it."""
    on, wrong = soak.on, soak.broken + await soak.on.faults()
    outcomes = {row.how: row.n for row in await on.rows(_OUTCOMES)}
    ((retried, fenced, runs),) = await on.rows(_AGAIN)
    silences = await on.rows(_SILENCE)
    made = await on.one("SELECT count(*) FROM generations")
    if made != len(set(soak.accepted.values())) or made != len(soak.accepted):
        wrong.append(f"{len(soak.accepted)} keys were accepted, and there are {made} generations")
    wrong += [f"an end that no storm excuses: {how}" for how in outcomes if _unexcused(how)]
    for log in sorted(on.folder.glob("*.log")):
        lines = [line for line in log.read_text(errors="replace").splitlines() if any(bug in line for bug in BUGS)]
        wrong += [f"{log.name}: {line[:300]}" for line in lines[:3]]
    lines = [
        f"ended      {outcomes}",
        f"faults     {dict(soak.happened)}",
        f"answers    {dict(soak.answers)}",
        f"runs       {runs}, begun again after a failed attempt {retried}, taken over {fenced}",
        f"messages   {await on.one(_SENT)} promised for {runs} runs",
        f"calls      {_repeated(on.folder / 'calls')}",
        f"silence    {silences[0].seconds:.1f} s at most, before {silences[0].kind} of {silences[0].generation_id}",
    ]
    print("\n".join(lines), flush=True)  # noqa: T201 - its output
    return wrong


def _unexcused(how: str) -> bool:
    state, _, code = how.partition(" ")
    return state not in {"succeeded", "cancelled"} and code not in HONEST


def _repeated(file: Path) -> str:
    units = Counter(tuple(line.split()[:4]) for line in file.read_text(encoding="ascii").splitlines())
    return f"{units.total()} for {len(units)} units: {units.total() - len(units)} made more than once"


async def soak(on: Fleet, *, minutes: float, seed: int, generations: int) -> list[str]:
    """Play it and return what is wrong afterwards."""
    luck = random.Random(seed)
    state = Soak(on=on, luck=luck, until=time.monotonic() + minutes * 60)
    watching = [asyncio.create_task(_watch(state)), asyncio.create_task(_show(state, minutes))]
    raging = asyncio.create_task(storm.rage(on, random.Random(seed), state.happened))
    try:
        async with storm.platform(on):
            people = [asyncio.create_task(_person(state, n)) for n in range(max(1, generations // AT_ONCE))]
            await asyncio.wait({raging, *people}, timeout=minutes * 60, return_when=asyncio.FIRST_EXCEPTION)
            if raging.done():
                raging.result()
            raging.cancel()
            await asyncio.gather(raging, return_exceptions=True)
            await storm.calm(on)
            await asyncio.gather(*people)
            late = time.monotonic() + END_S
            while state.live and time.monotonic() < late:  # noqa: ASYNC110 - facts of another server
                await asyncio.sleep(0.5)
        await on.recover()
    finally:
        for task in (raging, *watching):
            task.cancel()
        await asyncio.gather(raging, *watching, return_exceptions=True)
    for task in watching:
        if not task.cancelled() and task.exception() is not None:
            state.broken.append(f"the watcher itself: {task.exception()!r}")
    return await _report(state)


async def _main(arguments: argparse.Namespace) -> int:
    with nursing() as nursery:
        async with sailing(nursery, **SETTINGS) as on:
            try:
                wrong = await soak(
                    on, minutes=arguments.minutes, seed=arguments.seed, generations=arguments.generations
                )
            except AssertionError as failed:
                wrong = [str(failed)]
            if wrong:
                kept = Path(tempfile.mkdtemp(prefix="reelwright-soak-logs-"))
                for log in on.folder.glob("*.log"):
                    shutil.copy(log, kept)
                wrong.append(f"logs: {kept}")
    print("\n".join(wrong) or "All ended, every invariant holds.")  # noqa: T201 - its output
    return int(bool(wrong))


def main() -> int:
    """Read the command line and play."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--generations", type=int, default=150, help="how many are in flight")
    return asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
