"""Voices as they were chosen, and people's own music in the mix: heard by numbers."""

from dataclasses import replace
from pathlib import Path
from typing import cast
from uuid import UUID

import numpy as np
import pytest

from reelwright import providers, rendering
from reelwright.generations import RECIPES, Assignment, MusicChoice, Sound, Stage, Track, VoiceChoice
from reelwright.ground.metering import Use
from reelwright.providers import Speech, Toolset, Word, WordTimes
from reelwright.rendering import hearing, shaping
from tests.rooms.rendering import fixture
from tests.rooms.rendering.test_tempo import clicks
from tests.worker.reels import TOOLS, Reel, begun
from tests.worker.test_audio_mixing import RATE, level_db, loudness, mix_of, samples
from tests.worker.test_tts_generation import Bench, narration
from worker import ffmpeg
from worker.stages import audio_mixing, briefing, narrating, tts_generation


def hummed(words: str) -> Speech:
    """The words, each a hum of 300 ms and 60 ms from the next."""
    said = words.split()
    wav, times = fixture.speech(len(said))
    timed = tuple(Word(text=word, start_ms=at[1], end_ms=at[2]) for word, at in zip(said, times, strict=True))
    return Speech(wav=wav, sample_rate=RATE, duration_ms=times[-1][2] + 60, words=timed, word_times=WordTimes.EXACT)


