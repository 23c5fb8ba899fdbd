"""Where the camera looks at each moment: eased pan and zoom boxes, with sub-pixel corners."""

SMALLEST, LARGEST = 0.04, 0.5
_SMOOTH = 0.55

Box = tuple[float, float, float, float]


def eased(progress: float) -> float:
    """Return how much of the move is done at `progress` 0..1.

    A straight line blended with smoothstep (3p² - 2p³): soft at both ends, yet never still, so that no frame repeats
    and no move goes backwards (its slope is at least 1 - 0.55 of the straight line's).
    """
    p = min(1.0, max(0.0, progress))
    return (1 - _SMOOTH) * p + _SMOOTH * p * p * (3 - 2 * p)


def box(kind: str, amount: float, progress: float, *, width: int, height: int) -> Box:
    """Return the part of a picture, in its pixels, that fills the frame: (left, top, right, bottom).

    `kind` is push_in, pull_out or pan_left, pan_right, pan_up, pan_down: the way the camera goes. `amount` is how much
    of the frame the move spans (0.12 = zoom from 1.00 to 1.12), held within 0.04..0.5. Raises ValueError.
    """
    near = 1 / (1 + min(LARGEST, max(SMALLEST, amount)))
    done = eased(progress)
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
