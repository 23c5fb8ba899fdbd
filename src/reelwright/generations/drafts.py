"""Drafts: kept, read and edited by their owner, one version after the other."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, literal, select, true, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.branding import CaptionStyle
from reelwright.generations.model import Aspect, Draft, Platform, SourceForm, Tone
from reelwright.generations.tables import DRAFTS, GENERATIONS, VARIANTS
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId, DraftId, GenerationId, VariantId
from reelwright.ground.versions import Versions, meant_for

_COLUMNS = [column for column in DRAFTS.c if column.name != "deleted_at"]
_EDITABLE = frozenset(
    {
        "topic",
        "source_url",
        "source_text",
        "source_form",
        "source_entry",
        "platform",
        "tone",
        "language",
        "duration_s",
        "aspect",
        "voice",
        "music",
        "caption_style",
        "brand_kit_id",
        "selected_variant",
    }
)


class DraftChanged(Refusal):
    """Somebody else has edited the draft since it was read; `extra` holds the version it has now."""

    kind = Kind.STALE
    code = "draft.changed"


class VariantUnknown(Refusal):
    kind = Kind.INVALID
    code = "draft.variant_unknown"


@dataclass(frozen=True, slots=True)
class Drafts:
    """Drafts, inside one transaction."""

    session: AsyncConnection

    async def add(self, draft: Draft) -> bool:
        """Keep a new draft; False where a draft with this id exists."""
        values = {name: value for name, value in asdict(draft).items() if value is not None}
        added = insert(DRAFTS).values(values).on_conflict_do_nothing().returning(DRAFTS.c.id)
        return await self.session.scalar(added) is not None

    async def get(self, account_id: AccountId, draft_id: DraftId) -> Draft | None:
        """Return the draft, or None where there is none, it was deleted or belongs to another."""
        query = select(*_COLUMNS).where(*self._own(account_id, draft_id))
        row = (await self.session.execute(query)).mappings().one_or_none()
        return None if row is None else _draft(row)

    async def patch(
        self,
        account_id: AccountId,
        draft_id: DraftId,
        changes: Mapping[str, object],
        *,
        expected_version: Versions = None,
    ) -> Draft:
        """Change fields and return the draft as it is now, one version on.

        Exactly one of topic, source_url and source_text must stay: set the others to None in the same call. Raises
        NotFound, DraftChanged (where the version isn't the expected one), VariantUnknown.
        """
        if unknown := changes.keys() - _EDITABLE:
            raise ValueError(f"not editable: {sorted(unknown)}")
        chosen = changes.get("selected_variant")
        edit = (
            update(DRAFTS)
            .where(*self._own(account_id, draft_id))
            .where(true() if expected_version is None else DRAFTS.c.version.in_(expected_version))
            .values(**changes, version=DRAFTS.c.version + 1, updated_at=func.now())
            .returning(*_COLUMNS)
        )
        if chosen is not None:
            edit = edit.where(exists().where(VARIANTS.c.id == chosen, VARIANTS.c.draft_id == draft_id))
        row = (await self.session.execute(edit)).mappings().one_or_none()
        if row is not None:
            return _draft(row)
        present = await self.get(account_id, draft_id)
        if present is None:
            raise NotFound("There is no such draft.", code="draft.not_found")
        if not meant_for(present.version, expected_version):
            raise DraftChanged(
                "The draft was changed meanwhile: read it again and repeat your change.",
                extra={"version": present.version},
            )
        raise VariantUnknown("This draft has no such variant: choose one of its own.", field="selected_variant")

    async def of_account(
        self,
        account_id: AccountId,
        *,
        platform: Platform | None = None,
        words: str | None = None,
        before: tuple[datetime, UUID] | None = None,
        limit: int,
    ) -> list[Draft]:
        """Return an account's drafts, newest first, from behind the one made then with that id.

        `words` stand in the topic as they are, whatever their case.
        """
        query = select(*_COLUMNS).where(DRAFTS.c.account_id == account_id, DRAFTS.c.deleted_at.is_(None))
        if platform is not None:
            query = query.where(DRAFTS.c.platform == platform)
        if words is not None:
            query = query.where(DRAFTS.c.topic.icontains(words, autoescape=True))
        if before is not None:
            query = query.where(tuple_(DRAFTS.c.created_at, DRAFTS.c.id) < tuple_(*map(literal, before)))
        newest = query.order_by(DRAFTS.c.created_at.desc(), DRAFTS.c.id.desc()).limit(limit)
        return [_draft(row) for row in (await self.session.execute(newest)).mappings()]

    async def lock(self, account_id: AccountId, draft_id: DraftId) -> bool:
        """Keep every other edit, and every new order, of the draft waiting until the commit. False where it is gone.

        Lock what lives of it before: workers go from their generation to the draft.
        """
        locked = select(DRAFTS.c.id).where(*self._own(account_id, draft_id)).with_for_update()
        return await self.session.scalar(locked) is not None

    async def of(self, draft_id: DraftId) -> Draft:
        """Return a draft that is there, whosever it is. Raises NoResultFound."""
        found = await self.session.execute(select(*_COLUMNS).where(DRAFTS.c.id == draft_id))
        return _draft(found.mappings().one())

    async def hide(self, draft_id: DraftId) -> None:
        """Delete a draft in appearance."""
        await self.session.execute(update(DRAFTS).where(DRAFTS.c.id == draft_id).values(deleted_at=func.now()))

    async def of_generation(self, generation_id: GenerationId) -> Draft:
        """Return the generation's draft, deleted or not. Raises NoResultFound."""
        query = select(*_COLUMNS).join(GENERATIONS, GENERATIONS.c.draft_id == DRAFTS.c.id)
        found = await self.session.execute(query.where(GENERATIONS.c.id == generation_id))
        return _draft(found.mappings().one())

    async def select_variant(self, draft_id: DraftId, variant_id: VariantId) -> None:
        """Make one of the draft's variants the selected one: an edit like any other. Raises IntegrityError."""
        chosen = update(DRAFTS).where(DRAFTS.c.id == draft_id)
        await self.session.execute(
            chosen.values(selected_variant=variant_id, version=DRAFTS.c.version + 1, updated_at=func.now())
        )

    async def unbrand(self, account_id: AccountId, kit_id: UUID) -> None:
        """Let drafts do without a brand kit that is being deleted: an edit like any other."""
        worn = update(DRAFTS).where(DRAFTS.c.brand_kit_id == kit_id, DRAFTS.c.account_id == account_id)
        bare = worn.values(brand_kit_id=None, version=DRAFTS.c.version + 1, updated_at=func.now())
        await self.session.execute(bare)

    @staticmethod
    def _own(account_id: AccountId, draft_id: DraftId) -> tuple[Any, ...]:
        return (DRAFTS.c.id == draft_id, DRAFTS.c.account_id == account_id, DRAFTS.c.deleted_at.is_(None))


def _draft(row: Mapping[Any, Any]) -> Draft:
    enums = {"platform": Platform(row["platform"]), "tone": Tone(row["tone"]), "aspect": Aspect(row["aspect"])}
    enums |= {"source_form": SourceForm(row["source_form"]), "caption_style": CaptionStyle(row["caption_style"])}
    values: dict[str, Any] = {**row, **enums}
    return Draft(**values)
