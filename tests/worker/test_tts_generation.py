"""TTS_GENERATION with the real voice: narration fits its scene, words come with it, one delivery is charged once."""

import wave
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from reelwright.generations import ArtefactKind, Assignment, Spoken, Stage, Unit
from reelwright.ground.metering import Action, Use
from reelwright.providers import ProviderAway, ProviderRefused, Speech, Toolset, WordTimes
from reelwright.providers.offline.voice import OfflineVoice
from tests.worker.test_visual_generation import Bench, files_in, task
from worker.stages import tts_generation

TOOLS = cast("Toolset", type("Tools", (), {"speech": OfflineVoice()})())
TEXT = "Cats purr when they are calm, but also when they hurt. The sound starts in the larynx."


def narration(text: str = TEXT, *, planned_ms: int = 6000, language: str = "en") -> Assignment:
    one = task()
    (variant,) = one.variants
    scenes = tuple(replace(scene, narration=text, duration_ms=planned_ms) for scene in variant.scenes)
    return replace(
        one,
        unit=Unit(stage=Stage.TTS_GENERATION, scene=1),
        draft=replace(one.draft, language=language),
        variants=(replace(variant, scenes=scenes),),
    )


async def natural_ms(text: str = TEXT) -> int:
    speech, _ = await OfflineVoice().speak(text, voice="default", language="en")
    return speech.duration_ms


async def test_the_narration_is_a_file_with_words_that_the_captions_can_use(tmp_path: Path) -> None:
    made = await tts_generation.perform(narration(planned_ms=await natural_ms() + 350), TOOLS, Bench(tmp_path))
    (artefact,) = made.artefacts
    with wave.open(str(artefact.path)) as file:
        length_ms = file.getnframes() * 1000 // file.getframerate()
        assert (file.getnchannels(), file.getframerate()) == (1, 48_000)
    assert made.outcome == Spoken(duration_ms=length_ms)
    assert (artefact.kind, artefact.media_type) == (ArtefactKind.NARRATION, "audio/wav")
    words = cast("list[list[object]]", artefact.meta["words"])
    assert " ".join(str(word[0]) for word in words) == TEXT
    assert all(0 <= cast("int", start) < cast("int", end) <= length_ms for _, start, end in words)
    assert (artefact.meta["duration_ms"], artefact.meta["word_times"], artefact.meta["speed"]) == (
        length_ms,
        "exact",
        1.0,
    )
    assert [(use.action, use.quantity) for use in made.uses] == [(Action.SPEECH, len(TEXT))]


@pytest.mark.parametrize("share", [0.88, 0.95, 1.08])
async def test_speech_is_fitted_to_the_scene(share: float, tmp_path: Path) -> None:
    planned = round(await natural_ms() * share) + 350
    made = await tts_generation.perform(narration(planned_ms=planned), TOOLS, Bench(tmp_path))
    assert isinstance(made.outcome, Spoken)
    assert made.outcome.duration_ms == pytest.approx(planned - 350, rel=0.07)
    assert made.outcome.duration_ms < planned


async def test_two_recordings_are_both_on_the_ledger_and_one_is_charged(tmp_path: Path) -> None:
    made = await tts_generation.perform(narration(planned_ms=4000), TOOLS, Bench(tmp_path))
    assert [use.quantity for use in made.uses] == [0, len(TEXT)]
    assert all(use.characters == len(TEXT) for use in made.uses)


async def test_a_second_recording_that_fails_tells_what_the_first_one_cost(tmp_path: Path) -> None:
    class Tired(OfflineVoice):
        async def speak(
            self, text: str, *, voice: str, language: str, speed: float = 1.0
        ) -> tuple[Speech, tuple[Use, ...]]:
            if speed != 1.0:
                raise ProviderAway("no")
            return await super().speak(text, voice=voice, language=language, speed=speed)

    tools = cast("Toolset", type("Tools", (), {"speech": Tired()})())
    with pytest.raises(ProviderAway) as outage:
        await tts_generation.perform(narration(planned_ms=4000), tools, Bench(tmp_path))
    assert [use.characters for use in outage.value.uses] == [len(TEXT)]


@pytest.mark.parametrize(
    ("spoken_ms", "planned_ms", "speed"),
    [(5000, 5350, 1.0), (5000, 4350, 1.18), (5000, 60_000, 0.9), (5000, 100, 1.18), (5500, 5350, 1.1), (0, 5000, 0.9)],
)
def test_the_speed_stays_within_what_sounds_natural(spoken_ms: int, planned_ms: int, speed: float) -> None:
    assert tts_generation.fitting_pace(spoken_ms=spoken_ms, planned_ms=planned_ms) == speed


async def test_a_scene_without_words_is_a_silence_recorded_once(tmp_path: Path) -> None:
    made = await tts_generation.perform(narration("🎉"), TOOLS, Bench(tmp_path))
    assert made.artefacts[0].meta["words"] == []
    assert len(made.uses) == 1


async def test_a_language_without_a_voice_is_refused_before_a_file_is_made(tmp_path: Path) -> None:
    with pytest.raises(ProviderRefused) as refusal:
        await tts_generation.perform(narration("Habari.", language="sw"), TOOLS, Bench(tmp_path))
    assert refusal.value.code == "voice.language_unsupported"
    assert files_in(tmp_path) == []


async def test_the_name_is_made_of_text_voice_language_and_time(tmp_path: Path) -> None:
    class Silent:
        async def speak(self, *_: object, **__: object) -> tuple[Speech, tuple[()]]:
            return Speech(wav=b"", sample_rate=48_000, duration_ms=5650, words=(), word_times=WordTimes.EXACT), ()

    tools = cast("Toolset", type("Tools", (), {"speech": Silent()})())
    tasks = [narration(), narration(), narration("Dogs bark."), narration(planned_ms=7000)]
    names = [(await tts_generation.perform(each, tools, Bench(tmp_path))).artefacts[0].inputs_hash for each in tasks]
    assert names[0] == names[1]
    assert len(set(names)) == 3
