"""The golden set's own eyes and ears: each check is red for what was once delivered, and green for what is now."""

from uuid import UUID

import pytest

from reelwright import rendering
from reelwright.generations import Motion, MotionKind, Scene, Story, Transition, TransitionKind, Variant
from reelwright.ground.ids import VariantId
from tests.golden import judging
from tests.golden.inputs import Golden

PURRING = "猫は喉の筋肉を動かして、ゴロゴロという音を出します。"
CAT = Golden("cat", language="ja", told=("猫",), never=("{", "ignore"), shown=("cat",))


def variant(*heroes: str, narration: str = PURRING) -> Variant:
    scenes = tuple(
        Scene(
            index=index,
            narration=narration,
            visual="猫, 喉",
            image_prompt=f"hero: {hero}; composition: rings; palette: teal dusk; seed: 1",
            duration_ms=5_000,
            motion=Motion(kind=MotionKind.PUSH_IN, amount=0.1),
            transition=Transition(kind=TransitionKind.DIP),
        )
        for index, hero in enumerate(heroes)
    )
    story = Story(title="猫", hook="猫", synopsis="", arc=(), beats=(), caption="", hashtags=())
    return Variant(id=VariantId(UUID(int=1)), position=0, story=story, scenes=scenes)


def timeline(*spoken_ms: tuple[int, int], scene_ms: int = 5_000) -> rendering.Timeline:
    takes = [
        rendering.Take(
            duration_ms=scene_ms,
            motion="push_in",
            amount=0.1,
            transition="dip",
            transition_frames=10,
            narration_ms=end,
            words=(rendering.Word("one", start, (start + end) // 2), rendering.Word("two", (start + end) // 2, end)),
        )
        for start, end in spoken_ms
    ]
    total_ms = scene_ms * len(takes)
    return rendering.plan(takes, target_ms=total_ms, width=1080, height=1920, platform="tiktok")


def test_a_picture_that_nobody_speaks_of_is_found() -> None:
    """A key, a pin and a book stood for a cat that purrs."""
    assert judging.pictures_wrong(CAT, variant("cat", "sound", "ripples"), "猫") == []
    wrong = judging.pictures_wrong(CAT, variant("key", "map pin"), "猫")
    assert len(wrong) == 3
    assert "scene 0 shows key" in wrong[0]
    assert "none of cat" in wrong[2]


@pytest.mark.parametrize(
    ("spoken", "found"),
    [
        (((50, 4_700), (50, 4_700)), []),
        (((50, 4_700), (50, 3_300)), ["ms of music at the end", "spoken"]),
        (((50, 3_300), (50, 4_700)), ["ms of music at ", "spoken"]),
    ],
)
def test_music_alone_is_heard(spoken: tuple[tuple[int, int], ...], found: list[str]) -> None:
    wrong = judging.sound_wrong(timeline(*spoken))
    assert len(wrong) == len(found)
    assert all(part in said for part, said in zip(found, wrong, strict=True))


def test_markup_in_words_or_subtitles_is_found_and_times_are_none() -> None:
    subtitles = "1\n00:00:00,000 --> 00:00:02,000\n猫は\n"
    assert judging.words_wrong(Golden("x", told=("猫",), never=(">",)), "猫", subtitles) == []
    assert judging.words_wrong(CAT, "Ignore this", subtitles + "{\\an8}") == [
        "none of 猫 is told",
        "'{' is told",
        "'ignore' is told",
    ]


def test_hashtags_that_run_together_are_found() -> None:
    assert judging.hashtags_wrong(["猫", "learnsomethingnew", "القهوة"]) == []
    assert judging.hashtags_wrong(["猫は喉の筋肉を一秒間に", "theverylonghashtagthatnobodyreads"]) != []
