"""A reel that no font can caption is refused before anything of it is mixed or rendered."""

from pathlib import Path

import pytest

from reelwright.generations import ArtefactKind, Stage
from reelwright.ground.errors import Refusal
from tests.worker.reels import TOOLS, begun
from worker.stages import audio_mixing


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
