"""A program that finds when each word of a speech is said, by PocketSphinx, and ends: `python -I speech_aligner.py`.

Standard input: one JSON line {"sample_rate", "words", "sounds"}, then the sound as mono 16-bit samples. `words` has
for each word of the text, in order, the ways in which it may be read, each a list of spoken words; `sounds` has the
phonemes (CMU's) of those spoken words that the dictionary may lack. Standard output: one JSON line {"words"}: for each
word [start ms, end ms], or {"words": null} where the sound isn't that text.

It is a process of its own: the recogniser holds the interpreter's lock while it works, takes up to 100 MB, and a sound
that it dies of ends nobody else.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_CPU_S, _MEMORY_BYTES = 120, 1 << 30
_FRAME_MS = 10
_READINGS = 6  # of one word that are tried side by side


def aligned(
    sound: bytes, sample_rate: int, words: Sequence[Sequence[Sequence[str]]], sounds: Mapping[str, str]
) -> list[list[int]] | None:
    """Return each word's start and end in ms; None where the text doesn't fit the sound."""
    import pocketsphinx  # noqa: PLC0415 - this program's only dependency, and limits come before it

    model = Path(pocketsphinx.get_model_path()) / "en-us"
    spoken = {part for readings in words for reading in readings for part in reading}
    known = _pronounced(model / "cmudict-en-us.dict", spoken)
    lines: list[str] = []
    for i, readings in enumerate(words):
        ways = list(dict.fromkeys(way for reading in readings for way in _ways(reading, known, sounds)))[:_READINGS]
        for n, way in enumerate(ways):
            lines.append(f"w{i}({n + 1}) {way}" if n else f"w{i} {way}")
    with tempfile.NamedTemporaryFile("w", suffix=".dict") as dictionary:
        dictionary.write("\n".join(lines) + "\n")
        dictionary.flush()
        decoder: Any = pocketsphinx.Decoder(
            hmm=str(model / "en-us"),
            dict=dictionary.name,
            lm=None,
            samprate=float(sample_rate),
            loglevel="FATAL",
        )
    decoder.set_align_text(" ".join(f"w{i}" for i in range(len(words))))
    decoder.start_utt()
    decoder.process_raw(sound, full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        return None
    found = [segment for segment in decoder.seg() if segment.word.startswith("w")]
    if len(found) != len(words):
        return None
    return [[segment.start_frame * _FRAME_MS, (segment.end_frame + 1) * _FRAME_MS] for segment in found]


def _pronounced(dictionary: Path, wanted: set[str]) -> dict[str, list[str]]:
    """Return every way in which the dictionary says each wanted word that it has."""
    found: dict[str, list[str]] = {}
    with dictionary.open(encoding="utf-8") as lines:
        for line in lines:
            name, _, way = line.rstrip().partition(" ")
            name = name.partition("(")[0]
            if name in wanted:
                found.setdefault(name, []).append(way)
    return found


def _ways(reading: Sequence[str], known: Mapping[str, list[str]], sounds: Mapping[str, str]) -> list[str]:
    """Return how a reading may sound: every way of a single word, the first way of each of several."""
    if len(reading) == 1:
        return known.get(reading[0]) or [sounds[reading[0]]]
    return [" ".join(known[part][0] if part in known else sounds[part] for part in reading)]


def _limit_self() -> None:
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - POSIX only

    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


def main() -> None:
    """Answer one request from standard input."""
    _limit_self()
    asked = json.loads(sys.stdin.buffer.readline())
    found = aligned(sys.stdin.buffer.read(), asked["sample_rate"], asked["words"], asked["sounds"])
    sys.stdout.buffer.write(json.dumps({"words": found}).encode() + b"\n")
    sys.stdout.buffer.flush()
    os._exit(0)  # nothing is left to put away, and the recogniser's own end takes a while


if __name__ == "__main__":
    main()
