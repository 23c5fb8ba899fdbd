"""From narration lengths to a frame-exact plan of the whole reel; pure, and kept as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import overload

import msgspec

from reelwright.rendering.motion import Box, box, gentle

FPS = 30
SAMPLE_RATE = 48_000
SAMPLES_A_FRAME = SAMPLE_RATE // FPS
CHUNK_FRAMES = 150
PAUSE_FRAMES = 8
SHORTEST_PAUSE_FRAMES = 3
CARD_FADE_FRAMES = 8
PREVIEW_SIDE = 360  # pixels
_EVEN = 3  # frames
NUDGE_MS = 120
"""As far as a cut is moved to a beat: what is planned stays about as it was."""


class Word(msgspec.Struct, frozen=True, array_like=True):
    """A spoken word as shown, its times in milliseconds, and the scene that speaks it."""

    text: str
    start_ms: int
    end_ms: int
    scene: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """A scene's plan and, where it speaks, its narration's length and words (times from the narration's start).

    `by_sentence`: of the words, only where sentences begin and end was heard.
    """

    duration_ms: int
    motion: str
    amount: float
    transition: str
    transition_frames: int
    narration_ms: int = 0
    words: tuple[Word, ...] = ()
    by_sentence: bool = False


class Shot(msgspec.Struct, frozen=True):
    """A scene in frames. It begins at `start`, in the middle of the transition that leads to it, and ends at `end`.

    `before` and `after` are the frames it is seen beyond these, while a transition shares them with its neighbour.
    `transition` leads to the next shot. `speech_ms` is where its narration lies in the reel, or None. `by_sentence`:
    where its sentences begin and end was heard, and its single words' times are shares of that.
    """

    scene: int
    start: int
    end: int
    before: int
    after: int
    motion: str
    amount: float
    transition: str
    speech_ms: tuple[int, int] | None = None
    by_sentence: bool = False

    @property
    def seen(self) -> range:
        """All frames in which it is seen, transitions included."""
        return range(self.start - self.before, self.end + self.after)

    def progress(self, frame: int) -> float:
        """Return how far its motion is at a frame, 0..1 over all frames in which it is seen."""
        return (frame - self.seen[0]) / max(1, len(self.seen) - 1)

    def window(self, frame: int, *, width: int, height: int) -> Box:
        """Return the part of its picture, which has that size, that fills a frame: (left, top, right, bottom)."""
        move = gentle(self.motion, self.amount, len(self.seen))
        return box(self.motion, move.amount, self.progress(frame), width=width, height=height, smooth=move.smooth)


class Card(msgspec.Struct, frozen=True):
    """A title that stands before or behind the scenes for so many frames."""

    text: str
    frames: int


class Timeline(msgspec.Struct, frozen=True, tag="timeline/1"):
    """The whole reel: frame size in pixels, the platform whose safe area binds, shots, and words with reel times.

    Where there is an intro, the first shot begins behind it. Cards and scenes fade into each other within the cards.
    """

    width: int
    height: int
    platform: str
    target_frames: int
    shots: tuple[Shot, ...]
    words: tuple[Word, ...]
    intro: Card | None = None
    outro: Card | None = None

    @property
    def frames(self) -> int:
        """Length in frames."""
        return self.shots[-1].end + (self.outro.frames if self.outro else 0)

    @property
    def samples(self) -> int:
        """Length in audio samples at 48 kHz."""
        return self.frames * SAMPLES_A_FRAME

    @property
    def duration_ms(self) -> int:
        """Length in milliseconds, rounded."""
        return milliseconds(self.frames)

    def chunks(self) -> tuple[tuple[int, int], ...]:
        """Return the frame ranges [a, b) that are encoded side by side, about five seconds each and alike in length.

        Each but the last is a whole number of tenths of a second: MP4 rounds a file's length to milliseconds, by which
        the join lays the next one.
        """
        count = max(1, round(self.frames / CHUNK_FRAMES))
        edges = [self.frames * i // count // _EVEN * _EVEN for i in range(count)]
        return tuple(pairwise((*edges, self.frames)))

    def card(self, frame: int) -> tuple[Card, float, float] | None:
        """Return the card that is seen at a frame, how far it is (0..1), and how much of it is seen (1: all)."""
        start, end = self.shots[0].start, self.shots[-1].end
        if self.intro is not None and frame < start:
            return self.intro, frame / start, min(1.0, (start - frame) / (CARD_FADE_FRAMES + 1))
        if self.outro is not None and frame >= end:
            return self.outro, (frame - end) / self.outro.frames, min(1.0, (frame - end + 1) / (CARD_FADE_FRAMES + 1))
        return None

    def seen(self, first: int, last: int) -> tuple[Shot, ...]:
        """Return the shots of which some frame in [first, last) shows something."""
        return tuple(s for s in self.shots if s.start - s.before < last and s.end + s.after > first)


def sized(timeline: Timeline, width: int, height: int) -> Timeline:
    """Return the same reel in frames of that size: it may have been planned for another."""
    return msgspec.structs.replace(timeline, width=width, height=height)


def preview(timeline: Timeline) -> Timeline:
    """Return the same reel in small: its shorter side has 360 pixels."""
    scale = PREVIEW_SIDE / min(timeline.width, timeline.height)
    width, height = (round(side * scale / 2) * 2 for side in (timeline.width, timeline.height))
    return sized(timeline, width, height)


def milliseconds(frames: int) -> int:
    """Return the time of a frame in milliseconds."""
    return round(frames * 1000 / FPS)


def plan(
    takes: Sequence[Take],
    *,
    target_ms: int,
    width: int,
    height: int,
    platform: str,
    intro: Card | None = None,
    outro: Card | None = None,
) -> Timeline:
    """Lay the scenes end to end, each narration at the very start of its scene.

    The reel is as long as the target, to the frame, whenever the narrations fit: what is left over becomes pauses, near
    the planned lengths. If they don't fit it is as long as they need, with a pause of 100 ms each; speech is never cut.
    Cards come on top of that. Raises ValueError without scenes.
    """
    if not takes:
        msg = "a reel has at least one scene"
        raise ValueError(msg)
    target = round(target_ms * FPS / 1000)
    lengths = _lengths(takes, target)
    opening, closing = (card.frames if card else 0 for card in (intro, outro))
    starts = [opening + sum(lengths[:i]) for i in range(len(lengths))]
    windows = [_window(takes[i], lengths[i], lengths[i + 1]) for i in range(len(takes) - 1)]
    before = [CARD_FADE_FRAMES if intro else 0, *(frames for frames, _ in windows)]
    after = [*(frames for _, frames in windows), CARD_FADE_FRAMES if outro else 0]
    shots: list[Shot] = []
    words: list[Word] = []
    for i, take in enumerate(takes):
        at_ms = milliseconds(starts[i])
        shots.append(
            Shot(
                scene=i,
                start=starts[i],
                end=starts[i] + lengths[i],
                before=before[i],
                after=after[i],
                motion=take.motion,
                amount=take.amount,
                transition=take.transition,
                speech_ms=(at_ms, at_ms + take.narration_ms) if take.narration_ms else None,
                by_sentence=take.by_sentence,
            )
        )
        words += [Word(w.text, at_ms + w.start_ms, at_ms + w.end_ms, i) for w in take.words]
    target += opening + closing
    return Timeline(width, height, platform, target, tuple(shots), tuple(words), intro, outro)


def on_beats(timeline: Timeline, *, bpm: float, first_beat_ms: float) -> Timeline:
    """Move each cut to the nearest beat, where one is within 120 ms and the pauses on both sides have the room.

    Narrations move with their scenes, and none is cut or runs into the next. The reel stays as long as it is.
    """
    shots, beat_ms = timeline.shots, 60_000 / bpm
    starts = [*(shot.start for shot in shots), shots[-1].end]
    for at in range(1, len(shots)):
        wanted_ms = starts[at] * 1000 / FPS
        beat = first_beat_ms + round((wanted_ms - first_beat_ms) / beat_ms) * beat_ms
        frame = round(beat * FPS / 1000)
        least = starts[at - 1] + _spoken_frames(shots[at - 1]) + SHORTEST_PAUSE_FRAMES
        most = starts[at + 1] - _spoken_frames(shots[at]) - SHORTEST_PAUSE_FRAMES
        if abs(frame - starts[at]) * 1000 <= NUDGE_MS * FPS and least <= frame <= most:
            starts[at] = frame
    moved_ms = {s.scene: milliseconds(start) - milliseconds(s.start) for s, start in zip(shots, starts, strict=False)}
    moved = tuple(
        msgspec.structs.replace(shot, start=start, end=end, speech_ms=_later(shot.speech_ms, moved_ms[shot.scene]))
        for shot, (start, end) in zip(shots, pairwise(starts), strict=True)
    )
    words = tuple(Word(w.text, *_later((w.start_ms, w.end_ms), moved_ms[w.scene]), w.scene) for w in timeline.words)
    return msgspec.structs.replace(timeline, shots=moved, words=words)


def _spoken_frames(shot: Shot) -> int:
    if shot.speech_ms is None:
        return 0
    start_ms, end_ms = shot.speech_ms
    return -(-(end_ms - start_ms) * FPS // 1000)


@overload
def _later(times: tuple[int, int], by_ms: int) -> tuple[int, int]: ...
@overload
def _later(times: tuple[int, int] | None, by_ms: int) -> tuple[int, int] | None: ...
def _later(times: tuple[int, int] | None, by_ms: int) -> tuple[int, int] | None:
    return None if times is None else (times[0] + by_ms, times[1] + by_ms)


def _lengths(takes: Sequence[Take], target: int) -> list[int]:
    spoken = [-(-take.narration_ms * FPS // 1000) for take in takes]
    pause = min(PAUSE_FRAMES, max(SHORTEST_PAUSE_FRAMES, (target - sum(spoken)) // len(takes)))
    least = [frames + pause for frames in spoken]
    spare = target - sum(least)
    if spare <= 0:
        return least
    planned = [take.duration_ms * FPS / 1000 for take in takes]
    scale = target / max(1.0, sum(planned))
    wanted = [max(0.0, p * scale - n) for p, n in zip(planned, least, strict=True)]
    whole = sum(wanted) or float(len(takes))
    running, given, lengths = 0.0, 0, list[int]()
    for need, want in zip(least, wanted, strict=True):
        running += (want if sum(wanted) else 1.0) * spare / whole
        lengths.append(need + round(running) - given)
        given = round(running)
    return lengths


def _window(take: Take, length: int, following: int) -> tuple[int, int]:
    """Return a transition's frames before and after the cut; no scene gives more than a third of itself to one side."""
    frames = min(take.transition_frames, 2 * (min(length, following) // 3))
    return frames // 2, frames - frames // 2
