"""Estimates when each word is spoken, for voices that don't say: by sound and silence, then by length of the words."""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from reelwright.providers.model import Word

_FRAME_MS = 10
_SHORTEST_PAUSE_MS = 120
_QUIET = 0.02  # of the loudest frame's level (-34 dB): below it nobody speaks
_NEAR = 0.2  # a sentence's end is looked for within this share of the speech around where length puts it
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’)\]]*$")

Samples = npt.NDArray[np.int16]
Span = tuple[int, int]


def estimated_words(text: str, samples: Samples, sample_rate: int) -> tuple[Word, ...]:
    """Return the text's words with times in ms. Sentences are laid between pauses that are heard, words by length."""
    sentences = _sentences(text)
    if not sentences:
        return ()
    spoken, pauses = _heard(samples, sample_rate)
    spans = _spans([sum(_weight(word) for word in words) for words in sentences], spoken, pauses)
    return tuple(
        word for words, span in zip(sentences, spans, strict=True) for word in _laid(words, start=span[0], end=span[1])
    )


def _sentences(text: str) -> list[list[str]]:
    sentences: list[list[str]] = [[]]
    for word in text.split():
        sentences[-1].append(word)
        if _SENTENCE_END.search(word):
            sentences.append([])
    return [words for words in sentences if words]


def _weight(word: str) -> float:
    """Return how long a word is spoken, in characters: its letters, the gap after it, more after a comma."""
    return len(word) + 1.0 + (2.0 if word[-1] in ",;:—–" else 0.0)


def _heard(samples: Samples, sample_rate: int) -> tuple[Span, list[Span]]:
    """Return where speech begins and ends, and the pauses inside it, in ms."""
    length_ms = len(samples) * 1000 // sample_rate
    frame = max(1, sample_rate * _FRAME_MS // 1000)
    count = len(samples) // frame
    if count == 0:
        return (0, length_ms), []
    frames = samples[: count * frame].astype(np.float64).reshape(count, frame)
    level = np.sqrt(np.mean(frames**2, axis=1))
    loud = np.flatnonzero(level > _QUIET * level.max())
    if not len(loud):
        return (0, length_ms), []
    spoken = (int(loud[0]) * _FRAME_MS, min(length_ms, (int(loud[-1]) + 1) * _FRAME_MS))
    gaps = [(int(a + 1) * _FRAME_MS, int(b) * _FRAME_MS) for a, b in pairwise(loud)]
    return spoken, [gap for gap in gaps if gap[1] - gap[0] >= _SHORTEST_PAUSE_MS]


def _spans(weights: Sequence[float], spoken: Span, pauses: list[Span]) -> list[Span]:
    """Give each sentence its share of the speech; its end snaps to the longest pause nearby, where there is one."""
    start, end = spoken
    per_unit = (end - start) / sum(weights)
    spans: list[Span] = []
    due = float(start)
    begin = start
    for weight in weights[:-1]:
        due += weight * per_unit
        near = [pause for pause in pauses if abs(sum(pause) / 2 - due) < _NEAR * (end - start) and pause[0] > begin]
        stop, resume = max(near, key=lambda pause: pause[1] - pause[0]) if near else (round(due), round(due))
        stop = max(stop, begin + 1)
        spans.append((begin, stop))
        begin = max(resume, stop)
    spans.append((begin, max(end, begin + 1)))
    return spans


def _laid(words: list[str], *, start: int, end: int) -> list[Word]:
    total = sum(_weight(word) for word in words)
    edges = [float(start)]
    for word in words:
        edges.append(edges[-1] + (end - start) * _weight(word) / total)
    return [
        Word(text=word, start_ms=round(begin), end_ms=round(finish))
        for word, (begin, finish) in zip(words, pairwise(edges), strict=True)
    ]
