"""The mix: loudness, ducking, places, and the plan that comes with it."""

from dataclasses import replace
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from reelwright.generations import Artefact, ArtefactKind, Made, Mixed, Stage
from reelwright.ground.metering import Action
from reelwright.rendering import Timeline, graph, hearing
from tests.rooms.rendering import fixture
from tests.worker.reels import TOOLS, Bench, Reel, begun
from worker import ffmpeg
from worker.stages import audio_mixing

RATE = 48_000


async def mixed(reel: Reel, name: str = "mix") -> tuple[Made, Bench]:
    bench = reel.bench(name)
    return await audio_mixing.perform(reel.task(Stage.AUDIO_MIXING), TOOLS, bench), bench


def samples(path: Path) -> NDArray[np.float32]:
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)
        parts = [out.to_ndarray() for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate(parts, axis=1)


def plan_of(made: Made) -> Timeline:
    (path,) = [a.path for a in made.artefacts if a.kind is ArtefactKind.TIMELINE]
    return msgspec.json.decode(path.read_bytes(), type=Timeline)


def mix_of(made: Made) -> Path:
    (path,) = [a.path for a in made.artefacts if a.kind is ArtefactKind.MIX]
    return path


async def loudness(path: Path) -> graph.Loudness:
    argv = graph.measure_loudness(ffmpeg.program(), path)
    return graph.loudness((await ffmpeg.run(argv, cwd=path.parent)).report)


def level_db(part: NDArray[np.float32]) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(part.astype(float) ** 2)) + 1e-9))


async def test_the_mix_is_mastered_exactly_as_long_as_the_plan_and_metered(tmp_path: Path) -> None:
    made, bench = await mixed(begun(tmp_path, scenes=2, seconds=8, words=8))

    timeline, heard = plan_of(made), samples(mix_of(made))
    assert made.outcome == Mixed(chunks=2, duration_ms=8000)
    assert heard.shape == (2, timeline.samples) == (2, 8 * RATE)
    loud = await loudness(mix_of(made))
    assert abs(loud.lufs + 14) <= 0.5
    assert loud.peak_dbtp <= -1.5
    assert [(use.action, use.quantity) for use in made.uses] == [(Action.MUSIC, 8000), (Action.MIX, 8000)]
    assert bench.told == sorted(bench.told)
    assert not (bench.workspace / "raw.wav").exists()


@pytest.mark.parametrize("peak", [0.05, 0.4, 1.0])
async def test_a_quiet_and_a_loud_voice_come_out_alike(tmp_path: Path, peak: float) -> None:
    """The offline voice is 12 LU quieter than some paid ones."""
    reel = begun(tmp_path, scenes=1, seconds=5, words=10, music="none")
    voice = reel.folder / "voice_0.wav"
    wave = hearing.sound(voice)
    voice.write_bytes(fixture.wav(wave.astype(float) / np.abs(wave).max() * peak, rate=hearing.RATE))

    made, _ = await mixed(reel)

    assert abs((await loudness(mix_of(made))).lufs + 14) <= 1.0
    assert [use.action for use in made.uses] == [Action.MIX]


