"""Which of the source's sentences a model's claim is: whole ones, that say what the beat says, else none."""

import re
import unicodedata
from dataclasses import dataclass

from reelwright.ground.claims import retells
from reelwright.ground.cleaning import paragraphs_of
from reelwright.providers.model import Brief
from reelwright.providers.offline.language import Language, known_language
from reelwright.providers.offline.writing_sentences import plain, split
from reelwright.providers.tongue import speaks

_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
_UNTOLD = frozenset({"ja", "zh", "ko", "th"})  # what two sentences share can't be seen by their words


@dataclass(frozen=True, slots=True)
class Evidence:
    """A source's sentences, with their bare words. `compares`: a story's can be compared with them, in one tongue."""

    sentences: tuple[tuple[str, tuple[str, ...]], ...]
    language: Language
    compares: bool

    def behind(self, claim: str | None, narration: str) -> str | None:
        """Return the sentences that a claim is, as they stand in the source; None where it is no run of whole ones.

        Spaces, quotation marks and stops are forgiven. A claim that doesn't say what is narrated is dropped too.
        """
        said = _words(plain(claim or ""))
        for first in range(len(self.sentences) if said else 0):
            run, words = list[str](), tuple[str, ...]()
            for sentence, own in self.sentences[first:]:
                if len(words) >= len(said):
                    break
                run.append(sentence)
                words += own
            if words == said:
                found = " ".join(run)
                return found if not self.compares or self._told(run, narration) else None
        return None

    def _told(self, claim: list[str], narration: str) -> bool:
        """Say whether one of the narration's sentences tells one of the claim's, or both do as a whole."""
        told = [narration, *split(narration, self.language)]
        return any(retells(known, said) for known in (" ".join(claim), *claim) for said in told)


def evidence_of(brief: Brief) -> Evidence:
    """Cut what a story may say into sentences; there are none without facts."""
    facts = brief.facts
    body = plain(facts.body) if facts.kind != "none" else ""
    language = known_language(facts.language)
    sentences = [sentence for paragraph in paragraphs_of(body) for sentence in split(paragraph, language)]
    compares = brief.language[:2].lower() not in _UNTOLD and speaks(body, brief.language)
    return Evidence(tuple((sentence, _words(sentence)) for sentence in sentences), language, compares)


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))
