"""Captions word by word: groups with times and places, and the same words as SRT and WebVTT side files."""

import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from msgspec import structs

from reelwright.ground.errors import Refusal
from reelwright.rendering import paging
from reelwright.rendering.fonts import Chain, lacking
from reelwright.rendering.lettering import Block, Page, lay_out
from reelwright.rendering.paging import SENTENCE_ENDS, SHORTEST_FRAMES, Lasting, Piece, Run, frame, length, widest
from reelwright.rendering.safearea import Area, safe_area
from reelwright.rendering.scripts import (
    capitals,
    cleaned,
    columns,
    is_turkish,
    language,
    pieces,
    rightwards,
    spaceless,
)
from reelwright.rendering.style import CLASSIC, MANNERS, Manner, Style
from reelwright.rendering.timeline import Shot, Timeline, Word

COLUMNS_A_WORD = 24  # a longer one, an address say, is cut: it would be too small to read
LONGEST_TOKEN = 200
_NAMED = 8
LINGER_MS = 350
CUE_CHARACTERS, LINE_CHARACTERS = 64, 32
CUE_SHORTEST_MS, CUE_GAP_MS = 834, 67  # 5/6 s and two frames (Netflix's timed text guide)
_WORD_JOINER = "\u2060"


class NoLetters(Refusal):
    """The words are in a script that no caption font draws."""

    code = "captions.no_letters"


@dataclass(frozen=True, slots=True)
class Group:
    """Words shown together. `turns[i]` is the frame at which word i lights up; the group is gone at frame `end`.

    `ends[i]` is the frame at which word i has been said. `whole` says whether the fonts have every letter of it. Where
    it doesn't light up single words (`lights`), nobody heard when each is said, and `turns` are shares of the sentence.
    """

    block: Block
    turns: tuple[int, ...]
    end: int
    whole: bool
    ends: tuple[int, ...]
    lights: bool = True

    def lit(self, frame: int) -> int | None:
        """Return at which word it is at a frame, or None while the group isn't shown."""
        if not self.turns[0] <= frame < self.end:
            return None
        return sum(turn <= frame for turn in self.turns) - 1


@dataclass(frozen=True, slots=True)
class Part:
    """What one group shows, before it is laid out: pieces, and frames as in `Group`."""

    pieces: tuple[Piece, ...]
    turns: tuple[int, ...]
    ends: tuple[int, ...]
    end: int
    lights: bool = True


def groups(timeline: Timeline, style: Style = CLASSIC) -> tuple[Group, ...]:
    """Cut a reel's words into a style's groups, none across a scene or a clause, and lay them out.

    They stand inside the platform's safe area, in time order without overlap.
    """
    manner, text = MANNERS[style.name], spoken(timeline)
    turkish, chain = manner.capitals and is_turkish(text), Chain.of(style.font, text.split())
    page = Page(
        width=timeline.width,
        height=timeline.height,
        area=_room(timeline, style),
        manner=manner,
        chain=chain,
        rtl=rightwards(text),
        language=language(text),
    )
    made: list[Group] = []
    for part in parts(timeline, manner):
        shown = [(capitals(p.text, turkish=turkish) if manner.capitals else p.text, p.glued) for p in part.pieces]
        whole = all(chain.drawable(word.text)[1] for word in part.pieces)
        made.append(Group(lay_out(shown, page), part.turns, part.end, whole, part.ends, part.lights))
    return tuple(made)


def spoken(timeline: Timeline) -> str:
    """Return all that is said in a reel, cleaned."""
    return _shown(word.text for word in timeline.words)


def _room(timeline: Timeline, style: Style) -> Area:
    """Return where captions may stand: the safe area, less what a logo in a lower corner takes."""
    area = safe_area(timeline.platform, width=timeline.width, height=timeline.height)
    if style.logo is None or not style.logo.corner.startswith("bottom"):
        return area
    taken = style.logo.room(timeline.width, timeline.height)[1] + round(timeline.height * 0.01)
    return Area(area.left, area.top, area.right, area.bottom - taken)


