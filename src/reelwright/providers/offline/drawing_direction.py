"""Chooses what every picture of a reel shows: heroes by meaning and never twice, one look for the whole reel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reelwright.providers.offline import palette
from reelwright.providers.offline.drawing_prompt import Directions
from reelwright.providers.offline.illustrations import Illustration, Illustrations, Scores, stem
from reelwright.providers.offline.illustrations_abroad import tongue_of
from reelwright.providers.offline.illustrations_plain import PLAIN

COMPOSITIONS = ("hills", "waves", "orbit", "rings", "drift", "podium", "papercut", "medallion", "sunburst")
# Looks that go together: a reel keeps to one family and turns within it.
_FAMILIES: dict[str, tuple[tuple[str, ...], ...]] = {
    "calm": (("hills", "waves", "papercut"), ("drift", "waves", "rings")),
    "curious": (("rings", "medallion", "orbit"), ("papercut", "rings", "podium"), ("orbit", "drift", "rings")),
    "energetic": (("sunburst", "medallion", "rings"), ("sunburst", "podium", "drift")),
    "serious": (("podium", "rings", "orbit"), ("podium", "drift", "rings")),
    "warm": (("drift", "hills", "sunburst"), ("papercut", "sunburst", "hills")),
}
_FEWEST, _MOST = 2, 4
_TOPIC_SHARE = 0.45
_SUBJECT = 0.6  # how much the reel's subject counts where a scene names little to picture
_USED = 0.35  # what a companion loses each time it has been shown
_WORTH = 0.42  # a drawing rated below this has nothing to do with its scene: a neutral one stands there instead
_NEUTRAL = tuple(PLAIN)
_SAID = 0.7  # how much a narration's words count beside what is to be seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is to be pictured: a scene's narration and visual description."""

    narration: str
    visual: str


def directed(scenes: Sequence[Told], *, topic: str, tone: str, seed: int) -> list[Directions]:
    """Return directions for each scene. Heroes differ as long as there are drawings; the palette is the reel's own."""
    catalogue = Illustrations.load()
    plain = _neutral(catalogue, seed)
    tongue = tongue_of("\n".join([told.narration or told.visual for told in scenes]) or topic)
    about = np.maximum(plain, _SUBJECT * catalogue.scores({topic: 1.0}, tongue=tongue))
    texts = ({topic: _TOPIC_SHARE} | {told.narration: _SAID} | {told.visual: 1.0} for told in scenes)
    scores = [np.maximum(catalogue.scores(text, tongue=tongue), plain) for text in texts]
    colours = palette.for_mood(tone, seed)
    families = _FAMILIES.get(tone, _FAMILIES["curious"])
    family = families[(seed // 7) % len(families)]
    used: dict[str, int] = {}
    result: list[Directions] = []
    for i, (hero, rating) in enumerate(zip(_heroes(catalogue, scores), scores, strict=True)):
        companions = _companions(catalogue, np.maximum(rating, about), hero, used)
        result.append(
            Directions(
                hero=hero.name,
                companions=tuple(companion.name for companion in companions),
                composition=family[(seed + i) % len(family)],
                palette=colours.name,
                seed=(seed * 31 + i * 7) % 9973,
            )
        )
    return result


def _neutral(catalogue: Illustrations, seed: int) -> Scores:
    """Rate the drawings that suit any story just high enough to stand before chance likenesses."""
    rated = np.full(len(catalogue.drawings), -1.0, np.float32)
    for place, which in enumerate(np.random.default_rng(seed).permutation(len(_NEUTRAL))):
        rated[catalogue.position(_NEUTRAL[int(which)])] = _WORTH + 0.03 - 0.001 * place
    return rated


def _heroes(catalogue: Illustrations, scores: Sequence[Scores]) -> list[Illustration]:
    """Give each scene a hero of its own so that all together fit best (the assignment problem)."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - lazy: optional

    if not scores:
        return []
    assign: Any = linear_sum_assignment
    table = np.stack(scores)
    chosen: list[Illustration] = []
    for start in range(0, len(table), len(catalogue.drawings)):
        _, columns = assign(table[start : start + len(catalogue.drawings)], maximize=True)
        chosen += [catalogue.drawings[int(column)] for column in columns]
    return chosen


def _companions(
    catalogue: Illustrations, rating: Scores, hero: Illustration, used: dict[str, int]
) -> list[Illustration]:
    """Take two to four more subjects of the scene, none a twin of another, rather ones not shown before."""
    worn = np.asarray([used.get(drawing.name, 0) for drawing in catalogue.drawings], np.float32)
    wanted = rating - _USED * worn
    chosen: list[Illustration] = []
    for at in np.argsort(-wanted, kind="stable")[:40]:
        drawing = catalogue.drawings[int(at)]
        enough = len(chosen) >= _FEWEST and rating[at] < _WORTH + 0.05
        if enough or len(chosen) == _MOST:
            break
        if all(_apart(drawing, other) for other in (hero, *chosen)):
            chosen.append(drawing)
            used[drawing.name] = used.get(drawing.name, 0) + 1
    return chosen


def _apart(one: Illustration, other: Illustration) -> bool:
    """Say whether two drawings show different things: their names share no word."""
    return not {stem(word) for word in one.name.split()} & {stem(word) for word in other.name.split()}
