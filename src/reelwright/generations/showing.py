"""What an owner sees of generations, in one statement: whoever waits for a reel asks for it again and again."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.model import Artefact, GenerationKind, GenerationState, Part, Unit, Variant
from reelwright.generations.progress import ARTEFACTS_OF, VARIANTS_OF
from reelwright.generations.records import Generation, Run
from reelwright.generations.runs import place_of
from reelwright.ground.ids import AccountId, DraftId, GenerationId, VariantId
from reelwright.ground.postgres import Statement, rows

_UNIT = ", ".join(f"'{one.name}', r.{one.name}" for one in fields(Unit))
_PLAIN = ", ".join(f"'{one.name}', r.{one.name}" for one in fields(Run) if one.name not in {"unit", "result"})
_RUN = f"{_PLAIN}, 'unit', json_build_object({_UNIT}), 'result', NULL"
_SHOWN = f"""
    SELECT CAST(json_build_object(
        'generation', row_to_json(g), 'beside', {{beside}},
        'runs', (SELECT json_agg(json_build_object({_RUN})) FROM stage_runs r WHERE r.generation_id = g.id),
        'variants', {VARIANTS_OF}, 'artefacts', {ARTEFACTS_OF}) AS text) AS facts
      FROM generations g WHERE g.id = :generation AND g.account_id = :account
"""  # noqa: S608 - put together from constants


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A generation as a list tells of it, by the names of `Generation`."""

    id: GenerationId
    draft_id: DraftId
    kind: GenerationKind
    part: Part | None
    scene: int | None
    variant_id: VariantId | None
    state: GenerationState
    failure_code: str | None
    failure_sentence: str | None
    resumes: GenerationId | None
    created_at: datetime
    paused_at: datetime | None
    ended_at: datetime | None


_PAGE = f"""
    SELECT CAST(json_agg(row_to_json(page)) AS text) AS page FROM (
        SELECT {", ".join(field.name for field in fields(Listed))} FROM generations
         WHERE account_id = :account AND (created_at, id) < (:before, :last){{narrowed}}
         ORDER BY created_at DESC, id DESC LIMIT :limit) AS page
"""  # noqa: S608 - the same
_ALL = Statement(_PAGE.format(narrowed=""))
_BESIDE = {
    GenerationState.QUEUED: " AND ended_at IS NULL",
    GenerationState.RUNNING: " AND ended_at IS NULL",
    GenerationState.FAILED: " AND failure_code IS NOT NULL",
}
"""What else a state says, in the words of the index that holds the few there are."""
_IN = {s: Statement(_PAGE.format(narrowed=f" AND state = '{s}'{_BESIDE.get(s, '')}")) for s in GenerationState}
_END = datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1)


def showing(beside: str) -> Statement:
    """Return the statement for `shown`, which asks for one value more of another room's, of `:generation`."""
    return Statement(_SHOWN.format(beside=beside))


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    generation: Generation
    beside: Any
    runs: list[Run] | None
    variants: list[Variant] | None
    artefacts: list[Artefact] | None


_facts = msgspec.json.Decoder(_Facts)
_page = msgspec.json.Decoder(list[Listed])


async def shown(
    tx: AsyncConnection, statement: Statement, account_id: AccountId, generation_id: GenerationId
) -> tuple[Generation, list[Run], list[Variant], list[Artefact], Any] | None:
    """Return a generation with its runs in their order, and the variants it works on and its files, newest first.

    The runs come without their results. The last is what `showing` was told to ask for beside.

    The variants are those that it wrote, or the one that it is about where it writes none. None where there is no such
    generation, or it belongs to another.
    """
    for row in await rows(tx, statement, {"generation": generation_id, "account": account_id}):
        facts = _facts.decode(row["facts"])
        runs = sorted(facts.runs or (), key=place_of)
        return facts.generation, runs, facts.variants or [], facts.artefacts or [], facts.beside
    return None


async def listed(
    tx: AsyncConnection,
    account_id: AccountId,
    limit: int,
    *,
    state: GenerationState | None = None,
    before: tuple[datetime, GenerationId] | None = None,
) -> list[Listed]:
    """Return an account's generations, newest first, from behind the one made then with that id."""
    at, last = before or _END
    values = {"account": account_id, "before": at, "last": last, "limit": limit}
    [row] = await rows(tx, _ALL if state is None else _IN[state], values)
    return _page.decode(row["page"] or "[]")
