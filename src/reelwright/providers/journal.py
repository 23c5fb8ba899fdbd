"""Keeps the paid calls: each written down before it is made, so that one whose reply was lost is known of."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import AccountId, GenerationId, StageRunId

# A call that didn't fail and that a later claim of its run makes again was paid for, or may have been, for nothing.
_INTEND = text(
    """
    WITH earlier AS (
        SELECT count(*) FILTER (WHERE fence < :fence AND state <> 'failed') AS lost,
               count(*) FILTER (WHERE state = 'failed') AS failed
          FROM provider_calls
         WHERE run_id = :run AND request_hash = :request_hash)
    INSERT INTO provider_calls
           (id, account_id, generation_id, run_id, fence, call_no, provider, model, craft, request_hash, repeats)
    SELECT :id, :account, :generation, :run, :fence, :call_no, :provider, :model, :craft, :request_hash, lost > 0
      FROM earlier
    RETURNING repeats, (SELECT failed FROM earlier) AS failed
    """
)
_MADE = text("SELECT EXISTS (SELECT FROM provider_calls WHERE run_id = :run AND fence = :fence)")
_END = text(
    """
    UPDATE provider_calls SET state = :state, external_id = :external_id, ended_at = clock_timestamp()
     WHERE id = :id AND state = 'intended'
    """
)

_LOSE = text(
    """
    UPDATE provider_calls SET state = 'unknown', ended_at = clock_timestamp()
     WHERE id IN (
        SELECT id FROM provider_calls
         WHERE state = 'intended' AND began_at < clock_timestamp() - CAST(:older AS interval)
         ORDER BY began_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING id
    """
)
_FORGET = text(
    """
    DELETE FROM provider_calls WHERE id IN (
        SELECT id FROM provider_calls
         WHERE began_at < clock_timestamp() - CAST(:older AS interval)
         ORDER BY began_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING id
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidCall:
    """One call that a claim of a run is about to make; `call_no` counts the claim's calls from 0."""

    id: UUID
    account_id: AccountId
    generation_id: GenerationId
    run_id: StageRunId
    fence: int
    call_no: int
    provider: str
    model: str
    craft: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Intent:
    """What is known of a call's forerunners in its run.

    `repeats`: an earlier claim made the same call, and its reply is lost. `failed`: how often it failed before.
    """

    repeats: bool
    failed: int


class PaidCalls:
    """The rows of paid calls; the caller commits."""

    def __init__(self, *, session: AsyncConnection) -> None:
        self.session = session

    async def intend(self, call: PaidCall) -> Intent:
        """Write the intent down, and say what came before it."""
        row = (
            await self.session.execute(
                _INTEND,
                {
                    "id": call.id,
                    "account": call.account_id,
                    "generation": call.generation_id,
                    "run": call.run_id,
                    "fence": call.fence,
                    "call_no": call.call_no,
                    "provider": call.provider,
                    "model": call.model,
                    "craft": call.craft,
                    "request_hash": call.request_hash,
                },
            )
        ).one()
        return Intent(repeats=row.repeats, failed=row.failed)

    async def made(self, run: StageRunId, fence: int) -> bool:
        """Say whether a claim of a run has begun to make a call."""
        return bool(await self.session.scalar(_MADE, {"run": run, "fence": fence}))

    async def end(self, call: UUID, state: str, *, external_id: str | None) -> None:
        """Write down how an intended call ended: answered, failed or unknown; the first word counts."""
        await self.session.execute(_END, {"id": call, "state": state, "external_id": external_id})

    async def lose(self, *, older: timedelta, limit: int) -> int:
        """Settle some intents that nobody has answered for so long: their replies are lost. Returns how many."""
        return len((await self.session.execute(_LOSE, {"older": older, "limit": limit})).all())

    async def forget(self, *, older: timedelta, limit: int) -> int:
        """Delete some calls that began so long ago. Returns how many."""
        return len((await self.session.execute(_FORGET, {"older": older, "limit": limit})).all())
