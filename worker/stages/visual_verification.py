"""VISUAL_VERIFICATION: has one scene's newest picture judged, and measures it; the threshold is not known here.

Nor are the other scenes' pictures: beside them it is seen when its verdict is written, one verdict after the other.
"""

import asyncio
import re
from collections.abc import Mapping

from reelwright import providers
from reelwright.generations import Artefact, ArtefactKind, Assignment, Bench, Judged, Made
from worker.stages import picture_checks

_LETTERS = re.compile(r'["“”«»„「『]|\b(sign|logo|label|headline|lettering|writing)s?\b', re.IGNORECASE)
"""A scene that quotes words, or names what carries them, is to show letters."""


async def perform(task: Assignment, tools: providers.Toolset, bench: Bench) -> Made:
    """Judge the picture of the unit's round (else the newest). What is measured takes praise away, and adds none.

    Raises LookupError where the scene has none yet, ProviderRefused, ProviderAway.
    """
    picture = _picture_of(task)
    path = await bench.fetch(picture)
    data = await asyncio.to_thread(path.read_bytes)
    scene = task.scene
    judgement, uses = await tools.vision.judge(
        providers.Picture(
            data=data,
            media_type=picture.media_type,
            width=_number(picture.meta, "width"),
            height=_number(picture.meta, "height"),
        ),
        visual=scene.visual,
        narration=scene.narration,
        prompt=str(picture.meta.get("prompt", scene.image_prompt)),
    )
    with providers.charged(*uses):
        frame, letters = task.draft.aspect.size, _LETTERS.search(scene.visual) is not None
        found = await asyncio.to_thread(picture_checks.faults, data, frame=frame, letters=letters)
    scores = {
        "relevance": judgement.relevance,
        "quality": min([judgement.quality, *(fault.cap for fault in found)]),
        "consistency": judgement.consistency,
        "safety": judgement.safety,
    }
    bench.progress(1.0)
    reasons = tuple(dict.fromkeys((*(fault.reason for fault in found), *judgement.reasons)))
    return Made(outcome=Judged(score=min(scores.values()), scores=scores, reasons=reasons), uses=uses)


def _picture_of(task: Assignment) -> Artefact:
    """Return the picture that this round drew; artefacts come with the best first, so the kind alone won't do."""
    pictures = [a for a in task.artefacts if a.kind is ArtefactKind.IMAGE and a.scene == task.unit.scene]
    if not pictures:
        raise LookupError(f"scene {task.unit.scene} has no picture to judge")
    return max(pictures, key=lambda a: (a.round == task.unit.round, a.round))


def _number(meta: Mapping[str, object], name: str) -> int:
    value = meta.get(name)
    if not isinstance(value, int):
        raise TypeError(f"a picture's {name} must be recorded with it")
    return value
