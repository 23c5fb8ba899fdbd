"""What does one admission cost, against one bare INCR and against three libraries set to the same six limits?

    python benchmarks/admission.py             three rounds of 1,000 decisions a cell: some minutes
    python benchmarks/admission.py --short     one round of 150: half a minute, and noisy
    python benchmarks/admission.py --correctness            the second table only
    python benchmarks/admission.py --floor     ours beside the floors alone, directly, one at a time

One Valkey for every arm, without its append-only file (a hosted Redis persists in its own way; `--aof` keeps it, as
`reelwright dev` does), flushed before each arm; one Python process on uvloop and redis-py with hiredis; 100 accounts in
turn; the arms take turns within a cell, another first in each round, so that what else the machine does falls on all of
them. What a caller has in hand anyway is made before the clock starts, and Python's collector leaves it alone. "+1 ms"
goes through a proxy in a process of its own. A refused account has used its month, which every library here asks first:
its cheapest refusal. Ratios are medians of each round's own ratio; a script's median time shows what it costs when
nothing else runs meanwhile.
"""

import argparse
import asyncio
import gc
import json
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import uvloop
from admission_arms import ALLOWANCES, ARMS, FLOORS, Arm, Ask, BareScript, Incr, LeanIncr, LimitsAtOnce, Ours, asks
from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import Progress
from slow_line import slower

from reelwright.dev.valkey import Valkey
from reelwright.ground import log

DIRECT, PROXY, MILLISECOND = "direct", "+0 ms (proxy)", "+1 ms"
LINES = {PROXY: 0, MILLISECOND: 1000}
REFUSALS = 20
QUIET = 1.5
"""Our own two processes make a load of about one; above this somebody else works too."""


@dataclass(frozen=True)
class Cell:
    """One comparison: over which line, how many in a hundred are refused, how many decide at once."""

    line: str
    refused_pct: int
    at_once: int

    def __str__(self) -> str:
        return f"{self.line}, {self.refused_pct} % refused, {self.at_once} at once"


CELLS = [
    *(Cell(line, refused, at_once) for line in (DIRECT, MILLISECOND) for refused in (0, 50) for at_once in (1, 32)),
    Cell(DIRECT, 100, 1),
    Cell(PROXY, 0, 1),
]


@dataclass(frozen=True)
class Row:
    """One arm in one cell. `redis_us`: the commands' time; `cpu_us`: all of the server's main thread, a decision.

    `script_p50_us` is the median script's time, which other work on the machine lengthens less than the mean.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    redis_us: float
    cpu_us: float
    trips: float
    script_p50_us: float


@dataclass(frozen=True)
class Proof:
    """What one arm did to be right: see `proof`."""

    admitted: int
    limit: int
    spent_by_refusals: int
    keys_changed: int
    keys_without_expiry: int
    after_script_flush: str


@asynccontextmanager
async def opened(kind: type[Arm], url: str) -> AsyncGenerator[Arm]:
    arm = kind()
    await arm.open(url)
    try:
        yield arm
    finally:
        await arm.close()


async def decided(arm: Arm, wanted: Sequence[Ask], *, at_once: int) -> tuple[float, list[tuple[float, bool]]]:
    """Decide all, so many at a time; return the seconds in all, and each one's with whether it was admitted."""
    found, todo = list[tuple[float, bool]](), iter([arm.prepared(ask) for ask in wanted])

    async def work() -> None:
        for prepared in todo:
            began = perf_counter()
            admitted = await arm.decide(prepared)
            found.append((perf_counter() - began, admitted))

    gc.collect()
    gc.freeze()
    began = perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    took = perf_counter() - began
    gc.unfreeze()
    return took, found


