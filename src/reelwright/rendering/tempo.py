"""Finds a piece of music's tempo and where its beats fall, and makes it as long as a reel by turning it on a beat."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Sound = NDArray[np.floating[Any]]

SLOWEST_BPM, FASTEST_BPM = 50.0, 200.0
BEATS_A_BAR = 4
_FRAME, _HOP = 512, 80  # of 8 kHz: 64 ms and 10 ms
_USUAL_BPM, _SPREAD = 110.0, 0.9  # the tempo that people tap to, and octaves around it (Ellis 2007, section 3)
_CLEAR = 0.12  # of the onsets' energy: below it nothing repeats
_EARLY_S = 0.02  # a frame hears what begins in its second half: measured on clicks, 15 to 25 ms
_CROSS_S = 0.03
_STEADY_MS = 50.0


@dataclass(frozen=True, slots=True)
class Tempo:
    """Beats a minute, and where one falls, in milliseconds from the start."""

    bpm: float
    first_beat_ms: int


def measured(sound: "Sound", rate: int, *, near: float | None = None) -> Tempo | None:
    """Return a mono sound's tempo; None where nothing in it repeats like a beat.

    Where it is known to be `near` so many beats a minute, it is looked for within 4 % of that alone.

    Onset strength (positive spectral flux of the log spectrum, every 10 ms) is correlated with itself; the best lag,
    weighed by how usual its tempo is and by its multiples, is the beat's; the phase is where a comb of it catches most
    (D. Ellis, "Beat Tracking by Dynamic Programming", 2007; the dynamic programming is left out).
    """
    import numpy as np  # noqa: PLC0415 - heavy, and only where music is measured

    onsets = _onsets(sound)
    a_second = rate / _HOP
    if len(onsets) < 4 * a_second:
        return None
    centred = onsets - onsets.mean()
    size = 1 << (2 * len(onsets) - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    correlation = np.fft.irfft(spectrum, size)[: len(onsets)] / max(float((centred**2).sum()), 1e-9)
    correlation *= len(onsets) / np.maximum(1, len(onsets) - np.arange(len(onsets)))  # fewer frames overlap far out
    fastest, slowest = (FASTEST_BPM, SLOWEST_BPM) if near is None else (near * 1.04, near / 1.04)
    lags = np.arange(int(a_second * 60 / fastest), int(a_second * 60 / slowest) + 1)
    lags = lags[2 * lags + 1 < len(correlation)]
    if not len(lags):
        return None
    once = np.maximum(np.maximum(correlation[lags - 1], correlation[lags]), correlation[lags + 1])
    twice = np.maximum(np.maximum(correlation[2 * lags - 1], correlation[2 * lags]), correlation[2 * lags + 1])
    usual = np.exp(-0.5 * (np.log2(60 * a_second / lags / _USUAL_BPM) / _SPREAD) ** 2)
    best = int(np.argmax((once + 0.5 * twice) * usual))
    if once[best] < _CLEAR:
        return None
    lag = _sharpened(correlation, int(lags[best]))
    return Tempo(round(60 * a_second / lag, 2), round((_phase(onsets, lag) / a_second + _EARLY_S) * 1000))


def steady(sound: "Sound", rate: int) -> Tempo | None:
    """Return a mono sound's tempo where the same beat goes through all of it; else None.

    Both halves, each measured by itself, have to fall on the whole's beats within 50 ms.
    """
    whole = measured(sound, rate)
    if whole is None:
        return None
    half, beat_ms = len(sound) // 2, 60_000 / whole.bpm
    for start in (0, half):
        part = measured(sound[start : start + half], rate, near=whole.bpm)
        if part is None:
            return None
        off = (part.first_beat_ms + start * 1000 / rate - whole.first_beat_ms) / beat_ms
        if abs(off - round(off)) * beat_ms > _STEADY_MS:
            return None
    return whole


def _onsets(sound: "Sound") -> "Sound":
    """Return how strongly something begins, every 10 ms."""
    import numpy as np  # noqa: PLC0415 - heavy, and only where music is measured

    padded = np.pad(sound.astype(np.float32), (_FRAME // 2, _FRAME))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    loud = np.empty((len(frames), _FRAME // 2 + 1), np.float32)
    window = np.hanning(_FRAME).astype(np.float32)
    for at in range(0, len(frames), 4096):  # a slice at a time: ten minutes at once are 250 MB
        loud[at : at + 4096] = np.log1p(100 * np.abs(np.fft.rfft(frames[at : at + 4096] * window, axis=1)))
    flux = np.maximum(np.diff(loud, axis=0, prepend=loud[:1]), 0).sum(axis=1).astype(np.float64)
    smooth = np.convolve(flux, np.ones(51) / 51, "same")
    return np.maximum(flux - smooth, 0)


def _sharpened(correlation: "Sound", lag: int) -> float:
    """Return the lag between frames, read from the far end of as many beats as there are: errors shrink with each."""
    import numpy as np  # noqa: PLC0415 - heavy, and only where music is measured

    exact = float(lag)
    for beats in (1, 2, 4, 8, 16, 32):
        around = round(exact * beats)
        if around + 3 >= len(correlation) // 2:
            break
        part = correlation[around - 2 : around + 3]
        peak = int(np.argmax(part))
        if part[peak] <= 0:
            break
        left, middle, right = correlation[around - 2 + peak - 1 : around - 2 + peak + 2]
        curve = left - 2 * middle + right
        offset = 0.0 if curve >= 0 else 0.5 * (left - right) / curve
        exact = (around - 2 + peak + float(np.clip(offset, -0.5, 0.5))) / beats
    return exact


def _phase(onsets: "Sound", lag: float) -> float:
    """Return the first beat's frame: where beats so far apart meet most of what begins."""
    import numpy as np  # noqa: PLC0415 - heavy, and only where music is measured

    starts = np.arange(0, lag, 0.5)
    places = np.arange(int((len(onsets) - 1 - lag) / lag)) * lag
    index = np.rint(starts[:, None] + places[None, :]).astype(int)
    caught = onsets[np.minimum(index, len(onsets) - 1)].sum(axis=1)
    return float(starts[int(np.argmax(caught))])


