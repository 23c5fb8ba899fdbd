"""Keep Redis true to the rows: settle admissions that nobody confirmed, and repair counters that have drifted."""

import asyncio
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime, timedelta

from reelwright.admission import Counted, Facts, Gate, Periods
from reelwright.generations import Generations
from reelwright.ground import clock, log, telemetry
from reelwright.ground.errors import Outage
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from reelwright.journeys import facts

_log = log.logger("journeys.reconciliation")
_BATCH = 200
_ACTIVE = timedelta(hours=1)
_COUNTERS = ("generations_month", "generations_hour", "full_month")


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of admissions whose process died: committed after all, or given back."""

    confirmed: int
    withdrawn: int


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How many accounts were compared, how many differed, and how many of those could be repaired.

    `released`: leases of work that had ended while Redis was away, so that nobody could release them.
    """

    compared: int
    drifted: int
    repaired: int
    released: int = 0


async def settle_unconfirmed(*, db: Database, gate: Gate, now: datetime) -> Settled:
    """Confirm or withdraw every admission that is overdue, as its row says. Safe to run anywhere, any time.

    An order that commits while it is withdrawn here finds that out when it confirms, and is counted again.
    Raises Outage.
    """
    confirmed = withdrawn = 0
    for account, lease in await gate.unconfirmed(_BATCH):
        if await _confirmed(account, lease, db=db, gate=gate, now=now):
            confirmed += 1
            telemetry.ADMISSION_UNCONFIRMED.labels("confirmed").inc()
        elif await gate.withdraw(account, lease):
            withdrawn += 1
            telemetry.ADMISSION_UNCONFIRMED.labels("withdrawn").inc()
    if confirmed or withdrawn:
        _log.warning("admission.settled", confirmed=confirmed, withdrawn=withdrawn)
    return Settled(confirmed=confirmed, withdrawn=withdrawn)


async def _confirmed(account: AccountId, lease: GenerationId, *, db: Database, gate: Gate, now: datetime) -> bool:
    async with db.begin() as tx:
        found = await Generations(session=tx).get(account, lease)
    if found is None:
        return False
    if not found.live:
        await gate.release(account, lease)
        return True
    await gate.renew(account, lease, ttl=max(found.deadline_at - now, timedelta(seconds=1)), adopt=True)
    return True


async def reconcile(*, db: Database, gate: Gate, now: datetime) -> Reconciled:
    """Compare counters and leases of every account that was active in the last hour with its rows, and repair them.

    Redis is read first: an order that commits in between was under way then, so that nothing is set back.
    Raises Outage.
    """
    periods, read = Periods.at(now), facts.reader(db)
    compared = drifted = repaired = released = 0
    drift: dict[str, int] = dict.fromkeys(_COUNTERS, 0)
    async for account in _active(db, now - _ACTIVE):
        seen = await gate.counted(account, periods)
        truth = await read(account, periods)
        off = _difference(seen, truth)
        compared += 1
        released += await _released(account, truth, db=db, gate=gate)
        if not any(off.values()):
            continue
        drifted += 1
        if await gate.repair(account, periods, seen=seen, facts=truth):
            repaired += 1
            telemetry.ADMISSION_REPAIRS.inc()
            drift = {name: drift[name] + off[name] for name in _COUNTERS}
    for name, units in drift.items():
        telemetry.ADMISSION_DRIFT.labels(name).set(units)
    if released:
        _log.warning("reconciliation.released", leases=released)
    return Reconciled(compared=compared, drifted=drifted, repaired=repaired, released=released)


async def _released(account: AccountId, truth: Facts, *, db: Database, gate: Gate) -> int:
    """Release the leases of generations that have ended, and return how many. What has no row yet is left alone."""
    released = 0
    for lease in await gate.leased(account) - {lease for lease, _ in truth.leases}:
        async with db.begin() as tx:
            found = await Generations(session=tx).get(account, lease)
        if found is not None and not found.live:
            released += await gate.release(account, lease)
    return released


def _difference(seen: Counted, truth: Facts) -> dict[str, int]:
    """Return by how many units each counter is off; a missing one is not: it will be asked for."""
    off: dict[str, int] = {}
    for name in _COUNTERS:
        held: int | None = getattr(seen, name)
        off[name] = 0 if held is None else abs(held - getattr(truth, name))
    return off


async def _active(db: Database, since: datetime) -> AsyncGenerator[AccountId]:
    after: AccountId | None = None
    while True:
        async with db.begin() as tx:
            page = await Generations(session=tx).active_accounts(since, _BATCH, after=after)
        for account in page:
            yield account
        if len(page) < _BATCH:
            return
        after = page[-1]


async def keep_reconciling(*, db: Database, gate: Gate, every: timedelta) -> None:
    """Reconcile for ever, out of step with other workers; an outage is waited out."""
    while True:
        await asyncio.sleep(every.total_seconds() * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
        try:
            await reconcile(db=db, gate=gate, now=clock.now())
        except Outage:
            _log.warning("reconciliation.postponed")
        except Exception:  # noqa: BLE001 - a bug in one pass must not end the next; it is logged with its traceback
            _log.exception("reconciliation.bug")
