"""Short sounds that workers make for people: asked for once, made once, and done again where a worker died over it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.ground.ids import AccountId

CHANNEL = "reelwright_sounds"
MOST_ATTEMPTS = 3

_SEEN = "id, account_id, kind, state, attempt, storage_key, sha256, size_bytes, duration_ms, failure_code,\
 failure_sentence, asked_at"
# One that failed is tried anew when it is asked for again; one that was made says that it is still of use.
_ASK = text(
    f"""
    INSERT INTO sound_jobs (id, account_id, kind, wish) VALUES (:id, :account, :kind, CAST(:wish AS jsonb))
    ON CONFLICT (id) DO UPDATE SET asked_at = clock_timestamp(),
        state = CASE WHEN sound_jobs.state = 'failed' THEN 'queued' ELSE sound_jobs.state END,
        attempt = CASE WHEN sound_jobs.state = 'failed' THEN 0 ELSE sound_jobs.attempt END,
        due_at = CASE WHEN sound_jobs.state = 'failed' THEN clock_timestamp() ELSE sound_jobs.due_at END,
        wish = CASE WHEN sound_jobs.state = 'failed' THEN excluded.wish ELSE sound_jobs.wish END,
        failure_code = NULL, failure_sentence = NULL
    RETURNING {_SEEN}
    """  # noqa: S608 - put together from constants
)
_TELL = text("SELECT pg_notify(:channel, '')")
_GET = text(f"SELECT {_SEEN} FROM sound_jobs WHERE id = :id")  # noqa: S608 - the same
_READY = text("SELECT id FROM sound_jobs WHERE id = ANY (CAST(:jobs AS uuid[])) AND state = 'ready'")
_CLAIM = text(
    f"""
    UPDATE sound_jobs SET attempt = attempt + 1, due_at = clock_timestamp() + CAST(:lease AS interval)
     WHERE id = (SELECT id FROM sound_jobs WHERE state = 'queued' AND due_at <= clock_timestamp()
                  ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING {_SEEN}, CAST(wish AS text) AS wish
    """  # noqa: S608 - the same
)
_DONE = text(
    """
    UPDATE sound_jobs SET state = 'ready', wish = '{}', storage_key = :key, sha256 = :sha256, size_bytes = :size_bytes,
           duration_ms = :duration_ms
     WHERE id = :id AND attempt = :attempt AND state = 'queued' RETURNING id
    """
)
_FAILED = text(
    """
    UPDATE sound_jobs SET state = 'failed', wish = '{}', failure_code = :code, failure_sentence = :sentence
     WHERE id = :id AND attempt = :attempt AND state = 'queued' RETURNING id
    """
)
_LATER = text(
    """
    UPDATE sound_jobs SET due_at = clock_timestamp() + CAST(:delay AS interval),
           attempt = CASE WHEN CAST(:counted AS boolean) THEN attempt ELSE attempt - 1 END
     WHERE id = :id AND attempt = :attempt AND state = 'queued'
    """
)
_OLD = text(
    """
    DELETE FROM sound_jobs WHERE id IN (
        SELECT id FROM sound_jobs WHERE asked_at < clock_timestamp() - CAST(:older AS interval)
         ORDER BY asked_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING storage_key
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundJob:
    """A sound as it stands: queued, ready (then its file is known) or failed (then why is)."""

    id: UUID
    account_id: AccountId | None
    kind: str
    state: str
    attempt: int
    storage_key: str | None
    sha256: str | None
    size_bytes: int | None
    duration_ms: int | None
    failure_code: str | None
    failure_sentence: str | None
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundClaim:
    """A job that this worker makes now, and what is wished for."""

    job: SoundJob
    wish: Mapping[str, Any]

    @property
    def last(self) -> bool:
        """Whether nobody will try again where this fails."""
        return self.job.attempt >= MOST_ATTEMPTS


@dataclass(frozen=True, slots=True)
class SoundJobs:
    """Sounds, inside one transaction."""

    session: AsyncConnection

    async def ask(self, job: UUID, kind: str, wish: Mapping[str, object], *, account: AccountId | None) -> SoundJob:
        """Ask for a sound and tell the workers; one that was asked for before is returned as it stands."""
        values = {"id": job, "kind": kind, "account": account, "wish": msgspec.json.encode(wish).decode()}
        asked = _job((await self.session.execute(_ASK, values)).mappings().one())
        if asked.state == "queued":
            await self.session.execute(_TELL, {"channel": CHANNEL})
        return asked

    async def get(self, job: UUID) -> SoundJob | None:
        """Return one, whosever it is."""
        row = (await self.session.execute(_GET, {"id": job})).mappings().one_or_none()
        return None if row is None else _job(row)

    async def ready(self, jobs: Sequence[UUID]) -> set[UUID]:
        """Return those of them that are made."""
        return set(await self.session.scalars(_READY, {"jobs": list(jobs)}))

    async def claim(self, lease: timedelta) -> SoundClaim | None:
        """Take the job that has waited longest, for so long; None where none is due."""
        row = (await self.session.execute(_CLAIM, {"lease": lease})).mappings().one_or_none()
        if row is None:
            return None
        values = dict(row)
        wish = msgspec.json.decode(values.pop("wish"), type=dict[str, Any])
        return SoundClaim(job=SoundJob(**values), wish=wish)

    async def done(
        self, job: SoundJob, *, key: str | None, sha256: str | None, size_bytes: int, duration_ms: int
    ) -> bool:
        """Write down what was made; False where the claim was lost. What was wished for is forgotten."""
        values = {"key": key, "sha256": sha256, "size_bytes": size_bytes, "duration_ms": duration_ms}
        return await self._settled(_DONE, job, values)

    async def failed(self, job: SoundJob, *, code: str, sentence: str) -> bool:
        """Write down why nothing can be made; False where the claim was lost. What was wished for is forgotten."""
        return await self._settled(_FAILED, job, {"code": code, "sentence": sentence})

    async def later(self, job: SoundJob, delay: timedelta, *, counted: bool) -> None:
        """Let it be tried again after a while; uncounted where it was never begun."""
        values = {"id": job.id, "attempt": job.attempt, "delay": delay, "counted": counted}
        await self.session.execute(_LATER, values)

    async def forget(self, older: timedelta, *, limit: int) -> list[str]:
        """Delete some that nobody has asked for in so long, and return where their files lie."""
        return [key for key in await self.session.scalars(_OLD, {"older": older, "limit": limit}) if key]

    async def _settled(self, statement: Any, job: SoundJob, values: Mapping[str, object]) -> bool:
        known = {"id": job.id, "attempt": job.attempt, **values}
        return await self.session.scalar(statement, known) is not None


def _job(row: Mapping[Any, Any]) -> SoundJob:
    return SoundJob(**row)
