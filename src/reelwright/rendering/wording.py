"""How captions stand to the voice: whether they show what is said, and how late each of them begins."""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import structs

from reelwright.rendering import captions
from reelwright.rendering.captions import Cue, Part, groups
from reelwright.rendering.safearea import Area
from reelwright.rendering.style import CLASSIC, MANNERS, Style
from reelwright.rendering.timeline import FPS, Timeline, Word

FORMS = {"srt": captions.srt, "vtt": captions.vtt}
"""How subtitles are written, by the name of their form."""
PICTURE = "picture"
_AROUND = 0.3  # of a letter's size: a shadow reaches 0.28 beyond its letters


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late captions begin, in milliseconds, less than 0 where they are early; and what shows other words.

    `late_ms` has every word that lights up in the picture and every subtitle of each form; `other` names `picture` and
    the forms that show other words than the voice says, or more, or fewer: of these no time is told.
    """

    late_ms: tuple[float, ...]
    other: tuple[str, ...]

    @property
    def worst_ms(self) -> float:
        """The one that is furthest off."""
        return max(self.late_ms, key=abs, default=0.0)

    @property
    def usual_ms(self) -> float:
        """Their 95th percentile, however the sign: nineteen of twenty are nearer."""
        off = sorted(map(abs, self.late_ms))
        return off[max(0, -(-len(off) * 95 // 100) - 1)] if off else 0.0


def as_said(timeline: Timeline, voices: Mapping[int, tuple[Word, ...]], lags_ms: Mapping[int, float]) -> Timeline:
    """Return the same reel with the words as they are heard.

    `voices` are the narrations' own words by scene, their times from its start; `lags_ms` is how late each narration
    was found behind where it was planned.
    """
    words: list[Word] = []
    for shot in timeline.shots:
        if shot.speech_ms is not None:
            at_ms = shot.speech_ms[0] + round(lags_ms.get(shot.scene, 0.0))
            said = voices.get(shot.scene, ())
            words += [Word(w.text, at_ms + w.start_ms, at_ms + w.end_ms, shot.scene) for w in said]
    return structs.replace(timeline, words=tuple(words))


def lateness(
    timeline: Timeline, said: Timeline, subtitles: Mapping[str, tuple[Cue, ...]], style: Style = CLASSIC
) -> Lateness:
    """Hold the captions that a plan draws, and the subtitles delivered in every form, against what `said` says when."""
    manner, late, other = MANNERS[style.name], list[float](), list[str]()
    drawn, spoken = (_pieces(captions.parts(one, manner)) for one in (timeline, said))
    if [text for text, _, _ in drawn] != [text for text, _, _ in spoken]:
        other.append(PICTURE)
    else:
        late += [turn * 1000 / FPS - start_ms for (_, turn, _), (_, _, start_ms) in zip(drawn, spoken, strict=True)]
    for form in FORMS:
        shown, wanted = subtitles.get(form, ()), written(said, form, like=timeline)
        if [cue.lines for cue in shown] != [cue.lines for cue in wanted]:
            other.append(form)
        else:
            late += [a.start_ms - b.start_ms for a, b in zip(shown, wanted, strict=True)]
    return Lateness(tuple(late), tuple(other))


def _pieces(parts: tuple[Part, ...]) -> list[tuple[str, int, int]]:
    """Return each piece's text, the frame at which it lights up, and when it is to begin."""
    return [(p.text, turn, p.start_ms) for part in parts for p, turn in zip(part.pieces, part.turns, strict=True)]


def written(timeline: Timeline, form: str, *, like: Timeline | None = None) -> tuple[Cue, ...]:
    """Return a reel's subtitles as they read once they are written in that form, cut `like` another plan's."""
    return read(FORMS[form](timeline, like))


def covered(timeline: Timeline, style: Style = CLASSIC) -> Area | None:
    """Return the part of the frame in which captions are ever drawn, shadows and swelling words included; or none."""
    blocks = [group.block for group in groups(timeline, style)]
    if not blocks:
        return None
    around = round(max(block.size for block in blocks) * _AROUND)
    return Area(
        max(0, min(block.ink.left for block in blocks) - around),
        max(0, min(block.ink.top for block in blocks) - around),
        min(timeline.width, max(block.ink.right for block in blocks) + around),
        min(timeline.height, max(block.ink.bottom for block in blocks) + around),
    )


def read(text: str) -> tuple[Cue, ...]:
    """Read subtitles; none where there are none."""
    try:
        return captions.read(text)
    except ValueError:
        return ()


def letters_a_second(timeline: Timeline) -> float:
    """Return how quickly a reel is spoken on the whole: letters and the spaces between words, pauses left out."""
    letters, spoken_ms = 0, 0
    for shot in timeline.shots:
        words = [word for word in timeline.words if word.scene == shot.scene]
        if words:
            letters += sum(len(word.text) + 1 for word in words) - 1
            spoken_ms += words[-1].end_ms - words[0].start_ms
    return letters * 1000 / max(1, spoken_ms)
