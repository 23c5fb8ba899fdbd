"""A short story makes sense by itself: it begins as its source does, says what was asked, and nothing twice."""

import re

from reelwright.providers.model import Brief, Facts, ProposedStory
from reelwright.providers.offline.text import OfflineText

BREAD = """
Bread rises because something in it is alive. Yeast is a fungus of a single cell, and a spoonful holds more of them than
there are people on earth. In warm dough it eats sugar and breathes out gas. The gas can't leave: when we knead, two
proteins of the flour join into gluten, an elastic net that holds every bubble. In the oven the bubbles grow once more,
then the net sets and the yeast dies.
"""


async def told(body: str, *, title: str, words: int = 35, scenes: int = 3, topic: str = "") -> ProposedStory:
    facts = Facts(kind="text", title=title, body=body, language="en")
    stories, _ = await OfflineText().write(
        Brief(
            topic=topic or title,
            facts=facts,
            platform="tiktok",
            tone="curious",
            language="en",
            duration_s=15,
            words=words,
            scenes=scenes,
        )
    )
    return stories[0]


def narration(story: ProposedStory) -> str:
    return " ".join(beat.narration for beat in story.beats)


async def test_a_short_text_begins_as_its_writer_did_and_calls_for_nothing() -> None:
    """A call takes a sixth of fifteen seconds, and a gift stood for its "surprised"."""
    story = await told(BREAD, title="Bread")
    assert story.hook == "Bread rises because something in it is alive."
    assert "surprised" not in narration(story)
    assert "surprised" in narration(await told(BREAD, title="Bread", words=70, scenes=6))


async def test_it_follows_what_it_means() -> None:
    """ "In warm dough it eats sugar" is false about bread."""
    for words in range(24, 80, 6):
        said = narration(await told(BREAD, title="Bread", words=words))
        if "In warm dough it eats" in said:
            assert said.index("Yeast is a fungus") < said.index("In warm dough it eats")


async def test_nobody_is_called_it_whose_sentence_cannot_be_said() -> None:
    body = (
        "Tide pools are small seas that the ocean leaves behind. They look like wet stones in the dark.\n\n"
        "the limpet and 1 0 0 0 100 0 100 100. It walks off to graze at high water, and finds the way back alone.\n\n"
        "A crab that lives in a pool must bear hot sun at noon and cold rain at night."
    )
    assert "It walks off" not in narration(await told(body, title="Tide pools", words=60, scenes=5))


async def test_what_differs_by_its_numbers_alone_is_said_once() -> None:
    days = [f"On day {n} the lamp burned {n * 3} hours and never smoked." for n in range(1, 60)]
    others = (
        "A seal slept on the landing stage until the evening boat came in. The beam caught a moth that threw a shadow "
        "as long as a street. The barometer fell by nine points, which is how the sea speaks to a keeper. "
    )
    said = narration(await told(" ".join([*days[:30], others, *days[30:]]), title="A year on the rock", words=40))
    assert "seal" in said
    assert len(re.findall(r"the lamp burned", said)) <= 2


async def test_a_title_that_only_begins_like_a_question_is_none() -> None:
    story = await told(BREAD, title="What a baker knows of bread.")
    assert "?" not in narration(story) + story.title


async def test_a_drawing_in_subtitle_markup_takes_no_sentence_with_it() -> None:
    body = "{\\p1}m 0 0 l 100 0 100 100{\\p0} The limpet has one place of its own on the rock. " + BREAD
    said = narration(await told(body, title="Limpets", words=40))
    assert said.startswith("The limpet has one place of its own on the rock.")
    assert "100" not in said
