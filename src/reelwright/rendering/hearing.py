"""Listens to the finished reel: whether each scene's narration is there, at its time, and its words lie on speech."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reelwright.rendering.probe import FORMATS
from reelwright.rendering.timeline import Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Sound = NDArray[np.floating[Any]]

_FILES_ALONE = {"format_whitelist": f"{FORMATS},wav,flac,mp3,ogg", "protocol_whitelist": "file"}
RATE = 8000
_SEARCH_MS = 250
_SPOKEN = 0.35  # a subtitle's sound against that of the whole reel
_QUIET = 0.06  # of the narration's own loudness: -24 dB
_PAUSE = 0.1  # of the narration's own energy
_SPAN, _LOWEST = 256, 4  # samples of a short spectrum; the first of its bins that counts


@dataclass(frozen=True, slots=True)
class Heard:
    """How a scene's narration was found: likeness -1..1, how late it is, and the share of words that lie on speech.

    `over_rest_db` is by how much it is louder, while it speaks, than all else; None where no narration was at hand.
    """

    likeness: float
    lag_ms: float
    words_voiced: float
    over_rest_db: float | None = None


def sound(path: Path, *, whole: bool = True) -> "Sound":
    """Decode a file's sound to mono float samples at 8 kHz.

    Raises ValueError on a file without readable sound and, where it must be `whole`, on a damaged packet, which is else
    left out.
    """
    import numpy as np  # noqa: PLC0415 - heavy, and only the gate listens

    return np.concatenate([np.zeros(0, np.float32), *_blocks(path, whole=whole)])


def codec(path: Path) -> str:
    """Return the name of the codec that a file's sound is written in. Raises ValueError on one without sound."""
    import av  # noqa: PLC0415 - heavy, and only the gate listens

    with av.open(str(path), options=_FILES_ALONE) as container:
        if not container.streams.audio:
            msg = "the file has no sound"
            raise ValueError(msg)
        return container.streams.audio[0].codec_context.name


@dataclass(frozen=True, slots=True)
class Envelope:
    """A file's decoded sound, a hundredth of a second at a time: peaks 0..1, and how strong its voice band is."""

    ms: float
    peaks: "Sound"
    voice: "Sound"


def envelope(path: Path) -> Envelope:
    """Decode a file's sound block by block, holding none of it; damaged packets are left out.

    Raises ValueError on a file without readable sound.
    """
    return outline(_blocks(path, whole=False))


def outline(blocks: Iterable["Sound"]) -> Envelope:
    """Return the envelope of a sound at 8 kHz that comes in blocks of any length."""
    import numpy as np  # noqa: PLC0415 - heavy, and only the gate listens

    size, samples, rest = RATE // 100, 0, np.zeros(0, np.float32)
    peaks: list[Sound] = []
    voice: list[Sound] = []
    for part in blocks:
        samples += len(part)
        rest = np.concatenate([rest, part])
        whole = len(rest) // size * size
        if whole:
            rows = rest[:whole].reshape(-1, size)
            peaks.append(np.abs(rows).max(axis=1))
            voice.append(np.sqrt(np.mean(np.diff(rows, axis=1).astype(np.float64) ** 2, axis=1)))
            rest = rest[whole:]
    if not peaks:
        return Envelope(samples * 1000 / RATE, np.zeros(1), np.zeros(1))
    return Envelope(samples * 1000 / RATE, np.concatenate(peaks), np.concatenate(voice))


def _blocks(path: Path, *, whole: bool) -> Iterator["Sound"]:
    import av  # noqa: PLC0415 - heavy, and only the gate listens
    import av.error  # noqa: PLC0415 - the same

    passed_over = () if whole else (av.error.FFmpegError,)
    try:
        with av.open(str(path), options=_FILES_ALONE) as container:
            if not container.streams.audio:
                msg = "the file has no sound"
                raise ValueError(msg)
            resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
            for packet in container.demux(audio=0):
                with contextlib.suppress(*passed_over):
                    for frame in packet.decode():
                        yield from (out.to_ndarray()[0] for out in resampler.resample(frame))
            yield from (out.to_ndarray()[0] for out in resampler.resample(None))
    except av.error.FFmpegError as broken:
        msg = f"the sound can't be read: {broken.strerror}"
        raise ValueError(msg) from broken


