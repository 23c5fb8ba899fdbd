"""A picture's verdict as its reel sees it: beside the other scenes' pictures, and within what further tries may cost.

Pure, and asked once for each verdict, behind the generation's lock: so of two pictures that are alike the one that is
judged second sees the first, and no two verdicts at once pass the budget. What was decided stays in the verdict, and
goes wherever that is carried or taken over.
"""

from collections.abc import Mapping

import msgspec

from reelwright.generations import pipeline
from reelwright.generations.model import Stage, Unit
from reelwright.generations.outcomes import Drawn, Judged

_TWINS = 4  # of 64 bits of a difference hash by which two pictures may differ and still look the same
_TWIN_SCORE = 50  # below what passes, above what is blank or blurred: of bad tries, it is no bad one
SPENT = "It is the best so far, and was not drawn again: what this reel may spend on further tries is used up."


def budget(scenes: int) -> int:
    """Return how many further tries all scenes of a reel may have together: as many as it has pictures.

    Each try costs us what a picture and its check cost, so all of them cost at most what was ordered once more. A
    single scene, whose picture somebody asks for anew, may have all of its tries.
    """
    return max(scenes, pipeline.MOST_ROUNDS - 1)


def settled(
    finished: pipeline.Finished, unit: Unit, verdict: Judged, prints: Mapping[int, str], *, scenes: int
) -> Judged:
    """Return the verdict on a unit's picture with what only its reel knows; `prints` are other scenes', by index."""
    verdict = _beside(finished, unit, verdict, prints)
    if pipeline.settles(verdict) or unit.round + 1 >= pipeline.MOST_ROUNDS:
        return verdict
    granted = sum(
        isinstance(other, Judged) and not pipeline.settles(other) and at.round + 1 < pipeline.MOST_ROUNDS
        for at, other in finished.items()
        if at != unit
    )
    if granted < budget(scenes):
        return verdict
    return msgspec.structs.replace(verdict, kept=True, reasons=(*verdict.reasons, SPENT))


def _beside(finished: pipeline.Finished, unit: Unit, verdict: Judged, prints: Mapping[int, str]) -> Judged:
    drawn = finished.get(Unit(stage=Stage.VISUAL_GENERATION, scene=unit.scene, round=unit.round))
    own = drawn.seen_as if isinstance(drawn, Drawn) else None
    twin = next(
        (scene for scene, other in sorted(prints.items()) if own is not None and _apart(own, other) <= _TWINS), None
    )
    if twin is None:
        return verdict
    why = f"It is nearly the picture of scene {twin + 1}: show another place, angle or thing."
    quality = min(verdict.scores.get("quality", _TWIN_SCORE), _TWIN_SCORE)
    return Judged(
        score=min(verdict.score, quality),
        scores={**verdict.scores, "quality": quality},
        reasons=(why, *verdict.reasons),
    )


def prints(finished: pipeline.Finished, scene: int) -> dict[int, str]:
    """Return the prints of other scenes' pictures, by index, that this scene's must not be like.

    Those that are settled; and of earlier scenes, those that wait for their verdict. A later scene's waits for this
    one, and what is drawn again stands in nobody's way. So of two alike exactly one is drawn again.
    """
    others = {unit.scene for unit in finished if unit.stage is Stage.VISUAL_GENERATION}
    found: dict[int, str] = {}
    for other in others:
        if other is None or other == scene:
            continue
        drawn = finished.get(Unit(stage=Stage.VISUAL_GENERATION, scene=other, round=_standing(finished, other, scene)))
        if isinstance(drawn, Drawn) and drawn.seen_as is not None:
            found[other] = drawn.seen_as
    return found


def _standing(finished: pipeline.Finished, other: int, scene: int) -> int:
    """Return which try of another scene's picture stands, -1 for none."""
    units, done = pipeline.takes(finished, other)
    if done:
        best = pipeline.best_round(finished, other)
        return -1 if best is None else best
    waits = units[-1].stage is Stage.VISUAL_VERIFICATION
    return units[-1].round if waits and other < scene else -1


def _apart(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()