def lengthened(sound: "Sound", samples: int, *, rate: int, bpm: float | None, first_beat_ms: int) -> "Sound":
    """Return stereo music, shape (2, n), exactly so long: cut, or turned round on a beat as often as it takes.

    It turns from the last bar's end (the last beat's where it has no whole bar) to the first beat, crossed over 30 ms.
    Without a tempo it turns from its end. It doesn't fade: that is for whoever knows what ends with it.
    """
    import numpy as np  # noqa: PLC0415 - heavy, and only where music is laid

    length = sound.shape[1]
    if length >= samples:
        return sound[:, :samples]
    start, end = _turn(length, rate, bpm, first_beat_ms)
    cross = min(int(_CROSS_S * rate), (end - start) // 4, length - end if length > end else (end - start) // 4)
    rising = np.sin(np.linspace(0, np.pi / 2, max(1, cross), dtype=np.float32))
    falling = rising[::-1]
    out = np.zeros((2, samples), np.float32)
    out[:, : min(end, samples)] = sound[:, : min(end, samples)]
    at = end
    while at < samples:
        # What would have come next falls away under the beat that begins anew.
        fading = min(cross, samples - at, length - end)
        part = sound[:, start : min(end, start + samples - at)]
        out[:, at : at + part.shape[1]] = part
        if fading > 0:
            out[:, at : at + fading] = (
                part[:, :fading] * rising[:fading] + sound[:, end : end + fading] * falling[:fading]
            )
        at += part.shape[1]
    return out


def _turn(length: int, rate: int, bpm: float | None, first_beat_ms: int) -> tuple[int, int]:
    """Return from which sample, up to which one, music goes round."""
    if bpm is None:
        return 0, length
    beat = 60 * rate / bpm
    start = first_beat_ms * rate / 1000
    start -= beat * int(start / beat)
    beats = int((length - start) / beat)
    whole = beats - beats % BEATS_A_BAR or beats
    if whole < 1:
        return 0, length
    return round(start), round(start + whole * beat)
