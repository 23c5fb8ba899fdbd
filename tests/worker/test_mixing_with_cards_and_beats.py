"""What decides where a reel's cuts are besides its words: the music's beat, and the cards before and behind it."""

from dataclasses import replace
from pathlib import Path
from typing import cast
from uuid import UUID

import msgspec
import numpy as np

from reelwright.generations import ArtefactKind, Brand, Kit, Made, Mixed, Stage, Title
from reelwright.ground.metering import Use
from reelwright.providers.model import Toolset
from reelwright.rendering import SAMPLE_RATE, Timeline, hearing
from tests.rooms.rendering import fixture
from tests.rooms.rendering.test_tempo import clicks
from tests.worker.reels import Reel, begun
from worker.stages import audio_mixing

RATE, BPM, FIRST_S = 44_100, 100.0, 0.25


class Clicks:
    """A composer of clicks: a beat that nobody misses, or none at all."""

    def __init__(self, *, steady: bool) -> None:
        self.steady = steady

    async def compose(self, *, mood: str, duration_ms: int, seed: int) -> tuple[bytes, tuple[Use, ...]]:  # noqa: ARG002 - as composers do
        seconds = -(-duration_ms // 1000)
        sound = clicks(BPM, seconds=seconds, first_s=FIRST_S, rate=RATE)
        if not self.steady:
            sound = np.random.default_rng(3).normal(0, 0.1, seconds * RATE)
        return fixture.wav(0.4 * np.stack([sound, sound], axis=1), rate=RATE), ()


async def planned(reel: Reel, name: str, *, steady: bool = True, brand: Brand | None = None) -> tuple[Timeline, Made]:
    tools = cast("Toolset", type("Tools", (), {"music": Clicks(steady=steady)})())
    task = replace(reel.task(Stage.AUDIO_MIXING), brand=brand or Brand())
    made = await audio_mixing.perform(task, tools, reel.bench(name))
    (plan,) = [a.path for a in made.artefacts if a.kind is ArtefactKind.TIMELINE]
    return msgspec.json.decode(plan.read_bytes(), type=Timeline), made


async def test_cuts_fall_on_a_steady_beat_and_narrations_with_them(tmp_path: Path) -> None:
    """Of music without a beat the cuts stay where they were planned; each moves by four frames at most."""
    reel = begun(tmp_path, scenes=3, seconds=10, words=6)
    free, _ = await planned(reel, "free", steady=False)
    cut, made = await planned(reel, "cut")
    assert isinstance(made.outcome, Mixed)
    assert cut.frames == free.frames == 300
    beats = [FIRST_S + beat * 60 / BPM for beat in range(20)]
    moved = [after.start - before.start for after, before in zip(cut.shots, free.shots, strict=True)]
    assert any(moved)
    assert max(map(abs, moved)) <= 4
    for shot, shift in zip(cut.shots, moved, strict=True):
        assert not shift or min(abs(shot.start / 30 - beat) for beat in beats) < 0.03
    (mix,) = [a.path for a in made.artefacts if a.kind is ArtefactKind.MIX]
    heard = hearing.sound(mix)
    for shot in cut.shots:
        narration = reel.files[
            next(a for a in reel.artefacts if a.scene == shot.scene and "voice" in str(reel.files[a.id])).id
        ]
        words = [word for word in cut.words if word.scene == shot.scene]
        assert shot.speech_ms is not None
        found = hearing.heard(heard, hearing.sound(narration), at_ms=shot.speech_ms[0], words=words)
        assert abs(found.lag_ms) <= 40


async def test_cards_make_sound_and_picture_longer_by_what_they_are(tmp_path: Path) -> None:
    reel = begun(tmp_path, scenes=2, seconds=6, words=6)
    kit = Kit(
        id=UUID(int=1),
        version=1,
        font="inter",
        text="#FFFFFF",
        highlight="#FFDD00",
        intro=Title(text="Cats, daily", duration_ms=1500),
        outro=Title(text="Bye", duration_ms=1000),
    )
    timeline, made = await planned(reel, "carded", steady=False, brand=Brand(kit=kit))
    assert (timeline.frames, timeline.target_frames, timeline.shots[0].start) == (180 + 75, 180 + 75, 45)
    assert made.outcome == Mixed(chunks=2, duration_ms=8500)
    (mix,) = [a.path for a in made.artefacts if a.kind is ArtefactKind.MIX]
    assert abs(len(hearing.sound(mix)) / hearing.RATE - timeline.samples / SAMPLE_RATE) < 0.01
