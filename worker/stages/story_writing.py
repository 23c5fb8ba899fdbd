"""STORY_WRITING: has the source told as stories, as many and as long as the draft wants."""

from reelwright import providers
from reelwright.generations import Assignment, Beat, Bench, Made, Source, Story, Written, wanted_scenes, wanted_words

_PAUSE_S = 0.35  # a scene's breath, which the speech stage leaves silent
_WORDS_A_SECOND = 2.5


async def perform(task: Assignment, tools: providers.Toolset, bench: Bench) -> Made:
    """Write the variants. Raises Refusal (source.too_short), ProviderRefused, ProviderAway."""
    source = task.source
    if source is None:
        msg = "STORY_WRITING was assigned before INGESTION had a source"
        raise ValueError(msg)
    bench.progress(0.1)
    proposed, uses = await tools.text.write(_brief(task, source))
    if not proposed or not all(story.beats for story in proposed):
        raise providers.ProviderAway("The text provider returned no story.")
    bench.progress(1.0)
    return Made(outcome=Written(stories=tuple(_story(story, source) for story in proposed)), uses=uses)


def _brief(task: Assignment, source: Source) -> providers.Brief:
    draft, scenes = task.draft, wanted_scenes(duration_s=task.draft.duration_s)
    named = source.attribution
    return providers.Brief(
        topic=draft.topic or source.title,
        facts=providers.Facts(
            kind=source.kind,
            title=source.title,
            body=source.body,
            language=source.language,
            attribution_title=named.title if named else None,
            attribution_url=named.url if named else None,
            attribution_licence=named.licence if named else None,
        ),
        platform=draft.platform.value,
        tone=draft.tone.value,
        language=draft.language,
        duration_s=draft.duration_s,
        words=wanted_words(duration_s=draft.duration_s) - round(scenes * _PAUSE_S * _WORDS_A_SECOND),
        scenes=scenes,
        variants=task.variants_wanted,
    )


def _story(proposed: providers.ProposedStory, source: Source) -> Story:
    return Story(
        title=proposed.title,
        hook=proposed.hook,
        synopsis=proposed.synopsis,
        arc=proposed.arc,
        beats=tuple(Beat(narration=b.narration, visual=b.visual, claim=b.claim) for b in proposed.beats),
        caption=proposed.caption,
        hashtags=tuple(tag.lstrip("#") for tag in proposed.hashtags),
        attribution=None if proposed.outline else source.attribution,
        outline=proposed.outline,
    )
