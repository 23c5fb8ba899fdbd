"""SCENE_GENERATION: times that add up, pictures directed together, motion that never repeats itself."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.generations import (
    Artefact,
    Assignment,
    Beat,
    Draft,
    GenerationKind,
    Motion,
    MotionKind,
    Part,
    Planned,
    Rewritten,
    Scene,
    Source,
    Stage,
    Story,
    Tone,
    Transition,
    TransitionKind,
    Unit,
    Variant,
)
from reelwright.ground.ids import AccountId, DraftId, GenerationId, VariantId
from reelwright.ground.metering import Use
from reelwright.providers import ProviderAway, Reworded, Rewrite, SceneText, Toolset
from reelwright.providers.offline.drawing import OfflinePictures
from worker.stages import scene_generation
from worker.stages.scene_generation import LEAST_MS, motion_of, shared_out, transition_of

DRAFT = Draft(id=DraftId(UUID(int=1)), account_id=AccountId(UUID(int=2)), topic="Lighthouses")
LINES = (
    "What exactly is a lighthouse?",
    "A lighthouse is a tower that guides ships at night, and the oldest one still at work stands in Spain.",
    "Its lamp once burned oil.",
    "Keepers lived with their families on islands.",
)


class Bench:
    """A bench without files, since this stage makes none."""

    workspace = Path("/nonexistent")

    async def fetch(self, artefact: Artefact) -> Path:
        raise AssertionError(artefact)

    def progress(self, done: float) -> None:
        assert 0 <= done <= 1


def variant(number: int) -> Variant:
    beats = tuple(Beat(narration=line, visual=f"thing {i}", claim=line if i else None) for i, line in enumerate(LINES))
    story = Story(title="T", hook="H", synopsis="S", arc=(), beats=beats, caption="C", hashtags=("a", "b", "c"))
    return Variant(id=VariantId(UUID(int=number)), position=0, story=story)


def task(*variants: Variant, **draft: object) -> Assignment:
    return Assignment(
        generation_id=GenerationId(UUID(int=3)),
        account_id=DRAFT.account_id,
        kind=GenerationKind.VIDEO,
        unit=Unit(stage=Stage.SCENE_GENERATION),
        attempt=1,
        draft=replace(DRAFT, **draft),  # pyright: ignore[reportArgumentType]
        variants=variants,
    )


def tools(picture: object) -> Toolset:
    return cast("Toolset", type("Tools", (), {"picture": picture})())


async def planned(assignment: Assignment) -> tuple[tuple[Scene, ...], ...]:
    made = await scene_generation.perform(assignment, tools(OfflinePictures()), Bench())
    assert isinstance(made.outcome, Planned)
    return made.outcome.scenes


async def test_every_variant_is_planned_to_the_millisecond() -> None:
    both = await planned(task(variant(11), variant(12), duration_s=30))

    for scenes in both:
        assert sum(scene.duration_ms for scene in scenes) == 30_000
        assert [scene.index for scene in scenes] == [0, 1, 2, 3]
        assert [scene.narration for scene in scenes] == list(LINES)
        assert [scene.claim for scene in scenes] == [None, *LINES[1:]]
        assert len({scene.image_prompt for scene in scenes}) == 4


async def test_the_same_variant_is_always_planned_alike() -> None:
    """A repeated delivery must not change a picture that was paid for."""
    assert await planned(task(variant(11))) == await planned(task(variant(11)))


async def test_a_calm_reel_moves_less_than_an_energetic_one() -> None:
    (calm,), (loud,) = (
        await planned(task(variant(11), tone=Tone.CALM)),
        await planned(task(variant(11), tone=Tone.ENERGETIC)),
    )

    assert max(scene.motion.amount for scene in calm) < min(scene.motion.amount for scene in loud)


async def test_a_prompt_too_few_is_an_outage() -> None:
    class Short:
        async def direct(self, scenes: list[SceneText], **_: object) -> tuple[str, ...]:
            return tuple("a picture" for _ in scenes[1:])

    with pytest.raises(ProviderAway):
        await scene_generation.perform(task(variant(11)), tools(Short()), Bench())


class Writer:
    """A provider that notes its order and words the scene in its own way."""

    def __init__(self) -> None:
        self.order: Rewrite | None = None

    async def rewrite(self, order: Rewrite) -> tuple[Reworded, tuple[Use, ...]]:
        self.order = order
        return Reworded(text="Oil burned in its lamp.", claim="Its lamp once burned oil."), ()


async def test_one_scene_is_worded_anew_and_nothing_else_planned() -> None:
    """What the planned scenes say is how the story stands: an edit of theirs is what gets rewritten."""
    writer, plain = Writer(), variant(11)
    motion, transition = Motion(kind=MotionKind.PUSH_IN), Transition(kind=TransitionKind.FADE)
    edited = tuple(
        Scene(
            index=i,
            narration=f"Edited {b.narration}",
            visual=b.visual,
            image_prompt="p",
            duration_ms=5000,
            motion=motion,
            transition=transition,
            claim=b.claim,
        )
        for i, b in enumerate(plain.story.beats)
    )
    asked = replace(
        task(replace(plain, scenes=edited)),
        kind=GenerationKind.REGENERATE_TARGETED,
        unit=Unit(stage=Stage.SCENE_GENERATION, scene=2),
        part=Part.SCENE_TEXT,
        take=1,
        source=Source(kind="text", title="Lighthouses", body=" ".join(LINES)),
    )
    made = await scene_generation.perform(asked, cast("Toolset", type("Tools", (), {"text": writer})()), Bench())

    assert made.outcome == Rewritten(
        part=Part.SCENE_TEXT, text="Oil burned in its lamp.", claim="Its lamp once burned oil."
    )
    assert writer.order is not None
    assert (writer.order.beat, writer.order.take) == (2, 1)
    assert writer.order.story.beats[2].narration == "Edited Its lamp once burned oil."


@given(lengths=st.lists(st.integers(1, 220), min_size=1, max_size=12), seconds=st.integers(6, 180))
def test_shares_sum_to_the_total_and_leave_time_to_look(lengths: list[int], seconds: int) -> None:
    beats = [Beat(narration="x" * length, visual="") for length in lengths]
    shares = shared_out(seconds * 1000, beats)

    assert sum(shares) == seconds * 1000
    assert min(shares) >= min(LEAST_MS, seconds * 1000 // len(beats)) - 1
    ordered = sorted(zip(lengths, shares, strict=True))
    assert all(more >= less - 1 for (_, less), (_, more) in itertools.pairwise(ordered))


@given(seed=st.integers(0, 2**31))
def test_motion_never_repeats_and_transitions_take_turns(seed: int) -> None:
    motions = [motion_of(index, seed=seed) for index in range(12)]
    transitions = [transition_of(index, seed=seed) for index in range(5)]

    assert all(one is not other for one, other in itertools.pairwise(motions))
    assert len(set(motions)) == 6
    assert set(transitions) == set(TransitionKind)


def test_seeds_differ() -> None:
    assert len({tuple(transition_of(i, seed=seed) for i in range(5)) for seed in range(40)}) == 20
    assert len({tuple(motion_of(i, seed=seed) for i in range(6)) for seed in range(40)}) == 12
