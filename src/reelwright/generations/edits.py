"""What people change of their stories: kept in story and scenes alike, one version after the other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations.model import Beat, Scene, Story, Variant
from reelwright.generations.sizing import LENGTH_OFF
from reelwright.generations.stories import Variants, scene_values
from reelwright.generations.tables import DRAFTS, SCENES, VARIANTS
from reelwright.ground.claims import supports
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId, DraftId, GenerationId, VariantId
from reelwright.ground.versions import Versions, meant_for

_Told = TypeVar("_Told", Scene, Beat)


class VariantChanged(Refusal):
    """Somebody else has edited the variant since it was read; `extra` holds the version it has now."""

    kind = Kind.STALE
    code = "variant.changed"


class NotAPermutation(Refusal):
    code = "scenes.order_invalid"


class ScenesTooLong(Refusal):
    """Voices would be slowed to fill more time than the reel may last: its release gate would fail."""

    code = "scenes.too_long"


@dataclass(frozen=True, slots=True, kw_only=True)
class Belonging:
    """Which draft a variant tells, and which generation wrote it."""

    draft_id: DraftId
    generation_id: GenerationId


def with_story(variant: Variant, changes: Mapping[str, object]) -> Variant:
    """Return the variant with these fields of its story changed.

    A new hook also replaces the old one where the first scene begins with it: it is spoken there.
    """
    hook, old = changes.get("hook"), variant.story.hook
    told = replace(variant, story=replace(variant.story, **changes))
    first = variant.scenes[0].narration if variant.scenes else _first_beat(variant.story)
    if not isinstance(hook, str) or not old or not first.startswith(old):
        return told
    return with_scene(told, 0, {"narration": hook + first.removeprefix(old)})


def with_scene(variant: Variant, position: int, changes: Mapping[str, object]) -> Variant:
    """Return the variant with one scene changed, in its story too. New words keep the claim that they still say."""
    story, scenes = variant.story, list(variant.scenes)
    if position < len(scenes):
        scenes[position] = _claimed(replace(scenes[position], **changes), scenes[position])
    if position < len(story.beats):
        beats = list(story.beats)
        said = {name: value for name, value in changes.items() if name in {"narration", "visual"}}
        beats[position] = _claimed(replace(beats[position], **said), beats[position])
        story = replace(story, beats=tuple(beats))
    return replace(variant, story=story, scenes=tuple(scenes))


def hold_to_length(scenes: Iterable[Scene], *, duration_s: int) -> None:
    """Refuse scenes that are planned longer than a reel ordered at this length may last. Raises ScenesTooLong.

    Shorter ones are stretched to it.
    """
    planned_ms, most_ms = sum(scene.duration_ms for scene in scenes), round(duration_s * 1000 * (1 + LENGTH_OFF))
    if planned_ms > most_ms:
        raise ScenesTooLong(
            f"duration_ms: the scenes are planned for {planned_ms / 1000:g} s, and a reel of {duration_s} s may last"
            f" {most_ms / 1000:g} s: plan shorter ones, or a longer reel.",
            field="duration_ms",
        )


def reordered(variant: Variant, order: Sequence[int]) -> Variant:
    """Return the variant with its scenes, and all that is of them, in this order of their old positions.

    Each keeps the seed that its pictures are drawn with. Raises NotAPermutation.
    """
    if sorted(order) != list(range(len(variant.scenes))):
        raise NotAPermutation(f"order: name each of the scenes 0 to {len(variant.scenes) - 1} once.", field="order")
    scenes = tuple(
        replace(variant.scenes[old], index=new, seed=variant.seed_of(variant.scenes[old]))
        for new, old in enumerate(order)
    )
    story = variant.story
    if len(story.beats) == len(scenes):
        story = replace(story, beats=tuple(story.beats[old] for old in order))
    return replace(variant, story=story, scenes=scenes)


def _first_beat(story: Story) -> str:
    return story.beats[0].narration if story.beats else ""


def _claimed(told: _Told, before: _Told) -> _Told:
    stands = told.narration == before.narration or told.claim is None or supports(told.claim, told.narration)
    return told if stands else replace(told, claim=None)


@dataclass(frozen=True, slots=True)
class Edits:
    """Edits, inside one transaction. Whoever edits has locked what is alive of the draft, and then the draft."""

    session: AsyncConnection

    async def belonging(self, account_id: AccountId, variant_id: VariantId) -> Belonging:
        """Say what a variant belongs to. Raises NotFound where it is another's, or its draft was deleted."""
        query = (
            select(VARIANTS.c.draft_id, VARIANTS.c.generation_id)
            .join(DRAFTS, DRAFTS.c.id == VARIANTS.c.draft_id)
            .where(VARIANTS.c.id == variant_id, DRAFTS.c.account_id == account_id, DRAFTS.c.deleted_at.is_(None))
        )
        row = (await self.session.execute(query)).one_or_none()
        if row is None:
            raise NotFound("There is no such variant.", code="variant.not_found")
        return Belonging(draft_id=DraftId(row.draft_id), generation_id=GenerationId(row.generation_id))

    async def read(self, account_id: AccountId, variant_id: VariantId, *, expected_version: Versions) -> Variant:
        """Lock the variant, against writers that are at work on it, and return it. Raises NotFound, VariantChanged."""
        locked = select(VARIANTS.c.id).where(VARIANTS.c.id == variant_id).with_for_update(key_share=True)
        await self.session.execute(locked)
        found = await Variants(session=self.session).get(account_id, variant_id)
        if found is None:
            raise NotFound("There is no such variant.", code="variant.not_found")
        if not meant_for(found.version, expected_version):
            raise VariantChanged(
                "The story was changed meanwhile: read it again and repeat your change.",
                extra={"version": found.version},
            )
        return found

    async def keep(self, old: Variant, new: Variant) -> Variant:
        """Write what differs, one version on, and return the variant as it is now."""
        if new == old:
            return old
        story = {name: value for name, value in asdict(new.story).items() if name != "attribution"}
        changed = update(VARIANTS).where(VARIANTS.c.id == old.id)
        await self.session.execute(
            changed.values(**story, version=VARIANTS.c.version + 1, updated_at=func.clock_timestamp())
        )
        differing = [scene for scene, was in zip(new.scenes, old.scenes, strict=True) if scene != was]
        if differing:
            places = [scene.index for scene in differing]
            gone = delete(SCENES).where(SCENES.c.variant_id == old.id, SCENES.c.position.in_(places))
            await self.session.execute(gone)
            await self.session.execute(insert(SCENES), [scene_values(old.id, scene) for scene in differing])
        return replace(new, version=old.version + 1)
