"""What owners do with their schedules: make, read, change, pause, resume and delete them, and read their runs."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger, schedules
from reelwright.accounts import Account
from reelwright.generations import Aspect, CaptionStyle, Draft, GenerationKind, Platform, Profile, Tone
from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.ids import AccountId, DraftId, GenerationId, ScheduleId
from reelwright.ground.postgres import Database
from reelwright.ground.versions import Versions, meant_for
from reelwright.journeys.ordering import BATCH, Order, Terms, prepare
from reelwright.schedules import Making, Schedule, ScheduleRun, ScheduleRuns, Schedules, ScheduleState, Wanted

BY_OWNER = "schedule.paused_by_owner"


class KeyChanged(Refusal):
    """The Idempotency-Key belongs to another schedule."""

    kind = Kind.CHANGED
    code = "idempotency.key_reused"


class BudgetTooSmall(Refusal):
    code = "schedule.budget_too_small"


class ScheduleChanged(Refusal):
    """The schedule was changed since it was read; `extra` holds the version it has now."""

    kind = Kind.STALE
    code = "schedule.changed"


class HasEnded(Refusal):
    """The schedule has nothing left to make."""

    kind = Kind.CONFLICT
    code = "schedule.ended"


async def create(
    wanted: Wanted, *, key: str, fingerprint: bytes, account: Account, db: Database, terms: Terms, now: datetime
) -> tuple[Schedule, bool]:
    """Make a schedule; return it, and whether this key had made it before.

    Raises KeyChanged, TooMany, BudgetTooSmall, PlanLacksIt, NotFound where it was deleted since, Outage.
    """
    wished = schedules.schedule_id(account.id, key)
    async with db.begin() as tx:
        kept = Schedules(session=tx)
        repeated = await kept.fingerprint_of(wished) is not None
        if not repeated:
            await _check(tx, wanted, account, terms, now)
            repeated = not await kept.add(wished, account.id, wanted, fingerprint=fingerprint, now=now)
        if repeated and await kept.fingerprint_of(wished) != fingerprint:
            raise KeyChanged(
                "This Idempotency-Key was used for another schedule: send a new key.", field="Idempotency-Key"
            )
        return await kept.get(account.id, wished), repeated


async def listed(
    account: AccountId, *, before: tuple[datetime, UUID] | None, limit: int, db: Database
) -> list[Schedule]:
    """Return so many of an account's schedules, newest first. Raises Outage."""
    async with db.begin() as tx:
        return await Schedules(session=tx).of_account(account, before=before, limit=limit)


async def read(account: AccountId, wished: ScheduleId, *, db: Database) -> Schedule:
    """Return one of them. Raises NotFound, Outage."""
    async with db.begin() as tx:
        return await Schedules(session=tx).get(account, wished)


async def runs(
    account: AccountId,
    wished: ScheduleId,
    *,
    before: tuple[datetime, UUID] | None,
    limit: int,
    db: Database,
) -> list[ScheduleRun]:
    """Return so many of a schedule's runs, the latest due time first. Raises NotFound, Outage."""
    async with db.begin() as tx:
        await Schedules(session=tx).get(account, wished)
        return await ScheduleRuns(session=tx).of(wished, before=before, limit=limit)


async def change(
    account: Account,
    wished: ScheduleId,
    changed: Callable[[Wanted], Wanted],
    *,
    expected_version: Versions = None,
    db: Database,
    terms: Terms,
    now: datetime,
) -> Schedule:
    """Change what is wanted of a schedule. A new source begins from its start, and lets one that has ended go on.

    Raises NotFound, ScheduleChanged (its version isn't the expected one), BudgetTooSmall, PlanLacksIt, Outage, and what
    `changed` does.
    """
    async with db.begin() as tx:
        kept = Schedules(session=tx)
        found = await kept.lock(account.id, wished)
        if not meant_for(found.version, expected_version):
            raise ScheduleChanged(
                "The schedule was changed meanwhile: read it again and repeat your change.",
                extra={"version": found.version},
            )
        wanted = changed(found.wanted)
        await _check(tx, wanted, account, terms, now)
        anew = wanted.source != found.wanted.source
        due_at = found.next_due_at
        if (found.live and wanted.timing != found.wanted.timing) or (anew and found.state is ScheduleState.ENDED):
            due_at = _due(wanted, now)
        await kept.change(wished, wanted, next_due_at=due_at, anew=anew)
        return await kept.get(account.id, wished)


async def pause(account: AccountId, wished: ScheduleId, *, db: Database) -> Schedule:
    """Let a schedule run no more until it is resumed; pausing again changes nothing. Raises NotFound, HasEnded."""
    async with db.begin() as tx:
        kept = Schedules(session=tx)
        found = await kept.lock(account, wished)
        if found.state is ScheduleState.ENDED:
            raise _has_ended()
        if found.live:
            await kept.pause(wished, code=BY_OWNER, sentence="You paused it.")
        return await kept.get(account, wished)


async def resume(account: AccountId, wished: ScheduleId, *, db: Database, now: datetime) -> Schedule:
    """Let a paused schedule run again, from its next due time on; what came meanwhile is not made up for.

    Resuming an active one changes nothing. Raises NotFound, HasEnded, Outage.
    """
    async with db.begin() as tx:
        kept = Schedules(session=tx)
        found = await kept.lock(account, wished)
        if found.state is ScheduleState.ENDED:
            raise _has_ended()
        if not found.live:
            await kept.resume(wished, next_due_at=_due(found.wanted, now))
        return await kept.get(account, wished)


async def delete(account: AccountId, wished: ScheduleId, *, db: Database) -> None:
    """Delete a schedule; reels that it has started go on. Raises NotFound, Outage."""
    async with db.begin() as tx:
        kept = Schedules(session=tx)
        await kept.lock(account, wished)
        await kept.remove(wished)


def draft_of(making: Making, draft: DraftId, account: AccountId) -> Draft:
    """Return the draft that a schedule's reel is made of, as yet about nothing."""
    return Draft(
        id=draft,
        account_id=account,
        platform=Platform(making.platform),
        tone=Tone(making.tone),
        language=making.language,
        duration_s=making.duration_s,
        aspect=Aspect(making.aspect),
        voice=making.voice,
        music=making.music,
        caption_style=CaptionStyle(making.caption_style),
        brand_kit_id=making.brand_kit_id,
    )


def _due(wanted: Wanted, now: datetime) -> datetime:
    due_at = wanted.timing.after(now)
    if due_at is None:
        raise schedules.NotDue("cron: this date never comes: choose a day that its month has.", field="cron")
    return due_at


def _has_ended() -> HasEnded:
    return HasEnded("The schedule has made all its topics: give it new ones, and it goes on.")


async def _check(tx: AsyncConnection, wanted: Wanted, account: Account, terms: Terms, now: datetime) -> None:
    """Refuse what an order would be refused for, and a budget below the price of one run.

    Raises BudgetTooSmall, and as `prepare` does.
    """
    order = Order(
        id=GenerationId(uuid4()),
        key="",
        fingerprint=b"",
        kind=GenerationKind(wanted.making.kind),
        draft=draft_of(wanted.making, DraftId(uuid4()), account.id),
        variants=wanted.making.variants,
        lane=BATCH,
        profile=Profile(wanted.making.profile),
    )
    price = (await prepare(tx, order, account, now, places=terms.places)).price.total_micro
    most = wanted.budget.micro_month
    if most is not None and most < price and not account.demo:
        raise BudgetTooSmall(
            f"budget: one run can cost {ledger.in_credits(price)} credits: allow at least so many.", field="budget"
        )