def parts(timeline: Timeline, manner: Manner) -> tuple[Part, ...]:
    """Cut a reel's words into groups of at most so many words and columns; nothing is measured."""
    cut = paging.cut([structs.replace(p, text=_short(p.text)) for p in _pieces(timeline, _drawable)], manner)
    cut = paging.apart(cut, lambda piece: min(frame(piece.start_ms), timeline.frames - 1))
    cut = Lasting(widest(manner), lambda one, after: _frames(timeline, one, after) >= SHORTEST_FRAMES).of(cut)
    unheard = {shot.scene for shot in timeline.shots if shot.by_sentence}
    made: list[Part] = []
    for i, part in enumerate(cut):
        following = frame(cut[i + 1][0].start_ms) if i + 1 < len(cut) else timeline.frames
        turns = _turns([piece.start_ms for piece in part], timeline.frames - 1)
        lingers = max(frame(part[-1].end_ms + LINGER_MS), turns[0] + SHORTEST_FRAMES)
        end = max(min(following, lingers, timeline.frames), turns[0] + 1)
        nexts = (*turns[1:], end)
        ends = (min(after, max(turn + 1, frame(p.end_ms))) for p, turn, after in zip(part, turns, nexts, strict=True))
        made.append(Part(tuple(part), turns, tuple(ends), end, part[0].scene not in unheard))
    return tuple(made)


def _frames(timeline: Timeline, one: Piece, after: Piece | None) -> int:
    return (timeline.frames if after is None else frame(after.start_ms)) - frame(one.start_ms)


def audible(timeline: Timeline, shot: Shot) -> tuple[Word, ...]:
    """Return a scene's words as far as their times were heard: each, or each sentence as a whole."""
    words = [word for word in timeline.words if word.scene == shot.scene]
    if not shot.by_sentence:
        return tuple(words)
    sentences: list[list[Word]] = [[]]
    for word in words:
        sentences[-1].append(word)
        if SENTENCE_ENDS.search(word.text):
            sentences.append([])
    return tuple(
        Word(" ".join(word.text for word in said), said[0].start_ms, said[-1].end_ms, shot.scene)
        for said in sentences
        if said
    )


def _drawable(text: str) -> str:
    return Chain("poppins").drawable(cleaned(text[:LONGEST_TOKEN]))[0]


