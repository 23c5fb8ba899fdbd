"""Looks at pictures without a model: measures light, colour and detail, finds the hero, weighs it by meaning."""

import asyncio
import io
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from reelwright.ground.metering import Action, Use
from reelwright.providers.model import Judgement, Picture
from reelwright.providers.offline import palette
from reelwright.providers.offline.composition import hero_share
from reelwright.providers.offline.drawing_prompt import Directions, read
from reelwright.providers.offline.illustrations import Illustrations, content_words
from reelwright.providers.offline.inspection_match import presence

MODEL_NAME = "measure-1"

Pixels = NDArray[np.floating[Any]]

_SIDE = 224  # the longer side that is measured
_SMALLEST = 256  # pixels: below, a picture is too coarse for any frame
_UNSAFE = frozenset({"gun", "water pistol", "bomb", "dagger", "kitchen knife", "skull", "coffin", "cigarette"})
_NOTHING_NAMED = 0.5  # the best rating any drawing has for a text that names nothing to picture
_NEUTRAL_RELEVANCE = 72


@dataclass(frozen=True, slots=True)
class Measured:
    """What the pixels say. `spread` is the standard deviation of luma, `colour` of chroma, both 0..1.

    `detail` is the mean step between neighbours, `chaos` the share of it that no smoothing keeps (noise is near 1),
    `clipped` the share of pixels that are pure black or white.
    """

    spread: float
    colour: float
    detail: float
    chaos: float
    clipped: float
    brightness: float


class OfflineVision:
    """Judges by measuring. It knows nothing of thresholds; a score says how much of what it looked for is there."""

    async def judge(
        self, picture: Picture, *, visual: str, narration: str, prompt: str
    ) -> tuple[Judgement, tuple[Use, ...]]:
        """Score one picture in a thread: relevance, quality, consistency, safety, each 0..100, lows with a reason."""
        began = time.monotonic()
        judgement = await asyncio.to_thread(_judged, picture, f"{visual}\n{narration}", prompt)
        wall_ms = round((time.monotonic() - began) * 1000)
        use = Use(
            action=Action.VISION_CHECK, provider="offline", model=MODEL_NAME, quantity=1, images=1, wall_ms=wall_ms
        )
        return judgement, (use,)


def _judged(picture: Picture, text: str, prompt: str) -> Judgement:
    reasons: list[str] = []
    try:
        image = Image.open(io.BytesIO(picture.data)).convert("RGB")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return Judgement(relevance=0, quality=0, consistency=0, safety=100, reasons=("The picture can't be opened.",))
    pixels = np.asarray(_reduced(image), np.float32) / 255
    said = read(prompt)
    quality = _quality(measure(pixels), image.size, (picture.width, picture.height), reasons)
    consistency = _consistency(pixels, said, reasons)
    relevance = min(_relevance(said, prompt, text, reasons), 20 + consistency if quality else 0)
    return Judgement(
        relevance=relevance,
        quality=quality,
        consistency=consistency,
        safety=_safety(said, prompt, reasons),
        reasons=tuple(reasons),
    )


