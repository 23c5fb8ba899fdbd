"""What is measured of pictures: each fault is found, and no drawing of ours has one."""

import io
import itertools
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from reelwright.generations import Drawn, Judged, Stage, Unit, pipeline, verdicts
from reelwright.ground.metering import Action, Use
from reelwright.providers import Judgement, Picture, SceneText, Toolset
from reelwright.providers.offline.drawing import OfflinePictures
from tests.worker.test_visual_generation import Bench as DrawingBench
from tests.worker.test_visual_generation import task
from tests.worker.test_visual_verification import Bench, stored, verification
from worker.stages import picture_checks, visual_generation, visual_verification

SIZE = (620, 1104)


@pytest.fixture(scope="module")
async def drawn() -> list[Image.Image]:
    told = [SceneText(narration=n, visual=n) for n in ("a cat asleep", "a volcano at night", "a train in the rain")]
    offline = OfflinePictures()
    prompts = await offline.direct(told, topic="t", tone="curious", seed=3)
    found = [await offline.draw(prompt, width=SIZE[0], height=SIZE[1], seed=3) for prompt in prompts]
    return [Image.open(io.BytesIO(picture.data)).convert("RGB") for picture, _ in found]


def encoded(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()


def lettered(picture: Image.Image, size: int) -> Image.Image:
    copy = picture.copy()
    ImageDraw.Draw(copy).text((30, 500), "SALE ENDS SOON buy now pay later", font_size=size, fill="white")
    return copy


def reasons(picture: Image.Image) -> list[str]:
    return [fault.reason for fault in picture_checks.faults(encoded(picture))]


def alike(one: Image.Image, other: Image.Image) -> bool:
    """Say what a reel makes of the second scene's picture beside the first's."""
    unit = Unit(stage=Stage.VISUAL_GENERATION, scene=1)
    check = replace(unit, stage=Stage.VISUAL_VERIFICATION)
    verdict = Judged(score=100, scores={"quality": 100}, reasons=())
    seen = [picture_checks.print_of(encoded(picture)) for picture in (one, other)]
    settled = verdicts.settled({unit: Drawn(seen_as=seen[1])}, check, verdict, {0: seen[0]}, scenes=2)
    return settled.score < pipeline.PASSING_SCORE


def test_our_own_drawings_have_no_fault(drawn: list[Image.Image]) -> None:
    for picture in drawn:
        assert reasons(picture) == []
    assert not any(alike(one, other) for one, other in itertools.combinations(drawn, 2))


def test_each_fault_is_found(drawn: list[Image.Image]) -> None:
    plain = drawn[0]
    assert reasons(Image.new("RGB", SIZE, (9, 9, 9))) == ["It is nearly blank."]
    assert reasons(Image.new("RGB", SIZE, "white")) == ["It is nearly blank."]
    assert reasons(Image.eval(plain, lambda level: 100 + level // 6)) == ["It has hardly any contrast."]
    assert reasons(plain.filter(ImageFilter.GaussianBlur(6))) == ["It is blurred all over."]
    assert reasons(plain.resize((300, 534))) == ["It is too small for the screen."]
    for size in (28, 44, 70):
        assert reasons(lettered(drawn[0], size)) == ["There is lettering in it."]


def test_a_picture_that_is_nearly_an_earlier_ones_is_made_again(drawn: list[Image.Image]) -> None:
    brighter = Image.eval(drawn[0], lambda level: min(255, level + 12))
    assert alike(brighter, drawn[0])
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (*SIZE[::-1], 3), dtype=np.uint8))
    assert not alike(brighter, noise.filter(ImageFilter.GaussianBlur(1)))


class Flatterer:
    """A judge that was talked round."""

    async def judge(self, _picture: Picture, **_: str) -> tuple[Judgement, tuple[Use, ...]]:
        use = Use(action=Action.VISION_CHECK, provider="p", model="m", quantity=1)
        return Judgement(relevance=100, quality=100, consistency=100, safety=100), (use,)


FLATTERY = cast("Toolset", type("Tools", (), {"vision": Flatterer()})())


async def test_praise_does_not_outweigh_what_is_measured(tmp_path: Path, drawn: list[Image.Image]) -> None:
    for name, picture, quality in (("good", drawn[0], 100), ("blank", Image.new("RGB", SIZE, "white"), 20)):
        (tmp_path / name).write_bytes(encoded(picture))
        judged = (await visual_verification.perform(verification(stored(name)), FLATTERY, Bench(tmp_path))).outcome
        assert isinstance(judged, Judged)
        assert (judged.score, judged.scores["quality"], judged.scores["relevance"]) == (quality, quality, 100)
        assert bool(judged.reasons) is (quality < 100)


async def test_a_later_try_is_told_what_was_wrong_and_has_another_name(tmp_path: Path) -> None:
    told: list[tuple[str, ...]] = []

    class Pictures(OfflinePictures):
        async def draw(self, prompt: str, **order: object) -> tuple[Picture, tuple[Use, ...]]:  # type: ignore[override] - it only looks
            told.append(cast("tuple[str, ...]", order.get("faults", ())))
            return await super().draw(prompt, width=620, height=1104, seed=1)

    tools = cast("Toolset", type("Tools", (), {"picture": Pictures()})())
    names = []
    for faults in ((), ("There is lettering in it.",)):
        made = await visual_generation.perform(replace(task(), faults=faults), tools, DrawingBench(tmp_path))
        names.append(made.artefacts[0].inputs_hash)
        assert isinstance(made.outcome, Drawn)
        assert len(made.outcome.seen_as or "") == 16
    assert told == [(), ("There is lettering in it.",)]
    assert names[0] != names[1]
