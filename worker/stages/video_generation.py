"""VIDEO_GENERATION: a scene's checked picture becomes its motion source, whatever the scene's exact length will be."""

import asyncio

from reelwright import generations, rendering
from reelwright.generations import Animated, ArtefactKind, Assignment, Bench, Made, NewArtefact
from reelwright.providers import Toolset

_RECIPE = generations.RECIPES[generations.Stage.VIDEO_GENERATION]


async def perform(task: Assignment, tools: Toolset, bench: Bench) -> Made:  # noqa: ARG001 - every stage has one face
    """Make the unit's scene its motion source. Raises BadPicture; LookupError when the scene has no picture."""
    picture = task.found(ArtefactKind.IMAGE, scene=task.unit.scene)
    if picture is None:
        msg = f"scene {task.unit.scene} has no picture"
        raise LookupError(msg)
    width, height = task.draft.aspect.size
    out = bench.workspace / "source.png"
    path = await bench.fetch(picture)
    wide, high = await asyncio.to_thread(rendering.planes.prepare, path, out, width=width, height=height)
    bench.progress(1.0)
    clip = NewArtefact(
        kind=ArtefactKind.CLIP,
        path=out,
        media_type=rendering.planes.MEDIA_TYPE,
        inputs_hash=generations.inputs_hash(_RECIPE, picture.sha256, width, height),
        meta={"width": wide, "height": high},
    )
    return Made(outcome=Animated(), artefacts=(clip,))
