"""A preview is the same reel in small: its own chunks, the same sound, and the whole gate."""

from dataclasses import replace
from pathlib import Path

from reelwright import rendering
from reelwright.generations import ArtefactKind, Brand, CaptionStyle, Made, Profile, Released, Stage, model
from reelwright.ground.metering import Action
from tests.worker.reels import TOOLS, Reel, begun
from worker.stages import audio_mixing, video_assembly, video_generation

LOOK = Brand(caption_style=CaptionStyle.KARAOKE, profile=Profile.PREVIEW)


async def done(
    reel: Reel, stage: Stage, name: str, *, scene: int | None = None, chunk: int | None = None, brand: Brand = LOOK
) -> Made:
    perform = {
        Stage.VIDEO_GENERATION: video_generation.perform,
        Stage.AUDIO_MIXING: audio_mixing.perform,
        Stage.VIDEO_ASSEMBLY: video_assembly.perform,
    }[stage]
    task = replace(reel.task(stage, scene=scene, chunk=chunk), brand=brand)
    made = await perform(task, TOOLS, reel.bench(name))
    reel.keep(made, model.Unit(stage=stage, scene=scene, chunk=chunk))
    return made


async def test_a_preview_is_small_cheap_and_passes_its_gate(tmp_path: Path) -> None:
    reel = begun(tmp_path, scenes=1, seconds=4, words=7)
    await done(reel, Stage.VIDEO_GENERATION, "clip", scene=0)
    await done(reel, Stage.AUDIO_MIXING, "mix")
    part = await done(reel, Stage.VIDEO_ASSEMBLY, "chunk", chunk=0)
    whole = await done(reel, Stage.VIDEO_ASSEMBLY, "join")

    assert [(use.action, use.quantity) for use in part.uses] == [(Action.PREVIEW, 4000)]
    assert isinstance(whole.outcome, Released)
    assert [check for check in whole.outcome.gate["checks"] if not check["passed"]] == []  # type: ignore[index, union-attr]
    files = {file.kind: file.path for file in whole.artefacts}
    seen = rendering.probe(files[ArtefactKind.VIDEO])
    assert (seen.width, seen.height, seen.frames) == (360, 640, 120)
    assert files[ArtefactKind.VIDEO].stat().st_size < 600_000
    assert ArtefactKind.THUMBNAIL in files


def test_a_preview_shares_all_but_its_chunks() -> None:
    normal, small = Brand(caption_style=CaptionStyle.KARAOKE), LOOK
    assert normal.cards == small.cards
    assert normal.drawn != small.drawn
