"""Which stage runs follow from those that are finished: pure, so that any worker reaches the same answer from the rows.

INGESTION → STORY_WRITING → SCENE_GENERATION → for each scene: VISUAL_GENERATION → VISUAL_VERIFICATION
(→ again while the score is low) → VIDEO_GENERATION ∥ TTS_GENERATION; all voices → AUDIO_MIXING;
all motion and the mix → VIDEO_ASSEMBLY by chunk → VIDEO_ASSEMBLY

A targeted regeneration is one run that rewrites or speaks, or one scene's pictures and checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from reelwright.generations.model import GenerationKind, Part, Stage, Unit
from reelwright.generations.outcomes import Judged, Mixed, Outcome

PASSING_SCORE = 60  # product.md: below 60 a picture is made again
MOST_ROUNDS = 3  # and at most three times in all
_REMADE = {Part.SCENE_TEXT: Stage.SCENE_GENERATION, Part.SCENE_VOICE: Stage.TTS_GENERATION}  # other parts: the story's

_ORDER = {stage: position for position, stage in enumerate(Stage)}
_STAGES = tuple(Stage)
_WORDS = _STAGES[: _ORDER[Stage.SCENE_GENERATION] + 1]

Finished = Mapping[Unit, Outcome]

_PICTURED = frozenset({Stage.VISUAL_GENERATION, Stage.VISUAL_VERIFICATION, Stage.VIDEO_GENERATION})
_VOICED = frozenset({Stage.TTS_GENERATION})
BEHIND = {
    **dict.fromkeys(("black_s", "frozen", "full_frame"), _PICTURED),
    **dict.fromkeys(("speech_in_each_scene", "speech_sync_ms", "words_on_speech", "caption_sync_ms"), _VOICED),
    **dict.fromkeys(("duration_s", "platform_length_s"), _VOICED),  # the voice's pace is the reel's length
}
"""Which stages' work, besides mix and assembly, a check of the release gate puts in doubt when it fails."""


@dataclass(frozen=True, slots=True)
class Due:
    """The units that should exist by now, finished ones included, and whether the generation has reached its end."""

    units: tuple[Unit, ...]
    ended: bool = False

    def until(self, stop: Stage | None) -> "Due":
        """Return what may be done before a pause behind that stage: later stages' units wait, and no end is reached.

        Stages that run side by side stand in their order here, so that a pause never leaves one half begun.
        """
        if stop is None or self.ended:
            return self
        return Due(tuple(unit for unit in self.units if _ORDER[unit.stage] <= _ORDER[stop]))


