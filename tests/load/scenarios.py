"""What the hammer does, one scenario a function: who shoots, what is allowed, what else happens meanwhile."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import msgspec

from reelwright.billing import Plan
from reelwright.ground import clock
from reelwright.ground.ids import AccountId
from tests.builders import a_written_draft
from tests.load import checks
from tests.load.client import NO_ANSWER, Shot
from tests.load.fleet import Report
from tests.load.people import Aim, Customer, at_create, customer, drafts, has_earlier_hours, shots, used_before
from tests.load.siege import ORDINARY, Field, Outcome, Plot, besiege, clear, ordinary, quiet, well_within_the_hour

_NEEDED = timedelta(seconds=60)
"""No scenario takes longer; those that count an hour's use begin with so much of the hour left."""
_MIX = (Plan.BASIC, Plan.STANDARD, Plan.PRO)
_TRIES = 3
_SCRIPT_MICRO = 3_000_000  # action_costs: ingestion and one story


async def concurrency(on: Field, attempts: int) -> Outcome:
    """Nothing ends: exactly as many are admitted as may run at once."""
    owners = await _running(on)
    return await besiege(_plot("concurrency", owners, _places(owners), on, attempts), on)


async def burst(on: Field, attempts: int, plans: Sequence[Plan] = _MIX) -> Outcome:
    """Everything ends at once: exactly as many are admitted as the hour has."""
    await well_within_the_hour(on, needed=_NEEDED)
    owners = [await customer(on.db, plan, ends=True) for plan in plans]
    allowed = {owner.account: owner.terms.generations_hour for owner in owners}
    return await besiege(_plot("burst", owners, allowed, on, attempts), on)


async def pool(on: Field, attempts: int) -> Outcome:
    """Of a month's units few are left: exactly those are admitted."""
    owners, allowed = await _nearly_used_up(on)
    return await besiege(_plot("pool", owners, allowed, on, attempts), on)


async def cap(on: Field, attempts: int) -> Outcome:
    """Of Standard's full regenerations few are left: exactly those are admitted."""
    owners, allowed = await _nearly_capped(on)
    plot = _plot("cap", owners, allowed, on, attempts)
    return await besiege(plot, on)


