"""STORY_WRITING: has the source told as stories, as many and as long as the draft wants, or one part told anew."""

from reelwright import providers
from reelwright.generations import (
    Assignment,
    Beat,
    Bench,
    GenerationKind,
    Look,
    Made,
    Source,
    Story,
    Written,
)
from worker.stages.briefing import brief_of, credit, source_of
from worker.stages.telling import hold_to_language, hold_to_letters, retold


async def perform(task: Assignment, tools: providers.Toolset, bench: Bench) -> Made:
    """Write the variants, or a targeted part.

    Raises Refusal (source.too_short), ProviderRefused (source.language, captions.no_letters, …), ProviderAway.
    """
    source = source_of(task)
    bench.progress(0.1)
    if task.kind is GenerationKind.REGENERATE_TARGETED:
        made = await retold(task, tools)
    else:
        made = await _written(task, source, tools)
    bench.progress(1.0)
    return made


async def _written(task: Assignment, source: Source, tools: providers.Toolset) -> Made:
    brief = brief_of(task)
    proposed, uses = await tools.text.write(brief)
    if not proposed or not all(story.beats for story in proposed):
        raise providers.ProviderAway("The text provider returned no story.")
    for story in proposed:
        hold_to_language(" ".join(beat.narration for beat in story.beats), task, uses)
    if task.kind is not GenerationKind.SCRIPT:  # which may be edited; a reel is made of the first
        await hold_to_letters((beat.narration for beat in proposed[0].beats), uses)
    return Made(outcome=Written(stories=tuple(_story(story, source, brief) for story in proposed)), uses=uses)


def _story(proposed: providers.ProposedStory, source: Source, brief: providers.Brief) -> Story:
    look, tags = proposed.look, tuple(tag.lstrip("#") for tag in proposed.hashtags)
    return Story(
        title=proposed.title,
        hook=proposed.hook,
        synopsis=proposed.synopsis,
        arc=proposed.arc,
        beats=tuple(Beat(narration=b.narration, visual=b.visual, claim=b.claim) for b in proposed.beats),
        caption=proposed.caption if proposed.outline else credit(proposed.caption, brief, tags),
        hashtags=tags,
        attribution=None if proposed.outline else source.attribution,
        outline=proposed.outline,
        look=look and Look(palette=look.palette, medium=look.medium, characters=look.characters),
    )