def measure(pixels: Pixels) -> Measured:
    """Measure pixels of shape (rows, columns, 3), sRGB fractions."""
    luma = pixels @ np.asarray([0.2126, 0.7152, 0.0722], np.float32)
    steps = np.abs(np.diff(luma, axis=0)[:, :-1]) + np.abs(np.diff(luma, axis=1)[:-1])
    rows, columns = luma.shape[0] // 4 * 4, luma.shape[1] // 4 * 4
    blocks = luma[:rows, :columns].reshape(rows // 4, 4, columns // 4, 4)
    inside, whole = float(blocks.var(axis=(1, 3)).mean()), float(luma.var())
    return Measured(
        spread=float(luma.std()),
        colour=float(np.hypot((pixels[..., 0] - luma).std(), (pixels[..., 2] - luma).std())),
        detail=float(steps.mean()),
        chaos=inside / max(whole, 1e-6),
        clipped=float(((luma < 0.008) | (luma > 0.992)).mean()),  # noqa: PLR2004 - two levels of 255
        brightness=float(luma.mean()),
    )


def _quality(seen: Measured, size: tuple[int, int], wanted: tuple[int, int], reasons: list[str]) -> int:
    """Multiply what contrast, detail, colour, exposure and size leave of 100."""
    score = 100.0
    for value, poor, good, reason in (
        (seen.spread, 0.02, 0.085, "The picture is nearly blank."),
        (seen.detail, 0.003, 0.012, "The picture has hardly any detail."),
        (seen.colour, 0.004, 0.03, "The picture has hardly any colour."),
        (-seen.chaos, -0.75, -0.42, "The picture is mostly noise."),
        (-seen.clipped, -0.85, -0.45, "Much of the picture is pure black or white."),
        (-abs(seen.brightness - 0.45), -0.42, -0.34, "The picture is far too dark or too bright."),
    ):
        share = _ramp(value, poor, good)
        score *= 0.2 + 0.8 * share
        if share < 0.75:  # noqa: PLR2004 - below three quarters a person would notice
            reasons.append(reason)
    if min(size) < _SMALLEST:
        score *= 0.5
        reasons.append(f"The picture is only {size[0]} × {size[1]} pixels.")
    if abs(size[0] / size[1] - wanted[0] / wanted[1]) > 0.02 * wanted[0] / wanted[1]:
        score *= 0.5
        reasons.append("The picture's proportions are not those that were ordered.")
    return round(score)


def _consistency(pixels: Pixels, said: Directions | None, reasons: list[str]) -> int:
    """Score whether the colours are the palette's and the hero is really there; 80 where a prompt says neither."""
    if said is None:
        return 80
    score = 100.0
    named = palette.palette(said.palette or "")
    if named is not None:
        fit = _palette_fit(pixels, named)
        score = min(score, 100 * fit)
        if fit < 0.7:  # noqa: PLR2004 - see _palette_fit: a picture drawn in the palette reaches 0.8
            reasons.append(f"The colours are not those of {named.name}.")
    catalogue = Illustrations.load()
    rows, columns = pixels.shape[:2]
    side = hero_share(columns / rows) * min(rows, columns)
    found = presence(pixels, catalogue.svg(catalogue.nearest(said.hero)), side=side)
    if found < 0.5:  # noqa: PLR2004 - half way between chance and a clear view
        reasons.append(f"No {said.hero} can be made out.")
    return round(min(score, 100 * found))


def _palette_fit(pixels: Pixels, named: palette.Palette) -> float:
    """Return 0..1: how near the frame's border, which the backdrop fills, comes to mixtures of the palette."""
    rows, columns = pixels.shape[:2]
    border = np.concatenate(
        [
            pixels[: rows // 10].reshape(-1, 3),
            pixels[-rows // 4 :].reshape(-1, 3),
            pixels[:, : columns // 14].reshape(-1, 3),
        ]
    )
    colours = named.colours()
    pairs = [(a, b) for a in range(5) for b in range(a, 5)]
    shares = np.linspace(0, 1, 7, dtype=np.float32)[:, None]
    mixes = np.concatenate([colours[a] * (1 - shares) + colours[b] * shares for a, b in pairs])
    mixes = np.concatenate([mixes * dim for dim in (1.0, 0.8, 0.6)])
    sample = border[:: max(1, len(border) // 1500)]
    nearest = np.sqrt(((sample[:, None] - mixes[None]) ** 2).sum(axis=2)).min(axis=1)
    return _ramp(-float(np.quantile(nearest, 0.7)), -0.34, -0.06)


def _relevance(said: Directions | None, prompt: str, text: str, reasons: list[str]) -> int:
    """Score the subjects against the scene's words by where they stand among all drawings for that text."""
    catalogue = Illustrations.load()
    if not content_words(text):
        return _NEUTRAL_RELEVANCE
    ratings = catalogue.scores({text: 1.0})
    best = float(ratings.max())
    if best < _NOTHING_NAMED:
        return _NEUTRAL_RELEVANCE
    hero = catalogue.nearest(said.hero if said else prompt)
    own = float(ratings[catalogue.position(hero.name)])
    others = [
        float(ratings[catalogue.position(catalogue.nearest(name).name)]) for name in (said.companions if said else ())
    ]
    helped = own + 0.25 * max(0.0, max(others, default=0.0) - own)
    rank = float((ratings > own).mean())
    score = 100 * max(_ramp(helped, 0.10, 1.15), 0.85 * _ramp(-rank, -0.03, -0.002))
    if score < 70:  # noqa: PLR2004 - what a good match reaches
        reasons.append(f"The scene's words say little about: {hero.name}.")
    return round(min(100.0, score))


def _safety(said: Directions | None, prompt: str, reasons: list[str]) -> int:
    subjects = {said.hero, *said.companions} if said else set(content_words(prompt))
    shown = sorted(subjects & _UNSAFE)
    if not shown:
        return 100
    reasons.append(f"Not suited to every viewer: {', '.join(shown)}.")
    return 65


def _reduced(image: Image.Image) -> Image.Image:
    scale = _SIDE / max(image.size)
    size = (max(8, round(image.width * scale)), max(8, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BOX)


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
