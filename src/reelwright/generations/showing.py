"""What an owner sees of a generation, in one statement: whoever waits for a reel asks for it again and again."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.generations import generation_of
from reelwright.generations.model import Artefact, RunState, Stage, Unit, Variant
from reelwright.generations.progress import ARTEFACTS_OF, VARIANTS_OF
from reelwright.generations.records import Generation, Run
from reelwright.generations.runs import place_of
from reelwright.generations.tables import GENERATIONS
from reelwright.ground.ids import AccountId, GenerationId, StageRunId
from reelwright.ground.postgres import Statement, rows

_COLUMNS = ", ".join(f"g.{column.name}" for column in GENERATIONS.c if column.name != "fingerprint")
_SHOWN = f"""
    SELECT {{beside}} AS beside, {_COLUMNS}, CAST(jsonb_build_object(
        'runs', (SELECT jsonb_agg(to_jsonb(r)) FROM stage_runs r WHERE r.generation_id = g.id),
        'variants', {VARIANTS_OF}, 'artefacts', {ARTEFACTS_OF}) AS text) AS facts
      FROM generations g WHERE g.id = :generation AND g.account_id = :account
"""  # noqa: S608 - put together from constants


def showing(beside: str) -> Statement:
    """Return the statement for `shown`, which asks for one value more of another room's, of `:generation`."""
    return Statement(_SHOWN.format(beside=beside))


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `stage_runs`."""

    id: StageRunId
    generation_id: GenerationId
    stage: Stage
    scene: int | None
    chunk: int | None
    round: int
    state: RunState
    attempt: int
    max_attempts: int
    fence: int
    won_fence: int | None
    progress: float
    error_code: str | None
    result: dict[str, Any] | None
    next_attempt_at: datetime
    lease_until: datetime | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    def run(self) -> Run:
        """Return it as a record."""
        values = msgspec.structs.asdict(self)
        unit = Unit(**{part: values.pop(part) for part in ("stage", "scene", "chunk", "round")})
        return Run(**values, unit=unit)


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    runs: list[_Run] | None
    variants: list[Variant] | None
    artefacts: list[Artefact] | None


_facts = msgspec.json.Decoder(_Facts)


async def shown(
    tx: AsyncConnection, statement: Statement, account_id: AccountId, generation_id: GenerationId
) -> tuple[Generation, list[Run], list[Variant], list[Artefact], Any] | None:
    """Return a generation with its runs in their order, and the variants it works on and its files, newest first.

    The last is what `showing` was told to ask for beside.

    The variants are those that it wrote, or the draft's where it writes none. None where there is no such generation,
    or it belongs to another.
    """
    for row in await rows(tx, statement, {"generation": generation_id, "account": account_id}):
        known: dict[str, Any] = dict(row)
        beside = known.pop("beside")
        facts = _facts.decode(known.pop("facts"))
        runs = sorted((each.run() for each in facts.runs or ()), key=place_of)
        return generation_of(known), runs, facts.variants or [], facts.artefacts or [], beside
    return None
