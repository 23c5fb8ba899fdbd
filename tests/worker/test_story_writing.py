"""STORY_WRITING: the source reaches the provider whole, and its stories come back with their attribution."""

from dataclasses import replace
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest

from reelwright import providers
from reelwright.generations import (
    Artefact,
    Assignment,
    Attribution,
    Beat,
    Draft,
    GenerationKind,
    Part,
    Rewritten,
    Source,
    Stage,
    Story,
    Unit,
    Variant,
    Written,
    wanted_scenes,
)
from reelwright.ground.ids import AccountId, DraftId, GenerationId, VariantId
from reelwright.ground.metering import Action, Use
from reelwright.providers import Brief, ProposedBeat, ProposedStory, ProviderAway, Reworded, Rewrite, Toolset
from reelwright.providers.offline.language import spoken_words
from reelwright.providers.offline.text import OfflineText
from worker.stages import story_writing

DRAFT = Draft(id=DraftId(UUID(int=1)), account_id=AccountId(UUID(int=2)), topic="Why do volcanoes erupt?")
NAMED = Attribution(title="Volcano (Wikipedia)", url="https://en.wikipedia.org/wiki/Volcano", licence="CC BY-SA 4.0")


class Bench:
    """A bench without files, since this stage makes none."""

    workspace = Path("/nonexistent")

    def __init__(self) -> None:
        self.done = 0.0

    async def fetch(self, artefact: Artefact) -> Path:
        raise AssertionError(artefact)

    def progress(self, done: float) -> None:
        self.done = done


class Writer:
    """A provider that notes its brief and writes what it is given."""

    def __init__(self, *stories: ProposedStory, reworded: Reworded | None = None) -> None:
        self.stories = stories
        self.reworded = reworded or Reworded()
        self.brief: Brief | None = None
        self.order: Rewrite | None = None

    async def rewrite(self, order: Rewrite) -> tuple[Reworded, tuple[Use, ...]]:
        self.order = order
        return self.reworded, (Use(action=Action.REWRITE, provider="made-up", model="m", quantity=1),)

    async def write(self, brief: Brief) -> tuple[tuple[ProposedStory, ...], tuple[Use, ...]]:
        self.brief = brief
        return self.stories, (Use(action=Action.STORY, provider="made-up", model="m", quantity=len(self.stories)),)


def proposal(*, outline: bool = False) -> ProposedStory:
    return ProposedStory(
        title="Fire",
        hook="Fire!",
        synopsis="It burns.",
        arc=("up", "down"),
        beats=(ProposedBeat(narration="Lava is hot.", visual="lava", claim="Lava is hot."),),
        caption="Hot.",
        hashtags=("#lava", "fire"),
        outline=outline,
    )


def task(source: Source | None, **draft: object) -> Assignment:
    return Assignment(
        generation_id=GenerationId(UUID(int=3)),
        account_id=DRAFT.account_id,
        kind=GenerationKind.VIDEO,
        unit=Unit(stage=Stage.STORY_WRITING),
        attempt=1,
        draft=replace(DRAFT, **draft),  # pyright: ignore[reportArgumentType]
        source=source,
    )


def source(**change: object) -> Source:
    plain = Source(kind="encyclopaedia", title="Volcano", body="A volcano is a mountain.", attribution=NAMED)
    return replace(plain, **change)  # pyright: ignore[reportArgumentType]


def tools(text: object) -> Toolset:
    return cast("Toolset", type("Tools", (), {"text": text})())


async def test_the_brief_carries_everything_that_the_draft_and_the_source_say() -> None:
    writer, bench = Writer(proposal(), proposal()), Bench()
    assignment = replace(task(source(language="es"), duration_s=60, language="es"), variants_wanted=2)
    made = await story_writing.perform(assignment, tools(writer), bench)

    assert writer.brief is not None
    brief, facts = writer.brief, writer.brief.facts
    assert (brief.topic, brief.scenes, brief.words, brief.variants) == ("Why do volcanoes erupt?", 12, 140, 2)
    assert (brief.platform, brief.tone, brief.language, brief.duration_s) == ("tiktok", "curious", "es", 60)
    assert (facts.kind, facts.title, facts.body, facts.language) == ("encyclopaedia", "Volcano", source().body, "es")
    assert (facts.attribution_title, facts.attribution_url) == (NAMED.title, NAMED.url)
    assert [use.provider for use in made.uses] == ["made-up"]
    assert bench.done == 1.0


async def test_a_story_keeps_its_attribution_and_loses_its_hashes() -> None:
    made = await story_writing.perform(task(source()), tools(Writer(proposal())), Bench())

    assert isinstance(made.outcome, Written)
    (story,) = made.outcome.stories
    assert (story.attribution, story.hashtags, story.outline) == (NAMED, ("lava", "fire"), False)
    assert story.beats[0].claim == "Lava is hot."


