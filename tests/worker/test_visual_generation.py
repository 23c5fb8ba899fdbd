"""VISUAL_GENERATION on real drawings: size with room for motion, takes that differ, a name made of its inputs."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from PIL import Image

from reelwright.generations import Artefact, ArtefactKind, Aspect, Drawn, MotionKind, Stage, TransitionKind, model
from reelwright.ground.ids import AccountId, DraftId, GenerationId, VariantId
from reelwright.ground.metering import Action
from reelwright.providers import ProviderRefused, Toolset
from reelwright.providers.offline.drawing import OfflinePictures
from worker.stages import visual_generation
from worker.stages.picture_checks import print_of

TOOLS = cast("Toolset", type("Tools", (), {"picture": OfflinePictures()})())
PROMPT = "hero: cat; with: heart; composition: rings; palette: teal dusk; seed: 7"


@dataclass
class Bench:
    workspace: Path
    told: list[float] = field(default_factory=list)

    async def fetch(self, artefact: Artefact) -> Path:
        raise AssertionError(artefact)

    def progress(self, done: float) -> None:
        self.told.append(done)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def task(*, aspect: Aspect = Aspect.PORTRAIT, round_: int = 0, take: int = 0, prompt: str = PROMPT) -> model.Assignment:
    scenes = tuple(
        model.Scene(
            index=i,
            narration="Cats purr.",
            visual="A cat.",
            image_prompt=prompt,
            duration_ms=4000,
            motion=model.Motion(kind=MotionKind.PUSH_IN),
            transition=model.Transition(kind=TransitionKind.FADE),
            take=take,
        )
        for i in range(2)
    )
    story = cast("Any", None)
    return model.Assignment(
        generation_id=GenerationId(UUID(int=1)),
        account_id=AccountId(UUID(int=2)),
        kind=model.GenerationKind.VIDEO,
        unit=model.Unit(stage=Stage.VISUAL_GENERATION, scene=1, round=round_),
        attempt=1,
        draft=model.Draft(id=DraftId(UUID(int=3)), account_id=AccountId(UUID(int=2)), topic="Cats", aspect=aspect),
        variants=(model.Variant(id=VariantId(UUID(int=4)), position=0, story=story, scenes=scenes),),
    )


@pytest.mark.parametrize(
    ("aspect", "size"),
    [(Aspect.PORTRAIT, (1242, 2208)), (Aspect.SQUARE, (1242, 1242)), (Aspect.LANDSCAPE, (2208, 1242))],
)
async def test_the_picture_is_a_little_larger_than_the_frame(
    aspect: Aspect, size: tuple[int, int], tmp_path: Path
) -> None:
    bench = Bench(tmp_path)
    made = await visual_generation.perform(task(aspect=aspect), TOOLS, bench)
    (artefact,) = made.artefacts
    assert made.outcome == Drawn(seen_as=print_of(artefact.path.read_bytes()))
    with Image.open(artefact.path) as image:
        assert image.size == size
    assert artefact.path.parent == tmp_path
    assert (artefact.kind, artefact.media_type) == (ArtefactKind.IMAGE, "image/png")
    assert artefact.meta == {"prompt": PROMPT, "take": 0, "width": size[0], "height": size[1]}
    assert [(use.action, use.quantity) for use in made.uses] == [(Action.IMAGE, 1)]
    assert bench.told[-1] == 1.0


async def test_each_round_is_another_take_and_a_repeat_is_the_same_file(tmp_path: Path) -> None:
    """A redelivered run must make the same artefact; a new round must not repeat what was judged bad."""
    made = [(await visual_generation.perform(task(round_=r), TOOLS, Bench(tmp_path))).artefacts[0] for r in (0, 1, 0)]
    assert made[0].inputs_hash == made[2].inputs_hash != made[1].inputs_hash
    assert made[0].path.read_bytes() != made[1].path.read_bytes()
    assert made[1].meta["take"] == 1


async def test_a_scenes_own_take_is_where_its_rounds_begin(tmp_path: Path) -> None:
    """A picture made anew must be another one, and a render must draw that one again to the byte."""
    asked = [task(), task(take=2), task(take=1, round_=1), task(take=2, round_=1)]
    made = [(await visual_generation.perform(one, TOOLS, Bench(tmp_path))).artefacts[0] for one in asked]

    assert [artefact.meta["take"] for artefact in made] == [0, 2, 2, 3]
    assert made[1].inputs_hash == made[2].inputs_hash
    assert len({artefact.inputs_hash for artefact in made}) == 3
    assert len({artefact.path.read_bytes() for artefact in made}) == 3


async def test_a_changed_prompt_is_another_input(tmp_path: Path) -> None:
    one = await visual_generation.perform(task(), TOOLS, Bench(tmp_path))
    other = await visual_generation.perform(task(prompt="A dog in the rain"), TOOLS, Bench(tmp_path))
    assert one.artefacts[0].inputs_hash != other.artefacts[0].inputs_hash


async def test_a_providers_refusal_passes_through(tmp_path: Path) -> None:
    class Strict:
        async def draw(self, *_: object, **__: object) -> None:
            raise ProviderRefused("Not that.", code="provider.refused")

    tools = cast("Toolset", type("Tools", (), {"picture": Strict()})())
    with pytest.raises(ProviderRefused) as refusal:
        await visual_generation.perform(replace(task(), attempt=2), tools, Bench(tmp_path))
    assert refusal.value.code == "provider.refused"
    assert files_in(tmp_path) == []
