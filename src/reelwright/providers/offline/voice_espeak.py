"""A program that speaks one text by eSpeak NG, and ends: `python -I voice_espeak.py`.

Standard input: one JSON object {"text", "language", "rate"}. Standard output: one JSON line {"sample_rate", "words"},
each word being [character at which it begins, ms], then the sound as mono 16-bit samples. It is a process of its own:
the library keeps its state in globals, and a text that it dies of ends nobody else.
"""

import ctypes
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

_SYNCHRONOUS, _BY_CHARACTER, _UTF8, _NO_EXIT = 2, 1, 1, 0x8000
_RATE, _END, _WORD = 1, 0, 1
_CPU_S, _MEMORY_BYTES = 20, 1 << 30


class _Event(ctypes.Structure):
    """The library's espeak_EVENT (speak_lib.h)."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Heard = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def said(library: Any, data: Path, text: str, *, language: str, rate: int) -> tuple[int, list[list[int]], bytes]:
    """Return the sample rate, where and when words begin, and the samples. Raises ValueError for what it can't do."""
    sound, words = bytearray(), list[list[int]]()

    def heard(samples: Any, count: int, events: Any) -> int:
        at = 0
        while events[at].type != _END:
            if events[at].type == _WORD:
                words.append([events[at].text_position - 1, events[at].audio_position])
            at += 1
        if samples and count > 0:
            sound.extend(ctypes.string_at(samples, 2 * count))
        return 0

    sample_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, str(data.parent).encode(), _NO_EXIT)
    kept = _Heard(heard)
    library.espeak_SetSynthCallback(kept)
    if sample_rate <= 0 or library.espeak_SetVoiceByName(language.encode()) != 0:
        msg = f"no voice for {language}"
        raise ValueError(msg)
    library.espeak_SetParameter(_RATE, rate, 0)
    raw = text.encode() + b"\0"
    library.espeak_Synth(raw, ctypes.c_size_t(len(raw)), 0, _BY_CHARACTER, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    return sample_rate, words, bytes(sound)


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
    loader: Any = import_module("espeakng_loader")  # optional: GPLv3, so it is no part of what we ship
    _limit_self()
    asked = json.loads(sys.stdin.buffer.read())
    library = ctypes.CDLL(loader.get_library_path())
    data = Path(loader.get_data_path())
    rate, words, sound = said(library, data, asked["text"], language=asked["language"], rate=asked["rate"])
    sys.stdout.buffer.write(json.dumps({"sample_rate": rate, "words": words}).encode() + b"\n" + sound)


if __name__ == "__main__":
    main()
