"""VISUAL_GENERATION: draws one scene's picture, a little larger than the frame so that motion has room."""

import asyncio

from reelwright import providers
from reelwright.generations import (
    RECIPES,
    ArtefactKind,
    Assignment,
    Bench,
    Drawn,
    Made,
    NewArtefact,
    Stage,
    inputs_hash,
)
from worker.stages import picture_checks
from worker.stages.telling import hold_scenes_to_letters

RECIPE = RECIPES[Stage.VISUAL_GENERATION]
MARGIN = 1.15  # of the frame's size: what zooms and pans may use up

_SUFFIX = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


async def perform(task: Assignment, tools: providers.Toolset, bench: Bench) -> Made:
    """Draw the unit's scene, its round counted on from the scene's own take. Raises ProviderRefused, ProviderAway.

    A later round is told what was wrong with the one before it.
    """
    await hold_scenes_to_letters(task)
    prompt, take = task.scene.image_prompt, task.scene.take + task.unit.round
    width, height = (_even(side * MARGIN) for side in task.draft.aspect.size)
    seed = task.variant.seed_of(task.scene)
    told = {"faults": task.faults} if task.faults else {}
    picture, uses = await tools.picture.draw(prompt, width=width, height=height, seed=seed, take=take, **told)
    with providers.charged(*uses):
        seen_as = await asyncio.to_thread(picture_checks.print_of, picture.data)
    path = bench.workspace / f"scene-{task.scene.index}-take-{take}.{_SUFFIX.get(picture.media_type, 'img')}"
    path.write_bytes(picture.data)
    bench.progress(1.0)
    made = NewArtefact(
        kind=ArtefactKind.IMAGE,
        path=path,
        media_type=picture.media_type,
        inputs_hash=inputs_hash(RECIPE, prompt, width, height, seed, take, *task.faults),
        meta={"prompt": prompt, "take": take, "width": picture.width, "height": picture.height},
    )
    return Made(outcome=Drawn(seen_as=seen_as), artefacts=(made,), uses=uses)


def _even(pixels: float) -> int:
    return round(pixels / 2) * 2
