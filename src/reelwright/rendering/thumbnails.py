"""Chooses a reel's thumbnails: sharp, clear, colourful pictures with something in the middle, that differ."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from reelwright.rendering import planes
from reelwright.rendering.captions import Group, groups
from reelwright.rendering.style import CLASSIC, Style
from reelwright.rendering.timeline import FPS, Timeline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.floating[Any]]

WANTED = 3
WIDE = (1280, 720)
"""What players show that are wider than high: YouTube's thumbnail."""
_QUALITY = 90
_WEIGHTS = {"sharpness": 0.25, "contrast": 0.2, "colour": 0.15, "saliency": 0.25, "caption": 0.15}
_STEADY_FRAMES = 4  # a caption that has just come or is about to go reads badly
_FLAT = 0.02  # of full contrast: an empty picture
_CONTRAST, _COLOUR = 0.25, 0.25  # as clear and as colourful as a good photograph: more counts no more
_APART_BITS, APART_SHARE = 12, 0.25  # of 64 bits of the picture's hash; of all pixels in other colours
_SIDE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A frame worth showing, its score 0..100, and the parts that it was made of, 0..1 each."""

    at_ms: int
    score: int
    parts: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Seen:
    frame: int
    parts: dict[str, float]
    bits: int
    colours: "Pixels"

    @property
    def score(self) -> float:
        return sum(_WEIGHTS[name] * part for name, part in self.parts.items())


def chosen(timeline: Timeline, tiles: Sequence[tuple[float, Path]], style: Style = CLASSIC) -> tuple[Thumbnail, ...]:
    """Return up to three frames, the best first, out of small pictures of a reel with the second at which each is.

    Frames of cards and transitions don't count. Sharpness is the Laplacian's spread against the sharpest candidate,
    contrast the luma's standard deviation, colour the measure of D. Hasler and S. Suesstrunk (2003); saliency is how
    much of what stands out (X. Hou and L. Zhang, "Saliency Detection: A Spectral Residual Approach", 2007) lies in the
    middle; a caption counts where it has stood for a moment. The next one differs in shape (difference hash) and
    colours from those before it. Where all frames are alike there are fewer.
    """
    shown = groups(timeline, style)
    found = [_seen(timeline, frame, path, shown) for frame, path in _settled(timeline, tiles)]
    if not found:
        return ()
    sharpest = max(one.parts["sharpness"] for one in found) or 1.0
    for one in found:
        one.parts["sharpness"] /= sharpest
    ranked = sorted(found, key=lambda one: (-one.score, one.frame))
    kept: list[_Seen] = []
    for one in ranked:
        if len(kept) < WANTED and all(_differ(one, other) for other in kept):
            kept.append(one)
    return tuple(
        Thumbnail(
            at_ms=round(one.frame * 1000 / FPS),
            score=round(100 * one.score),
            parts={name: round(part, 3) for name, part in one.parts.items()},
        )
        for one in kept
    )


def widen(picture: Path, out: Path) -> None:
    """Write a scene's picture as a wide JPEG, framed as a wide reel would show it. Raises BadPicture."""
    wide = planes.framed(planes.checked(picture), *WIDE)
    wide.save(out, "JPEG", quality=_QUALITY, optimize=True)


def _settled(timeline: Timeline, tiles: Sequence[tuple[float, Path]]) -> Iterator[tuple[int, Path]]:
    """Yield frame and picture where one scene alone is seen; all of them where none is so."""
    every = [(min(timeline.frames - 1, round(second * FPS)), path) for second, path in tiles]
    alone = [(f, path) for f, path in every if len(timeline.seen(f, f + 1)) == 1 and timeline.card(f) is None]
    yield from alone or every


