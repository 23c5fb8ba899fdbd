"""What an edit makes of a story, and which claims outlive it: pure, so that every case can be tried."""

from uuid import uuid4

import pytest

from reelwright.generations import (
    NotAPermutation,
    ScenesTooLong,
    Variant,
    hold_to_length,
    reordered,
    sizing,
    with_scene,
    with_story,
)
from reelwright.ground.claims import supports
from reelwright.ground.ids import VariantId
from reelwright.rendering import gate
from tests.journeys.conftest import a_story, scenes_of

VARIANT_ID = VariantId(uuid4())
CLAIM = "A house cat purrs about 25 times a second, and nobody is certain why."


@pytest.mark.parametrize(
    ("narration", "supported"),
    [
        ("A house cat purrs about 25 times a second.", False),  # leaves out that nobody is certain
        ("Nobody is certain why a cat purrs 25 times a second.", True),
        ("NOBODY is certain why a cat is purring 25 times a second!", True),
        ("Nobody is certain why a cat purrs 26 times a second.", False),
        ("Nobody is certain why a dog barks.", True),
        ("Cats are aliens, nobody doubts that.", False),
        ("25 25 25", False),
        ("purrs about 25 times", True),
        ("", False),
    ],
)
def test_a_claim_stands_behind_words_that_say_it(narration: str, supported: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert supports(CLAIM, narration) is supported


def test_scripts_without_spaces_keep_only_what_is_the_same() -> None:
    assert supports("猫は喉を鳴らす。", "猫は喉を鳴らす")
    assert not supports("猫は喉を鳴らす。", "犬は吠える。")


def a_variant() -> Variant:
    story = a_story()
    return Variant(id=VARIANT_ID, position=0, story=story, scenes=scenes_of(story))


def test_a_scene_and_its_beat_are_changed_together() -> None:
    before = a_variant()
    after = with_scene(before, 1, {"narration": "Dogs bark.", "visual": "a dog", "duration_ms": 4000})
    assert (after.scenes[1].narration, after.scenes[1].claim, after.scenes[1].duration_ms) == ("Dogs bark.", None, 4000)
    assert (after.story.beats[1].narration, after.story.beats[1].visual) == ("Dogs bark.", "a dog")
    assert after.story.beats[1].claim is None
    assert (after.scenes[0], after.story.beats[0]) == (before.scenes[0], before.story.beats[0])
    assert with_scene(before, 1, {"duration_ms": 4000}).scenes[1].claim == before.scenes[1].claim


def test_scenes_may_last_as_long_as_the_gate_lets_a_reel() -> None:
    """To the millisecond. One room plans and another measures: this holds their numbers together."""
    assert sizing.LENGTH_OFF == gate.DURATION_OFF
    scenes = with_scene(a_variant(), 1, {"duration_ms": 6000}).scenes
    hold_to_length(scenes, duration_s=10)
    with pytest.raises(ScenesTooLong, match=r"planned for 11.001 s, and a reel of 10 s may last 11 s"):
        hold_to_length(with_scene(a_variant(), 1, {"duration_ms": 6001}).scenes, duration_s=10)


def test_an_unplanned_story_takes_its_hook() -> None:
    story = a_story()
    bare = Variant(id=VARIANT_ID, position=0, story=story)
    spoken = with_story(bare, {"hook": "Sentence"}).story
    again = with_story(Variant(id=VARIANT_ID, position=0, story=spoken), {"hook": "Number"}).story
    assert [beat.narration for beat in again.beats] == ["Number 0.", "Sentence 1."]


def test_moving_there_and_back_is_as_before() -> None:
    before = a_variant()
    there = reordered(before, [1, 0])
    assert [scene.narration for scene in there.scenes] == ["Sentence 1.", "Sentence 0."]
    assert [scene.index for scene in there.scenes] == [0, 1]
    assert [beat.narration for beat in there.story.beats] == ["Sentence 1.", "Sentence 0."]
    back = reordered(there, [1, 0])
    assert [back.seed_of(scene) for scene in back.scenes] == [before.seed_of(scene) for scene in before.scenes]
    assert (back.story, [scene.narration for scene in back.scenes]) == (before.story, ["Sentence 0.", "Sentence 1."])


@pytest.mark.parametrize("order", [[], [0], [1, 1], [0, 1, 2], [-1, 0]])
def test_an_order_is_a_permutation(order: list[int]) -> None:
    with pytest.raises(NotAPermutation):
        reordered(a_variant(), order)
