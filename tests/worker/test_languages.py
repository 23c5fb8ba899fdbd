"""STORY_WRITING in another language than the text's: told in the one that was ordered, or refused and told why."""

from dataclasses import replace

import pytest

from reelwright.generations import Part, Written
from reelwright.ground.metering import Action, Use
from reelwright.providers import ProposedBeat, ProviderRefused, Reworded
from reelwright.providers.offline.text import OfflineText
from tests.golden import texts
from tests.rooms.providers.test_offline_text import LIGHTHOUSE
from tests.rooms.providers.test_recordings import SPOKEN
from tests.worker.test_story_writing import Bench, Writer, proposal, source, targeted, task, tools
from worker.stages import scene_generation, story_writing

ENGLISH = source(kind="text", title="Lighthouses", body=LIGHTHOUSE, attribution=None)


@pytest.mark.parametrize(
    ("language", "name"), {"es": "Spanish", "ja": "Japanese", "de": "German", "ar": "Arabic"}.items()
)
async def test_an_english_text_is_not_read_out_by_another_languages_voice(language: str, name: str) -> None:
    ordered = task(ENGLISH, topic=None, source_text=LIGHTHOUSE, language=language)
    with pytest.raises(ProviderRefused) as refused:
        await story_writing.perform(ordered, tools(OfflineText()), Bench())
    assert (refused.value.code, refused.value.field) == ("source.language", "text")
    assert refused.value.sentence.startswith(
        f"This text is in English, but the reel was ordered in {name}: order it in English, or connect"
    )
    assert refused.value.ours, "a provider that translates, if there is one behind it, is asked in its turn"
    assert [use.action for use in refused.value.uses] == [Action.STORY]


TOLD = {
    "en": (LIGHTHOUSE, "en-GB"),
    "es": (texts.SPANISH, "es-MX"),
    "ja": (texts.JAPANESE, "ja"),
    "ar": (texts.ARABIC, "ar"),
}


@pytest.mark.parametrize("case", TOLD)
async def test_a_text_in_the_ordered_language_is_told(case: str) -> None:
    body, language = TOLD[case]
    own = source(kind="text", title="T", body=body, attribution=None, language=case)
    made = await story_writing.perform(task(own, language=language), tools(OfflineText()), Bench())
    assert isinstance(made.outcome, Written)


@pytest.mark.parametrize(
    ("language", "name"), {"pl": "Polish", "tlh": None, "nl": "Dutch", "de": None, "ja": None}.items()
)
async def test_a_bare_topic_is_outlined_in_its_language_or_refused(language: str, name: str | None) -> None:
    nothing = source(kind="none", title="Koty", body="", attribution=None)
    asked = story_writing.perform(task(nothing, language=language), tools(OfflineText()), Bench())
    if name is None:
        assert isinstance((await asked).outcome, Written)
        return
    with pytest.raises(ProviderRefused, match=f"can't be told in {name} without a text provider") as refused:
        await asked
    assert (refused.value.code, refused.value.field) == ("source.language", "topic")


async def test_every_providers_words_are_held_to_the_language() -> None:
    """A model whose client doesn't look, and one variant of several that it forgot itself in."""
    german = replace(proposal(), beats=(ProposedBeat(narration=SPOKEN["de"], visual="sea"),))
    right = replace(proposal(), beats=(ProposedBeat(narration=SPOKEN["es"], visual="sea"),))
    with pytest.raises(ProviderRefused, match="This text is in German, but the reel was ordered in Spanish") as no:
        await story_writing.perform(task(source(), language="es"), tools(Writer(right, german)), Bench())
    assert no.value.uses == (Use(action=Action.STORY, provider="made-up", model="m", quantity=2),)
    assert (await story_writing.perform(task(source(), language="es"), tools(Writer(right)), Bench())).outcome


async def test_a_part_that_is_written_anew_is_held_to_it_too() -> None:
    ordered = targeted(Part.SCENE_TEXT)
    ordered = replace(ordered, draft=replace(ordered.draft, language="fr"), unit=replace(ordered.unit, scene=0))
    with pytest.raises(ProviderRefused) as refused:
        await scene_generation.perform(ordered, tools(Writer(reworded=Reworded(text=SPOKEN["pt"]))), Bench())
    assert refused.value.code == "source.language"
