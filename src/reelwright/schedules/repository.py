"""Schedules in PostgreSQL: kept, changed, paused, and advanced when they are due."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import msgspec
from sqlalchemy import Table, delete, func, literal, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId, ScheduleId
from reelwright.schedules.model import (
    MOST_SCHEDULES,
    Budget,
    Making,
    Missed,
    Schedule,
    ScheduleState,
    Statistics,
    Wanted,
)
from reelwright.schedules.tables import ScheduleEntryRow, ScheduleRow, ScheduleRunRow
from reelwright.schedules.timing import Timing
from reelwright.schedules.topics import Source

_SCHEDULES: Table = cast("Table", ScheduleRow.__table__)
_RUNS: Table = cast("Table", ScheduleRunRow.__table__)
_ENTRIES: Table = cast("Table", ScheduleEntryRow.__table__)
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('schedules:' || :account, 0))")
_DUE = text(
    """
    SELECT id FROM schedules WHERE state = 'active' AND next_due_at <= :now AND id <> ALL(:besides)
     ORDER BY next_due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    """
)
_UNBRAND = text(
    """
    UPDATE schedules SET making = making - 'brand_kit_id', version = version + 1, updated_at = now()
     WHERE account_id = :account AND deleted_at IS NULL AND making->>'brand_kit_id' = :kit
    """
)


class TooMany(Refusal):
    kind = Kind.CONFLICT
    code = "schedule.too_many"


@dataclass(frozen=True, slots=True)
class Schedules:
    """Schedules, inside one transaction. Who changes one has its row locked first, before its runs' rows."""

    session: AsyncConnection

    async def add(
        self, schedule: ScheduleId, account: AccountId, wanted: Wanted, *, fingerprint: bytes, now: datetime
    ) -> bool:
        """Keep a new schedule; False where there is one with this id already. Raises TooMany."""
        await self.session.execute(_ONE_AT_A_TIME, {"account": str(account)})
        if await self.fingerprint_of(schedule) is not None:
            return False
        held = select(func.count()).where(_SCHEDULES.c.account_id == account, _SCHEDULES.c.deleted_at.is_(None))
        if (await self.session.scalar(held) or 0) >= MOST_SCHEDULES:
            raise TooMany(f"You have {MOST_SCHEDULES} schedules, which is the most: delete one that you don't need.")
        values = {"id": schedule, "account_id": account, "fingerprint": fingerprint, **_columns(wanted)}
        await self.session.execute(insert(_SCHEDULES).values(**values, next_due_at=wanted.timing.after(now)))
        return True

    async def fingerprint_of(self, schedule: ScheduleId) -> bytes | None:
        """Return the digest of the request that made it, deleted or not; None where there is none."""
        return await self.session.scalar(select(_SCHEDULES.c.fingerprint).where(_SCHEDULES.c.id == schedule))

    async def get(self, account: AccountId, schedule: ScheduleId) -> Schedule:
        """Return the account's schedule. Raises NotFound."""
        return self._present(await self._one(schedule), account)

    async def lock(self, account: AccountId, schedule: ScheduleId) -> Schedule:
        """Return the account's schedule with its row locked to the transaction's end. Raises NotFound."""
        return self._present(await self._one(schedule, lock=True), account)

    async def find(self, schedule: ScheduleId, *, lock: bool = False) -> Schedule | None:
        """Return a schedule, whosever it is, with its row locked where asked; None where it was deleted."""
        return await self._one(schedule, lock=lock)

    async def of_account(
        self, account: AccountId, *, before: tuple[datetime, UUID] | None = None, limit: int = MOST_SCHEDULES
    ) -> list[Schedule]:
        """Return schedules of an account, newest first, from behind the one made then with that id; else all."""
        place = _SCHEDULES.c.created_at, _SCHEDULES.c.id
        query = select(_SCHEDULES).where(_SCHEDULES.c.account_id == account, _SCHEDULES.c.deleted_at.is_(None))
        if before is not None:
            query = query.where(tuple_(*place) < tuple_(*map(literal, before)))
        ordered = query.order_by(*(column.desc() for column in place)).limit(limit)
        return [_schedule(row) for row in (await self.session.execute(ordered)).mappings()]

    async def claim_due(self, now: datetime, *, besides: Collection[ScheduleId]) -> ScheduleId | None:
        """Lock the schedule that has been due longest, or return None; those that another has locked are his."""
        return await self.session.scalar(_DUE, {"now": now, "besides": list(besides)})

    async def change(self, schedule: ScheduleId, wanted: Wanted, *, next_due_at: datetime | None, anew: bool) -> None:
        """Give a locked schedule its new wishes; it is active where it has a next due time.

        `anew`: its source is another one, of which nothing was used yet.
        """
        values: dict[str, Any] = {**_columns(wanted), "next_due_at": next_due_at, "version": _SCHEDULES.c.version + 1}
        if next_due_at is not None:
            values["state"] = "active"
        if anew:
            values["position"] = 0
            await self.session.execute(delete(_ENTRIES).where(_ENTRIES.c.schedule_id == schedule))
        await self._update(schedule, values)

    async def pause(self, schedule: ScheduleId, *, code: str, sentence: str) -> None:
        """Let a locked schedule run no more until it is resumed; runs that haven't started are called off."""
        values = {"state": "paused", "pause_code": code, "pause_sentence": sentence, "next_due_at": None}
        await self._stop(schedule, values, code="schedule.paused", sentence="The schedule was paused.")

    async def unbrand(self, account: AccountId, kit_id: UUID) -> None:
        """Let schedules do without a brand kit that is being deleted: a change like any other."""
        worn = {"account": account, "kit": str(kit_id)}
        await self.session.execute(_UNBRAND, worn)

    async def resume(self, schedule: ScheduleId, *, next_due_at: datetime) -> None:
        """Let a locked schedule run again, from its next due time."""
        cleared: dict[str, Any] = {"pause_code": None, "pause_sentence": None, "failures": 0}
        await self._update(schedule, {"state": "active", "next_due_at": next_due_at, **cleared})

    async def end(self, schedule: ScheduleId) -> None:
        """Let a locked schedule be over: nothing is left to make."""
        await self._update(schedule, {"state": "ended", "next_due_at": None})

    async def remove(self, schedule: ScheduleId) -> None:
        """Mark a locked schedule as deleted; runs that haven't started are called off."""
        values: dict[str, Any] = {"state": "ended", "next_due_at": None, "deleted_at": func.now()}
        await self._stop(schedule, values, code="schedule.deleted", sentence="The schedule was deleted.")

    async def advance(self, schedule: ScheduleId, next_due_at: datetime) -> None:
        """Say when a locked schedule is due next."""
        await self.session.execute(
            update(_SCHEDULES).where(_SCHEDULES.c.id == schedule).values(next_due_at=next_due_at)
        )

    async def count(
        self,
        schedule: ScheduleId,
        *,
        started: int = 0,
        succeeded: int = 0,
        failed: int = 0,
        refused: int = 0,
        missed: int = 0,
        spent_micro: int = 0,
        counts: bool = False,
        now: datetime | None = None,
    ) -> int:
        """Add to a locked schedule's statistics and return how many runs have failed in a row then.

        `counts`: this failure is one of those that pause it. `now` is when a run started.
        """
        c = _SCHEDULES.c
        values: dict[str, Any] = {
            "runs_started": c.runs_started + started,
            "runs_succeeded": c.runs_succeeded + succeeded,
            "runs_failed": c.runs_failed + failed,
            "runs_refused": c.runs_refused + refused,
            "runs_missed": c.runs_missed + missed,
            "spent_micro": c.spent_micro + spent_micro,
            "position": c.position + started,
            "failures": 0 if succeeded else c.failures + int(counts),
        }
        if now is not None:
            values["last_run_at"] = now
        changed = update(_SCHEDULES).where(c.id == schedule).values(**values).returning(c.failures)
        return await self.session.scalar(changed) or 0

    async def used(self, schedule: ScheduleId, entries: Sequence[bytes]) -> set[bytes] | None:
        """Return which of a feed's entries were used or found old; None where this feed was never read before."""
        any_known = select(_ENTRIES.c.entry).where(_ENTRIES.c.schedule_id == schedule)
        if await self.session.scalar(any_known.limit(1)) is None:
            return None
        return set(await self.session.scalars(any_known.where(_ENTRIES.c.entry.in_(entries))))

    async def remember(self, schedule: ScheduleId, entries: Sequence[bytes]) -> int:
        """Remember a feed's entries as used or old; return how many of them were not known yet."""
        if not entries:
            return 0
        rows = [{"schedule_id": schedule, "entry": entry} for entry in sorted(set(entries))]
        added = insert(_ENTRIES).values(rows).on_conflict_do_nothing().returning(_ENTRIES.c.entry)
        return len((await self.session.scalars(added)).all())

    async def _one(self, schedule: ScheduleId, *, lock: bool = False) -> Schedule | None:
        query = select(_SCHEDULES).where(_SCHEDULES.c.id == schedule, _SCHEDULES.c.deleted_at.is_(None))
        if lock:
            query = query.with_for_update(key_share=True)
        row = (await self.session.execute(query)).mappings().one_or_none()
        return None if row is None else _schedule(row)

    async def _update(self, schedule: ScheduleId, values: Mapping[str, Any]) -> None:
        changed = update(_SCHEDULES).where(_SCHEDULES.c.id == schedule)
        await self.session.execute(changed.values(**{"updated_at": func.now(), **values}))

    async def _stop(self, schedule: ScheduleId, values: Mapping[str, Any], *, code: str, sentence: str) -> None:
        await self._update(schedule, values)
        called_off: dict[str, Any] = {"state": "cancelled", "retry_at": None, "ended_at": func.now()}
        waiting = update(_RUNS).where(_RUNS.c.schedule_id == schedule, _RUNS.c.state == "due")
        await self.session.execute(waiting.values(**called_off, code=code, sentence=sentence))

    @staticmethod
    def _present(found: Schedule | None, account: AccountId) -> Schedule:
        if found is None or found.account_id != account:
            raise NotFound("There is no such schedule.", code="schedule.not_found")
        return found


