"""Speaks other languages than English without a key: eSpeak NG, plain but understood, each word with its own time."""

import json
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

from reelwright.ground.errors import Outage
from reelwright.ground.surroundings import surroundings
from reelwright.providers.model import ProviderRefused, Word
from reelwright.providers.offline import voice_espeak
from reelwright.providers.offline.voice_engine import MODEL_RATE, Samples

MODEL_NAME = "espeak-ng"
_DEADLINE_S = 60
_AUDIBLE, _LEAD_MS, _TAIL_MS = 0.01, 50, 100
_STEP_MS = 10

_RATES = (
    "es 135, fr 115, it 135, pt 135, ro 135, de 150, nl 145, pl 165, cs 165, el 150, ru 165, uk 165, tr 165, ar 210"
)
RATES: Mapping[str, int] = {"ja": 145} | {code: int(rate) for code, rate in map(str.split, _RATES.split(", "))}
"""By language: eSpeak's own speed that says about 155 words a minute; its "words" are English ones."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What is shown at once, and how it is written for the voice."""

    shown: str
    spoken: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """Sound at MODEL_RATE, and when each unit sounds."""

    samples: Samples
    words: tuple[Word, ...]


def speaks(language: str) -> bool:
    """Say whether this language can be spoken here: it is one of RATES, and its packages are installed."""
    code = language[:2].lower()
    wanted = ("espeakng_loader", "janome") if code == "ja" else ("espeakng_loader",)
    return code in RATES and all(map(_installed, wanted))


def languages() -> tuple[str, ...]:
    """Return the codes of the languages that can be spoken here, beside English."""
    return tuple(sorted(filter(speaks, RATES)))


@cache
def _installed(package: str) -> bool:
    return find_spec(package) is not None


