"""Tempo from sound alone, and music turned round on its beats: told by click tracks."""

import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.rendering import tempo

RATE = 8000


def clicks(bpm: float, *, seconds: int = 20, first_s: float = 0.2, rate: int = RATE) -> NDArray[np.float64]:
    """Short pings in a little noise, the first of four louder."""
    sound = np.random.default_rng(1).normal(0, 0.002, seconds * rate)
    length = rate // 40
    ping = np.sin(np.arange(length) * 0.8) * np.exp(-np.arange(length) / (rate / 200))
    for beat in range(int((seconds - first_s - 0.1) * bpm / 60)):
        at = int((first_s + beat * 60 / bpm) * rate)
        sound[at : at + length] += ping * (1.0 if beat % 4 == 0 else 0.5)
    return sound


@pytest.mark.parametrize("bpm", [55, 60, 72, 83.5, 90, 100, 117, 120, 128, 140])
def test_a_tempo_is_found_to_a_tenth_and_its_beat_to_10_milliseconds(bpm: float) -> None:
    found = tempo.measured(clicks(bpm), RATE)
    assert found is not None
    assert found.bpm == pytest.approx(bpm, abs=0.1)
    assert found.first_beat_ms == pytest.approx(200, abs=10)


@pytest.mark.parametrize(("bpm", "near"), [(160, 160), (174, 172), (40, 40), (120, 60)])
def test_a_tempo_that_is_known_is_only_made_exact(bpm: float, near: float) -> None:
    found = tempo.measured(clicks(bpm), RATE, near=near)
    assert found is not None
    assert found.bpm == pytest.approx(near, rel=0.02)
    assert found.first_beat_ms % round(60_000 / bpm) == pytest.approx(200, abs=12)


@pytest.mark.parametrize(
    "sound",
    [np.zeros(16 * RATE), np.sin(np.arange(16 * RATE) * 0.3), np.random.default_rng(2).normal(0, 0.1, 16 * RATE)],
    ids=["silence", "a tone", "noise"],
)
def test_what_has_no_beat_has_no_tempo(sound: NDArray[np.float64]) -> None:
    assert tempo.measured(sound, RATE) is None
    assert tempo.measured(sound[: 3 * RATE], RATE) is None


def test_music_turns_round_on_its_bars() -> None:
    """Nine seconds and a bit at 100 a minute: three whole bars and some beats, which come round every 7.2 seconds."""
    short = np.stack([clicks(100, seconds=9, rate=RATE)] * 2)
    long = tempo.lengthened(short, 40 * RATE, rate=RATE, bpm=100, first_beat_ms=200)

    assert long.shape == (2, 40 * RATE)
    loud = np.flatnonzero(np.abs(long[0]) > 0.2) / RATE
    beats = loud[np.flatnonzero(np.diff(loud, prepend=-1) > 0.1)]
    assert len(beats) == pytest.approx(66, abs=1)
    assert np.abs(np.diff(beats) - 0.6).max() < 0.004
    strong = (
        np.abs(long[0][(beats[:, None] * RATE + np.arange(60)).astype(int).clip(0, 40 * RATE - 1)]).max(axis=1) > 0.6
    )
    assert list(np.flatnonzero(strong) % 4) == [0] * int(strong.sum())


def test_longer_music_is_cut_and_music_without_a_tempo_turns_at_its_end() -> None:
    sound = np.stack([clicks(100, seconds=9)] * 2)
    assert np.array_equal(tempo.lengthened(sound, 5 * RATE, rate=RATE, bpm=100, first_beat_ms=0), sound[:, : 5 * RATE])
    turned = tempo.lengthened(sound, 20 * RATE, rate=RATE, bpm=None, first_beat_ms=0)
    assert np.allclose(turned[:, 9 * RATE + 400 : 18 * RATE], sound[:, 400:], atol=1e-6)


def test_a_beat_that_goes_through_all_of_it_is_steady_and_one_that_stumbles_is_not() -> None:
    found = tempo.steady(clicks(100), RATE)
    assert found is not None
    assert (found.bpm, found.first_beat_ms) == (pytest.approx(100, abs=0.1), pytest.approx(200, abs=10))
    first, second = clicks(100, seconds=10), clicks(100, seconds=10, first_s=0.5)
    assert tempo.steady(np.concatenate([first, second]), RATE) is None
    assert tempo.steady(np.concatenate([clicks(100), clicks(131)]), RATE) is None
    assert tempo.steady(np.random.default_rng(2).normal(0, 0.1, 16 * RATE), RATE) is None
