"""Captions word by word: groups with times and places, and the same words as SRT and WebVTT side files."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from reelwright.rendering.lettering import Block, cleaned, drawable, lay_out
from reelwright.rendering.safearea import safe_area
from reelwright.rendering.style import CLASSIC, Style
from reelwright.rendering.timeline import FPS, Timeline, Word

WORDS_A_GROUP, CHARACTERS_A_GROUP = 4, 18
CHARACTERS_A_WORD = 24  # a longer one, an address say, is cut: it would be too small to read
LONGEST_TOKEN = 200
LINGER_MS = 350
CUE_CHARACTERS, CUE_MS, LINE_CHARACTERS = 64, 6000, 32
_ENDS = re.compile(r"[.,!?;:…][\"'”’)\]]*$")
_SENTENCE_ENDS = re.compile(r"[.!?…][\"'”’)\]]*$")
_WORD_JOINER = "\u2060"


@dataclass(frozen=True, slots=True)
class Group:
    """Words shown together. `turns[i]` is the frame at which word i lights up; the group is gone at frame `end`.

    `whole` says whether the font has every letter of it.
    """

    block: Block
    turns: tuple[int, ...]
    end: int
    whole: bool

    def lit(self, frame: int) -> int | None:
        """Return which word is lit at a frame, or None while the group isn't shown."""
        if not self.turns[0] <= frame < self.end:
            return None
        return sum(turn <= frame for turn in self.turns) - 1


def groups(timeline: Timeline, style: Style = CLASSIC) -> tuple[Group, ...]:  # noqa: ARG001 - drawn next
    """Cut a reel's words into groups of at most 4 words and 18 characters, none across a scene or a clause.

    They stand inside the platform's safe area, in capitals, in time order without overlap.
    """
    shown = [(w, *drawable(w.text[:LONGEST_TOKEN].upper())) for w in timeline.words]
    parts = _parts([(w, _short(text), whole) for w, text, whole in shown if text])
    area = safe_area(timeline.platform, width=timeline.width, height=timeline.height)
    made: list[Group] = []
    for i, part in enumerate(parts):
        following = _frame(parts[i + 1][0][0].start_ms) if i + 1 < len(parts) else timeline.frames
        turns = _turns([word.start_ms for word, _, _ in part])
        end = min(following, _frame(part[-1][0].end_ms + LINGER_MS), timeline.frames)
        words = tuple(text for _, text, _ in part)
        block = lay_out(words, width=timeline.width, height=timeline.height, area=area)
        made.append(Group(block, turns, max(end, turns[0] + 1), all(whole for _, _, whole in part)))
    return tuple(made)


def coverage(timeline: Timeline, style: Style = CLASSIC) -> float:  # noqa: ARG001 - drawn next
    """Return the share of words whose letters and digits the caption font all has."""
    return letters([w.text for w in timeline.words])


def letters(words: Sequence[str]) -> float:
    """Return the share of these words whose letters and digits the caption font all has."""
    whole = [drawable(word.upper())[1] for word in words]
    return sum(whole) / len(whole) if whole else 1.0


def _short(text: str) -> str:
    return text if len(text) <= CHARACTERS_A_WORD else text[: CHARACTERS_A_WORD - 1] + "…"


def _frame(ms: int) -> int:
    return round(ms * FPS / 1000)


def _turns(starts_ms: Sequence[int]) -> tuple[int, ...]:
    turns: list[int] = []
    for start in starts_ms:
        turns.append(max(_frame(start), turns[-1] if turns else 0))
    return tuple(turns)


def _parts(shown: Sequence[tuple[Word, str, bool]]) -> list[list[tuple[Word, str, bool]]]:
    parts: list[list[tuple[Word, str, bool]]] = []
    for item in shown:
        last = parts[-1] if parts else None
        if last is None or last[-1][0].scene != item[0].scene or _full(last, item[1]):
            parts.append([])
        parts[-1].append(item)
    return parts


def _full(part: Sequence[tuple[Word, str, bool]], following: str) -> bool:
    characters = sum(len(text) + 1 for _, text, _ in part) + len(following)
    return len(part) >= WORDS_A_GROUP or characters > CHARACTERS_A_GROUP or bool(_ENDS.search(part[-1][1]))


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


def cues(timeline: Timeline) -> tuple[Cue, ...]:
    """Return the words as subtitles: by sentence, at most 64 characters and 6 s each, in order, none past the end."""
    runs: list[list[Word]] = []
    for word in timeline.words:
        if not cleaned(word.text):
            continue
        if not runs or _closed(runs[-1], word):
            runs.append([])
        runs[-1].append(word)
    made: list[Cue] = []
    for i, run in enumerate(runs):
        following = runs[i + 1][0].start_ms if i + 1 < len(runs) else timeline.duration_ms
        end = max(run[0].start_ms + 1, min(run[-1].end_ms + LINGER_MS, following, timeline.duration_ms))
        made.append(Cue(run[0].start_ms, end, _lines([cleaned(w.text) for w in run])))
    return tuple(made)


def _closed(run: Sequence[Word], word: Word) -> bool:
    characters = sum(len(w.text) + 1 for w in run) + len(word.text)
    too_long = characters > CUE_CHARACTERS or word.end_ms - run[0].start_ms > CUE_MS
    return too_long or run[-1].scene != word.scene or bool(_SENTENCE_ENDS.search(run[-1].text))


def _lines(words: Sequence[str]) -> tuple[str, ...]:
    text = " ".join(words)
    if len(text) <= LINE_CHARACTERS or len(words) == 1:
        return (text,)
    cuts = range(1, len(words))
    best = min(cuts, key=lambda cut: max(len(" ".join(words[:cut])), len(" ".join(words[cut:]))))
    return (" ".join(words[:best]), " ".join(words[best:]))


def srt(timeline: Timeline) -> str:
    """Return the captions as SubRip. It knows no escapes: a word joiner keeps `<`, `{` and `-->` from being markup."""
    out: list[str] = []
    for number, cue in enumerate(cues(timeline), start=1):
        text = re.sub(r"([<{\\])", rf"\1{_WORD_JOINER}", "\n".join(cue.lines)).replace("-->", f"--{_WORD_JOINER}>")
        out.append(f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{text}\n")
    return "\n".join(out)


def vtt(timeline: Timeline) -> str:
    """Return the captions as WebVTT (W3C, section 4.2): `&`, `<` and `>` are escaped, so no text can be markup."""
    out = ["WEBVTT\n"]
    for cue in cues(timeline):
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
