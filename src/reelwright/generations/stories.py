"""What a generation tells: the source that was ingested, the variants that were written, their scenes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import msgspec
from sqlalchemy import Row as Record
from sqlalchemy import any_, delete, false, func, literal, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.model import (
    Attribution,
    Beat,
    GenerationKind,
    Look,
    Part,
    Scene,
    Source,
    Story,
    Variant,
)
from reelwright.generations.moving import Motion, MotionKind, Transition, TransitionKind
from reelwright.generations.outcomes import Rewritten
from reelwright.generations.tables import DRAFTS, GENERATIONS, SCENES, SOURCES, VARIANTS
from reelwright.ground.ids import AccountId, DraftId, GenerationId, VariantId, derived
from reelwright.ground.postgres import Statement, rows

# These kinds tell their own story; the others work on what the draft has.
_WRITING = (GenerationKind.SCRIPT, GenerationKind.VIDEO, GenerationKind.REGENERATE_FULL)
_SAID = [field.name for field in fields(Source)]
_KEEP = Statement(
    f"""
    INSERT INTO sources (generation_id, draft_id, {", ".join(_SAID)})
    VALUES (:generation, :draft, {", ".join(f":{name}" for name in _SAID)})
    ON CONFLICT (generation_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _SAID)}
    """  # noqa: S608 - put together from fields' names
)


@dataclass(frozen=True, slots=True)
class Sources:
    """Ingested content, inside one transaction."""

    session: AsyncConnection

    async def keep(self, generation_id: GenerationId, draft_id: DraftId, source: Source) -> None:
        """Keep what this generation ingested for the draft; a repeat replaces it."""
        said = asdict(source)
        if source.attribution is not None:
            said["attribution"] = msgspec.json.encode(said["attribution"]).decode()
        await rows(self.session, _KEEP, {"draft": draft_id, "generation": generation_id, **said})

    async def of(self, generation_id: GenerationId) -> Source | None:
        """Return what this generation works from, or None where there is nothing.

        Its own source; if it ingests none, the one that its variant was written from, else the draft's last.
        """
        query = (
            select(*SOURCES.c)
            .join(GENERATIONS, GENERATIONS.c.draft_id == SOURCES.c.draft_id)
            .outerjoin(VARIANTS, VARIANTS.c.id == GENERATIONS.c.variant_id)
            .where(GENERATIONS.c.id == generation_id)
            .where(or_(SOURCES.c.generation_id == GENERATIONS.c.id, GENERATIONS.c.kind.not_in(_WRITING)))
            .order_by(
                (SOURCES.c.generation_id == VARIANTS.c.generation_id).desc().nulls_last(), SOURCES.c.created_at.desc()
            )
            .limit(1)
        )
        row = (await self.session.execute(query)).one_or_none()
        if row is None:
            return None
        return Source(
            kind=row.kind,
            title=row.title,
            body=row.body,
            summary=row.summary,
            language=row.language,
            attribution=_attribution(row.attribution),
        )


@dataclass(frozen=True, slots=True)
class Variants:
    """Variants and their scenes, inside one transaction. Lists are newest first, and by position within one writing."""

    session: AsyncConnection

    async def write(self, generation_id: GenerationId, draft_id: DraftId, stories: Sequence[Story]) -> list[Variant]:
        """Keep the stories as variants of the draft, numbered from 0. Raises IntegrityError where some were kept."""
        variants = [
            Variant(id=VariantId(derived(generation_id, "variant", position)), position=position, story=story)
            for position, story in enumerate(stories)
        ]
        values = [
            {
                "id": v.id,
                "draft_id": draft_id,
                "generation_id": generation_id,
                "position": v.position,
                **asdict(v.story),
            }
            for v in variants
        ]
        if values:
            await self.session.execute(insert(VARIANTS), values)
        return variants

    async def plan_scenes(self, variant_id: VariantId, scenes: Sequence[Scene]) -> None:
        """Give the variant these scenes, instead of any that it has."""
        await self.session.execute(delete(SCENES).where(SCENES.c.variant_id == variant_id))
        if scenes:
            await self.session.execute(insert(SCENES), [scene_values(variant_id, scene) for scene in scenes])

    async def rewrite(self, variant_id: VariantId, new: Rewritten, *, scene: int | None = None) -> None:
        """Change one part of a variant in place and count its version on; all other parts stay as others left them.

        A hook also replaces the old one where the first beat begins with it, in story and scene. The variant's row is
        locked first: of two writers at once each keeps its own part, and of two of one part the later. Raises
        LookupError where the variant or its scene is gone, ValueError for a part without words.
        """
        row = (
            await self.session.execute(
                select(*VARIANTS.c).where(VARIANTS.c.id == variant_id).with_for_update(key_share=True)
            )
        ).one_or_none()
        if row is None:
            raise LookupError(variant_id)
        story, columns = _story(row), dict[str, object]()
        match new.part:
            case Part.CAPTION:
                columns["caption"] = new.text
            case Part.HASHTAGS:
                columns["hashtags"] = list(new.hashtags)
            case Part.HOOK:
                columns["hook"] = new.text
                first = story.beats[0].narration if story.beats else ""
                if story.hook and first.startswith(story.hook):
                    said = new.text + first.removeprefix(story.hook)
                    columns["beats"] = await self._say(variant_id, story, 0, said, new.claim)
            case Part.SCENE_TEXT if scene is not None:
                columns["beats"] = await self._say(variant_id, story, scene, new.text, new.claim)
            case _:
                raise ValueError(new.part)
        await self._change(variant_id, **columns)

    async def _say(
        self, variant_id: VariantId, story: Story, index: int, narration: str, claim: str | None
    ) -> list[dict[str, object]]:
        """Give one scene, if it was planned, other words and return all beats with it. Raises LookupError."""
        if not 0 <= index < len(story.beats):
            raise LookupError(index)
        beats = [asdict(beat) for beat in story.beats]
        beats[index] |= {"narration": narration, "claim": claim}
        said = update(SCENES).where(SCENES.c.variant_id == variant_id, SCENES.c.position == index)
        await self.session.execute(said.values(narration=narration, claim=claim))
        return beats

    async def _change(self, variant_id: VariantId, **columns: object) -> None:
        changed = update(VARIANTS).where(VARIANTS.c.id == variant_id)
        await self.session.execute(changed.values(**columns, version=VARIANTS.c.version + 1, updated_at=func.now()))

    async def choose_take(self, variant_id: VariantId, scene: int, take: int) -> None:
        """Settle which take of a scene's picture renders draw from now on, and count the variant's version on."""
        chosen = update(SCENES).where(SCENES.c.variant_id == variant_id, SCENES.c.position == scene)
        await self.session.execute(chosen.values(take=take))
        await self._change(variant_id)

    async def choose_voice_take(self, variant_id: VariantId, scene: int, take: int) -> None:
        """Settle which take of a scene's narration renders use from now on, and count the variant's version on."""
        chosen = update(SCENES).where(SCENES.c.variant_id == variant_id, SCENES.c.position == scene)
        await self.session.execute(chosen.values(voice_take=take))
        await self._change(variant_id)

    async def writings(self, draft_id: DraftId, *, besides: GenerationId) -> int:
        """Return how many other generations have written variants for the draft."""
        others = (VARIANTS.c.draft_id == draft_id, VARIANTS.c.generation_id != besides)
        return await self.session.scalar(select(func.count(VARIANTS.c.generation_id.distinct())).where(*others)) or 0

    async def rewritings(self, variant_id: VariantId, part: Part, scene: int | None) -> int:
        """Return how many generations have made this part of this variant anew."""
        same = (GENERATIONS.c.variant_id == variant_id, GENERATIONS.c.part == part, GENERATIONS.c.state == "succeeded")
        query = select(func.count()).select_from(GENERATIONS).where(*same)
        return await self.session.scalar(query.where(GENERATIONS.c.scene.is_not_distinct_from(scene))) or 0

    async def get(self, account_id: AccountId, variant_id: VariantId) -> Variant | None:
        """Return the variant, or None where there is none, its draft was deleted or belongs to another."""
        query = select(*VARIANTS.c).join(DRAFTS, DRAFTS.c.id == VARIANTS.c.draft_id)
        mine = (VARIANTS.c.id == variant_id, DRAFTS.c.account_id == account_id, DRAFTS.c.deleted_at.is_(None))
        found = await self._with_scenes(query.where(*mine))
        return found[0] if found else None

    async def draft_of(self, variant_id: VariantId) -> DraftId | None:
        """Return the draft that the variant tells, or None where there is no such variant."""
        return await self.session.scalar(select(VARIANTS.c.draft_id).where(VARIANTS.c.id == variant_id))

    async def of_draft(self, draft_id: DraftId) -> list[Variant]:
        """Return all variants of the draft."""
        return await self._with_scenes(select(*VARIANTS.c).where(VARIANTS.c.draft_id == draft_id))

    async def page(
        self, draft_id: DraftId, *, limit: int, after: VariantId | None = None, selected: VariantId | None = None
    ) -> list[Variant]:
        """Return so many variants of the draft, those behind one of them; and the selected one, wherever it is."""
        query = select(VARIANTS.c.id).where(VARIANTS.c.draft_id == draft_id)
        if after is not None:
            query = query.where(*await self._behind(draft_id, after))
        wanted = func.array(query.order_by(*_newest_first()).limit(limit).scalar_subquery())
        # An OR beside a subquery would read the table whole; an array's members are looked up in the index.
        ids = func.array_append(wanted, literal(selected, VARIANTS.c.id.type))
        return await self._with_scenes(select(*VARIANTS.c).where(VARIANTS.c.id == any_(ids)))

    async def _behind(self, draft_id: DraftId, after: VariantId) -> tuple[Any, ...]:
        """Return what is true of the draft's variants that stand behind one of them: of none, where there is none."""
        c = VARIANTS.c
        place = select(c.created_at, c.generation_id, c.position).where(c.id == after, c.draft_id == draft_id)
        last = (await self.session.execute(place)).one_or_none()
        if last is None:
            return (false(),)
        same = tuple_(c.generation_id, c.position) > tuple_(literal(last.generation_id), literal(last.position))
        return c.created_at <= last.created_at, or_(c.created_at < last.created_at, same)

    async def of_generation(self, generation_id: GenerationId) -> list[Variant]:
        """Return the variants that this generation works on: those it wrote, or the draft's if it writes none."""
        query = (
            select(*VARIANTS.c)
            .join(GENERATIONS, GENERATIONS.c.draft_id == VARIANTS.c.draft_id)
            .where(GENERATIONS.c.id == generation_id)
            .where(or_(VARIANTS.c.generation_id == GENERATIONS.c.id, GENERATIONS.c.kind.not_in(_WRITING)))
        )
        return await self._with_scenes(query)

    async def scene_count(self, generation_id: GenerationId) -> int:
        """Return how many scenes the variant has that this generation renders, 0 before they are planned.

        That is `Assignment.variant`: the generation's own, else the draft's selected one, else the first.
        """
        wanted = func.coalesce(GENERATIONS.c.variant_id, DRAFTS.c.selected_variant)
        counted = (
            select(func.count(SCENES.c.position))
            .select_from(VARIANTS.outerjoin(SCENES, SCENES.c.variant_id == VARIANTS.c.id))
            .join(GENERATIONS, GENERATIONS.c.draft_id == VARIANTS.c.draft_id)
            .join(DRAFTS, DRAFTS.c.id == GENERATIONS.c.draft_id)
            .where(GENERATIONS.c.id == generation_id)
            .where(or_(VARIANTS.c.generation_id == GENERATIONS.c.id, GENERATIONS.c.kind.not_in(_WRITING)))
            .group_by(VARIANTS.c.id, wanted)
            .order_by((VARIANTS.c.id == wanted).desc().nulls_last(), *_newest_first())
            .limit(1)
        )
        return await self.session.scalar(counted) or 0

    async def _with_scenes(self, query: Any) -> list[Variant]:
        known = (await self.session.execute(query.order_by(*_newest_first()))).all()
        scenes: dict[object, list[Scene]] = {row.id: [] for row in known}
        if scenes:
            wanted = select(*SCENES.c).where(SCENES.c.variant_id.in_(scenes)).order_by(SCENES.c.position)
            for row in await self.session.execute(wanted):
                scenes[row.variant_id].append(_scene(row))
        return [
            Variant(
                id=row.id, position=row.position, story=_story(row), scenes=tuple(scenes[row.id]), version=row.version
            )
            for row in known
        ]