def failed_checks(gate: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of a gate report's failed checks; what could not be judged has not failed."""
    checks = msgspec.convert(gate.get("checks", ()), tuple[dict[str, object], ...])
    return tuple(str(check.get("name")) for check in checks if check.get("passed") is False)


def doubted(gate: Mapping[str, object]) -> frozenset[Stage]:
    """Return the stages none of whose work may be used again once a reel of it has failed its gate.

    The mix with its plan, the chunks and the join always; voices or pictures where the checks are theirs.
    """
    assembled = frozenset({Stage.AUDIO_MIXING, Stage.VIDEO_ASSEMBLY})
    return assembled.union(*(BEHIND.get(check, frozenset()) for check in failed_checks(gate)))


def stages(kind: GenerationKind) -> tuple[Stage, ...]:
    """Return the stages that a generation of this kind goes through; none for one that only makes a part anew."""
    match kind:
        case GenerationKind.SCRIPT:
            return _WORDS
        case GenerationKind.VIDEO | GenerationKind.REGENERATE_FULL:
            return _STAGES
        case GenerationKind.RENDER:
            return _STAGES[len(_WORDS) :]
        case GenerationKind.REGENERATE_TARGETED:
            return ()


@lru_cache(maxsize=256)  # an order asks for the same several times
def first(kind: GenerationKind, *, scenes: int, part: Part | None = None, scene: int | None = None) -> tuple[Unit, ...]:
    """Return the units that a new generation starts with."""
    return due(kind, {}, scenes=scenes, part=part, scene=scene).units


def due(
    kind: GenerationKind, finished: Finished, *, scenes: int, part: Part | None = None, scene: int | None = None
) -> Due:
    """Return what should exist after these outcomes. `scenes`: the rendered variant's, 0 until known.

    `part`, and its `scene` where it is one's, say what a targeted regeneration makes anew. Raises ValueError.
    """
    match kind:
        case GenerationKind.SCRIPT:
            return _words(finished)
        case GenerationKind.VIDEO | GenerationKind.REGENERATE_FULL:
            words = _words(finished)
            if not words.ended:
                return words
            pictures = _pictures(finished, scenes)
            return Due((*words.units, *pictures.units), pictures.ended)
        case GenerationKind.RENDER:
            return _pictures(finished, scenes)
        case GenerationKind.REGENERATE_TARGETED:
            return _part(finished, part, scene)


def _part(finished: Finished, part: Part | None, scene: int | None) -> Due:
    if part is None or part.of_scene is (scene is None):
        raise ValueError(f"no such part: {part} {scene}")
    if part is Part.SCENE_PICTURE and scene is not None:
        units, settled = takes(finished, scene)
        return Due(tuple(units), ended=settled)
    unit = Unit(stage=_REMADE.get(part, Stage.STORY_WRITING), scene=scene)
    return Due((unit,), ended=unit in finished)


def _words(finished: Finished) -> Due:
    units: list[Unit] = []
    for stage in (Stage.INGESTION, Stage.STORY_WRITING, Stage.SCENE_GENERATION):
        units.append(Unit(stage=stage))
        if units[-1] not in finished:
            return Due(tuple(units))
    return Due(tuple(units), ended=True)


def _pictures(finished: Finished, scenes: int) -> Due:
    units: list[Unit] = []
    for scene in range(scenes):
        units += _scene(finished, scene)
    voices = [Unit(stage=Stage.TTS_GENERATION, scene=scene) for scene in range(scenes)]
    clips = [Unit(stage=Stage.VIDEO_GENERATION, scene=scene) for scene in range(scenes)]
    mix = Unit(stage=Stage.AUDIO_MIXING)
    if scenes and all(voice in finished for voice in voices):
        units.append(mix)
    mixed = finished.get(mix)
    if not isinstance(mixed, Mixed) or not all(clip in finished for clip in clips):
        return Due(tuple(units))
    chunks = [Unit(stage=Stage.VIDEO_ASSEMBLY, chunk=chunk) for chunk in range(mixed.chunks)]
    units += chunks
    if not all(chunk in finished for chunk in chunks):
        return Due(tuple(units))
    last = Unit(stage=Stage.VIDEO_ASSEMBLY)
    return Due((*units, last), ended=last in finished)


def _scene(finished: Finished, scene: int) -> list[Unit]:
    """Return a scene's units: pictures and checks until one passes, then voice (the mix waits for it), then motion."""
    units, settled = takes(finished, scene)
    if settled:
        units += [Unit(stage=Stage.TTS_GENERATION, scene=scene), Unit(stage=Stage.VIDEO_GENERATION, scene=scene)]
    return units


def settles(verdict: Judged) -> bool:
    """Say whether a picture isn't drawn again after this verdict, whatever its round."""
    return verdict.kept or verdict.score >= PASSING_SCORE


def takes(finished: Finished, scene: int) -> tuple[list[Unit], bool]:
    """Return one scene's pictures and checks so far, and whether one was settled or the last was judged."""
    units: list[Unit] = []
    for take in range(MOST_ROUNDS):
        units.append(Unit(stage=Stage.VISUAL_GENERATION, scene=scene, round=take))
        if units[-1] not in finished:
            return units, False
        units.append(Unit(stage=Stage.VISUAL_VERIFICATION, scene=scene, round=take))
        verdict = finished.get(units[-1])
        if not isinstance(verdict, Judged):
            return units, False
        if settles(verdict):
            break
    return units, True


def best_round(finished: Finished, scene: int) -> int | None:
    """Return which try of a scene's picture scored best (the earliest of equals), or None before any was judged."""
    scores = {
        unit.round: verdict.score
        for unit, verdict in finished.items()
        if unit.stage is Stage.VISUAL_VERIFICATION and unit.scene == scene and isinstance(verdict, Judged)
    }
    return max(scores, key=lambda take: (scores[take], -take)) if scores else None
