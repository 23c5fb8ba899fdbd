"""Where the camera looks at each moment: eased pan and zoom boxes, with sub-pixel corners."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

SMALLEST, LARGEST = 0.04, 0.5
JERK_PX, ZOOM_A_S = 0.05, 0.05
"""The most by which a step may differ from the one before, in pixels, and by which a zoom may grow in a second."""
_SMOOTH = 0.55
_LONG_SIDE, _FPS = 1920, 30
_STILL_PX = 1e-6
_ROOM = 0.8  # of JERK_PX: where the camera comes closer, pixels grow too

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Move:
    """How far a camera goes, as a share of the frame, and how much of smoothstep its way has, 0 (even) to 1."""

    amount: float
    smooth: float = _SMOOTH


def gentle(kind: str, amount: float, frames: int) -> Move:
    """Return the move that is made of `amount`, held within 0.04..0.5, where it is seen for so many frames.

    A zoom goes less far where it would go too fast; any move starts and ends less softly where it would jerk: the
    second derivative of smoothstep is 6 at most. Pixels are those of a frame whose longer side has 1920.
    """
    span = min(LARGEST, max(SMALLEST, amount))
    steps = max(1, frames - 1)
    if kind in {"push_in", "pull_out"}:
        span = min(span, ZOOM_A_S * steps / _FPS / (1 + _SMOOTH / 2))
    pixels = span * _LONG_SIDE
    return Move(span, min(_SMOOTH, _ROOM * JERK_PX * steps * steps / (6 * pixels)))


def eased(progress: float, smooth: float = _SMOOTH) -> float:
    """Return how much of the move is done at `progress` 0..1.

    A straight line blended with smoothstep (3p² - 2p³): soft at both ends, yet never still, so that no frame repeats
    and no move goes backwards (its slope is at least 1 - 0.55 of the straight line's).
    """
    p = min(1.0, max(0.0, progress))
    return (1 - smooth) * p + smooth * p * p * (3 - 2 * p)


@dataclass(frozen=True, slots=True)
class Smoothness:
    """The worst of a camera's way: a step's change in frame pixels, steps back, and a zoom's growth in a second."""

    jerk_px: float
    back: int
    zoom_a_s: float


def smoothness(way: Sequence[Box], *, width: int, height: int) -> Smoothness:
    """Measure what is seen of a picture through these boxes, one a frame, in a frame of that size.

    Five points of the picture are followed: those in the middle and the corners of the frame half-way.
    """
    left, top, right, bottom = way[len(way) // 2]
    points = [((left + right) / 2, (top + bottom) / 2), *((x, y) for x in (left, right) for y in (top, bottom))]
    jerk, back = 0.0, 0
    for x, y in points:
        for at in (
            [(x - b[0]) * width / (b[2] - b[0]) for b in way],
            [(y - b[1]) * height / (b[3] - b[1]) for b in way],
        ):
            steps = [b - a for a, b in pairwise(at)]
            whole = sum(steps)
            back = max(back, sum(step * whole < 0 and abs(step) > _STILL_PX for step in steps))
            jerk = max(jerk, max((abs(b - a) for a, b in pairwise(steps)), default=0.0))
    wide = [b[2] - b[0] for b in way]
    grown = max((abs(a / b - 1) for a, b in pairwise(wide)), default=0.0)
    return Smoothness(jerk, back, grown * _FPS)


def box(kind: str, amount: float, progress: float, *, width: int, height: int, smooth: float = _SMOOTH) -> Box:
    """Return the part of a picture, in its pixels, that fills the frame: (left, top, right, bottom).

    `kind` is push_in, pull_out or pan_left, pan_right, pan_up, pan_down: the way the camera goes. `amount` is how much
    of the frame the move spans (0.12 = zoom from 1.00 to 1.12); `gentle` says how much is good. Raises ValueError.
    """
    near = 1 / (1 + amount)
    done = eased(progress, smooth)
    if kind == "push_in":
        return _centred(1 - (1 - near) * done, width, height)
    if kind == "pull_out":
        return _centred(near + (1 - near) * done, width, height)
    free_x, free_y = width * (1 - near), height * (1 - near)
    corners = {
        "pan_right": (free_x * done, free_y / 2),
        "pan_left": (free_x * (1 - done), free_y / 2),
        "pan_down": (free_x / 2, free_y * done),
        "pan_up": (free_x / 2, free_y * (1 - done)),
    }
    if kind not in corners:
        msg = f"no such motion: {kind}"
        raise ValueError(msg)
    left, top = corners[kind]
    return (left, top, left + width * near, top + height * near)


def _centred(share: float, width: int, height: int) -> Box:
    wide, high = width * share, height * share
    return ((width - wide) / 2, (height - high) / 2, (width + wide) / 2, (height + high) / 2)
