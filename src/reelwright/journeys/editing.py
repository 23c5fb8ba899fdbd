"""What owners do with their drafts and stories: make, list, change and delete them, each edit in one transaction.

An edit never tears a reel. What lives of the draft is locked first, then the draft, which an order that is just being
written points at; then no run starts and no order comes in until the edit is committed. It is refused where a live
generation has made something, or is making it, of what it would change; what isn't begun reads the edited story.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.accounts import Replays, RequestKey
from reelwright.admission import Place
from reelwright.generations import (
    Belonging,
    Brand,
    Draft,
    Drafts,
    Edits,
    Generation,
    Generations,
    Making,
    Platform,
    Reuse,
    Run,
    Runs,
    RunState,
    Sound,
    Stage,
    Variant,
    Variants,
    hold_to_length,
    pipeline,
    reordered,
    with_scene,
    with_story,
)
from reelwright.ground.errors import Kind, NotFound, Refusal
from reelwright.ground.ids import AccountId, DraftId, VariantId
from reelwright.ground.postgres import Database
from reelwright.ground.versions import Versions
from reelwright.journeys import brands, sounds

_WORDS = (Stage.INGESTION, Stage.STORY_WRITING, Stage.SCENE_GENERATION)
_OF_SOURCE = frozenset({"topic", "source_url", "source_text", "source_form", "source_entry"})
_OF_WORDS = _OF_SOURCE | {"platform", "tone", "language"}
_BEGUN = {RunState.SUCCEEDED, RunState.RUNNING}


class InUse(Refusal):
    """A live generation stands on what would be changed; `extra` names it."""

    kind = Kind.CONFLICT
    code = "variant.in_use"


class DraftInUse(InUse):
    code = "draft.in_use"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alive:
    """A live generation, with the runs it has and what is ready of it."""

    generation: Generation
    runs: Sequence[Run]
    making: Mapping[str, Any]

    def works_on(self, variant: Variant, written_by: Belonging) -> bool:
        """Whether it writes, changes or renders this variant."""
        return self.generation.variant_id == variant.id or written_by.generation_id == self.generation.id

    def tears(self, before: tuple[Draft, Variant], after: tuple[Draft, Variant]) -> bool:
        """Whether what it has begun would be another's after the edit."""
        begun = {run.unit for run in self.runs if run.state in _BEGUN}
        was, would = (
            Making(draft=draft, variant=variant, makers={}, **self.making).names() for draft, variant in (before, after)
        )
        return any(was.get(unit) != would.get(unit) for unit in begun)

    def goes_on_to_render(self, variant: Variant) -> bool:
        """Whether it comes to this variant's voices with nobody asking: one that is paused asks when it is resumed."""
        renders = Stage.VIDEO_ASSEMBLY in pipeline.stages(self.generation.kind)
        return renders and self.generation.paused_at is None and self.generation.variant_id == variant.id

    @property
    def is_writing(self) -> bool:
        """Whether words are under way: some stage of them has begun, and the last is not done."""
        words = [run for run in self.runs if run.unit.stage in _WORDS]
        begun = any(run.state in _BEGUN for run in words)
        return begun and any(run.state is not RunState.SUCCEEDED for run in words)

    @property
    def writes_now(self) -> bool:
        """Whether a worker is writing at this moment."""
        return any(run.state is RunState.RUNNING and run.unit.stage in _WORDS for run in self.runs)


async def add_draft(
    draft: Draft, *, db: Database, request: RequestKey | None = None, speech: Place | None = None
) -> tuple[Draft, bool]:
    """Keep a new draft without starting anything; return it, and whether this request had made it before.

    Raises KeyReused, VoiceUnknown, MusicUnknown, NotFound where it was deleted since, Outage.
    """
    async with db.begin() as tx:
        made = await Replays(session=tx).claim(draft.account_id, request, draft.id)
        if made is None:
            await sounds.check(tx, draft.account_id, {"voice": draft.voice, "music": draft.music}, speech)
            await brands.check(tx, draft.account_id, {"brand_kit_id": draft.brand_kit_id})
            await Drafts(session=tx).add(draft)
        found = await Drafts(session=tx).get(draft.account_id, DraftId(made or draft.id))
    if found is None:
        raise _no_draft()
    return found, made is not None


