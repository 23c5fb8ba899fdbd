"""Generations: accepted once, started, ended once, and everything that happened to them in order."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import and_, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.model import GenerationKind, GenerationState, Part, Stage
from reelwright.generations.records import LIVE, AdmissionFacts, Counted, Event, Generation, NewGeneration, Regenerated
from reelwright.generations.tables import EVENTS, GENERATIONS
from reelwright.ground.ids import AccountId, DraftId, GenerationId, VariantId
from reelwright.ground.postgres import Statement, rows

LONGEST_PAUSE = timedelta(days=7)  # then the sweep cancels it
_COLUMNS = [column for column in GENERATIONS.c if column.name != "fingerprint"]

ADMISSION_FACTS = """
    SELECT (SELECT coalesce(sum(generation_units), 0) FROM generations
             WHERE account_id = :account AND admitted_at >= :month_start AND units_returned_at IS NULL) AS month,
           (SELECT coalesce(sum(generation_units), 0) FROM generations
             WHERE account_id = :account AND admitted_at >= :hour_start) AS hour,
           (SELECT coalesce(sum(full_units), 0) FROM generations
             WHERE account_id = :account AND admitted_at >= :month_start AND units_returned_at IS NULL) AS full_month,
           ARRAY(SELECT id FROM generations
                  WHERE account_id = :account AND ended_at IS NULL ORDER BY id) AS ids,
           ARRAY(SELECT CASE WHEN paused_at IS NULL THEN deadline_at
                             ELSE deadline_at + CAST(:longest_pause AS interval) END FROM generations
                  WHERE account_id = :account AND ended_at IS NULL ORDER BY id) AS deadlines,
           cooling.*
      FROM (SELECT array_agg(draft_id ORDER BY admitted_at, id) AS drafts, array_agg(id ORDER BY admitted_at, id) AS by,
                   array_agg(plan ORDER BY admitted_at, id) AS plans,
                   array_agg(admitted_at ORDER BY admitted_at, id) AS instants
              FROM generations
             WHERE account_id = :account AND admitted_at > :cooled_since AND units_returned_at IS NULL
               AND kind IN ('regenerate_targeted', 'regenerate_full')) AS cooling