async def measured(kind: type[Arm], url: str, admin: Redis, cell: Cell, accounts: Sequence[UUID], count: int) -> Row:
    """Warm one arm up, measure it, and make sure that it refused what it should have."""
    await admin.flushdb()
    async with opened(kind, url) as arm:
        await decided(arm, asks(2 * len(accounts), accounts, refused_pct=cell.refused_pct), at_once=cell.at_once)
        wanted = asks(count, accounts, refused_pct=cell.refused_pct)
        await admin.config_resetstat()
        cpu_us = await server_cpu_us(admin)
        whole_s, found = await decided(arm, wanted, at_once=cell.at_once)
        cpu_us = await server_cpu_us(admin) - cpu_us
        p50 = (await admin.info("latencystats")).get("latency_percentiles_usec_evalsha", {}).get("p50", 0.0)
        stats, reads = await admin.info("commandstats"), (await admin.info("stats"))["total_reads_processed"]
    admitted = sum(admitted for _, admitted in found)
    assert kind in FLOORS or admitted == sum(ask.plan == "roomy" for ask in wanted), (kind.name, cell, admitted)
    took_ms = sorted(seconds * 1000 for seconds, _ in found)
    return Row(
        per_s=count / whole_s,
        p50_ms=took_ms[count // 2],
        p99_ms=took_ms[min(count * 99 // 100, count - 1)],
        redis_us=top_level_us(stats) / count,
        cpu_us=cpu_us / count,
        trips=(reads - 5) / count,  # our own five INFO
        script_p50_us=p50,
    )


def top_level_us(stats: Mapping[str, Any]) -> float:
    """Add up what clients asked for: where scripts ran, theirs alone, for their inner commands are listed again."""
    ours = {"cmdstat_info", "cmdstat_config|resetstat"}
    scripts = [value for name, value in stats.items() if name in {"cmdstat_evalsha", "cmdstat_eval"}]
    return sum(value["usec"] for value in scripts or [v for name, v in stats.items() if name not in ours])


async def server_cpu_us(admin: Redis) -> float:
    info = await admin.info("cpu")
    return (info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"]) * 1e6


async def proof(kind: type[Arm], url: str, admin: Redis) -> Proof:
    """Contend for 25 places with 200 requests, 32 at once; be refused 20 times by five that run; lose the scripts."""
    limit = ALLOWANCES["contended"].month
    await admin.flushdb()
    async with opened(kind, url) as arm:
        await decided(arm, asks(256, [uuid4()], refused_pct=0), at_once=32)  # so that connecting reorders nobody
        _, crowd = await decided(arm, asks(200, [uuid4()], refused_pct=0, plan="contended"), at_once=32)
        immortal = [name for name in await admin.keys() if await admin.ttl(name) == -1]
        mine = [uuid4()]
        await decided(arm, asks(ALLOWANCES["busy"].concurrent, mine, refused_pct=0, plan="busy"), at_once=1)
        before, units = await dumped(admin), await spent_units(admin)
        _, refused = await decided(arm, asks(REFUSALS, mine, refused_pct=0, plan="busy"), at_once=1)
        assert not any(admitted for _, admitted in refused), kind.name
        after = await dumped(admin)
        burnt = await spent_units(admin) - units
        await admin.script_flush()
        try:
            await decided(arm, asks(1, mine, refused_pct=0), at_once=1)
            flushed = "goes on"
        except RedisError as error:
            flushed = type(error).__name__
    return Proof(
        admitted=sum(admitted for _, admitted in crowd),
        limit=limit,
        spent_by_refusals=burnt,
        keys_changed=sum(before.get(name) != dump for name, dump in after.items()) + len(before.keys() - after.keys()),
        keys_without_expiry=len(immortal),
        after_script_flush=flushed,
    )


async def dumped(admin: Redis) -> dict[Any, Any]:
    return {name: await admin.dump(name) for name in await admin.keys()}


async def spent_units(admin: Redis) -> int:
    """Add up every counter and every member of a sorted set, whoever wrote them."""
    total = 0
    for name in await admin.keys():
        if await admin.type(name) == b"zset":
            total += await admin.zcard(name)
        elif await admin.type(name) == b"string" and (value := await admin.get(name) or b"").isdigit():
            total += int(value)
    return total


Rounds = dict[Cell, dict[str, list[Row]]]


async def compared(urls: Mapping[str, str], options: argparse.Namespace) -> tuple[Rounds, dict[str, Proof]]:
    admin: Redis = Redis.from_url(urls[DIRECT])
    if not options.aof:
        await admin.config_set("appendonly", "no")
    accounts = [uuid4() for _ in range(options.accounts)]
    rounds: Rounds = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        cells = [] if options.correctness else (CELLS[:1] if options.floor else CELLS) * options.rounds
        steps = progress.add_task("admission", total=len(cells) + 1)
        proofs = {
            kind.name: await proof(kind, urls[DIRECT], admin)
            for kind in ARMS
            if kind not in FLOORS and not options.floor
        }
        progress.advance(steps)
        for step, cell in enumerate(cells):
            progress.update(steps, description=f"{cell}")
            arms = (Ours, *FLOORS) if options.floor else ARMS
            wanted = (
                [Incr] if cell.line == PROXY else [kind for kind in arms if not (kind in FLOORS and cell.refused_pct)]
            )
            first = step // len(CELLS) % len(wanted)
            for kind in [*wanted[first:], *wanted[:first]]:
                row = await measured(kind, urls[cell.line], admin, cell, accounts, options.decisions)
                rounds.setdefault(cell, {}).setdefault(kind.name, []).append(row)
            progress.advance(steps)
    await admin.aclose()
    return rounds, proofs


def middle(rows: Sequence[Row]) -> Row:
    return Row(*(statistics.median(values) for values in zip(*(astuple(row) for row in rows), strict=True)))


def report(rounds: Rounds, proofs: Mapping[str, Proof]) -> None:
    for cell, arms in rounds.items():
        titles = f"{'decisions/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'Redis us':>10}{'its CPU us':>11}{'trips':>7}"
        print(f"\n{cell}\n{'':22}{titles}")
        for name in (kind.name for kind in ARMS if kind.name in arms):
            row = middle(arms[name])
            speed = f"{row.per_s:12.0f}{row.p50_ms:9.2f}{row.p99_ms:9.2f}"
            print(f"{name:22}{speed}{row.redis_us:10.1f}{row.cpu_us:11.0f}{row.trips:7.2f}")
    if not proofs:
        return
    print(f"\nRight? 200 requests, 32 at once, for 25 units; then {REFUSALS} refusals because five are running")
    titles = ("admitted/limit", "units they spent", "keys they changed", "keys without expiry", "scripts flushed")
    print(f"{'':22}" + "".join(f"{title:>21}" for title in titles))
    for name, told in proofs.items():
        cells = (f"{told.admitted}/{told.limit}", *astuple(told)[2:])
        print(f"{name:22}" + "".join(f"{value:>21}" for value in cells))
    print("\nWhat each lacks")
    for kind in ARMS:
        print(f"{kind.name:22}{kind.lacks}")


def ratio(rounds: Rounds, cell: Cell, peers: Sequence[str], *, ours: str = Ours.name) -> float:
    """Ours over the best of these, each round by itself; the median round."""
    arms = rounds[cell]
    best = [max(row.per_s for row in found) for found in zip(*(arms[name] for name in peers), strict=True)]
    return statistics.median(row.per_s / other for row, other in zip(arms[ours], best, strict=True))


def verdicts(rounds: Rounds) -> list[tuple[str, float, str, bool]]:
    """Each target of the issue: what, measured, wanted, met."""
    near, far = Cell(DIRECT, 0, 1), Cell(MILLISECOND, 0, 1)
    in_turn = [kind.name for kind in ARMS if kind not in {Ours, *FLOORS, LimitsAtOnce}]
    hasty = [*in_turn, LimitsAtOnce.name]
    at_least = [
        ("decisions/s, to a bare INCR", ratio(rounds, near, [Incr.name]), 0.75),
        ("decisions/s, to the best library", ratio(rounds, near, in_turn), 4.0),
        ("the same with 1 ms added", ratio(rounds, far, in_turn), 4.0),
    ]
    at_most = [
        ("Redis us a decision", middle(rounds[near][Ours.name]).redis_us, 80.0),
        ("Redis us a refusal", middle(rounds[Cell(DIRECT, 100, 1)][Ours.name]).redis_us, 35.0),
    ]
    ours, incr = (middle(rounds[near][kind.name]) for kind in (Ours, Incr))
    beside = [
        ("a bare INCR's median time, to ours", incr.p50_ms / ours.p50_ms),
        ("Redis us, the median decision", middle(rounds[near][Ours.name]).script_p50_us),
        ("Redis us, the median refusal", middle(rounds[Cell(DIRECT, 100, 1)][Ours.name]).script_p50_us),
        ("to the best, six at once allowed", ratio(rounds, near, hasty)),
        ("the same with 1 ms added", ratio(rounds, far, hasty)),
        ("to the best library, 32 at once", ratio(rounds, Cell(DIRECT, 0, 32), in_turn)),
        ("to a bare INCR, 32 at once", ratio(rounds, Cell(DIRECT, 0, 32), [Incr.name])),
        ("to a bare INCR, with 1 ms added", ratio(rounds, far, [Incr.name])),
        ("to an INCR over our own line", ratio(rounds, near, [LeanIncr.name])),
        *floors(rounds),
    ]
    return [
        *((what, value, f">= {wanted:g}", value >= wanted) for what, value, wanted in at_least),
        *((what, value, f"<= {wanted:g}", value <= wanted) for what, value, wanted in at_most),
        *((what, value, "", True) for what, value in beside),
    ]


def floors(rounds: Rounds) -> list[tuple[str, float]]:
    """How far ours is from what the same commands cost that decide nothing, and how far those are from an INCR."""
    near = Cell(DIRECT, 0, 1)
    return [
        ("decisions/s, to its own commands, bare", ratio(rounds, near, [BareScript.name])),
        ("Redis us of its own commands, bare", middle(rounds[near][BareScript.name]).redis_us),
        ("bare commands/s, to a bare INCR", ratio(rounds, near, [Incr.name], ours=BareScript.name)),
    ]


def targets(rounds: Rounds) -> None:
    print(f"\n{'Ours, at c=1 unless it says otherwise':40}{'measured':>10}{'target':>10}")
    for what, value, wanted, met in verdicts(rounds):
        print(f"{what:40}{value:10.2f}{wanted:>10}{'' if not wanted else '   met' if met else '   MISSED'}")
    direct, proxied = (middle(rounds[Cell(line, 0, 1)][Incr.name]) for line in (DIRECT, PROXY))
    print(f"\nThe proxy itself adds {proxied.p50_ms - direct.p50_ms:.2f} ms to an INCR at the median (delay 0).")


def saved(path: Path, rounds: Rounds, proofs: Mapping[str, Proof]) -> None:
    """Write every round's every number."""
    rows = [
        asdict(cell) | {"arm": arm} | asdict(row) for cell, arms in rounds.items() for arm in arms for row in arms[arm]
    ]
    path.write_text(
        json.dumps({"rows": rows, "proofs": {name: asdict(told) for name, told in proofs.items()}}, indent=1)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--correctness", action="store_true", help="no speed")
    parser.add_argument("--floor", action="store_true", help="no libraries")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--decisions", type=int, default=1000, help="in each cell, of each arm")
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--aof", action="store_true", help="let the server log every write")
    parser.add_argument("--json", type=Path, help="write every round's numbers here")
    options = parser.parse_args()
    if options.short:
        options.rounds, options.decisions, options.accounts = 1, 150, 20
    log.configure(as_json=True)
    loads = [os.getloadavg()[0]]
    with ExitStack() as stack:
        valkey = Valkey(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        valkey.start()
        stack.callback(valkey.stop)
        address = urlsplit(valkey.url)
        urls = {DIRECT: valkey.url}
        for line, round_trip_us in LINES.items():
            port = stack.enter_context(slower(address.port or 0, round_trip_us=round_trip_us))
            urls[line] = urlunsplit(address._replace(netloc=address.netloc.replace(str(address.port), str(port))))
        rounds, proofs = uvloop.run(compared(urls, options))
    loads.append(os.getloadavg()[0])
    machine = f"load {loads[0]:.1f} before and {loads[1]:.1f} after, {os.cpu_count()} cores"
    if max(loads) > QUIET:
        machine += " (busy: quote ratios, not microseconds)"
    print(f"{machine}, Python {sys.version.split()[0]}, medians of {options.rounds} rounds of {options.decisions}")
    print(f"Every arm on one Valkey, its append-only file {'on' if options.aof else 'off'}")
    report(rounds, proofs)
    if options.floor:
        for what, value in floors(rounds):
            print(f"{what:40}{value:10.2f}")
    elif rounds:
        targets(rounds)
    if options.json:
        saved(options.json, rounds, proofs)


if __name__ == "__main__":
    main()
