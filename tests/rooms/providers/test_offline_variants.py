"""Variants written offline are held to what models' are: each opens and is titled as none of its sisters."""

from dataclasses import replace

import pytest

from reelwright.providers.model import Brief
from reelwright.providers.offline.text import OfflineText
from reelwright.providers.story_checks import Told, doubts
from tests.rooms.providers.test_offline_text import article, brief, narration, written

_FIVE = 5
TOPICS = {
    "Why do cats purr?": "en",
    "penguins": "en",
    "How do black holes form?": "en",
    "Leonardo da Vinci": "en",
    "Why is the sky blue?": "en",
    "Historia del café": "es",
    "Tour Eiffel": "fr",
}


async def of(topic: str | None) -> Brief:
    if topic is None:
        return brief(article(), variants=_FIVE)
    facts = await OfflineText().facts(topic, language=TOPICS[topic])
    assert facts is not None
    return brief(facts, topic=topic, variants=_FIVE)


@pytest.mark.parametrize("topic", [*TOPICS, None])
async def test_five_variants_open_and_are_titled_otherwise(topic: str | None) -> None:
    """An article of two hundred words can't tell five reels apart in all that they say; what is heard first it can."""
    stories = await written(await of(topic))
    told = [Told(title=story.title, hook=story.hook, narration=narration(story)) for story in stories]
    found = doubts(told, ())
    assert len({story.title for story in stories}) == _FIVE
    assert [doubt for doubt in found if "tell the same" not in doubt] == []
    assert doubts(told[:2], ()) == []
    assert topic is not None or found == [], "a text of three hundred words has enough to tell"


@pytest.mark.parametrize("topic", [*TOPICS, None])
async def test_the_next_reel_of_a_topic_is_titled_otherwise(topic: str | None) -> None:
    asked = replace(await of(topic), variants=1)
    (first,) = await written(asked)
    (second,) = await written(replace(asked, recent=(first.title, first.hook)))
    told = Told(title=second.title, hook=second.hook, narration=narration(second))
    assert doubts([told], (first.title, first.hook)) == []