def _seen(timeline: Timeline, frame: int, path: Path, shown: Sequence[Group]) -> _Seen:
    import numpy as np  # noqa: PLC0415 - heavy, and only where thumbnails are chosen

    with Image.open(path) as file:
        picture = file.convert("RGB")
    group = next((g for g in shown if g.turns[0] <= frame < g.end), None)
    free = picture if group is None else _without(picture, group, timeline)
    rgb = np.asarray(free, np.float64) / 255
    luma = rgb @ np.array([0.2126, 0.7152, 0.0722])
    small = np.asarray(picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)
    clear = float(luma.std())
    parts = {
        "sharpness": _sharpness(luma),
        "contrast": min(1.0, clear / _CONTRAST) if clear > _FLAT else 0.0,
        "colour": min(1.0, _colourfulness(rgb) / _COLOUR),
        "saliency": _middle(small),
        "caption": _legible(group, frame),
    }
    return _Seen(frame, parts, bits(picture), colours(picture))


def _without(picture: Image.Image, group: Group, timeline: Timeline) -> Image.Image:
    """Return the picture's larger part above or below its caption, so that letters don't pass for sharpness."""
    scale = picture.height / timeline.height
    top, bottom = round(group.block.ink.top * scale), round(group.block.ink.bottom * scale)
    above, below = max(0, top), max(0, picture.height - bottom)
    if max(above, below) < picture.height // 4:
        return picture
    return picture.crop((0, 0, picture.width, above) if above >= below else (0, bottom, picture.width, picture.height))


def _sharpness(luma: "Pixels") -> float:
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return float((around - 4 * luma[1:-1, 1:-1]).std())


def _colourfulness(rgb: "Pixels") -> float:
    red_green, yellow_blue = rgb[..., 0] - rgb[..., 1], (rgb[..., 0] + rgb[..., 1]) / 2 - rgb[..., 2]
    spread = float((red_green.var() + yellow_blue.var()) ** 0.5)
    return spread + 0.3 * float((red_green.mean() ** 2 + yellow_blue.mean() ** 2) ** 0.5)


def _middle(small: "Pixels") -> float:
    """Return how much more of what stands out lies in the middle half of the frame than its share, 0..1."""
    import numpy as np  # noqa: PLC0415 - heavy, and only where thumbnails are chosen

    if float(small.std()) / 255 < _FLAT:
        return 0.0
    spectrum = np.fft.fft2(small)
    log = np.log(np.abs(spectrum) + 1e-9)
    mean = sum(np.roll(log, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)) / 9
    salient = np.abs(np.fft.ifft2(np.exp(log - mean + 1j * np.angle(spectrum)))) ** 2
    quarter = _SIDE // 4
    share = float(salient[quarter:-quarter, quarter:-quarter].sum() / max(float(salient.sum()), 1e-12))
    return min(1.0, share / 0.5)  # the middle is a quarter of the frame: half of all there is as good as it gets


def _legible(group: Group | None, frame: int) -> float:
    if group is None or not group.whole:
        return 0.3
    steady = frame - group.turns[0] >= _STEADY_FRAMES and group.end - frame >= _STEADY_FRAMES
    return 1.0 if steady else 0.5


def colours(picture: Image.Image) -> "Pixels":
    """Return which share of an RGB picture has each of 64 colours."""
    import numpy as np  # noqa: PLC0415 - heavy, and only where thumbnails are chosen

    coarse = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.int64) // 64
    return np.bincount((coarse @ np.array([16, 4, 1])).ravel(), minlength=64) / _SIDE**2


def apart(one: "Pixels", other: "Pixels") -> float:
    """Return which share of two pictures, given by their `colours`, is in other colours, 0..1."""
    return float(abs(one - other).sum()) / 2


def bits(picture: Image.Image) -> int:
    """Return 64 bits of which neighbouring parts are brighter (N. Krawetz's difference hash)."""
    small = picture.convert("L").resize((9, 8), Image.Resampling.BOX).tobytes()
    rows = [small[at : at + 9] for at in range(0, 72, 9)]
    return sum((row[x] > row[x + 1]) << (8 * y + x) for y, row in enumerate(rows) for x in range(8))


def _differ(one: _Seen, other: _Seen) -> bool:
    moved = (one.bits ^ other.bits).bit_count() >= _APART_BITS
    return moved or apart(one.colours, other.colours) >= APART_SHARE
