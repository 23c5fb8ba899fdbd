"""Artefacts: the files that stage runs made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row as Record
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.model import Artefact, ArtefactKind, GenerationState
from reelwright.generations.records import Claim, StoredArtefact
from reelwright.generations.tables import ARTEFACTS, GENERATIONS
from reelwright.ground.ids import AccountId, ArtefactId, GenerationId, derived

_NEWEST_FIRST = (ARTEFACTS.c.created_at.desc(), ARTEFACTS.c.round.desc(), ARTEFACTS.c.id)


@dataclass(frozen=True, slots=True)
class Artefacts:
    """Artefacts, inside one transaction."""

    session: AsyncConnection

    async def record(self, claim: Claim, stored: Sequence[StoredArtefact]) -> None:
        """Keep the files that a run made, one of a kind, beside its completion. Raises IntegrityError on a second."""
        unit = claim.unit
        rows = [
            {
                "id": derived(claim.run_id, file.kind),
                "generation_id": claim.generation_id,
                "run_id": claim.run_id,
                "kind": file.kind,
                "key": file.key,
                "media_type": file.media_type,
                "size_bytes": file.size_bytes,
                "sha256": file.sha256,
                "inputs_hash": file.inputs_hash,
                "scene": unit.scene,
                "chunk": unit.chunk,
                "round": unit.round,
                "meta": dict(file.meta),
            }
            for file in stored
        ]
        if rows:
            await self.session.execute(insert(ARTEFACTS), rows)

    async def of(self, generation_id: GenerationId) -> list[Artefact]:
        """Return the generation's files, newest first."""
        query = select(*ARTEFACTS.c).where(ARTEFACTS.c.generation_id == generation_id).order_by(*_NEWEST_FIRST)
        return [_artefact(row) for row in await self.session.execute(query)]

    async def get(self, account_id: AccountId, generation_id: GenerationId, kind: ArtefactKind) -> Artefact | None:
        """Return the newest file of that kind, or None where it is another's or its generation hasn't succeeded.

        Else who calls off just before the end would keep what nobody paid for.
        """
        query = (
            select(*ARTEFACTS.c)
            .join(GENERATIONS, GENERATIONS.c.id == ARTEFACTS.c.generation_id)
            .where(GENERATIONS.c.id == generation_id, GENERATIONS.c.account_id == account_id)
            .where(GENERATIONS.c.state == GenerationState.SUCCEEDED, ARTEFACTS.c.kind == kind)
            .order_by(*_NEWEST_FIRST)
            .limit(1)
        )
        row = (await self.session.execute(query)).one_or_none()
        return None if row is None else _artefact(row)

    async def by_id(self, artefact_id: ArtefactId) -> Artefact | None:
        """Return one file, whoever owns it: for the bearer of a signed link."""
        row = (await self.session.execute(select(*ARTEFACTS.c).where(ARTEFACTS.c.id == artefact_id))).one_or_none()
        return None if row is None else _artefact(row)

    async def named(self, keys: Sequence[str]) -> set[str]:
        """Return those of these stored files that an artefact describes, or that a live generation has as its logo."""
        logo = GENERATIONS.c.brand["kit"]["logo"]["key"].astext
        shown = select(logo).where(GENERATIONS.c.ended_at.is_(None), logo.in_(keys))
        query = select(ARTEFACTS.c.key).where(ARTEFACTS.c.key.in_(keys)).union_all(shown)
        return set(await self.session.scalars(query)) if keys else set()


def _artefact(row: Record[Any]) -> Artefact:
    return Artefact(
        id=row.id,
        generation_id=row.generation_id,
        kind=ArtefactKind(row.kind),
        key=row.key,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        inputs_hash=row.inputs_hash,
        scene=row.scene,
        chunk=row.chunk,
        round=row.round,
        meta=row.meta,
    )
