"""What each chunk of a reel shows besides its scenes' pictures, as one name: two of one name are the same frames."""

from hashlib import sha256

import msgspec

from reelwright.rendering.captions import Group, groups
from reelwright.rendering.timeline import FPS, Shot, Timeline

_RECIPE = "look/1"
_Look = tuple[str, tuple[int, ...], int]


def looks(timeline: Timeline) -> tuple[_Look, ...]:
    """Return for each chunk its name, the scenes that are seen in it, in order, and its length in milliseconds.

    A scene's number is in no name: what is shown of it is its picture, which counts beside this.
    """
    shown = groups(timeline)
    return tuple(_look(timeline, shown, first, last) for first, last in timeline.chunks())


def _look(timeline: Timeline, shown: tuple[Group, ...], first: int, last: int) -> _Look:
    shots = timeline.seen(first, last)
    captions = [group for group in shown if group.turns[0] < last and group.end > first]
    what = (
        _RECIPE,
        (timeline.width, timeline.height, FPS, first, last),
        [_moving(shot) for shot in shots],
        [(group.turns, group.end, group.block) for group in captions],
    )
    name = sha256(msgspec.json.encode(what)).hexdigest()
    return name, tuple(shot.scene for shot in shots), round((last - first) * 1000 / FPS)


def _moving(shot: Shot) -> tuple[object, ...]:
    return (shot.start, shot.end, shot.before, shot.after, shot.motion, round(shot.amount, 4), shot.transition)
