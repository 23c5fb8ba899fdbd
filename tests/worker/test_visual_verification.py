"""VISUAL_VERIFICATION judges the round's own picture, gives the worst score."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from reelwright.generations import Artefact, ArtefactKind, Judged, Stage, Unit
from reelwright.ground.ids import ArtefactId, fresh
from reelwright.ground.metering import Action, Use
from reelwright.providers import Judgement, Picture, Toolset
from reelwright.providers.offline.drawing import OfflinePictures
from reelwright.providers.offline.inspection import OfflineVision
from tests.worker.test_visual_generation import PROMPT, task
from worker.stages import visual_verification

TOOLS = cast("Toolset", type("Tools", (), {"vision": OfflineVision()})())


@dataclass
class Bench:
    workspace: Path

    async def fetch(self, artefact: Artefact) -> Path:
        return self.workspace / artefact.key

    def progress(self, done: float) -> None:
        assert 0 <= done <= 1


def stored(key: str, *, scene: int = 1, round_: int = 0, prompt: str = PROMPT) -> Artefact:
    return Artefact(
        id=ArtefactId(fresh()),
        generation_id=task().generation_id,
        kind=ArtefactKind.IMAGE,
        key=key,
        media_type="image/jpeg",
        size_bytes=1,
        sha256="",
        inputs_hash="",
        scene=scene,
        round=round_,
        meta={"prompt": prompt, "take": round_, "width": 702, "height": 1248},
    )


async def write(folder: Path, key: str, prompt: str = PROMPT) -> None:
    picture, _ = await OfflinePictures().draw(prompt, width=702, height=1248, seed=1)
    (folder / key).write_bytes(picture.data)


def verification(*artefacts: Artefact, round_: int = 0) -> object:
    return replace(
        task(), unit=Unit(stage=Stage.VISUAL_VERIFICATION, scene=1, round=round_), artefacts=tuple(artefacts)
    )


async def test_a_good_picture_scores_well_and_the_score_is_the_worst_of_four(tmp_path: Path) -> None:
    await write(tmp_path, "good")
    made = await visual_verification.perform(verification(stored("good")), TOOLS, Bench(tmp_path))
    judged = made.outcome
    assert isinstance(judged, Judged)
    assert set(judged.scores) == {"relevance", "quality", "consistency", "safety"}
    assert judged.score == min(judged.scores.values()) >= 70
    assert not made.artefacts
    assert [(use.action, use.quantity) for use in made.uses] == [(Action.VISION_CHECK, 1)]


async def test_a_mixed_up_picture_fails_with_a_reason(tmp_path: Path) -> None:
    await write(tmp_path, "wrong", "hero: volcano; composition: hills; palette: amber morning; seed: 1")
    judged = (await visual_verification.perform(verification(stored("wrong")), TOOLS, Bench(tmp_path))).outcome
    assert isinstance(judged, Judged)
    assert judged.score < 60
    assert judged.reasons


async def test_the_rounds_own_picture_is_judged_not_the_best_or_another_scenes(tmp_path: Path) -> None:
    """The assignment lists the best picture first: judging that again would never let a new take win."""
    seen: list[Picture] = []

    class Watching:
        async def judge(self, picture: Picture, **words: str) -> tuple[Judgement, tuple[Use, ...]]:
            seen.append(picture)
            assert words == {"visual": "A cat.", "narration": "Cats purr.", "prompt": PROMPT}
            return Judgement(relevance=61, quality=90, consistency=40, safety=100, reasons=("why",)), ()

    await write(tmp_path, "drawn")
    drawn = (tmp_path / "drawn").read_bytes()
    for key in ("best", "newest", "elsewhere"):
        (tmp_path / key).write_bytes(drawn + key.encode())  # what stands behind a picture's end is no part of it
    tools = cast("Toolset", type("Tools", (), {"vision": Watching()})())
    artefacts = (stored("best", round_=0), stored("elsewhere", scene=0, round_=1), stored("newest", round_=1))
    made = await visual_verification.perform(verification(*artefacts, round_=1), tools, Bench(tmp_path))
    assert [picture.data for picture in seen] == [drawn + b"newest"]
    assert seen[0].width == 702
    assert made.outcome == Judged(
        score=40, scores={"relevance": 61, "quality": 90, "consistency": 40, "safety": 100}, reasons=("why",)
    )


async def test_no_picture_is_a_bug_and_says_which_scene(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="scene 1"):
        await visual_verification.perform(verification(stored("x", scene=0)), TOOLS, Bench(tmp_path))
