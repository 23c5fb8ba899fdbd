"""What no font can caption is refused where it is written, and before any of its scenes is paid for, or mixed."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from reelwright.generations import ArtefactKind, GenerationKind, Part, Stage, Unit, Written
from reelwright.ground.errors import Refusal
from reelwright.ground.metering import Action
from reelwright.providers import ProposedBeat, ProviderRefused, Reworded, Toolset
from tests.worker import test_story_writing as writing
from tests.worker import test_visual_generation as drawing
from tests.worker.reels import TOOLS, begun
from worker.stages import audio_mixing, scene_generation, story_writing, tts_generation, visual_generation

ODD = "Say ⵣⵓⵔ."
TIRED = cast("Toolset", None)  # whoever asks a provider fails
WELL = writing.proposal()
UNSHOWN = replace(WELL, beats=(*WELL.beats, ProposedBeat(narration=ODD, visual="lava")))


async def test_a_reel_in_letters_that_no_font_has_is_refused_before_it_is_mixed(tmp_path: Path) -> None:
    reel = begun(tmp_path, scenes=1, seconds=3, words=4)
    (said,) = [a for a in reel.artefacts if a.kind is ArtefactKind.NARRATION]
    reel.artefacts[:] = [a for a in reel.artefacts if a is not said]
    meta = {**said.meta, "words": [["ⵜⵉⴼⵉⵏⴰⵖ", start, end] for _, start, end in said.meta["words"]]}
    reel.put(ArtefactKind.NARRATION, reel.files[said.id], scene=0, **meta)
    bench = reel.bench("mix")

    with pytest.raises(Refusal) as refusal:
        await audio_mixing.perform(reel.task(Stage.AUDIO_MIXING), TOOLS, bench)

    assert (refusal.value.code, refusal.value.field) == ("captions.no_letters", "language")
    assert not list(bench.workspace.glob("*.flac"))


@pytest.mark.parametrize("kind", [GenerationKind.VIDEO, GenerationKind.REGENERATE_FULL])
async def test_a_reels_story_in_letters_that_no_font_has_is_refused_with_what_it_cost(kind: GenerationKind) -> None:
    ordered = replace(writing.task(writing.source()), kind=kind)
    with pytest.raises(ProviderRefused) as refused:
        await story_writing.perform(ordered, writing.tools(writing.Writer(UNSHOWN)), writing.Bench())

    assert (refused.value.code, refused.value.field, refused.value.ours) == ("captions.no_letters", "language", False)
    assert "No caption font has ⵣ ⵓ ⵔ: " in refused.value.sentence
    assert [use.action for use in refused.value.uses] == [Action.STORY]


async def test_a_story_that_may_still_be_edited_or_left_is_not_refused() -> None:
    script = replace(writing.task(writing.source()), kind=GenerationKind.SCRIPT)
    for ordered, stories in ((script, [UNSHOWN]), (writing.task(writing.source()), [WELL, UNSHOWN])):
        made = await story_writing.perform(ordered, writing.tools(writing.Writer(*stories)), writing.Bench())
        assert isinstance(made.outcome, Written)


@pytest.mark.parametrize("part", [Part.HOOK, Part.SCENE_TEXT, Part.CAPTION])
async def test_words_that_are_said_are_written_anew_in_letters_that_can_be_shown(part: Part) -> None:
    stage = scene_generation if part is Part.SCENE_TEXT else story_writing
    ordered = writing.targeted(part)
    ordered = replace(ordered, unit=replace(ordered.unit, scene=0 if part is Part.SCENE_TEXT else None))
    asked = stage.perform(ordered, writing.tools(writing.Writer(reworded=Reworded(text=ODD))), writing.Bench())
    if part is Part.CAPTION:  # which is text beside the video
        assert (await asked).outcome
        return
    with pytest.raises(ProviderRefused) as refused:
        await asked
    assert refused.value.code == "captions.no_letters"
    assert [use.action for use in refused.value.uses] == [Action.REWRITE]


@pytest.mark.parametrize("stage", [visual_generation, tts_generation])
async def test_no_scene_is_paid_for_where_another_one_cannot_be_shown(stage: object, tmp_path: Path) -> None:
    """An older story, say, or a script that nobody mended."""
    one = drawing.task()
    (variant,) = one.variants
    odd = replace(variant, scenes=(replace(variant.scenes[0], narration=ODD), *variant.scenes[1:]))
    render = replace(one, kind=GenerationKind.RENDER, unit=Unit(stage=one.unit.stage, scene=1), variants=(odd,))
    with pytest.raises(ProviderRefused) as refused:
        await stage.perform(render, TIRED, drawing.Bench(tmp_path))  # type: ignore[attr-defined]
    assert (refused.value.code, refused.value.uses) == ("captions.no_letters", ())
    again = replace(render, kind=GenerationKind.REGENERATE_TARGETED)
    with pytest.raises(AttributeError):
        await stage.perform(again, TIRED, drawing.Bench(tmp_path))  # type: ignore[attr-defined]
