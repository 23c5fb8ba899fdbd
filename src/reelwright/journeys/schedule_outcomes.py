"""What became of a schedule's runs, beside its statistics; failures in a row pause it, and its owner is told."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger, notices, schedules
from reelwright.accounts import Accounts
from reelwright.generations import Generations, GenerationState
from reelwright.ground import log
from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.ids import AccountId, GenerationId, ScheduleId
from reelwright.ground.postgres import Database
from reelwright.schedules import RunOutcome, Schedule, ScheduleRun, ScheduleRuns, Schedules

_log = log.logger("journeys.schedule_outcomes")
_SETTLED_AT_ONCE = 200
# The one question that needs two rooms' rows: which reels of schedules have ended since they were looked at.
_ENDED = text(
    """
    SELECT r.id, r.schedule_id, g.account_id
      FROM schedule_runs r JOIN generations g ON g.id = r.id
     WHERE r.state = 'started' AND g.ended_at IS NOT NULL ORDER BY r.id LIMIT :limit
    """
)
_OUTCOMES = {
    GenerationState.SUCCEEDED: RunOutcome.SUCCEEDED,
    GenerationState.FAILED: RunOutcome.FAILED,
    GenerationState.CANCELLED: RunOutcome.CANCELLED,
}


class BudgetSpent(Refusal):
    """The schedule's own budget for the month; it frees by itself, so it pauses nothing."""

    kind = Kind.LIMITED
    code = "schedule.budget_spent"


async def not_started(
    run: ScheduleRun, outcome: RunOutcome, db: Database, now: datetime, *, code: str, sentence: str
) -> None:
    """Write why a run has no reel; three in a row pause the schedule, but not for its own budget. Raises Outage."""
    refused = outcome is RunOutcome.REFUSED
    async with db.begin() as tx:
        schedule = await Schedules(session=tx).find(run.schedule_id, lock=True)
        written = await ScheduleRuns(session=tx).not_started(run.id, outcome, code=code, sentence=sentence, now=now)
        if not written or schedule is None or not refused:
            return
        counts = code != BudgetSpent.code
        failures = await Schedules(session=tx).count(schedule.id, refused=1, counts=counts)
        if counts:
            await _pause_after(tx, schedule, run.id, failures, code=code, sentence=sentence)
    _log.info("schedule.refused", schedule_id=str(run.schedule_id), code=code)


async def _pause_after(
    tx: AsyncConnection, schedule: Schedule, run: GenerationId, failures: int, *, code: str, sentence: str
) -> None:
    """Pause a locked schedule that has failed often enough in a row, and tell its owner once."""
    if failures < schedules.FAILURES or not schedule.live:
        return
    why = f"{failures} runs in a row failed. The last one: {sentence}"
    await Schedules(session=tx).pause(schedule.id, code=code, sentence=why)
    owner = await Accounts(session=tx).get(schedule.account_id)
    if owner is not None and not owner.demo:
        facts = {"schedule_id": str(schedule.id), "code": code, "reason": why}
        await notices.tell(
            tx, account_id=schedule.account_id, kind="schedule_paused", key=f"{schedule.id}:{run}", facts=facts
        )
    _log.warning("schedule.paused", schedule_id=str(schedule.id), code=code)


async def settle(*, db: Database, now: datetime) -> None:
    """Write to their runs how reels have ended, each in a transaction of its own. Raises Outage."""
    async with db.single() as tx:
        ended = (await tx.execute(_ENDED, {"limit": _SETTLED_AT_ONCE})).all()
    for row in ended:
        async with db.begin() as tx:
            await _settled(tx, row.id, row.schedule_id, row.account_id, now=now)


async def _settled(
    tx: AsyncConnection, run: GenerationId, schedule_id: ScheduleId, account: AccountId, *, now: datetime
) -> None:
    schedule = await Schedules(session=tx).find(schedule_id, lock=True)
    made = await Generations(session=tx).get(account, run)
    if made is None:
        return
    outcome, charged = _OUTCOMES[made.state], await ledger.charged(tx, generation=run)
    written = await ScheduleRuns(session=tx).ended(
        run, outcome, charged_micro=charged, code=made.failure_code, sentence=made.failure_sentence, now=now
    )
    if not written or schedule is None:
        return
    failed = outcome is RunOutcome.FAILED
    failures = await Schedules(session=tx).count(
        schedule.id,
        succeeded=int(outcome is RunOutcome.SUCCEEDED),
        failed=int(failed),
        spent_micro=charged,
        counts=failed,
    )
    if failed:
        sentence = made.failure_sentence or "The reel failed."
        await _pause_after(
            tx, schedule, run, failures, code=made.failure_code or "generation.failed", sentence=sentence
        )
