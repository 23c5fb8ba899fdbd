"""Made-up pictures, voices, music and plans, the same on every run."""

import io
import math
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reelwright import rendering

RATE = 48_000


def picture(path: Path, *, seed: int = 0, size: tuple[int, int] = (1242, 2208)) -> Path:
    """A two-colour gradient with shapes on it."""
    rng = np.random.default_rng(seed)
    top, bottom = rng.integers(60, 160, 3), rng.integers(90, 230, 3)
    share = np.linspace(0, 1, size[1])[:, None]
    column = (top * (1 - share) + bottom * share).astype(np.uint8)
    image = Image.fromarray(np.broadcast_to(column[:, None, :], (size[1], size[0], 3)).copy())
    draw = ImageDraw.Draw(image)
    for _ in range(14):
        x, y, r = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(40, 220) * size[0] / 1242
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(int(c) for c in rng.integers(40, 250, 3)))
    image.save(path, compress_level=1)
    return path


def wav(samples: NDArray[np.float64], *, rate: int = RATE) -> bytes:
    """16-bit WAV of samples in -1..1, mono or (n, 2)."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def speech(
    words: int, *, seed: int = 0, word_ms: int = 300, gap_ms: int = 60
) -> tuple[bytes, list[tuple[str, int, int]]]:
    """A voice-like sound: harmonics of a gliding pitch through wandering formants, one burst a word; and its words."""
    rng = np.random.default_rng(seed)
    parts, times, at = [np.zeros(RATE * 40 // 1000)], list[tuple[str, int, int]](), 40
    for i in range(words):
        n = RATE * word_ms // 1000
        t = np.arange(n) / RATE
        pitch = 2 * np.pi * np.cumsum(rng.uniform(95, 180) * (1 + 0.1 * np.sin(2 * np.pi * 3 * t))) / RATE
        formants = rng.uniform((300, 900, 2000), (800, 1800, 3000))
        gains = [sum(math.exp(-(((120 * k - f) / 250) ** 2)) for f in formants) + 0.05 for k in range(1, 26)]
        voice = sum(g * np.sin(k * pitch + rng.uniform(0, 6)) for k, g in enumerate(gains, start=1))
        voice = voice * np.sin(np.pi * np.arange(n) / n) ** 0.5 + rng.normal(0, 0.05, n)
        parts += [0.12 * voice / np.sqrt(np.mean(voice**2)), np.zeros(RATE * gap_ms // 1000)]
        times.append((f"word{i}" + ("." if i % 6 == 5 else ""), at, at + word_ms))
        at += word_ms + gap_ms
    return wav(np.concatenate(parts)), times


def music(duration_ms: int, *, seed: int = 0) -> bytes:
    """A stereo chord bed with a soft beat, at 44.1 kHz."""
    rate = 44_100
    t = np.arange(rate * duration_ms // 1000) / rate
    rng = np.random.default_rng(seed)
    notes = 220 * 2 ** (np.array([0, 4, 7, 12]) / 12)
    chord = sum(np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) for f in notes) / 4
    beat = np.exp(-((t % 0.6) * 9)) * np.sin(2 * np.pi * 60 * t)
    side = chord * (1 + 0.2 * np.sin(2 * np.pi * 0.2 * t))
    return wav(np.stack([0.25 * (side + 0.6 * beat), 0.25 * (chord + 0.6 * beat)], axis=1), rate=rate)


def take(**changes: object) -> rendering.Take:
    """A three-second scene that speaks for two seconds."""
    plain = {
        "duration_ms": 3000,
        "motion": "push_in",
        "amount": 0.12,
        "transition": "fade",
        "transition_frames": 12,
        "narration_ms": 2000,
        "words": (rendering.Word("Hello", 100, 500), rendering.Word("there.", 600, 1900)),
    }
    return rendering.Take(**{**plain, **changes})  # type: ignore[arg-type]


def plan(*takes: rendering.Take, target_ms: int, **changes: object) -> rendering.Timeline:
    """A portrait plan for TikTok."""
    plain = {"width": 1080, "height": 1920, "platform": "tiktok", "target_ms": target_ms}
    return rendering.plan(takes, **{**plain, **changes})  # type: ignore[arg-type]
