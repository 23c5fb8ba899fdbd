"""The text provider that needs no key and no network: facts from a bundled encyclopaedia, stories by extraction."""

import asyncio
import time

from reelwright.ground.metering import Action, Use
from reelwright.providers.model import Brief, Facts, ProposedStory, Reworded, Rewrite
from reelwright.providers.offline.facts import Encyclopaedia, facts_of
from reelwright.providers.offline.facts_linking import link
from reelwright.providers.offline.rewriting import reword
from reelwright.providers.offline.writing import write
from reelwright.providers.offline.writing_material import LEAST_WORDS
from reelwright.providers.offline.writing_sentences import sentences

PROVIDER = "offline"
MODEL = "extract-1"


class OfflineText:
    """A TextProvider without a language model. The work is done in a thread; data are read on first use."""

    async def write(self, brief: Brief) -> tuple[tuple[ProposedStory, ...], tuple[Use, ...]]:
        """Write `brief.variants` stories out of the facts' own sentences. Raises Refusal: source.too_short."""
        began = time.monotonic()
        stories = await asyncio.to_thread(write, brief)
        wall_ms = round((time.monotonic() - began) * 1000)
        return stories, (
            Use(action=Action.STORY, provider=PROVIDER, model=MODEL, quantity=len(stories), wall_ms=wall_ms),
        )

    async def rewrite(self, order: Rewrite) -> tuple[Reworded, tuple[Use, ...]]:
        """Write one part anew out of the facts' own sentences. Raises NoAlternative, Refusal (source.too_short)."""
        began = time.monotonic()
        made = await asyncio.to_thread(reword, order)
        wall_ms = round((time.monotonic() - began) * 1000)
        return made, (Use(action=Action.REWRITE, provider=PROVIDER, model=MODEL, quantity=1, wall_ms=wall_ms),)

    async def facts(self, topic: str, *, language: str) -> Facts | None:
        """Return the encyclopaedia's article on a topic (en, es, fr), or None when no link is sure."""
        return await asyncio.to_thread(_facts, topic, language)


def _facts(topic: str, language: str) -> Facts | None:
    book = Encyclopaedia.load(language)
    found = link(topic, book) if book is not None else None
    if book is None or found is None:
        return None
    facts = facts_of(book, found.article, topic)
    usable = sum(sentence.words for sentence in sentences(facts.body, book.language))
    return facts if usable >= LEAST_WORDS else None  # an article of one line is no story: better an honest outline
