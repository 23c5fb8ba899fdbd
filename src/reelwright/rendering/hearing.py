"""Listens to the finished reel: whether each scene's narration is there, at its time, and its words lie on speech."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reelwright.rendering.timeline import Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Sound = NDArray[np.floating[Any]]

RATE = 8000
_SEARCH_MS = 250
_QUIET = 0.06  # of the narration's own loudness: -24 dB


@dataclass(frozen=True, slots=True)
class Heard:
    """How a scene's narration was found: likeness -1..1, how late it is, and the share of words that lie on speech."""

    likeness: float
    lag_ms: float
    words_voiced: float


def sound(path: Path) -> "Sound":
    """Decode a file's sound to mono float samples at 8 kHz. Raises ValueError on a file without readable sound."""
    import av  # noqa: PLC0415 - heavy, and only the gate listens
    import av.error  # noqa: PLC0415 - the same
    import numpy as np  # noqa: PLC0415 - the same

    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                msg = "the file has no sound"
                raise ValueError(msg)
            resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
            parts = [out.to_ndarray() for frame in container.decode(audio=0) for out in resampler.resample(frame)]
            parts += [out.to_ndarray() for out in resampler.resample(None)]
    except av.error.FFmpegError as broken:
        msg = f"the sound can't be read: {broken.strerror}"
        raise ValueError(msg) from broken
    return np.concatenate(parts, axis=1)[0] if parts else np.zeros(0, np.float32)


def heard(reel: "Sound", narration: "Sound", *, at_ms: int, words: Sequence[Word]) -> Heard:
    """Look for a narration around its time in the reel's sound; `words` carry reel times.

    Likeness is the greatest normalised cross-correlation within ±250 ms, both first-differenced, which weighs speech
    above a music bed; compression and limiting hardly change it. What counts is the weakest second that speaks, so that
    a narration cut short doesn't pass for its first half. A missing one gives about 0.
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
    )


def _weakest(wanted: "Sound", found: "Sound") -> float:
    import numpy as np  # noqa: PLC0415 - heavy, and only the gate listens

    overall = float(np.sqrt(np.mean(wanted**2))) if len(wanted) else 0.0
    least = 1.0
    for start in range(0, len(wanted) - RATE // 2, RATE):
        said, got = wanted[start : start + RATE], found[start : start + RATE]
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