async def drafts(
    account: AccountId,
    *,
    platform: Platform | None,
    words: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
    db: Database,
) -> list[Draft]:
    """Return an account's drafts, newest first, from behind one: all, or those for a platform, or about some words."""
    async with db.begin() as tx:
        return await Drafts(session=tx).of_account(account, platform=platform, words=words, before=before, limit=limit)


async def delete_draft(account: AccountId, wanted: DraftId, *, db: Database) -> None:
    """Hide a draft with its stories; what was made of it stays. Raises NotFound, DraftInUse, Outage."""
    async with db.begin() as tx:
        alive = await _locked(tx, account, wanted)
        if alive:
            raise _in_use(DraftInUse, alive[0], "is making a reel of this draft: cancel it first, or wait for its end.")
        await Drafts(session=tx).hide(wanted)


async def change_draft(
    account: AccountId,
    wanted: DraftId,
    changes: Mapping[str, object],
    *,
    expected_version: Versions,
    db: Database,
    speech: Place | None = None,
) -> Draft:
    """Change a draft's fields. `speech` is the place at who speaks here.

    Raises NotFound, DraftChanged, VariantUnknown, VoiceUnknown, MusicUnknown, DraftInUse, Outage.
    """
    async with db.begin() as tx:
        await sounds.check(tx, account, changes, speech)
        await brands.check(tx, account, changes)
        alive = await _locked(tx, account, wanted)
        drafts, variants = Drafts(session=tx), Variants(session=tx)
        before = await drafts.of(wanted)
        after = await drafts.patch(account, wanted, changes, expected_version=expected_version)
        touched = {name for name in changes if getattr(before, name) != getattr(after, name)}
        for one in alive:
            mine = [variant for variant in await variants.of_generation(one.id) if one.variant_id in {None, variant.id}]
            _check_draft(await _looked_at(tx, one), before, after, touched, mine)
        return after


def _check_draft(alive: _Alive, before: Draft, after: Draft, touched: set[str], variants: Sequence[Variant]) -> None:
    """Refuse what would tear a live generation, or change its price. Raises DraftInUse."""
    if "duration_s" in touched:
        raise _in_use(DraftInUse, alive.generation, "was priced by this length: wait for its end, or cancel it first.")
    torn = any(alive.tears((before, variant), (after, variant)) for variant in variants)
    if torn or (touched & _OF_WORDS and alive.is_writing):
        raise _in_use(DraftInUse, alive.generation, _REMEDY)


async def variant(account: AccountId, wanted: VariantId, *, db: Database) -> tuple[DraftId, Variant]:
    """Return a variant with its scenes, and whose draft it is. Raises NotFound, Outage."""
    async with db.begin() as tx:
        belonging = await Edits(session=tx).belonging(account, wanted)
        return belonging.draft_id, await Edits(session=tx).read(account, wanted, expected_version=None)


async def change_story(
    account: AccountId,
    wanted: VariantId,
    changes: Mapping[str, object],
    *,
    expected_version: Versions,
    db: Database,
) -> Variant:
    """Change fields of a variant's story. Raises NotFound, NoLetters, VariantChanged, InUse, DraftInUse, Outage."""
    await _hold_to_letters("hook", changes)
    async with db.begin() as tx:
        return await _edited(tx, account, wanted, lambda found: with_story(found, changes), expected_version)


async def change_scene(
    account: AccountId,
    wanted: VariantId,
    position: int,
    changes: Mapping[str, object],
    *,
    expected_version: Versions,
    db: Database,
) -> Variant:
    """Change one scene. Its claim goes where the new words no longer say it.

    Scenes may be too long together until they are to be rendered, so that one can be changed after the other. Raises as
    `change_story`, and ScenesTooLong.
    """
    await _hold_to_letters("narration", changes)

    def edit(found: Variant) -> Variant:
        if position >= len(found.scenes):
            raise NotFound(f"This variant has {len(found.scenes)} scenes, counted from 0.", code="scene.not_found")
        return with_scene(found, position, changes)

    async with db.begin() as tx:
        return await _edited(tx, account, wanted, edit, expected_version)