def _newest_first() -> tuple[Any, ...]:
    return (VARIANTS.c.created_at.desc(), VARIANTS.c.generation_id, VARIANTS.c.position)


def _attribution(stored: Mapping[str, Any] | None) -> Attribution | None:
    return None if stored is None else Attribution(**stored)


def _story(row: Record[Any]) -> Story:
    return Story(
        title=row.title,
        hook=row.hook,
        synopsis=row.synopsis,
        arc=tuple(row.arc),
        beats=tuple(Beat(**beat) for beat in row.beats),
        caption=row.caption,
        hashtags=tuple(row.hashtags),
        attribution=_attribution(row.attribution),
        outline=row.outline,
        look=None if row.look is None else Look(**row.look),
    )


def scene_values(variant_id: VariantId, scene: Scene) -> dict[str, object]:
    """Return a scene's row."""
    return {
        "variant_id": variant_id,
        "position": scene.index,
        "narration": scene.narration,
        "visual": scene.visual,
        "image_prompt": scene.image_prompt,
        "duration_ms": scene.duration_ms,
        "motion_kind": scene.motion.kind,
        "motion_amount": scene.motion.amount,
        "transition_kind": scene.transition.kind,
        "transition_frames": scene.transition.frames,
        "claim": scene.claim,
        "take": scene.take,
        "voice_take": scene.voice_take,
        "seed": scene.seed,
    }


def _scene(row: Record[Any]) -> Scene:
    return Scene(
        index=row.position,
        narration=row.narration,
        visual=row.visual,
        image_prompt=row.image_prompt,
        duration_ms=row.duration_ms,
        motion=Motion(kind=MotionKind(row.motion_kind), amount=row.motion_amount),
        transition=Transition(kind=TransitionKind(row.transition_kind), frames=row.transition_frames),
        claim=row.claim,
        take=row.take,
        voice_take=row.voice_take,
        seed=row.seed,
    )
