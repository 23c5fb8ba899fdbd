"""How far a draft is, whichever of its generations brought it there: read-only, by draft."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.model import GenerationKind, GenerationState, RunState, SourceForm, Stage
from reelwright.generations.tables import GENERATIONS
from reelwright.ground.ids import AccountId, DraftId, GenerationId

_REACHED = text(
    """
    SELECT DISTINCT r.stage FROM generations g
      JOIN variants v ON v.id = g.variant_id
      JOIN stage_runs r ON r.generation_id = g.id AND r.state = 'succeeded'
     WHERE g.draft_id = :draft AND g.state IN ('succeeded', 'cancelled') AND g.kind <> 'regenerate_targeted'
       AND v.id = (SELECT c.id FROM variants c JOIN drafts d ON d.id = c.draft_id
                    WHERE d.id = :draft AND EXISTS (SELECT FROM scenes s WHERE s.variant_id = c.id)
                    ORDER BY (c.id = d.selected_variant) DESC NULLS LAST, c.created_at DESC, c.position LIMIT 1)
    """
)
_TOLD = text("SELECT EXISTS (SELECT FROM scenes s JOIN variants v ON v.id = s.variant_id WHERE v.draft_id = :draft)")
_INGESTION = text(
    """
    SELECT g.id AS generation_id, g.state AS generation_state, g.failure_code, g.failure_sentence, g.paused_at,
           r.state, r.attempt, r.queued_at, r.finished_at, d.source_form, d.source_url, d.source_entry,
           s.kind, s.title, s.summary, left(s.body, :longest) AS excerpt, char_length(s.body) AS characters,
           s.language, s.attribution
      FROM drafts d
      JOIN generations g ON g.draft_id = d.id
      JOIN stage_runs r ON r.generation_id = g.id AND r.stage = 'INGESTION'
      LEFT JOIN sources s ON s.generation_id = g.id
     WHERE d.id = :draft AND d.account_id = :account AND d.deleted_at IS NULL
     ORDER BY g.created_at DESC, g.id DESC LIMIT 1
    """
)
EXCERPT = 1_000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingestion:
    """A draft's last ingestion: how it went, and what it found (None in all of these while there is nothing).

    `excerpt` is the body's start, of `characters` in all.
    """

    generation_id: GenerationId
    state: RunState
    failure_code: str | None
    failure_sentence: str | None
    paused_at: datetime | None
    attempt: int
    queued_at: datetime
    finished_at: datetime | None
    source_form: SourceForm
    source_url: str | None
    source_entry: str | None
    kind: str | None
    title: str | None
    summary: str | None
    excerpt: str | None
    characters: int | None
    language: str | None
    attribution: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Pipelines:
    """What a draft's generations have come to, inside one transaction."""

    session: AsyncConnection

    async def last(self, account_id: AccountId, draft_id: DraftId) -> GenerationId | None:
        """Return the draft's last generation that went through stages; those of a part don't count."""
        query = (
            select(GENERATIONS.c.id)
            .where(GENERATIONS.c.draft_id == draft_id, GENERATIONS.c.account_id == account_id)
            .where(GENERATIONS.c.kind != GenerationKind.REGENERATE_TARGETED)
            .order_by(GENERATIONS.c.created_at.desc(), GENERATIONS.c.id.desc())
            .limit(1)
        )
        return await self.session.scalar(query)

    async def reached(self, draft_id: DraftId) -> set[Stage]:
        """Return the stages that the draft's chosen variant has been through, in generations that were paid for."""
        return {Stage(stage) for stage in await self.session.scalars(_REACHED, {"draft": draft_id})}

    async def told(self, draft_id: DraftId) -> bool:
        """Say whether the draft has a story with scenes."""
        return bool(await self.session.scalar(_TOLD, {"draft": draft_id}))

    async def ingestion(self, account_id: AccountId, draft_id: DraftId) -> Ingestion | None:
        """Return the last ingestion of an account's draft, or None."""
        values = {"account": account_id, "draft": draft_id, "longest": EXCERPT}
        row = (await self.session.execute(_INGESTION, values)).mappings().one_or_none()
        if row is None:
            return None
        known: dict[str, Any] = dict(row)
        ended = GenerationState(known.pop("generation_state"))
        state = RunState(known.pop("state"))
        if ended is GenerationState.FAILED and state is not RunState.SUCCEEDED:
            state = RunState.FAILED  # given up on by its generation
        if state is not RunState.FAILED:
            known |= {"failure_code": None, "failure_sentence": None}
        known |= {"state": state, "source_form": SourceForm(known["source_form"])}
        return Ingestion(**known)
