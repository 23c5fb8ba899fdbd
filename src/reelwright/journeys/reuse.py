"""Make nothing twice: a render takes over what its draft's earlier generations have made of the same inputs.

After an edit it so makes only what the edit has touched. What was charged for is free; what a failed generation had
made, and gave the credits back for, is charged once, as where a failure is resumed. Files are shared, not copied.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import billing, ledger, providers
from reelwright.admission import Place
from reelwright.generations import (
    Assignment,
    Brand,
    Carrying,
    Done,
    Draft,
    Drafts,
    Generation,
    GenerationKind,
    Generations,
    Makers,
    Making,
    Outcome,
    Reuse,
    Sound,
    Stage,
    Unit,
    Variant,
    Variants,
    pipeline,
)
from reelwright.ground.errors import Kind, NotFound, Outage, Refusal
from reelwright.ground.ids import GenerationId
from reelwright.ground.postgres import Database

_PROMPTS = {Stage.VISUAL_GENERATION: "picture", Stage.VISUAL_VERIFICATION: "judge"}


class EditedMeanwhile(Refusal):
    """The draft or its story was edited between the price and the order; nothing was started."""

    kind = Kind.CONFLICT
    code = "draft.edited_meanwhile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What of a render is made already, and what of its price that leaves."""

    units: frozenset[Unit]
    rest: billing.Rest | None


def makers_of(places: Mapping[Stage, Place]) -> Makers:
    """Return who does each stage's work, and who does in whose stead, by the places that it takes at providers.

    What a model is told around the inputs makes another thing of them: its prompt's version belongs to the name.
    """
    return {
        stage: tuple(f"{who.provider}:{who.model}{_prompt(stage, who.provider)}" for who in (place, *place.instead))
        for stage, place in places.items()
    }


def _prompt(stage: Stage, provider: str) -> str:
    return f"/{providers.PROMPT_VERSIONS[_PROMPTS[stage]]}" if stage in _PROMPTS and provider != "offline" else ""


async def foreseen(
    tx: AsyncConnection,
    draft: Draft,
    variant: Variant,
    makers: Makers,
    sound: Sound | None,
    brand: Brand,
    *,
    demo: bool,
) -> Ready:
    """Say what a render of this variant would reuse just now, and change nothing."""
    shelf = await Reuse(session=tx).shelf(draft.id, demo=demo)
    making = Making(draft=draft, variant=variant, makers=makers, sound=sound, brand=brand)
    taken = making.found(shelf)
    return Ready(units=frozenset(taken), rest=_rest(making, taken) if taken else None)


async def begun(
    tx: AsyncConnection, generation: GenerationId, draft: Draft, variant: Variant, makers: Makers
) -> tuple[Unit, ...]:
    """Give a render that was just written what is ready for it, and return the runs that should exist now.

    Whoever edits locks the draft, which the new row points at: what is read here stays true until the render, once it
    can be seen, keeps edits out. Raises NotFound, EditedMeanwhile.
    """
    found = await Generations(session=tx).get(draft.account_id, generation)
    now = await Drafts(session=tx).get(draft.account_id, draft.id)
    told = await Variants(session=tx).get(draft.account_id, variant.id)
    if found is None or now is None or told is None:
        raise NotFound("There is no such draft.", field="draft_id")
    if (now.version, told.version) != (draft.version, variant.version):
        raise EditedMeanwhile("The draft was edited just now: ask for its price again, then start it.")
    sound = msgspec.convert(found.sound or {}, Sound)
    making = Making(
        draft=now, variant=told, makers=makers, sound=sound, brand=msgspec.convert(found.brand or {}, Brand)
    )
    shelf = await Reuse(session=tx).shelf(draft.id, demo=found.demo)
    await _take(tx, generation, making.found(shelf))
    return pipeline.due(GenerationKind.RENDER, making.finished, scenes=len(told.scenes)).units


async def taken(
    tx: AsyncConnection,
    generation: Generation,
    task: Assignment,
    finished: dict[Unit, Outcome],
    planned: set[Unit],
    *,
    places: Mapping[Stage, Place],
) -> set[Unit]:
    """Take over what has become known to be ready since a run of this render ended; return it, and finish it too.

    Such as the chunks, whose names the new mix has told. The caller has locked the generation.
    """
    rooms = Reuse(session=tx)
    shelf = await rooms.shelf(task.draft.id, demo=generation.demo)
    if not shelf:
        return set()
    # Not as the task has them: an edit since then may have touched what this run had no part in.
    draft = await Drafts(session=tx).of_generation(generation.id)
    variants = await Variants(session=tx).of_draft(draft.id)
    making = Making(
        draft=draft,
        variant=next(variant for variant in variants if variant.id == task.variant.id),
        makers=makers_of(places),
        finished=finished,
        files=await rooms.files(generation.id),
        sound=task.sound,
        brand=task.brand,
    )
    found = making.found(shelf, besides=planned)
    await _take(tx, generation.id, found)
    return set(found)


async def standing(
    tx: AsyncConnection, generation: Generation, task: Assignment, *, places: Mapping[Stage, Place]
) -> pipeline.Finished:
    """Return what a render of this run's variant would take over just now, and change nothing."""
    shelf = await Reuse(session=tx).shelf(task.draft.id, demo=generation.demo)
    makers = makers_of(places)
    making = Making(draft=task.draft, variant=task.variant, makers=makers, sound=task.sound, brand=task.brand)
    making.found(shelf)
    return making.finished


async def forget(key: str, *, db: Database) -> None:
    """Take nothing over that this stored file is of: else every further render would fail of it. Best effort."""
    with contextlib.suppress(Outage):
        async with db.begin() as tx:
            await Reuse(session=tx).forget(key)


async def _take(tx: AsyncConnection, heir: GenerationId, found: Mapping[Unit, Done]) -> None:
    if not found:
        return
    await Carrying(session=tx).take(heir, found)
    await ledger.reuse_usage(
        tx, heir=heir, runs=[(done.run, unit.run_id(heir), done.paid) for unit, done in found.items()]
    )


def _rest(making: Making, found: Mapping[Unit, Done]) -> billing.Rest:
    """Return what is still to be made, and charged, of a render that has these units."""
    free = {unit for unit, done in found.items() if done.paid}
    scenes = making.variant.scenes
    drawn = [Unit(stage=Stage.VISUAL_GENERATION, scene=scene.index) for scene in scenes]
    judged = [Unit(stage=Stage.VISUAL_VERIFICATION, scene=scene.index) for scene in scenes]
    unsaid = [scene for scene in scenes if Unit(stage=Stage.TTS_GENERATION, scene=scene.index) not in free]
    chunks = [
        look.duration_ms
        for number, look in enumerate(making.looks)
        if Unit(stage=Stage.VIDEO_ASSEMBLY, chunk=number) not in free
    ]
    mixed = Unit(stage=Stage.AUDIO_MIXING) in free
    return billing.Rest(
        images=sum(unit not in free for unit in drawn),
        checks=sum(unit not in free for unit in judged),
        characters=sum(len(scene.narration) for scene in unsaid),
        mixed=mixed,
        render_ms=sum(chunks) if mixed and making.looks else None,
    )