"""
"""What admission counts, for a statement that reads more, `asked_facts` and `told_facts`."""
_FACTS = Statement(ADMISSION_FACTS)
FINGERPRINT = "(SELECT fingerprint FROM generations WHERE id = :generation)"
"""For a statement that reads more; NULL where there is no such generation."""
_FINGERPRINT = Statement(f"SELECT {FINGERPRINT} AS fingerprint")
_COUNTED = Statement("SELECT * FROM generation_use(:account, :month_start, :month_end, :hour_start, :hour_end)")
_REGENERATED = Statement(
    """
    SELECT draft_id, id, plan, admitted_at FROM generations
     WHERE account_id = :account AND admitted_at > :since AND units_returned_at IS NULL
       AND kind IN ('regenerate_targeted', 'regenerate_full')
     ORDER BY admitted_at, id
    """
)
_NOTE = Statement(
    """
    WITH generation AS (
        UPDATE generations SET event_seq = event_seq + 1 WHERE id = :generation RETURNING id, event_seq)
    INSERT INTO generation_events (generation_id, seq, kind, data)
    SELECT id, event_seq, :kind, CAST(:data AS jsonb) FROM generation
    RETURNING seq
    """
)
_END = Statement(
    """
    UPDATE generations
       SET state = :state, paused_at = NULL, failure_code = :code, failure_sentence = :sentence,
           gate = CAST(:gate AS jsonb), ended_at = clock_timestamp(),
           units_returned_at = CASE WHEN CAST(:units_back AS boolean) THEN clock_timestamp() END
     WHERE id = :generation AND state IN ('queued', 'running') RETURNING id
    """
)
_CANCEL_REST = Statement(
    """
    UPDATE stage_runs SET state = 'cancelled', fence = fence + 1, lease_until = NULL, finished_at = clock_timestamp()
     WHERE generation_id = :generation AND state IN ('queued', 'running')
    """
)


def asked_facts(
    account_id: AccountId, month_start: datetime, hour_start: datetime, cooled_since: datetime
) -> dict[str, object]:
    """Return the values of `ADMISSION_FACTS`."""
    return {
        "account": account_id,
        "month_start": month_start,
        "hour_start": hour_start,
        "longest_pause": LONGEST_PAUSE,
        "cooled_since": cooled_since,
    }


def told_facts(row: Any) -> AdmissionFacts:
    """Read what `ADMISSION_FACTS` has found."""
    cooling = zip(*(row[name] or () for name in ("drafts", "by", "plans", "instants")), strict=True)
    return AdmissionFacts(
        generations_month=row["month"],
        generations_hour=row["hour"],
        full_month=row["full_month"],
        live=tuple(zip(row["ids"], row["deadlines"], strict=True)),
        regenerated=tuple(Regenerated(*one) for one in cooling),
    )


@dataclass(frozen=True, slots=True)
class Generations:
    """Generations, inside one transaction.

    Lock order everywhere: generation, then stage run, then money. Whatever changes both a run and its generation locks
    the generation first; it is locked FOR NO KEY UPDATE, which rows that merely point at it don't wait for.
    """

    session: AsyncConnection

    async def fingerprint_of(self, generation_id: GenerationId) -> bytes | None:
        """Return the fingerprint of the order that started this generation, or None where none did."""
        found = await rows(self.session, _FINGERPRINT, {"generation": generation_id})
        return found[0]["fingerprint"]

    async def add_once(self, new: NewGeneration) -> bool:
        """Keep an accepted generation, queued; False where it was accepted before."""
        values = asdict(new)
        values["deadline_at"] = func.clock_timestamp() + values.pop("deadline")
        added = insert(GENERATIONS).values(values).on_conflict_do_nothing(index_elements=["id"])
        return await self.session.scalar(added.returning(GENERATIONS.c.id)) is not None

    async def get(self, account_id: AccountId, generation_id: GenerationId) -> Generation | None:
        """Return the generation, or None where there is none or it belongs to another."""
        query = select(*_COLUMNS).where(GENERATIONS.c.id == generation_id, GENERATIONS.c.account_id == account_id)
        return _if_any((await self.session.execute(query)).mappings().one_or_none())

    async def lock(self, generation_id: GenerationId, *, of: AccountId | None = None) -> Generation | None:
        """Return the generation and keep everyone else from changing it until the commit.

        None where there is none, or where it belongs to another than `of`, if that is given.
        """
        query = select(*_COLUMNS).where(GENERATIONS.c.id == generation_id).with_for_update(key_share=True)
        if of is not None:
            query = query.where(GENERATIONS.c.account_id == of)
        return _if_any((await self.session.execute(query)).mappings().one_or_none())

    async def finish(
        self,
        generation_id: GenerationId,
        state: GenerationState,
        *,
        failure_code: str | None = None,
        failure_sentence: str | None = None,
        gate: Mapping[str, object] | None = None,
        units_back: bool = False,
    ) -> bool:
        """End a live generation and cancel what still runs, fencing it off; False where it had ended before.

        `units_back` gives its units back to the month. Two statements: runs that were planned while the first waited
        for the lock are only seen by a second.
        """
        values = {
            "generation": generation_id,
            "state": state,
            "code": failure_code,
            "sentence": failure_sentence,
            "gate": None if gate is None else msgspec.json.encode(gate).decode(),
            "units_back": units_back,
        }
        if not await rows(self.session, _END, values):
            return False
        await rows(self.session, _CANCEL_REST, {"generation": generation_id})
        return True

    async def render_variant(self, generation_id: GenerationId, variant_id: VariantId) -> None:
        """Settle which variant this generation renders: later changes of the draft's choice don't reach it."""
        chosen = update(GENERATIONS).where(GENERATIONS.c.id == generation_id)
        await self.session.execute(chosen.values(variant_id=variant_id))

    async def pause(self, generation_id: GenerationId) -> bool:
        """Let a live generation rest: its running stages finish, no other starts. False where it rests or has ended."""
        resting = (
            update(GENERATIONS)
            .where(GENERATIONS.c.id == generation_id, GENERATIONS.c.state.in_(LIVE), GENERATIONS.c.paused_at.is_(None))
            .values(paused_at=func.clock_timestamp())
            .returning(GENERATIONS.c.id)
        )
        return await self.session.scalar(resting) is not None

    async def proceed(self, generation_id: GenerationId) -> bool:
        """Let a paused generation go on, its deadline as far away as when it was paused. False where it isn't paused.

        `Runs.wake` then says which runs wait for a message.
        """
        rested = func.clock_timestamp() - GENERATIONS.c.paused_at
        going_on = (
            update(GENERATIONS)
            .where(GENERATIONS.c.id == generation_id, GENERATIONS.c.paused_at.is_not(None))
            .values(paused_at=None, deadline_at=GENERATIONS.c.deadline_at + rested)
            .returning(GENERATIONS.c.id)
        )
        return await self.session.scalar(going_on) is not None

    async def rest(self, generation_id: GenerationId) -> bool:
        """Pause a live generation behind the stage that it was to pause after; False where it had been paused before.

        The stop is used up: going on goes to the end, unless another one is set.
        """
        rested = await self.pause(generation_id)
        await self.stop_after(generation_id, None)
        return rested

    async def stop_after(self, generation_id: GenerationId, stage: Stage | None) -> None:
        """Set the stage behind which a generation, which the caller has locked, will pause by itself."""
        chosen = update(GENERATIONS).where(GENERATIONS.c.id == generation_id)
        await self.session.execute(chosen.values(pause_after=stage))

    async def lock_live_of(self, draft_id: DraftId) -> list[Generation]:
        """Return what lives of a draft, by id, and keep everyone else from changing it until the commit.

        Each row is written anew as it was, so that who had looked at it before and waited knows of a change.
        """
        query = select(GENERATIONS.c.id).where(GENERATIONS.c.draft_id == draft_id, GENERATIONS.c.ended_at.is_(None))
        locked = query.order_by(GENERATIONS.c.id).with_for_update(key_share=True)
        written = update(GENERATIONS).where(GENERATIONS.c.id.in_(locked)).values(event_seq=GENERATIONS.c.event_seq)
        found = (await self.session.execute(written.returning(*_COLUMNS))).mappings()
        return sorted(map(generation_of, found), key=lambda one: one.id)

    async def live_of(self, draft_id: DraftId) -> list[GenerationId]:
        """Return which generations live of a draft."""
        query = select(GENERATIONS.c.id).where(GENERATIONS.c.draft_id == draft_id, GENERATIONS.c.ended_at.is_(None))
        return [GenerationId(found) for found in await self.session.scalars(query)]

    async def unfinished_past_deadline(self, limit: int, *, after: GenerationId | None = None) -> list[GenerationId]:
        """Return live generations whose time is over, by id, from behind the given one. A paused one has time."""
        late = and_(GENERATIONS.c.deadline_at <= func.clock_timestamp(), GENERATIONS.c.paused_at.is_(None))
        return await self._unfinished(late, limit, after)

    async def lock_paused_too_long(self) -> Generation | None:
        """Lock one that was paused longer ago than `LONGEST_PAUSE` and that nobody else has locked, and return it."""
        query = (
            select(*_COLUMNS)
            .where(GENERATIONS.c.ended_at.is_(None), GENERATIONS.c.paused_at < func.clock_timestamp() - LONGEST_PAUSE)
            .limit(1)
            .with_for_update(key_share=True, skip_locked=True)
        )
        return _if_any((await self.session.execute(query)).mappings().one_or_none())

    async def admission_facts(
        self, account_id: AccountId, month_start: datetime, hour_start: datetime, cooled_since: datetime
    ) -> AdmissionFacts:
        """Return what admission counts since these instants. Units that were given back still count in their hour.

        A paused generation holds its place for as long as it may rest.
        """
        [row] = await rows(self.session, _FACTS, asked_facts(account_id, month_start, hour_start, cooled_since))
        return told_facts(row)

    async def counted(
        self,
        account_id: AccountId,
        month_start: datetime,
        month_end: datetime,
        hour_start: datetime,
        hour_end: datetime,
    ) -> Counted:
        """Return what an account has used in a month and in an hour of it, and how many generations are live.

        As `admission_facts` counts, with ends: rows of this transaction count too, and one past its deadline is no
        longer live, unless it is paused. Exact where all who add rows hold the account's lock.
        """
        values = {"account": account_id, "month_start": month_start, "month_end": month_end}
        [row] = await rows(self.session, _COUNTED, values | {"hour_start": hour_start, "hour_end": hour_end})
        return Counted(month=row["month"], hour=row["hour"], full=row["full_month"], live=row["live"])

    async def active_accounts(self, since: datetime, limit: int, *, after: AccountId | None = None) -> list[AccountId]:
        """Return accounts with a generation admitted after an instant, by id, from behind the given one."""
        query = select(GENERATIONS.c.account_id).distinct().where(GENERATIONS.c.admitted_at > since)
        if after is not None:
            query = query.where(GENERATIONS.c.account_id > after)
        found = await self.session.scalars(query.order_by(GENERATIONS.c.account_id).limit(limit))
        return [AccountId(account) for account in found]

    async def regenerated(self, account_id: AccountId, since: datetime) -> list[Regenerated]:
        """Return the account's regenerations after an instant, given-back ones left out, in the order of admission."""
        made = await rows(self.session, _REGENERATED, {"account": account_id, "since": since})
        return [
            Regenerated(DraftId(row["draft_id"]), GenerationId(row["id"]), row["plan"], row["admitted_at"])
            for row in made
        ]

    async def note(self, generation_id: GenerationId, kind: str, data: Mapping[str, object]) -> int:
        """Append an event and return its number. The generation stays locked until the commit. Raises LookupError."""
        values = {"generation": generation_id, "kind": kind, "data": msgspec.json.encode(data).decode()}
        noted = await rows(self.session, _NOTE, values)
        if not noted:
            raise LookupError(generation_id)
        return noted[0]["seq"]

    async def events_after(self, generation_id: GenerationId, seq: int, limit: int = 100) -> list[Event]:
        """Return the events behind a number, in order."""
        query = (
            select(EVENTS.c.seq, EVENTS.c.kind, EVENTS.c.data, EVENTS.c.at)
            .where(EVENTS.c.generation_id == generation_id, EVENTS.c.seq > seq)
            .order_by(EVENTS.c.seq)
            .limit(limit)
        )
        return [Event(**row) for row in (await self.session.execute(query)).mappings()]

    async def _unfinished(self, condition: Any, limit: int, after: GenerationId | None) -> list[GenerationId]:
        query = (
            select(GENERATIONS.c.id)
            .where(GENERATIONS.c.ended_at.is_(None), condition)
            .order_by(GENERATIONS.c.id)
            .limit(limit)
        )
        if after is not None:
            query = query.where(GENERATIONS.c.id > after)
        found: Sequence[Any] = (await self.session.scalars(query)).all()
        return [GenerationId(generation) for generation in found]


def _if_any(row: Mapping[Any, Any] | None) -> Generation | None:
    return None if row is None else generation_of(row)


def generation_of(row: Mapping[Any, Any]) -> Generation:
    """Read a row of `generations`."""
    enums: dict[str, Any] = {"kind": GenerationKind(row["kind"]), "state": GenerationState(row["state"])}
    enums |= {
        "part": row["part"] and Part(row["part"]),
        "pause_after": row["pause_after"] and Stage(row["pause_after"]),
    }
    values: dict[str, Any] = {**row, **enums}
    return Generation(**values)