async def test_a_voice_of_whispers_and_clicks_is_brought_to_its_loudness_too(tmp_path: Path) -> None:
    """The limiter takes most of what the first gain gives it: one correction leaves this one at -15.7 LUFS."""
    reel = begun(tmp_path, scenes=1, seconds=5, words=10, music="none")
    voice = reel.folder / "voice_0.wav"
    wave = hearing.sound(voice).astype(float)
    wave *= 0.02 / np.abs(wave).max()
    wave[:: hearing.RATE // 5] = 1.0
    voice.write_bytes(fixture.wav(wave, rate=hearing.RATE))

    made, _ = await mixed(reel)

    assert abs((await loudness(mix_of(made))).lufs + 14) <= 0.5


async def test_narrations_begin_exactly_with_their_scenes(tmp_path: Path) -> None:
    reel = begun(tmp_path, scenes=3, seconds=9, words=6)
    reel.artefacts = [
        replace(a, meta=a.meta | {"word_times": "sentence"}) if a.scene == 1 else a for a in reel.artefacts
    ]
    made, _ = await mixed(reel)
    timeline, heard = plan_of(made), hearing.sound(mix_of(made))

    assert [shot.by_sentence for shot in timeline.shots] == [False, True, False]
    for shot in timeline.shots:
        assert shot.speech_ms is not None
        narration = hearing.sound(reel.folder / f"voice_{shot.scene}.wav")
        words = [w for w in timeline.words if w.scene == shot.scene]
        found = hearing.heard(heard, narration, at_ms=shot.speech_ms[0], words=words)
        assert found.likeness > 0.8
        assert abs(found.lag_ms) <= 1.0
        assert found.words_voiced == 1.0


async def test_music_sinks_by_12_to_20_decibels_under_speech_and_comes_back(tmp_path: Path) -> None:
    voice, bed = tmp_path / "voice.wav", tmp_path / "music.wav"
    voice.write_bytes(fixture.speech(12)[0])
    bed.write_bytes(fixture.music(14_000))
    spoken, program = [graph.Spoken(voice, 4 * RATE)], ffmpeg.program()
    voice_loudness = graph.loudness(
        (await ffmpeg.run(graph.measure_voices(program, [one.path for one in spoken]), cwd=tmp_path)).report
    )
    gains = {
        "voice_gain_db": graph.gain_db(voice_loudness, graph.VOICE_LUFS),
        "music_gain_db": graph.gain_db(await loudness(bed), graph.MUSIC_LUFS),
    }
    heard: dict[str, NDArray[np.float32]] = {}
    for name, voices, music in (("both", spoken, bed), ("voice", spoken, None), ("music", [], bed)):
        out = tmp_path / f"{name}.wav.out"
        argv = graph.mix(program, out, voices=voices, music=music, samples=14 * RATE, **gains)
        await ffmpeg.run(argv, cwd=tmp_path)
        heard[name] = samples(out)[0]
    ducked = heard["both"] - heard["voice"]

    def sunk_db(start_s: float, end_s: float) -> float:
        part = slice(int(start_s * RATE), int(end_s * RATE))
        return level_db(heard["music"][part]) - level_db(ducked[part])

    speaking = slice(int(4.5 * RATE), 8 * RATE)
    assert 12 <= sunk_db(4.5, 8) <= 20
    assert level_db(heard["voice"][speaking]) - level_db(ducked[speaking]) >= 12
    assert abs(sunk_db(1, 3.9)) < 0.5
    assert abs(sunk_db(9.8, 11.8)) < 0.5
    assert level_db(heard["music"][13_950 * RATE // 1000 :]) < level_db(heard["music"][5 * RATE : 8 * RATE]) - 20


async def test_music_fades_at_the_reels_true_end(tmp_path: Path) -> None:
    made, _ = await mixed(begun(tmp_path, scenes=1, seconds=8, words=3))
    heard = samples(mix_of(made))[0]
    assert level_db(heard[4 * RATE : 5 * RATE]) > -40
    assert level_db(heard[-RATE // 20 :]) < level_db(heard[4 * RATE : 5 * RATE]) - 20


async def test_two_scenes_may_say_the_same_and_one_may_say_nothing(tmp_path: Path) -> None:
    """Files are kept by what they hold, so equal narrations are one file."""
    reel = begun(tmp_path, scenes=3, seconds=9, words=5)
    (twice,) = [a for a in reel.artefacts if a.kind is ArtefactKind.NARRATION and a.scene == 0]
    kept = [a for a in reel.artefacts if not (a.kind is ArtefactKind.NARRATION and a.scene in {1, 2})]
    reel.artefacts[:] = kept
    reel.put(ArtefactKind.NARRATION, reel.files[twice.id], scene=1, **twice.meta)
    reel.scenes = (*reel.scenes[:2], replace(reel.scenes[2], narration=" "))

    made, _ = await mixed(reel)

    assert [shot.speech_ms is None for shot in plan_of(made).shots] == [False, False, True]
    assert plan_of(made).frames == 270


async def test_a_spoken_scene_without_narration_is_a_mistake(tmp_path: Path) -> None:
    reel = begun(tmp_path, scenes=2, seconds=6, words=4)
    reel.artefacts[:] = [a for a in reel.artefacts if not _narration_of(a, 1)]
    with pytest.raises(LookupError, match="scene 1 has no narration"):
        await mixed(reel)


def _narration_of(artefact: Artefact, scene: int) -> bool:
    return artefact.kind is ArtefactKind.NARRATION and artefact.scene == scene
