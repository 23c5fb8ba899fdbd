"""A reel that draws on a source names it below, with its licence, whoever wrote the words."""

import json
from dataclasses import replace

import pytest

from reelwright.generations import Attribution, Part, Rewritten, Source, Written
from reelwright.providers.catalogue import Craft, model_of
from reelwright.providers.crediting import credited
from reelwright.providers.model import Facts
from reelwright.providers.openai_connection import CallBudget, OpenAIConnection
from reelwright.providers.text import OpenAIText
from tests.simulators.openai import SimulatedOpenAI, chat, says, stories
from tests.worker.test_story_writing import Bench, targeted, task, tools
from worker.stages import story_writing

ADDRESS = "https://en.wikipedia.org/wiki/Octopus"
OCTOPUS = Source(
    kind="encyclopaedia",
    title="Octopus",
    body="An octopus has three hearts. Its blood is blue.",
    attribution=Attribution(title="Octopus (Wikipedia)", url=ADDRESS, licence="CC BY-SA 4.0"),
)
LINE = f"Source: Octopus (Wikipedia), CC BY-SA 4.0, shortened, {ADDRESS}"
FACTS = Facts(
    kind="encyclopaedia",
    title="Octopus",
    body=OCTOPUS.body,
    attribution_title="Octopus (Wikipedia)",
    attribution_url=ADDRESS,
    attribution_licence="CC BY-SA 4.0",
)


def writer(server: SimulatedOpenAI) -> OpenAIText:
    budget = CallBudget(total_s=30, attempt_s=20, first_wait_s=0.01)
    return OpenAIText(
        OpenAIConnection(api_key="k", base_url=server.base_url, budget=budget), model_of("openai", Craft.TEXT)
    )


async def captions(server: SimulatedOpenAI, source: Source, **change: object) -> list[str]:
    server.faults = [says(chat(stories(variants=1, scenes=6, words=70, source=source.body, **change)))]
    made = await story_writing.perform(task(source, topic="Octopus"), tools(writer(server)), Bench())
    assert isinstance(made.outcome, Written)
    return [story.caption for story in made.outcome.stories]


async def test_a_paid_writers_caption_names_article_and_licence(server: SimulatedOpenAI) -> None:
    assert await captions(server, OCTOPUS) == [f"The sea keeps stories.\n\n{LINE}"]


def test_who_has_named_it_is_not_made_to_say_it_twice() -> None:
    said = f"Three hearts! From Octopus (Wikipedia), CC BY-SA 4.0, {ADDRESS}"
    assert credited(said, FACTS, language="en", platform="tiktok") == said
    assert credited("Octopus (Wikipedia)", FACTS, language="en", platform="tiktok").endswith(f"\n\n{LINE}")


async def test_a_text_of_ones_own_and_an_outline_name_nobody(server: SimulatedOpenAI) -> None:
    own = replace(OCTOPUS, kind="text", attribution=None)
    outlined = replace(OCTOPUS, kind="none", body="")
    assert [await captions(server, source) for source in (own, outlined)] == [["The sea keeps stories."]] * 2


@pytest.mark.parametrize("present", ["C", f"C\n\n{LINE}"])
async def test_it_stays_when_the_caption_is_written_anew(server: SimulatedOpenAI, present: str) -> None:
    server.faults = [says(chat(json.dumps({"text": "Three hearts in one animal.", "claim": None})))]
    ordered = replace(targeted(Part.CAPTION), source=OCTOPUS)
    told = tuple(replace(v, story=replace(v.story, caption=present)) for v in ordered.variants)
    made = await story_writing.perform(replace(ordered, variants=told), tools(writer(server)), Bench())
    assert made.outcome == Rewritten(part=Part.CAPTION, text=f"Three hearts in one animal.\n\n{LINE}")


@pytest.mark.parametrize(("platform", "most"), [("tiktok", 4_000), ("reels", 2_200), ("shorts", 5_000)])
def test_the_writers_words_give_way_to_it(platform: str, most: int) -> None:
    tags = ("octopus", "sea")
    made = credited("purr " * 2_000, FACTS, language="fr", platform=platform, hashtags=tags)
    assert made.endswith(f"purr\n\n{LINE.replace('shortened', 'abrégé')}")
    assert most - 10 <= len(made + "".join(f" #{tag}" for tag in tags)) <= most
