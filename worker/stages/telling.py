"""Holds what a writer wrote to the draft's language, and to letters that captions have, before more is spent on it."""

import asyncio
from collections.abc import Iterable, Sequence

from reelwright import providers, rendering
from reelwright.generations import Assignment, Draft, GenerationKind, Made, Part, Rewritten, Source
from reelwright.ground.metering import Use
from worker.stages.briefing import rewritten, source_of

_FIELDS = {"url": "url", "rss": "url", "youtube": "url", "text": "text"}


def hold_to_language(text: str, task: Assignment, uses: Sequence[Use]) -> None:
    """Pass a text that may be in the draft's language. Raises ProviderRefused (`source.language`), with the uses."""
    if providers.speaks(text, task.draft.language):
        return
    source = source_of(task)
    refused = providers.ProviderRefused(
        _sentence(text, source, task.draft), field=_FIELDS.get(source.kind, "topic"), code="source.language"
    )
    refused.ours, refused.uses = True, tuple(uses)  # a writer that translates may do it
    raise refused


async def hold_to_letters(narrations: Iterable[str], uses: Sequence[Use] = ()) -> None:
    """Pass what captions can show. Raises ProviderRefused (`captions.no_letters`), with the uses."""
    try:
        await asyncio.to_thread(rendering.captions.require_letters, " ".join(narrations))
    except rendering.captions.NoLetters as none:
        refused = providers.ProviderRefused(none.sentence, field=none.field, code=none.code)
        refused.uses = tuple(uses)
        raise refused from none


async def hold_scenes_to_letters(task: Assignment) -> None:
    """Pass a reel that captions can be made of, all scenes at once, so that none is paid for in vain.

    A scene's part made anew has no captions yet. Raises ProviderRefused (`captions.no_letters`).
    """
    if task.kind is not GenerationKind.REGENERATE_TARGETED:
        await hold_to_letters(scene.narration for scene in task.variant.scenes)


async def retold(task: Assignment, tools: providers.Toolset) -> Made:
    """Have the task's part written anew, and hold it as a story is. Raises as `rewritten`, and as these."""
    made = await rewritten(task, tools)
    text = made.outcome.text if isinstance(made.outcome, Rewritten) else ""
    hold_to_language(text, task, made.uses)
    if task.part in {Part.HOOK, Part.SCENE_TEXT}:
        await hold_to_letters([text], made.uses)
    return made


def _sentence(text: str, source: Source, draft: Draft) -> str:
    wanted, heard = providers.language_name(draft.language), providers.heard(text)
    if source.kind == "none":
        return (
            f"A bare topic can't be told in {wanted} without a text provider: give a text or a page in {wanted}, "
            f"or connect a text provider."
        )
    if heard is None:
        return f"This text isn't in {wanted}, in which the reel was ordered: connect a text provider that translates."
    written = providers.language_name(heard)
    return (
        f"This text is in {written}, but the reel was ordered in {wanted}: order it in {written}, "
        f"or connect a text provider that translates."
    )