def _columns(wanted: Wanted) -> dict[str, Any]:
    return {
        "name": wanted.name,
        "cron": wanted.timing.cron,
        "timezone": wanted.timing.timezone,
        "source": msgspec.to_builtins(wanted.source),
        "making": msgspec.to_builtins(wanted.making),
        "missed": wanted.missed.value,
        "runs_month": wanted.budget.runs_month,
        "micro_month": wanted.budget.micro_month,
    }


def _schedule(row: Mapping[Any, Any]) -> Schedule:
    wanted = Wanted(
        name=row["name"],
        timing=Timing(row["cron"], row["timezone"]),
        source=msgspec.convert(row["source"], type=Source),
        making=msgspec.convert(row["making"], type=Making),
        missed=Missed(row["missed"]),
        budget=Budget(runs_month=row["runs_month"], micro_month=row["micro_month"]),
    )
    statistics = Statistics(
        started=row["runs_started"],
        succeeded=row["runs_succeeded"],
        failed=row["runs_failed"],
        refused=row["runs_refused"],
        missed=row["runs_missed"],
        failures=row["failures"],
        spent_micro=row["spent_micro"],
        last_run_at=row["last_run_at"],
    )
    return Schedule(
        id=row["id"],
        account_id=row["account_id"],
        wanted=wanted,
        state=ScheduleState(row["state"]),
        pause_code=row["pause_code"],
        pause_sentence=row["pause_sentence"],
        next_due_at=row["next_due_at"],
        position=row["position"],
        version=row["version"],
        statistics=statistics,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