def quiet_ms(speech: Speech, folder: Path) -> list[int]:
    """How long each silence of 50 ms or more inside the speech is."""
    path = folder / "heard.wav"
    path.write_bytes(speech.wav)
    level = np.abs(hearing.sound(path))[: len(speech.wav)]
    frames = level[: len(level) // 40 * 40].reshape(-1, 40).max(axis=1) < 0.01
    edges = np.flatnonzero(np.diff(np.concatenate([[False], frames, [False]]).astype(int)))
    runs = [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
    return [(b - a) * 5 for a, b in runs if a > 0 and b < len(frames) and (b - a) * 5 >= 50]


@pytest.mark.parametrize("gap_ms", [30, 500])
def test_sentences_stand_as_far_apart_as_was_wished_and_words_move_along(gap_ms: int, tmp_path: Path) -> None:
    plain = hummed("One two three. Four five. Six")
    paced = providers.paced(plain, gap_ms)

    gaps = [b.start_ms - a.end_ms for a, b in zip(paced.words, paced.words[1:], strict=False)]
    assert [abs(gap - wanted) <= 10 for gap, wanted in zip(gaps, [60, 60, gap_ms, 60, gap_ms], strict=True)] == [
        True
    ] * 5
    assert [word.end_ms - word.start_ms for word in paced.words] == [300] * 6
    assert paced.duration_ms - plain.duration_ms == pytest.approx(2 * (gap_ms - 60), abs=10)
    silences = [gap for gap in quiet_ms(paced, tmp_path) if gap > 200]
    assert silences == ([pytest.approx(500, abs=40)] * 2 if gap_ms > 200 else [])
    assert providers.paced(plain, None) is plain


@pytest.mark.parametrize("semitones", [-4, 3])
async def test_a_pitch_changes_neither_length_nor_times(semitones: int, tmp_path: Path) -> None:
    t = np.arange(2 * RATE) / RATE
    tone = sum(np.sin(2 * np.pi * 160 * k * t) / k for k in range(1, 12)) * 0.2
    plain = replace(hummed("One two. Three"), wav=fixture.wav(tone), duration_ms=2000)
    moved = await narrating.pitched(plain, VoiceChoice(pitch=semitones), tmp_path)

    assert (moved.words, moved.duration_ms) == (plain.words, 2000)
    (tmp_path / "moved.wav").write_bytes(moved.wav)
    sound = hearing.sound(tmp_path / "moved.wav")
    assert len(sound) == pytest.approx(2 * hearing.RATE, abs=hearing.RATE // 50)
    spectrum = np.abs(np.fft.rfft(sound[4000:12000] * np.hanning(8000)))
    lowest = 60 + int(np.argmax(spectrum[60:260]))
    assert lowest == pytest.approx(160 * 2 ** (semitones / 12), abs=2)
    assert await narrating.pitched(plain, VoiceChoice(), tmp_path) is plain


async def test_a_narration_is_spoken_as_it_was_ordered(tmp_path: Path) -> None:
    """What the draft is called by now doesn't count, and who chose a pace isn't slowed to fill the scene."""
    asked: list[tuple[str, float]] = []

    class Voice:
        async def speak(
            self, text: str, *, voice: str, language: str, speed: float = 1.0
        ) -> tuple[Speech, tuple[Use, ...]]:
            del language
            asked.append((voice, speed))
            return hummed(text), ()

    tools = cast("Toolset", type("Tools", (), {"speech": Voice()})())
    told = narration("One two three. Four five six.", planned_ms=9000)
    names: list[str] = []
    for choice in (
        VoiceChoice(name="coral", speed=1.2, gap_ms=400),
        VoiceChoice(name="coral"),
        VoiceChoice(name="coral", pitch=2),
    ):
        folder = tmp_path / str(len(names))
        folder.mkdir()
        one = replace(told, draft=replace(told.draft, voice="gone"), sound=Sound(voice=choice, music=MusicChoice()))
        made = await tts_generation.perform(one, tools, Bench(folder))
        names.append(made.artefacts[0].inputs_hash)
    assert asked == [("coral", 1.2), ("coral", 1.0), ("coral", 0.9), ("coral", 1.0), ("coral", 0.9)]
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    ("chosen", "spoken_ms", "pace"), [(1.2, 2000, 1.0), (0.8, 9000, 1.08), (1.0, 9000, 1.18), (0.8, 2000, 0.9)]
)
def test_a_chosen_pace_is_hurried_or_slowed_less(chosen: float, spoken_ms: int, pace: float) -> None:
    assert tts_generation.fitting_pace(spoken_ms=spoken_ms, planned_ms=5000, chosen=chosen) == pace


def test_a_slow_voice_is_given_fewer_words() -> None:
    task = narration()
    source = replace(
        task,
        source=cast(
            "object", type("S", (), {"attribution": None, "title": "", "kind": "none", "body": "", "language": "en"})()
        ),
    )  # type: ignore[arg-type]
    words = [
        briefing.brief_of(replace(source, sound=Sound(voice=VoiceChoice(speed=s)))).words for s in (1.0, 0.8, 1.25)
    ]
    assert words == [words[0], round(words[0] * 0.8), round(words[0] * 1.25)]


async def tracked(reel: Reel, *, bpm: float = 120, seconds: int = 7) -> Assignment:
    """The reel's mixing with a click track of its owner's, seven seconds long."""
    raw, file = reel.folder / "mine.wav", reel.folder / "mine.flac"
    ticks = clicks(bpm, seconds=seconds, rate=RATE)
    raw.write_bytes(fixture.wav(np.stack([ticks, ticks], axis=1) * 0.9))
    await ffmpeg.produce(lambda part: shaping.track(ffmpeg.program(), raw, part), file, check=lambda _path: None)
    mine = Track(id=UUID(int=9), key="mine.flac", sha256="", duration_ms=seconds * 1000, bpm=bpm, first_beat_ms=200)
    reel.files[mine.id] = file  # type: ignore[index]  # a bench gives it out as it does the artefacts
    return replace(reel.task(Stage.AUDIO_MIXING), sound=Sound(voice=VoiceChoice(), music=MusicChoice(track=mine)))


async def test_ones_own_music_plays_on_its_beats_to_the_end_as_loud_as_any(tmp_path: Path) -> None:
    reel = begun(tmp_path, scenes=1, seconds=12, words=6)
    made = await audio_mixing.perform(await tracked(reel), TOOLS, reel.bench("mix"))

    heard = samples(mix_of(made))
    assert heard.shape == (2, 12 * RATE)
    loud = await loudness(mix_of(made))
    assert abs(loud.lufs + 14) <= 0.5
    assert loud.peak_dbtp <= -1.5
    alone = heard[0][4 * RATE : 10 * RATE]  # behind the last word
    found = rendering.tempo.measured(np.interp(np.arange(0, len(alone), 6), np.arange(len(alone)), alone), 8000)
    assert found is not None
    assert found.bpm == pytest.approx(120, abs=0.3)
    assert (found.first_beat_ms + 4000 - 200) % 500 == pytest.approx(0, abs=15) or (
        found.first_beat_ms + 4800
    ) % 500 > 485
    assert level_db(heard[0][-RATE // 20 :]) < level_db(alone) - 20
    assert [use.model for use in made.uses] == [RECIPES[Stage.AUDIO_MIXING]]


async def test_another_track_makes_another_mix(tmp_path: Path) -> None:
    reel = begun(tmp_path, scenes=1, seconds=3, words=3)
    first = await tracked(reel)
    assert first.music.track is not None
    slow = MusicChoice(track=replace(first.music.track, bpm=60))
    other = replace(first, sound=replace(first.sound, music=slow))
    made = [await audio_mixing.perform(one, TOOLS, reel.bench(f"mix{n}")) for n, one in enumerate((first, other))]
    assert len({each.artefacts[0].inputs_hash for each in made}) == 2