async def cooldown(on: Field, attempts: int) -> Outcome:
    """One draft of each is regenerated again and again, for longer than two of Pro's cooldowns."""
    await well_within_the_hour(on, needed=_NEEDED)
    owners = [await customer(on.db, plan, ends=True) for plan in (*_MIX, Plan.PRO)]
    for owner in owners:
        owner.drafts.append((await a_written_draft(on.db, owner.account)).draft)
    outcome = Outcome(name="cooldown", allowed="1 a cooldown")
    lasting = 2.2 * owners[-1].terms.cooldown
    began, last = clock.now(), clock.now()
    while last - began < lasting or outcome.attempts < attempts:
        report = await on.fleet.fire(shots(owners, max(attempts // 8, 64), luck=on.luck, aim=_at_hook))
        outcome.add(report)
        last = clock.now()
        ordinary(report, ORDINARY, outcome)
    await quiet(owners, on)
    rows = await checks.made(on.db, owners)
    for owner in owners:
        at = await checks.admitted_at(on.db, owner)
        rest = owner.terms.cooldown
        gaps = [later - earlier for earlier, later in pairwise(at)]
        outcome.expect(all(gap >= rest for gap in gaps), f"{owner.plan}: regenerated after {min(gaps, default=rest)}")
        least = (last - began) // (rest + timedelta(seconds=1))
        outcome.expect(len(at) > least, f"{owner.plan}: regenerated {len(at)} times in {last - began}, too seldom")
    allowed = {account: len(ids) for account, ids in rows.items()}
    outcome.faults += await checks.faults(on.db, on.gate, on.redis, customers=owners, allowed=allowed, api=on.api)
    await clear(on, outcome)
    return outcome


async def one_key(on: Field, attempts: int) -> Outcome:
    """One Idempotency-Key, 200 times at once over all processes: one generation; with another body: refused."""
    outcome = Outcome(name="one key", allowed="1 a key")
    owners = [await customer(on.db, Plan.PRO, ends=False) for _ in range(max(1, attempts // 200))]
    for owner in owners:
        (shot,) = shots([owner], 1, luck=on.luck)
        fresh = 0
        for _ in range(_TRIES):
            report = await on.fleet.fire([shot] * 200)
            outcome.add(report)
            ordinary(report, frozenset({202, 409}), outcome)
            fresh += len(report.fresh)
            if fresh:
                break
            await checks.settle(on.db, on.gate, on.redis)  # a busy API gave up on its first: a minute heals it
        started = {answer.started for answer in report.answers if answer.status == 202}
        outcome.expect(fresh == 1, f"one key was accepted as new {fresh} times")
        outcome.expect(len(started) == 1, f"one key was answered with {len(started)} generations")
        report = await on.fleet.fire([msgspec.structs.replace(shot, body=shot.body | {"topic": "Dogs"})] * 8)
        outcome.add(report)
        outcome.expect(set(report.statuses) == {422}, f"another body was answered {dict(report.statuses)}")
    allowed = {owner.account: 1 for owner in owners}
    outcome.faults += await checks.faults(on.db, on.gate, on.redis, customers=owners, allowed=allowed, api=on.api)
    await clear(on, outcome)
    return outcome


async def wiped(on: Field, attempts: int, *, small: bool = False) -> Outcome:
    """Redis is emptied four times under fire: PostgreSQL's rows stay exact, and decisions are right again."""

    async def wipe(report: Report) -> None:
        for part in (0.15, 0.3, 0.5, 0.75):
            await report.share(part)
            await on.redis.flushall()

    owners, allowed = await _of_every_kind(on, small=small)
    plot = _plot("redis wiped", owners, allowed, on, attempts, meanwhile=wipe, lossy=True)
    return await besiege(plot, on)


async def killed_redis(on: Field, attempts: int, *, small: bool = False) -> Outcome:
    """Valkey is killed under fire and comes back: 503 meanwhile, then everything goes on without a restart."""
    away: list[int] = []

    async def kill(report: Report) -> None:
        await report.share(0.3)
        on.rig.kill_valkey()
        before = report.statuses[503]
        await report.until(lambda now: now.statuses[503] >= before + 20)
        away.append(report.statuses[503] - before)
        await on.redis.connection_pool.disconnect()  # ours; the APIs and the finisher look after theirs
        await on.rig.start_valkey()

    owners, allowed = await _of_every_kind(on, small=small)
    plot = _plot("valkey killed", owners, allowed, on, attempts, meanwhile=kill, lossy=True)
    outcome = await besiege(plot, on)
    outcome.expect(away and away[0] >= 20, f"while Valkey was away only {away} answers were 503")
    return outcome


async def killed_api(on: Field, attempts: int) -> Outcome:
    """An API process is killed under fire: after the sweep units are rows, and nothing is left behind."""

    async def kill(report: Report) -> None:
        await report.share(0.3)
        on.rig.kill_api(0)
        await report.share(0.7)
        await on.rig.start_api(0)

    owners, allowed = await _of_every_kind(on)
    plot = _plot("api killed", owners, allowed, on, attempts, meanwhile=kill, lossy=True)
    outcome = await besiege(plot, on)
    outcome.expect(outcome.statuses[NO_ANSWER], "the killed API had nothing to answer")
    return outcome


async def refusals(on: Field, attempts: int) -> Outcome:
    """Whatever is refused, by any limit, leaves Redis byte for byte as it was, and writes no row."""
    periods = await well_within_the_hour(on, needed=_NEEDED)
    await on.redis.flushall()  # all earlier work has ended, and its cooldowns would expire while we look
    running = await _running(on)
    outcome = Outcome(name="refusals")
    for _ in range(_TRIES):
        outcome.add(await on.fleet.fire(shots(running, 20 * len(running), luck=on.luck)))
        await checks.settle(on.db, on.gate, on.redis)
    outcome.expect(outcome.admitted == sum(_places(running).values()), "not every place was taken")
    outcome.allowed = str(outcome.admitted)
    spent = [await customer(on.db, plan, ends=True) for plan in _MIX]
    for owner in spent:
        hour = owner.terms.generations_hour
        await used_before(on.db, owner, hour, since=periods.hour_start, until=clock.now())
    owners = [*running, *spent]
    if has_earlier_hours(periods):
        used_up, _ = await _nearly_used_up(on, left=0)
        capped, _ = await _nearly_capped(on, left=0)
        owners += [*used_up, *capped]
    await on.fleet.fire(
        shots(owners, 4 * len(owners), luck=on.luck, aim=_at_own(on))
    )  # what is cold is asked of the rows
    keys, counts = await checks.everything_in(on.redis), await checks.row_counts(on.db)
    report = await on.fleet.fire(shots(owners, attempts, luck=on.luck, aim=_at_own(on)))
    outcome.add(report)
    ordinary(report, frozenset({429}), outcome)
    after = await checks.everything_in(on.redis)
    changed = {key.decode() for key in keys.keys() | after.keys() if keys.get(key) != after.get(key)}
    outcome.expect(not changed, f"refusals changed {len(changed)} keys, as {sorted(changed)[:3]}")
    outcome.expect(await checks.row_counts(on.db) == counts, "refusals wrote rows")
    await clear(on, outcome)
    return outcome


async def credit(on: Field, attempts: int) -> Outcome:
    """Credits suffice for so many orders: exactly those are admitted, and the others' units come back."""
    await well_within_the_hour(on, needed=_NEEDED)
    owners: list[Customer] = []
    allowed: dict[AccountId, int] = {}
    for plan in (Plan.STANDARD, Plan.PRO, Plan.PRO):
        orders = on.luck.randint(5, 25)
        owners.append(await customer(on.db, plan, ends=True, micro=orders * _SCRIPT_MICRO + _SCRIPT_MICRO - 1))
        allowed[owners[-1].account] = orders
    plot = _plot("credits", owners, allowed, on, attempts, statuses=frozenset({202, 402, 429}))
    outcome = await besiege(plot, on)
    outcome.expect(outcome.statuses[402], "nobody was told to buy credits")
    return outcome


SCENARIOS: Mapping[str, tuple[Callable[[Field, int], Awaitable[Outcome]], int]] = {
    "concurrency": (concurrency, 10),
    "burst": (burst, 18),
    "pool": (pool, 10),
    "cap": (cap, 10),
    "cooldown": (cooldown, 10),
    "key": (one_key, 8),
    "wiped": (wiped, 10),
    "redis-killed": (killed_redis, 10),
    "api-killed": (killed_api, 8),
    "refusals": (refusals, 6),
    "credits": (credit, 6),
}
"""Every scenario by its name on the command line, with its share of the attempts."""


async def _running(on: Field) -> list[Customer]:
    return [await customer(on.db, plan, ends=False) for plan in _MIX for _ in range(2)]


def _places(owners: Sequence[Customer]) -> dict[AccountId, int]:
    return {owner.account: owner.terms.concurrent for owner in owners}


async def _nearly_used_up(on: Field, *, left: int | None = None) -> tuple[list[Customer], dict[AccountId, int]]:
    """Return accounts with few units left in the month, by rows of its earlier hours, and how many that are."""
    periods = await well_within_the_hour(on, needed=_NEEDED)
    owners: list[Customer] = []
    allowed: dict[AccountId, int] = {}
    for plan in _MIX:
        owners.append(await customer(on.db, plan, ends=True))
        terms = owners[-1].terms
        rest = on.luck.randint(2, 8) if left is None else left
        if has_earlier_hours(periods):
            used = terms.generations_month - rest
            await used_before(on.db, owners[-1], used, since=periods.month_start, until=periods.hour_start)
        else:
            on.say("the month has no earlier hour yet: the hour's burst stands for the month's pool")
            rest = terms.generations_hour
        allowed[owners[-1].account] = rest
    return owners, allowed


async def _nearly_capped(on: Field, *, left: int | None = None) -> tuple[list[Customer], dict[AccountId, int]]:
    """Return Standard accounts with few full regenerations left, forty drafts each, and how many are left."""
    periods = await well_within_the_hour(on, needed=_NEEDED)
    owners: list[Customer] = []
    allowed: dict[AccountId, int] = {}
    for _ in range(2):
        owners.append(await customer(on.db, Plan.STANDARD, ends=True))
        whole = owners[-1].terms.full_regenerations_month
        rest = on.luck.randint(2, 12) if left is None else left
        since = periods.month_start if has_earlier_hours(periods) else periods.hour_start
        until = periods.hour_start if has_earlier_hours(periods) else clock.now()
        await used_before(on.db, owners[-1], whole - rest, since=since, until=until, full=True)
        owners[-1].drafts.extend(await drafts(on.db, owners[-1], 40))
        allowed[owners[-1].account] = rest
    return owners, allowed


async def _of_every_kind(on: Field, *, small: bool = False) -> tuple[list[Customer], dict[AccountId, int]]:
    """Return accounts for the first four scenarios together."""
    await well_within_the_hour(on, needed=_NEEDED)
    running = await _running(on)
    bursting = [await customer(on.db, plan, ends=True) for plan in ((Plan.BASIC,) if small else _MIX[:2])]
    used_up, units = await _nearly_used_up(on)
    capped, full = await _nearly_capped(on)
    allowed = _places(running) | units | full
    allowed |= {owner.account: owner.terms.generations_hour for owner in bursting}
    return [*running, *bursting, *used_up, *capped], allowed


def _plot(
    name: str, owners: Sequence[Customer], allowed: Mapping[AccountId, int], on: Field, attempts: int, **more: Any
) -> Plot:
    def fresh(count: int) -> list[Shot]:
        return shots(owners, count, luck=on.luck, aim=_at_own(on))

    return Plot(name=name, customers=owners, allowed=allowed, shots=fresh, attempts=attempts, **more)


def _at_own(on: Field) -> Aim:
    """Return the aim that regenerates one of an account's drafts, or creates where it has none."""

    def aim(owner: Customer) -> tuple[str, dict[str, str | int]]:
        if not owner.drafts:
            return at_create(owner)
        return "/v1/regenerate", {"draft_id": str(on.luck.choice(owner.drafts)), "part": "full"}

    return aim


def _at_hook(owner: Customer) -> tuple[str, dict[str, str | int]]:
    return "/v1/regenerate", {"draft_id": str(owner.drafts[0]), "part": "hook"}
