"""What a source gives to say: its sentences weighed for one brief, in the language that they are written in."""

from dataclasses import dataclass

from reelwright.ground.errors import Refusal
from reelwright.providers.model import Brief
from reelwright.providers.offline.language import Language, known_language, language_of
from reelwright.providers.offline.writing_choice import Candidate, candidates
from reelwright.providers.offline.writing_sentences import sentences

LEAST_WORDS = 20


@dataclass(frozen=True, slots=True)
class Material:
    """The sentences that may be said, in source order, and the language they are in."""

    language: Language
    options: tuple[Candidate, ...]


def material_of(brief: Brief) -> Material:
    """Read a brief's source, always alike. Raises Refusal (`source.too_short`) for one without running text."""
    facts = brief.facts
    declared = known_language(facts.language)
    said = sentences(facts.body, declared)
    language = language_of(" ".join(s.text for s in said), declared=facts.language)
    if language is not declared:
        said = sentences(facts.body, language)
    if sum(s.words for s in said) < LEAST_WORDS:
        raise Refusal(
            "The source holds fewer than 20 words of running text, too few for a story: give a longer one.",
            code="source.too_short",
            field={"url": "url", "text": "text"}.get(facts.kind, "topic"),
        )
    gathered = facts.kind == "encyclopaedia"
    options = candidates(said, question=brief.topic, title=facts.title, language=language, gathered=gathered)
    return Material(language, tuple(options))