async def test_an_outline_names_no_source_and_says_that_it_is_one() -> None:
    nothing = source(kind="none", body="", attribution=None)
    made = await story_writing.perform(task(nothing), tools(Writer(proposal(outline=True))), Bench())

    assert isinstance(made.outcome, Written)
    assert (made.outcome.stories[0].attribution, made.outcome.stories[0].outline) == (None, True)


async def test_a_page_without_a_topic_is_told_under_its_own_title() -> None:
    writer = Writer(proposal())
    await story_writing.perform(
        task(source(kind="url"), topic=None, source_url="https://example.com"), tools(writer), Bench()
    )

    assert writer.brief is not None
    assert writer.brief.topic == "Volcano"


async def test_a_full_regeneration_says_how_often_the_draft_was_told() -> None:
    writer = Writer(proposal())
    again = replace(task(source()), kind=GenerationKind.REGENERATE_FULL, take=2)
    made = await story_writing.perform(again, tools(writer), Bench())

    assert writer.brief is not None
    assert writer.brief.take == 2
    assert isinstance(made.outcome, Written)


def targeted(part: Part, **change: object) -> Assignment:
    beats = (Beat(narration="Fire! It burns.", visual="fire", claim="It burns."),)
    story = Story(title="T", hook="Fire!", synopsis="S", arc=("a",), beats=beats, caption="C", hashtags=("x",))
    variants = tuple(
        Variant(id=VariantId(UUID(int=n)), position=0, story=replace(story, title=f"T{n}")) for n in (8, 9)
    )
    asked = replace(task(source()), kind=GenerationKind.REGENERATE_TARGETED, part=part, take=3, variants=variants)
    return replace(asked, variant_id=variants[1].id, **change)  # pyright: ignore[reportArgumentType]


async def test_one_part_is_rewritten_of_the_story_as_it_stands() -> None:
    writer, bench = Writer(reworded=Reworded(text="Flames!", claim="It burns.")), Bench()
    made = await story_writing.perform(targeted(Part.HOOK), tools(writer), bench)

    assert made.outcome == Rewritten(part=Part.HOOK, text="Flames!", claim="It burns.")
    assert [(use.action, use.quantity) for use in made.uses] == [(Action.REWRITE, 1)]
    assert writer.order is not None
    order = writer.order
    assert (order.part, order.take, order.beat) == (providers.Part.HOOK, 3, None)
    assert (order.story.title, order.story.hook) == ("T9", "Fire!")
    assert order.story.beats == (ProposedBeat(narration="Fire! It burns.", visual="fire", claim="It burns."),)
    assert order.brief.facts.attribution_title == NAMED.title
    assert (writer.brief, bench.done) == (None, 1.0)


async def test_rewritten_hashtags_lose_their_hashes() -> None:
    made = await story_writing.perform(
        targeted(Part.HASHTAGS), tools(Writer(reworded=Reworded(hashtags=("#lava", "fire")))), Bench()
    )

    assert made.outcome == Rewritten(part=Part.HASHTAGS, hashtags=("lava", "fire"))


@pytest.mark.parametrize("change", [{"part": None}, {"source": None}, {"part": Part.SCENE_PICTURE}])
async def test_a_part_that_is_no_text_is_a_bug(change: dict[str, object]) -> None:
    writer = Writer()
    with pytest.raises(ValueError, match=r"part|source|scene_picture"):
        await story_writing.perform(replace(targeted(Part.HOOK), **change), tools(writer), Bench())  # pyright: ignore[reportArgumentType]
    assert writer.order is None


def test_every_text_part_is_known_to_providers() -> None:
    """The two rooms may not import each other, so this keeps their words the same."""
    assert {part.value for part in Part} - {"scene_picture", "scene_voice"} == {part.value for part in providers.Part}


@pytest.mark.parametrize(("seconds", "scenes"), [(10, 3), (15, 3), (30, 6), (45, 9), (60, 12), (180, 12)])
def test_a_scene_lasts_about_five_seconds(seconds: int, scenes: int) -> None:
    assert wanted_scenes(duration_s=seconds) == scenes


async def test_a_provider_without_a_story_is_an_outage() -> None:
    with pytest.raises(ProviderAway):
        await story_writing.perform(task(source()), tools(Writer()), Bench())


async def test_the_offline_writer_fits_thirty_seconds() -> None:
    """70 words at 150 a minute and six breaths of 0.35 s are 30 s."""
    text = OfflineText()
    facts = await text.facts("Why do volcanoes erupt?", language="en")
    assert facts is not None
    made = await story_writing.perform(task(source(title=facts.title, body=facts.body)), tools(text), Bench())

    assert isinstance(made.outcome, Written)
    (story,) = made.outcome.stories
    words = sum(spoken_words(beat.narration) for beat in story.beats)
    assert words / 2.5 + len(story.beats) * 0.35 == pytest.approx(30, abs=2)
    assert "Volcano (Wikipedia), CC BY-SA 4.0" in story.caption