def timing(sound: Envelope, spans_ms: Sequence[tuple[int, int]]) -> Heard:
    """Say how subtitles lie on a sound of which no stem is known; likeness is how plain the answer is, 0..1.

    How late is the one shift within ±1.5 s at which the sound rises most where subtitles begin; the share is of those
    that have a voice in them. All of it is in steps of 10 ms.
    """
    import numpy as np  # noqa: PLC0415 - heavy, and only the gate listens

    level = np.log10(np.maximum(sound.voice, 1e-5))
    span, reach = 15, 150
    padded = np.pad(level, reach + span, constant_values=-5.0)
    total = np.concatenate([[0.0], np.cumsum(padded)])
    at = [min(start // 10, len(level)) + reach + span for start, _ in spans_ms]
    rises = [
        sum(total[a + s + span] - 2 * total[a + s] + total[a + s - span] for a in at) for s in range(-reach, reach + 1)
    ]
    best = int(np.argmax(rises))
    overall = float(np.sqrt(np.mean(sound.voice**2)))
    parts = [sound.voice[start // 10 : max(end // 10, start // 10 + 1)] for start, end in spans_ms]
    voiced = sum(len(p) > 0 and float(np.sqrt(np.mean(p**2))) > overall * _SPOKEN for p in parts) / max(1, len(parts))
    plain = max(0.0, float(rises[best])) / max(1, len(at)) / span
    return Heard(likeness=round(min(1.0, plain), 3), lag_ms=float(best - reach) * 10, words_voiced=round(voiced, 3))


def heard(reel: "Sound", narration: "Sound", *, at_ms: int, words: Sequence[Word]) -> Heard:
    """Look for a narration around its time in the reel's sound; `words` carry reel times.

    Likeness is the greatest normalised cross-correlation within ±250 ms, both first-differenced, which weighs speech
    above a music bed; compression and limiting hardly change it. What counts is the weakest half second that
    speaks, so that a narration cut short doesn't pass for its first half. A missing one gives about 0.
    """
    import numpy as np  # noqa: PLC0415 - heavy, and only the gate listens

    margin = RATE * _SEARCH_MS // 1000
    start = RATE * at_ms // 1000
    wanted = np.diff(narration, prepend=narration[:1]).astype(np.float64)
    padded = np.pad(reel, (margin, margin + max(0, start + len(narration) - len(reel))))
    window = np.diff(padded[start : start + len(narration) + 2 * margin], prepend=0).astype(np.float64)
    size = 1 << (len(window) + len(wanted) - 1).bit_length()
    against = np.fft.irfft(np.fft.rfft(window, size) * np.conj(np.fft.rfft(wanted, size)), size)[: 2 * margin + 1]
    energy = np.concatenate([[0.0], np.cumsum(window**2)])
    under = np.sqrt(np.maximum(energy[len(wanted) :] - energy[: len(energy) - len(wanted)], 1e-12))[: 2 * margin + 1]
    likeness = against[: len(under)] / (under * max(1e-9, float(np.sqrt((wanted**2).sum()))))
    best = int(np.argmax(likeness))
    weakest = _weakest(wanted, window[best : best + len(wanted)])
    return Heard(
        likeness=round(min(float(likeness[best]), weakest), 3),
        lag_ms=round((best - margin) * 1000 / RATE, 1),
        words_voiced=round(_voiced(narration, at_ms, words), 3),
        over_rest_db=round(over_rest_db(padded[start + best : start + best + len(narration)], narration), 1),
    )


def over_rest_db(reel: "Sound", narration: "Sound") -> float:
    """Return by how much a narration is louder than all else in the part of a reel that it speaks in, in dB.

    Of each short spectrum of the reel as much is the voice as the narration explains: through one filter for all of it,
    which the mix's high-pass and parts of a sample are, and one gain for each 16 ms, which its compressor is. What is
    left is music, and what the codec and the limiter add, some 17 to 22 dB below. Pauses don't count. 8 kHz, from
    125 Hz on: a telephone speaks no lower.
    """
    import numpy as np  # noqa: PLC0415 - heavy, and only the gate listens

    said, got = (_spectra(sound) for sound in (narration[: len(reel)], reel[: len(narration)]))
    if not len(said):
        return 0.0
    strength = (np.abs(said) ** 2).sum(axis=1)
    gain, voice = np.ones((len(said), 1)), said
    for _ in range(2):
        through = said * gain
        voice = said * ((through.conj() * got).sum(axis=0) / np.maximum((np.abs(through) ** 2).sum(axis=0), 1e-12))
        gain = (voice.conj() * got).real.sum(axis=1, keepdims=True)
        gain /= np.maximum((np.abs(voice) ** 2).sum(axis=1, keepdims=True), 1e-12)
    voice = voice * gain
    speaking = strength > strength.mean() * _PAUSE
    loud, rest = (float((np.abs(part[speaking]) ** 2).sum()) for part in (voice, got - voice))
    return 10 * float(np.log10(max(loud, 1e-12) / max(rest, 1e-12)))


def _spectra(sound: "Sound") -> "NDArray[np.complexfloating[Any]]":
    """Return a sound's short spectra, from 125 Hz on: 32 ms each, every 16 ms, of shape (n, 125)."""
    import numpy as np  # noqa: PLC0415 - heavy, and only the gate listens

    if len(sound) < _SPAN:
        return np.zeros((0, _SPAN // 2 + 1 - _LOWEST), np.complex128)
    parts = np.lib.stride_tricks.sliding_window_view(sound, _SPAN)[:: _SPAN // 2]
    return np.fft.rfft(parts * np.hanning(_SPAN), axis=1)[:, _LOWEST:]


def _weakest(wanted: "Sound", found: "Sound") -> float:
    import numpy as np  # noqa: PLC0415 - heavy, and only the gate listens

    overall = float(np.sqrt(np.mean(wanted**2))) if len(wanted) else 0.0
    least = 1.0
    block = RATE // 2
    for start in {*range(0, len(wanted) - block, block), max(0, len(wanted) - block)}:
        said, got = wanted[start : start + block], found[start : start + block]
        if float(np.sqrt(np.mean(said**2))) > overall / 2:
            both = float(np.sqrt((said**2).sum() * (got**2).sum()))
            least = min(least, float((said * got).sum()) / max(both, 1e-9))
    return least


def _voiced(narration: "Sound", at_ms: int, words: Sequence[Word]) -> float:
    """Return the share of words that lie on speech; their times say nothing else about themselves."""
    import numpy as np  # noqa: PLC0415 - heavy, and only the gate listens

    if not words or not len(narration):
        return 1.0
    overall = float(np.sqrt(np.mean(narration**2)))
    loud = 0
    for word in words:
        a, b = ((t - at_ms) * RATE // 1000 for t in (word.start_ms, word.end_ms))
        part = narration[max(0, a) : b]
        loud += len(part) > 0 and float(np.sqrt(np.mean(part**2))) > overall * _QUIET
    return loud / len(words)
