"""Another take of a narration sounds otherwise, also where a voice always says the same in the same way."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from reelwright.generations import Assignment, Part, Spoken
from reelwright.ground.metering import Action
from reelwright.providers import Toolset
from reelwright.providers.offline.voice import OfflineVoice
from tests.worker.test_tts_generation import TEXT, narration
from tests.worker.test_visual_generation import Bench
from worker.stages import tts_generation

TOOLS = cast("Toolset", type("Tools", (), {"speech": OfflineVoice()})())


def taken(take: int) -> Assignment:
    one = replace(narration(planned_ms=7000), part=Part.SCENE_VOICE)
    (variant,) = one.variants
    scenes = tuple(replace(scene, voice_take=take) for scene in variant.scenes)
    return replace(one, variants=(replace(variant, scenes=scenes),))


async def test_each_take_differs_from_the_one_before(tmp_path: Path) -> None:
    sounds: list[bytes] = []
    names: list[str] = []
    for take in range(3):
        folder = tmp_path / str(take)
        folder.mkdir()
        made = await tts_generation.perform(taken(take), TOOLS, Bench(folder))
        assert isinstance(made.outcome, Spoken)
        assert made.outcome.duration_ms < 7000
        assert sum(use.quantity for use in made.uses if use.action is Action.SPEECH) == len(TEXT)
        sounds.append(made.artefacts[0].path.read_bytes())
        names.append(made.artefacts[0].inputs_hash)
    assert len(set(sounds)) == len(set(names)) == 3


@pytest.mark.parametrize("pace", [0.9, 1.0, 1.18])
def test_a_take_is_never_out_of_bounds_and_never_the_same(pace: float) -> None:
    paces = [tts_generation.another(pace, take=take) for take in range(4)]
    assert paces[0] == paces[3] == pace
    assert all(tts_generation.SLOWEST * 0.99 <= other <= tts_generation.FASTEST for other in paces)
    assert all(abs(other - pace) > 0.03 for other in paces[1:3])
