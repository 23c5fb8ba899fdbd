"""Tells a text provider what it must know: the draft's brief, and for a rewriting the story as it stands."""

from reelwright import providers
from reelwright.generations import (
    Assignment,
    Made,
    Part,
    Rewritten,
    Source,
    Variant,
    wanted_scenes,
    wanted_words,
)

_PAUSE_S = 0.35  # a scene's breath, which the speech stage leaves silent
_WORDS_A_SECOND = 2.5


def source_of(task: Assignment) -> Source:
    """Return the ingested source. Raises ValueError where there is none yet: a bug in whoever assigned the task."""
    if task.source is None:
        msg = f"{task.unit.stage} was assigned before INGESTION had a source"
        raise ValueError(msg)
    return task.source


def brief_of(task: Assignment) -> providers.Brief:
    """Return what the draft and its source ask of a writer."""
    source, draft = source_of(task), task.draft
    scenes, named = wanted_scenes(duration_s=draft.duration_s), source.attribution
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
        words=_words(task, scenes),
        scenes=scenes,
        variants=task.variants_wanted,
        take=task.take,
        recent=task.recent,
    )


def _words(task: Assignment, scenes: int) -> int:
    """Return how many words the chosen voice says in the draft's time: fewer where it speaks slowly."""
    words = wanted_words(duration_s=task.draft.duration_s) - round(scenes * _PAUSE_S * _WORDS_A_SECOND)
    return round(words * task.voice.speed)


async def rewritten(task: Assignment, tools: providers.Toolset) -> Made:
    """Have the task's part written anew. Raises NoAlternative, ProviderRefused, ProviderAway, ValueError (no words)."""
    if task.part is None:
        msg = "a targeted regeneration was assigned without its part"
        raise ValueError(msg)
    order = providers.Rewrite(
        part=providers.Part(task.part.value),
        brief=brief_of(task),
        story=_standing(task.variant),
        beat=task.unit.scene if task.part is Part.SCENE_TEXT else None,
        take=task.take,
    )
    new, uses = await tools.text.rewrite(order)
    tags = tuple(tag.lstrip("#") for tag in new.hashtags)
    sourced = task.part is Part.CAPTION and not order.story.outline
    text = credit(new.text, order.brief, order.story.hashtags) if sourced else new.text
    return Made(outcome=Rewritten(part=task.part, text=text, hashtags=tags, claim=new.claim), uses=uses)


def credit(caption: str, brief: providers.Brief, hashtags: tuple[str, ...]) -> str:
    """Return a caption that names its source, on the brief's platform."""
    return providers.credited(caption, brief.facts, language=brief.language, platform=brief.platform, hashtags=hashtags)


def _standing(variant: Variant) -> providers.ProposedStory:
    """Return a variant's story as it is told now: where scenes were planned, their words are the ones that count."""
    story = variant.story
    return providers.ProposedStory(
        title=story.title,
        hook=story.hook,
        synopsis=story.synopsis,
        arc=story.arc,
        beats=tuple(
            providers.ProposedBeat(narration=told.narration, visual=told.visual, claim=told.claim)
            for told in variant.scenes or story.beats
        ),
        caption=story.caption,
        hashtags=story.hashtags,
        outline=story.outline,
    )
