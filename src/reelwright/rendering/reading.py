"""Whether captions can be read: their lines, their letters a second, and how long each of them stands."""

from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

from reelwright.rendering.captions import CUE_GAP_MS, CUE_SHORTEST_MS, Cue, parts
from reelwright.rendering.gates import Check
from reelwright.rendering.paging import CUE_MS, SHORTEST_FRAMES
from reelwright.rendering.style import CLASSIC, MANNERS, Style
from reelwright.rendering.timeline import FPS, Timeline

LINES, CHARACTERS, CPS = 2, 42, 20.0  # Netflix's timed text guide: lines, letters a line and a second
SPOKEN_CPS = 15.0  # letters a second: who speaks quicker than this is read so much quicker, word for word


def letters(files: Sequence[Sequence[Cue]], spoken_cps: float = SPOKEN_CPS) -> Check:
    """Judge subtitles by the worst of their lines, letters a line, letters a second, seconds.

    A line of one word, an address say, may be longer.
    """
    limit = [LINES, CHARACTERS, round(CPS * max(1.0, spoken_cps / SPOKEN_CPS), 1), CUE_MS / 1000 + 1]
    if not (cues := [*chain(*files)]):
        return Check("caption_reading", None, None, limit)
    lines, longest = max(len(c.lines) for c in cues), max(_breakable(line) for c in cues for line in c.lines)
    speed = max(sum(map(len, c.lines)) * 1000 / max(1, c.end_ms - c.start_ms) for c in cues)
    longest_s = max(c.end_ms - c.start_ms for c in cues) / 1000
    worst = [lines, longest, round(speed, 1), round(longest_s, 2)]
    return Check("caption_reading", all(a <= b for a, b in zip(worst, limit, strict=True)), worst, limit)


def _breakable(line: str) -> int:
    return len(line) if " " in line else min(len(line), CHARACTERS)


def stays(files: Sequence[Sequence[Cue]], timeline: Timeline | None, style: Style = CLASSIC) -> Check:
    """Judge how long the shortest subtitle stands, what is between two, and how long the shortest drawn page stands.

    What is alone in its scene, and is shown until the next scene's words, can't be shown for longer.
    """
    limit = [round(CUE_SHORTEST_MS / 1000, 2), CUE_GAP_MS, round(SHORTEST_FRAMES / FPS, 2)]
    stood, gaps, pages = list[int](), list[int](), list[int]()
    for cues in files:
        spans = [_Span(c.start_ms, c.end_ms, _scene(c, timeline)) for c in cues]
        stood += _lengths(spans, CUE_GAP_MS, None if timeline is None else timeline.duration_ms)
        gaps += [b.start_ms - a.end_ms for a, b in pairwise(cues) if a.end_ms > a.start_ms + 1]
    if timeline is not None:
        drawn = [_Span(p.turns[0], p.end, p.pieces[0].scene) for p in parts(timeline, MANNERS[style.name])]
        pages += _lengths(drawn, 0, timeline.frames)
    cue, gap, page = (min(found, default=None) for found in (stood, gaps, pages))
    if cue is gap is page is None:
        return Check("caption_stays", None, None, limit)
    least = (
        (cue, CUE_SHORTEST_MS - 1),
        (gap, CUE_GAP_MS - 1),
        (page, SHORTEST_FRAMES),
    )  # subtitles know whole ms alone
    value = [cue and round(cue / 1000, 3), gap, page and round(page / FPS, 3)]
    return Check("caption_stays", all(one is None or one >= wanted for one, wanted in least), value, limit)


class _Span(NamedTuple):
    start: int
    end: int
    scene: int


def _lengths(spans: Sequence[_Span], gap: int, over: int | None) -> Iterator[int]:
    scenes = [span.scene for span in spans]
    nexts = [*(span.start - gap for span in spans[1:]), over]
    for i, (span, until) in enumerate(zip(spans, nexts, strict=False)):
        alone = span.scene not in {*scenes[max(0, i - 1) : i], *scenes[i + 1 : i + 2]}
        if not (alone and until is not None and span.end >= until):
            yield span.end - span.start


def _scene(cue: Cue, timeline: Timeline | None) -> int:
    shots = () if timeline is None else timeline.shots
    return sum(shot.start * 1000 <= (cue.start_ms + 1) * FPS for shot in shots)