async def reorder(
    account: AccountId,
    wanted: VariantId,
    order: Sequence[int],
    *,
    expected_version: Versions,
    db: Database,
    request: RequestKey | None = None,
) -> tuple[Variant, bool]:
    """Put a variant's scenes in another order, with all that hangs on them; say whether this request had done it.

    Raises as `change_story`, and NotAPermutation, KeyReused.
    """
    async with db.begin() as tx:
        if await Replays(session=tx).claim(account, request, wanted) is not None:
            return await Edits(session=tx).read(account, wanted, expected_version=None), True
        moved = await _edited(tx, account, wanted, lambda found: reordered(found, order), expected_version, moves=True)
        return moved, False


async def _hold_to_letters(field: str, changes: Mapping[str, object]) -> None:
    """Refuse words that captions can't show. Raises NoLetters."""
    words = str(changes.get(field, ""))
    if not words.isascii():  # which is always drawn
        await asyncio.to_thread(_require_letters, words, field)


def _require_letters(words: str, field: str) -> None:
    from reelwright import rendering  # noqa: PLC0415 - Pillow and ffmpeg's bindings, and only for other letters

    rendering.captions.require_letters(words, field=field)


async def _edited(
    tx: AsyncConnection,
    account: AccountId,
    wanted: VariantId,
    edit: Callable[[Variant], Variant],
    expected_version: Versions,
    *,
    moves: bool = False,
) -> Variant:
    edits = Edits(session=tx)
    belonging = await edits.belonging(account, wanted)
    living = await _locked(tx, account, belonging.draft_id)
    found = await edits.read(account, wanted, expected_version=expected_version)
    edited = edit(found)
    draft = await Drafts(session=tx).of(belonging.draft_id)
    pairs = () if moves else zip(edited.scenes, found.scenes, strict=True)
    longer = [new for new, old in pairs if new.duration_ms > old.duration_ms]
    for scene in longer:
        hold_to_length([scene], duration_s=draft.duration_s)
    for one in living if edited != found else ():
        alive = await _looked_at(tx, one)
        if not alive.works_on(found, belonging):
            continue
        moved = moves and one.scene is not None
        if moved or alive.writes_now or alive.tears((draft, found), (draft, edited)):
            raise _in_use(InUse, one, _REMEDY)
        if longer and alive.goes_on_to_render(found):
            hold_to_length(edited.scenes, duration_s=draft.duration_s)
    return await edits.keep(found, edited)


async def _locked(tx: AsyncConnection, account: AccountId, draft: DraftId) -> list[Generation]:
    """Lock what lives of a draft, then the draft, and return what lives. Raises NotFound, DraftInUse.

    Generations come first, as everywhere. One that has come in between is at its very beginning: it is not waited for.
    """
    if await Drafts(session=tx).get(account, draft) is None:
        raise _no_draft()
    alive = await Generations(session=tx).lock_live_of(draft)
    if not await Drafts(session=tx).lock(account, draft):
        raise _no_draft()
    newer = set(await Generations(session=tx).live_of(draft)) - {one.id for one in alive}
    if newer:
        raise DraftInUse("A generation of this draft has just been started: try again in a moment.")
    return alive


async def _looked_at(tx: AsyncConnection, one: Generation) -> _Alive:
    making = {
        "finished": await Runs(session=tx).finished(one.id),
        "files": await Reuse(session=tx).files(one.id),
        "sound": msgspec.convert(one.sound or {}, Sound),
        "brand": msgspec.convert(one.brand or {}, Brand),
    }
    return _Alive(generation=one, runs=await Runs(session=tx).of(one.id), making=making)


_REMEDY = (
    "has made or is making what this would change: let it go on or cancel it, then edit and render again;"
    " only what you changed is made anew."
)


def _in_use(kind: type[InUse], one: Generation, what: str) -> InUse:
    extra = {"generation_id": str(one.id), "url": f"/v1/generations/{one.id}"}
    return kind(f"The generation {one.id} {what}", extra=extra)


def _no_draft() -> NotFound:
    return NotFound("There is no such draft.", code="draft.not_found")
