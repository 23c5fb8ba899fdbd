"""What each chunk of a reel shows besides its scenes' pictures, as one name: in one style, the same frames."""

from hashlib import sha256

import msgspec

from reelwright.rendering.captions import Part, parts, spoken
from reelwright.rendering.fonts import Chain
from reelwright.rendering.safearea import safe_area
from reelwright.rendering.scripts import is_turkish, language, rightwards
from reelwright.rendering.style import FONTS, MANNERS
from reelwright.rendering.timeline import FPS, Card, Shot, Timeline

_RECIPE = "look/4"
_Look = tuple[str, tuple[int, ...], int]


def looks(timeline: Timeline) -> tuple[_Look, ...]:
    """Return for each chunk its name, the scenes that are seen in it, in order, and its length in milliseconds.

    A scene's number is in no name: what is shown of it is its picture, which counts beside this. The style is in none
    either: each name holds what every style cuts the words into, and a style has its own name (`Style.named`).
    """
    shown = tuple({part: None for manner in MANNERS.values() for part in parts(timeline, manner)})
    text = spoken(timeline)
    area = safe_area(timeline.platform, width=timeline.width, height=timeline.height)
    reel = (timeline.width, timeline.height, FPS, (area.left, area.top, area.right, area.bottom))
    fonts = [Chain.of(font, text.split()).chosen for font in FONTS]
    letters = (language(text), rightwards(text), is_turkish(text), fonts) if text else ()
    return tuple(_look(timeline, (reel, letters), shown, chunk) for chunk in timeline.chunks())


def _look(timeline: Timeline, reel: tuple[object, ...], shown: tuple[Part, ...], chunk: tuple[int, int]) -> _Look:
    first, last = chunk
    shots = timeline.seen(first, last)
    captions = [part for part in shown if part.turns[0] < last and part.end > first]
    what = (
        _RECIPE,
        (*reel, first, last),
        [_moving(shot) for shot in shots],
        [(p.turns, p.ends, p.end, p.lights, [(piece.text, piece.glued) for piece in p.pieces]) for p in captions],
        _cards(timeline, first, last),
    )
    name = sha256(msgspec.json.encode(what)).hexdigest()
    return name, tuple(shot.scene for shot in shots), round((last - first) * 1000 / FPS)


def _cards(timeline: Timeline, first: int, last: int) -> list[tuple[Card, int]]:
    """Return the cards that are seen in frames [first, last), and where they end or begin."""
    opening, closing = timeline.shots[0].start, timeline.shots[-1].end
    intro = [(timeline.intro, opening)] if timeline.intro and first < opening else []
    return intro + ([(timeline.outro, closing)] if timeline.outro and last > closing else [])


def _moving(shot: Shot) -> tuple[object, ...]:
    return (shot.start, shot.end, shot.before, shot.after, shot.motion, round(shot.amount, 4), shot.transition)
