"""What each stage run is made from, as one name: where the name is the same, what was made once need not be made again.

A name is SHA-256 over the stage's recipe, who makes it, and everything that decides what comes out; files count by
their bytes. A scene's place in the story is in no name, so that moving it costs nothing. Words (ingestion, story,
scenes) have none: they are written anew because another wording is wanted. The join of the finished reel has none
either: it is done once in every generation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reelwright.generations.branding import Brand
from reelwright.generations.model import Artefact, ArtefactKind, Assignment, Draft, Scene, Stage, Variant, inputs_hash

RECIPES: Mapping[Stage, str] = {
    Stage.VISUAL_GENERATION: "visual-2",
    Stage.VISUAL_VERIFICATION: "check-4",
    Stage.VIDEO_GENERATION: "clip/2",
    Stage.TTS_GENERATION: "speech-2",
    Stage.AUDIO_MIXING: "mix/5",
    Stage.VIDEO_ASSEMBLY: "chunk/7",
}
"""The version of how each stage works. A stage that would make something else of the same inputs needs a new one."""

Makers = Mapping[Stage, tuple[str, ...]]
"""Who does a stage's work, such as `openai:tts-1`; a stage that calls nobody is left out.

A name is that of what the first one makes. What the others have made in its stead serves as well.
"""


class Look(msgspec.Struct, frozen=True, array_like=True):
    """One chunk of a timeline: the name of what it shows besides its clips, whose clips, and its length."""

    name: str
    scenes: tuple[int, ...]
    duration_ms: int


def picture(
    variant: Variant, scene: Scene, draft: Draft, makers: Makers, *, tried: int, faults: Sequence[str] = ()
) -> str:
    """Name one scene's picture at a try, counted from 0, that was told what was wrong with the one before."""
    what = (scene.image_prompt, variant.seed_of(scene), scene.take + tried)
    return _named(Stage.VISUAL_GENERATION, makers, *what, draft.aspect.size, *faults)


def check(scene: Scene, picture_sha256: str, makers: Makers) -> str:
    """Name the verdict on a picture. Narration is left out: it asks for no other one.

    So are other scenes' pictures: beside which of them it was given depends on who was sooner. Once given it stays, so
    that a render whose other scenes were edited shows the same picture.
    """
    return _named(Stage.VISUAL_VERIFICATION, makers, picture_sha256, scene.image_prompt, scene.visual)


def clip(draft: Draft, picture_sha256: str, makers: Makers) -> str:
    """Name the motion source that is made of a picture."""
    return _named(Stage.VIDEO_GENERATION, makers, picture_sha256, draft.aspect.size)


def voice(scene: Scene, draft: Draft, makers: Makers) -> str:
    """Name one scene's narration."""
    spoken = (scene.narration, scene.duration_ms, scene.voice_take)
    return _named(Stage.TTS_GENERATION, makers, *spoken, draft.voice, draft.language)


def mix(variant: Variant, draft: Draft, narrations: Sequence[str | None], makers: Makers, brand: Brand) -> str:
    """Name the mastered sound and the plan that comes with it, by the narrations' SHA-256 in the scenes' order.

    The frame's size is left out: the plan is the same in every aspect, and whoever draws knows it.
    """
    scenes = [
        (
            scene.duration_ms,
            scene.motion.kind,
            round(scene.motion.amount, 4),  # stored with single precision
            scene.transition.kind,
            scene.transition.frames,
            scene.narration,  # what is shown: other words may sound the same to the byte
        )
        for scene in variant.scenes
    ]
    reel = (draft.duration_s, draft.platform, draft.music, draft.tone)
    return _named(Stage.AUDIO_MIXING, makers, reel, list(narrations), scenes, brand.cards)


def chunk(look: Look, clips: Sequence[str], makers: Makers, brand: Brand) -> str:
    """Name one encoded chunk, by the SHA-256 of its clips in the order of `look.scenes`."""
    return _named(Stage.VIDEO_ASSEMBLY, makers, look.name, list(clips), brand.drawn)


def looks(timeline: Artefact) -> tuple[Look, ...]:
    """Return what the chunks of a stored timeline show; none where it was made before that was kept."""
    return msgspec.convert(timeline.meta.get("looks", ()), tuple[Look, ...], strict=False)


def of(task: Assignment, makers: Makers) -> str | None:
    """Name what an assigned run is made from; None where nothing of its kind is ever kept for another."""
    unit = task.unit
    if unit.stage is Stage.AUDIO_MIXING:
        spoken = [task.found(ArtefactKind.NARRATION, scene=scene.index) for scene in task.variant.scenes]
        return mix(
            task.variant, task.draft.heard(task.sound), [file and file.sha256 for file in spoken], makers, task.brand
        )
    if unit.stage is Stage.VIDEO_ASSEMBLY:
        return _chunk(task, makers)
    return _of_scene(task, makers) if unit.scene is not None and unit.stage in RECIPES else None


def _of_scene(task: Assignment, makers: Makers) -> str | None:
    scene, draft = task.scene, task.draft.heard(task.sound)
    match task.unit.stage:
        case Stage.VISUAL_GENERATION:
            return picture(task.variant, scene, draft, makers, tried=task.unit.round, faults=task.faults)
        case Stage.TTS_GENERATION:
            return voice(scene, draft, makers)
        case stage:
            drawn = task.found(ArtefactKind.IMAGE, scene=task.unit.scene)  # the best, or the one that is judged
            if drawn is None:
                return None
            judged = stage is Stage.VISUAL_VERIFICATION
            return check(scene, drawn.sha256, makers) if judged else clip(draft, drawn.sha256, makers)


def _chunk(task: Assignment, makers: Makers) -> str | None:
    timeline, number = task.found(ArtefactKind.TIMELINE), task.unit.chunk
    if number is None or timeline is None or number >= len(looks(timeline)):
        return None
    look = looks(timeline)[number]
    clips = [task.found(ArtefactKind.CLIP, scene=scene) for scene in look.scenes]
    return chunk(look, [file.sha256 for file in clips if file], makers, task.brand) if all(clips) else None


def _named(stage: Stage, makers: Makers, *what: Any) -> str:
    return inputs_hash(RECIPES[stage], makers.get(stage, ("",))[0], *what)
