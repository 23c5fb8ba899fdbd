"""Where captions are cut: words that are shown together, few enough to fit and for long enough to be read."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reelwright.rendering.scripts import columns
from reelwright.rendering.style import Manner
from reelwright.rendering.timeline import FPS, Word

CUE_MS = 6000
SHORTEST_FRAMES = 25
"""5/6 s: the shortest time that a caption stands (Netflix's timed text guide)."""
ENDS = re.compile(r"[.,!?;:…。、，！？；：،؛؟।][\"'”’)\]」』）]*$")
SENTENCE_ENDS = re.compile(r"[.!?…。！？؟।][\"'”’)\]」』）]*$")
_STRETCHED = 1.5  # times a page's usual columns: two full lines


class Piece(Word, frozen=True, array_like=True):
    """A spoken word as it is shown, or a phrase of one that has no spaces: `glued` to the piece before it."""

    glued: bool = False


Run = list[Piece]


def frame(ms: int) -> int:
    """Return the frame that is shown at a time."""
    return round(ms * FPS / 1000)


def length(part: Sequence[Piece]) -> int:
    """Return how many columns pieces take in one line."""
    return sum(columns(piece.text) + (not piece.glued) for piece in part) - (not part[0].glued)


def widest(manner: Manner) -> int:
    """Return how many columns a page may have where a shorter one could not be read in time."""
    return manner.columns if manner.quiet else round(manner.columns * _STRETCHED)


def cut(shown: Sequence[Piece], manner: Manner) -> list[Run]:
    """Cut pieces into pages, none across a scene: at clauses' ends, or, in a quiet style, at sentences' ends."""
    made: list[Run] = []
    for piece in shown:
        last = made[-1] if made else None
        if last is None or last[-1].scene != piece.scene or _full(last, piece, manner):
            made.append([])
        made[-1].append(piece)
    return [half for part in made for half in (even(part, manner.columns) if manner.quiet else [part])]


def _full(part: Sequence[Piece], following: Piece, manner: Manner) -> bool:
    if manner.quiet:
        return _ended(part)
    if ENDS.search(part[-1].text):
        return True
    words, wide = sum(not piece.glued for piece in part), length([*part, following])
    if frame(following.start_ms) - frame(part[0].start_ms) < SHORTEST_FRAMES:
        return wide > widest(manner)
    return wide > manner.columns or (words >= manner.words and not following.glued)


def sentences(shown: Sequence[Piece]) -> list[Run]:
    """Cut pieces where a sentence or a scene ends."""
    made: list[Run] = []
    for piece in shown:
        last = made[-1] if made else None
        if last is None or last[-1].scene != piece.scene or _ended(last):
            made.append([])
        made[-1].append(piece)
    return made


def even(sentence: Run, most: int) -> list[Run]:
    """Cut a sentence that is too long in two, at a clause's end near its middle if there is one, until all fits."""
    if len(sentence) == 1 or _fits(sentence, most):
        return [sentence]
    at = min(range(1, len(sentence)), key=lambda at: _uneven(sentence, at))
    return [*even(sentence[:at], most), *even(sentence[at:], most)]


def _fits(run: Run, most: int) -> bool:
    return length(run) <= most and run[-1].end_ms - run[0].start_ms <= CUE_MS


def _uneven(run: Run, at: int) -> float:
    apart = abs(length(run[:at]) - length(run[at:])) / length(run)
    return apart - (0.3 if ENDS.search(run[at - 1].text) else 0)


def apart(runs: Sequence[Run], begins: Callable[[Piece], int]) -> list[Run]:
    """Join runs that would begin at the same moment: the first of them would never be seen, or stand in the way."""
    made: list[Run] = []
    for run in runs:
        if made and begins(run[0]) <= begins(made[-1][0]):
            made[-1] = [*made[-1], *run]
        else:
            made.append(run)
    return made


@dataclass(frozen=True, slots=True)
class Lasting:
    """What makes runs last: at most so many columns, and `stands`, which knows whether there is time to read.

    It is asked with a run's first piece and that of the run behind it, None behind the last.
    """

    most: int
    stands: Callable[[Piece, Piece | None], bool]

    def of(self, runs: Sequence[Run]) -> list[Run]:
        """Join each run that stands too shortly to one beside it in its scene, and cut both anew if that is too much.

        What is alone in its scene stays as short as it is.
        """
        made, at = list(runs), 0
        while at < len(made):
            beside = [i for i in (at, at - 1) if 0 <= i < len(made) - 1 and made[i][-1].scene == made[i + 1][0].scene]
            if self.stands(made[at][0], _first(made, at + 1)) or not beside:
                at += 1
                continue
            ways = [(i, self._together(made[i] + made[i + 1], _first(made, i + 2))) for i in beside]
            at, better = min(ways, key=lambda way: (self._over(way[1]), _ended(made[way[0]])))
            made[at : at + 2] = better
        return made

    def _over(self, runs: Sequence[Run]) -> int:
        return sum(not _fits(run, self.most) for run in runs)

    def _together(self, both: Run, following: Piece | None) -> list[Run]:
        if _fits(both, self.most):
            return [both]
        cuts = [
            at
            for at in range(1, len(both))
            if self.stands(both[0], both[at]) and self.stands(both[at], following)
            if _fits(both[:at], self.most) and _fits(both[at:], self.most)
        ]
        if not cuts:
            return [both]
        at = min(cuts, key=lambda at: _uneven(both, at))
        return [both[:at], both[at:]]


def _ended(run: Sequence[Piece]) -> bool:
    return SENTENCE_ENDS.search(run[-1].text) is not None


def _first(runs: Sequence[Run], at: int) -> Piece | None:
    return runs[at][0] if at < len(runs) else None
