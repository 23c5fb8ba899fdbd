"""Titles a story: in the user's own words where the facts hold what they promise, and none as another reel's."""

from collections.abc import Collection, Iterator, Sequence

from reelwright.providers import likeness
from reelwright.providers.model import Brief
from reelwright.providers.offline import writing_frame as frame
from reelwright.providers.offline.language import Language, stem, words_of
from reelwright.providers.offline.writing_choice import answered
from reelwright.providers.offline.writing_openings import clipped
from reelwright.providers.offline.writing_sentences import sentences

_LONGEST_NAME = 50  # characters of a source's title that something may stand behind


def title_of(brief: Brief, hook: str, told: Sequence[str], taken: Collection[str], language: Language) -> str:
    """Return the usual title, else the hook, else what of its subject this story tells: the first that is new.

    `told` are the things that it names, those it comes back to first; `taken` the titles that its sisters have.
    """
    usual, *others = _titles(brief, hook, told, language)
    fresh = (title for title in (usual, *others) if title not in taken and not likeness.echoes(title, brief.recent))
    return next(fresh, next((title for title in others if title not in taken), usual))


def _titles(brief: Brief, hook: str, told: Sequence[str], language: Language) -> Iterator[str]:
    yield _usual(brief, language)
    if not (said := clipped(hook.rstrip("."))).endswith("…"):
        yield said
    name = clipped(brief.facts.title or brief.topic)
    known = {stem(word, language) for word in words_of(name)}
    if len(name) <= _LONGEST_NAME:
        for thing in told:
            if not known & {stem(word, language) for word in words_of(thing)}:
                yield clipped(f"{name}: {thing}")


def _usual(brief: Brief, language: Language) -> str:
    facts = brief.facts
    if facts.kind != "encyclopaedia":
        return clipped(facts.title or brief.topic)
    body = sentences(facts.body, language)
    telling = {stem(w, language) for w in words_of(brief.topic) if w.casefold() not in language.small}
    if telling <= {stem(w, language) for w in words_of(facts.title)} or answered(
        brief.topic, facts.title, body, language
    ):
        return clipped(brief.topic)
    return clipped((frame.say("brief", language, facts=facts) or (facts.title,))[0])