def _pieces(timeline: Timeline, shown: Callable[[str], str]) -> list[Piece]:
    """Return what is shown of each word, if anything; phrases where a language has no spaces."""
    made: list[Piece] = []
    tongue = language(spoken(timeline))
    for word in timeline.words:
        if not (text := shown(word.text)):
            continue
        cut = pieces(text, tongue)
        total, said, length_ms = sum(map(len, cut)), 0, word.end_ms - word.start_ms
        for i, phrase in enumerate(cut):
            start, said = word.start_ms + length_ms * said // total, said + len(phrase)
            glued = i > 0 or bool(made and made[-1].scene == word.scene and spaceless(made[-1].text, phrase))
            made.append(Piece(phrase, start, word.start_ms + length_ms * said // total, word.scene, glued))
    return made


def undrawn(words: Iterable[str]) -> list[str]:
    """Return the letters, digits and marks of these words that no caption font has, whichever is chosen."""
    return [*lacking(_shown(words))]


def require_letters(text: str, *, field: str = "language") -> None:
    """Raise NoLetters where a letter of a narration can't be drawn: a word without it misleads.

    `field` is what to mend.
    """
    if letters := [*islice(lacking(_shown(text.split())), _NAMED + 1)]:
        named = " ".join(letters[:_NAMED]) + (" …" if len(letters) > _NAMED else "")
        raise NoLetters(
            f"No caption font has {named}: write these words in other letters, or choose another language.",
            field=field,
        )


def _shown(words: Iterable[str]) -> str:
    return " ".join(cleaned(word[:LONGEST_TOKEN]) for word in words)


def _short(text: str) -> str:
    while columns(text) > COLUMNS_A_WORD:
        text = text[: -2 if text.endswith("…") else -1] + "…"
    return text


def _turns(starts_ms: Sequence[int], last: int) -> tuple[int, ...]:
    turns: list[int] = []
    for start in starts_ms:
        turns.append(max(min(frame(start), last), turns[-1] if turns else 0))
    return tuple(turns)


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle: times in milliseconds and its lines; ours have at most two."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Its words in order."""
        return tuple(" ".join(self.lines).split())


def cues(timeline: Timeline, like: Timeline | None = None) -> tuple[Cue, ...]:
    """Return the words as subtitles: by sentence, at most 64 columns and 6 s each, in order, none past the end.

    Ideographs take two columns. A longer sentence is cut in like parts, so that its last word isn't left alone. One
    that would stand for less than 5/6 s is joined to one beside it, and two frames are between two. They are cut
    `like` those of another plan of the same words: times that differ a little change no cut.
    """
    runs = _runs(timeline)
    if like is not None:
        counts, pieces = [len(run) for run in _runs(like)], [piece for run in runs for piece in run]
        ends = [*accumulate(counts)]
        if ends[-1:] == [len(pieces)]:
            runs = [pieces[end - n : end] for n, end in zip(counts, ends, strict=True)]
    made: list[Cue] = []
    for i, run in enumerate(runs):
        following = runs[i + 1][0].start_ms - CUE_GAP_MS if i + 1 < len(runs) else timeline.duration_ms
        start = min(run[0].start_ms, timeline.duration_ms - 1)
        lingers = max(run[-1].end_ms + LINGER_MS, start + CUE_SHORTEST_MS)
        made.append(Cue(start, max(start + 1, min(lingers, following, timeline.duration_ms)), _lines(run)))
    return tuple(made)


def _runs(timeline: Timeline) -> list[Run]:
    sentences = paging.sentences(_pieces(timeline, cleaned))
    runs = [run for sentence in sentences for run in paging.even(sentence, CUE_CHARACTERS)]
    runs = paging.apart(runs, lambda piece: min(piece.start_ms, timeline.duration_ms - 1))

    def stands(one: Piece, after: Piece | None) -> bool:
        end_ms = timeline.duration_ms if after is None else after.start_ms - CUE_GAP_MS
        return end_ms - one.start_ms >= CUE_SHORTEST_MS

    return Lasting(CUE_CHARACTERS, stands).of(runs)


def _lines(run: Sequence[Piece]) -> tuple[str, ...]:
    if length(run) <= LINE_CHARACTERS or len(run) == 1:
        return (_joined(run),)
    best = min(range(1, len(run)), key=lambda cut: max(length(run[:cut]), length(run[cut:])))
    return (_joined(run[:best]), _joined(run[best:]))


def _joined(run: Sequence[Piece]) -> str:
    return "".join(piece.text if piece.glued or not i else f" {piece.text}" for i, piece in enumerate(run))


def srt(timeline: Timeline, like: Timeline | None = None) -> str:
    """Return the captions as SubRip, cut as in `cues`.

    It knows no escapes: a word joiner keeps `<`, `{` and `-->` from being markup.
    """
    out: list[str] = []
    for number, cue in enumerate(cues(timeline, like), start=1):
        text = re.sub(r"([<{\\])", rf"\1{_WORD_JOINER}", "\n".join(cue.lines)).replace("-->", f"--{_WORD_JOINER}>")
        out.append(f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{text}\n")
    return "\n".join(out)


def vtt(timeline: Timeline, like: Timeline | None = None) -> str:
    """Return the captions as WebVTT (W3C, section 4.2), cut as in `cues`.

    `&`, `<` and `>` are escaped, so no text can be markup.
    """
    out = ["WEBVTT\n"]
    for cue in cues(timeline, like):
        text = html.escape("\n".join(cue.lines), quote=False)
        out.append(f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{text}\n")
    return "\n".join(out)


def _clock(ms: int, point: str) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{point}{ms % 1000:03d}"


_TIMES = re.compile(r"(?:(\d+):)?(\d\d):(\d\d)[.,](\d{3}) +--> +(?:(\d+):)?(\d\d):(\d\d)[.,](\d{3})")
_MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")


def read(text: str) -> tuple[Cue, ...]:
    """Read subtitles in SubRip or WebVTT, in the order in which they stand. Raises ValueError where there are none."""
    made: list[Cue] = []
    for block in re.split(r"\n[ \t]*\n", text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")):
        if (found := _TIMES.search(block)) is None:
            continue
        numbers = [int(n or 0) for n in found.groups()]
        start, end = (((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (numbers[:4], numbers[4:]))
        lines = (_MARKUP.sub("", line).replace(_WORD_JOINER, "") for line in block[found.end() :].split("\n")[1:])
        if whole := tuple(cleaned(html.unescape(line)) for line in lines if line.strip()):
            made.append(Cue(start, max(end, start + 1), whole))
    if not made:
        msg = "no subtitle with a time was found"
        raise ValueError(msg)
    return tuple(made)
