"""Holds what a writer wrote to the draft's language: a voice would read another one's words wrongly."""

from collections.abc import Sequence

from reelwright import providers
from reelwright.generations import Assignment, Draft, Source
from reelwright.ground.metering import Use
from worker.stages.briefing import source_of

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