def say(text: str, *, language: str, speed: float) -> Spoken:
    """Speak a text in a process of its own. Raises ProviderRefused (voice.unspeakable), Outage if too late."""
    code = language[:2].lower()
    units = _units(text, code)
    if not units:
        return Spoken(np.zeros(0, np.float32), ())
    written = " ".join(unit.spoken for unit in units)
    told, raw = _asked({"text": written, "language": code, "rate": round(RATES[code] * speed)})
    heard = np.frombuffer(raw[: len(raw) // 2 * 2], dtype="<i2").astype(np.float32) / np.float32(32768)
    return _trimmed(_at_model_rate(heard, int(told["sample_rate"])), units, _starts(units, told["words"]))


def _at_model_rate(samples: Samples, rate: int) -> Samples:
    """Resample by the spectrum: everything below the lower rate's half stays, and nothing is added above it."""
    count = len(samples) * MODEL_RATE // rate
    if not count:
        return samples
    return (np.fft.irfft(np.fft.rfft(samples), count) * (count / len(samples))).astype(np.float32)


def _asked(wish: Mapping[str, object]) -> tuple[dict[str, Any], bytes]:
    argv = (sys.executable, "-I", voice_espeak.__file__)  # by its file: it needs nothing of ours, and begins at once
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            argv,
            input=json.dumps(wish).encode(),
            capture_output=True,
            timeout=_DEADLINE_S,
            check=True,
            env=surroundings(),
        )
    except subprocess.TimeoutExpired as late:
        raise Outage("The voice took too long: this machine is busy.", code="voice.late") from late
    except subprocess.CalledProcessError as died:
        raise ProviderRefused(
            "The offline voice can't say this text: change its words, or connect a speech provider.",
            code="voice.unspeakable",
            field="text",
        ) from died
    head, _, sound = done.stdout.partition(b"\n")
    return json.loads(head), sound


def _units(text: str, code: str) -> list[Unit]:
    """Cut a text into what is shown at once. A mark that isn't spoken stays with the word before it."""
    pieces = _japanese(text) if code == "ja" else [Unit(word, word) for word in text.split()]
    units: list[Unit] = []
    for piece in pieces:
        if any(letter.isalnum() for letter in piece.shown):
            units.append(piece)
        elif units:
            gap = "" if code == "ja" else " "
            units[-1] = Unit(f"{units[-1].shown}{gap}{piece.shown}", f"{units[-1].spoken}{piece.spoken}")
    return units


def _japanese(text: str) -> list[Unit]:
    """Cut a text into phrases, each a word with the small ones that lean on it, and read their characters as kana."""
    units: list[Unit] = []
    counting, opened = False, ""
    for token in _dictionary().tokenize(text):
        shown = token.surface.strip()
        if not shown:
            continue
        if token.part_of_speech.startswith("記号,括弧開"):
            opened += shown
            continue
        spoken = token.reading if token.reading != "*" else shown
        shown, opened = opened + shown, ""
        leans = token.part_of_speech.startswith(("助", "名詞,接尾", "名詞,非自立", "動詞,非自立", "動詞,接尾", "記号"))
        number = token.part_of_speech.startswith("名詞,数")
        leans, counting = leans or (number and counting), number
        if units and leans:
            units[-1] = Unit(units[-1].shown + shown, units[-1].spoken + spoken)
        else:
            units.append(Unit(shown, spoken))
    return units


@cache
def _dictionary() -> Any:
    tokenizer: Any = import_module("janome.tokenizer")  # optional, and half a second to load
    return tokenizer.Tokenizer()


def _starts(units: Sequence[Unit], events: Sequence[Sequence[int]]) -> list[int | None]:
    """Return when each unit begins, in ms; None where the voice has told no word in it."""
    places, at = list[int](), 0
    for unit in units:
        places.append(at)
        at += len(unit.spoken) + 1
    starts: list[int | None] = [None] * len(units)
    for place, ms in events:
        index = max(0, bisect_right(places, place) - 1)
        if starts[index] is None:
            starts[index] = ms
    return starts


def _trimmed(samples: Samples, units: Sequence[Unit], starts: list[int | None]) -> Spoken:
    """Cut the silence before and after, and give each unit its time: from its start to the next one's."""
    loud = np.flatnonzero(np.abs(samples) > _AUDIBLE)
    first, last = (int(loud[0]), int(loud[-1])) if len(loud) else (0, len(samples))
    begin, end = max(0, first - _LEAD_MS * MODEL_RATE // 1000), min(len(samples), last + _TAIL_MS * MODEL_RATE // 1000)
    shift_ms, until_ms = begin * 1000 // MODEL_RATE, (min(end, last) - begin) * 1000 // MODEL_RATE
    edges = _filled([None if start is None else start - shift_ms for start in starts], until_ms)
    kept = samples[begin:end]
    words = tuple(
        Word(text=unit.shown, start_ms=a, end_ms=max(a + 1, _said_by(kept, a, b)))
        for unit, (a, b) in zip(units, pairwise(edges), strict=True)
    )
    return Spoken(kept, words)


def _filled(starts: list[int | None], until_ms: int) -> list[int]:
    """Return rising edges, one more than units: what the voice didn't tell lies evenly between what it told."""
    known = [(0, max(0, starts[0] or 0))]
    known += [(i, start) for i, start in enumerate(starts) if i and start is not None and start > known[-1][1]]
    places = [i for i, _ in known] + [len(starts)]
    times = [at for _, at in known] + [max(until_ms, known[-1][1] + 1)]
    return [round(float(at)) for at in np.interp(range(len(starts) + 1), places, times)]


def _said_by(samples: Samples, start_ms: int, end_ms: int) -> int:
    """Return when a unit has been said: a pause behind it isn't part of it."""
    step, end = MODEL_RATE * _STEP_MS // 1000, end_ms
    while end - _STEP_MS > start_ms:
        at = end * MODEL_RATE // 1000
        if float(np.abs(samples[max(0, at - step) : at]).max(initial=0.0)) > _AUDIBLE:
            return end
        end -= _STEP_MS
    return end_ms
