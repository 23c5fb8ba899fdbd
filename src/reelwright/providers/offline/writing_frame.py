"""What stands around the facts: the subject's name, an opening, an ending, the source line, hashtags, key words."""

import re
from dataclasses import dataclass

from reelwright.providers.model import Facts
from reelwright.providers.offline.language import Language, words_of
from reelwright.providers.offline.writing_templates import OUTLINE_WAYS, OUTLINES, PLATFORM_TAGS, TEMPLATES
from reelwright.providers.platforms import most_hashtags

_MOST_TAGS = 7
_WORDS_FOR_A_CALL = 48  # about twenty seconds


@dataclass(frozen=True, slots=True)
class Subject:
    """How running text names what an article is about: 'the Moon', 'an octopus', 'bees'."""

    phrase: str
    plural: bool
    person: bool
    past: bool


def subject_of(facts: Facts, language: Language) -> Subject:
    """Read from the article itself how its subject is named, with its article and its number."""
    own, name = facts.body.split("\n\n")[0], facts.title
    opening = own[:400]
    found = re.search(rf"(?<![\w-]){re.escape(name)}(?P<ending>e?s)?(?![\w-])", opening, re.IGNORECASE)
    if found is None:
        return Subject(name, plural=False, person=_lived(facts, name), past=" was " in opening[:160])
    common = re.compile(rf"(?<=[a-zà-ÿ,’'] ){re.escape(name[:1].lower() + name[1:])}")
    proper = re.search(rf"(?<=[a-zà-ÿ,’'] ){re.escape(name)}", own)
    inside = common.search(own) or (proper is None and common.search(facts.body))
    word = found.group()
    word = word[:1].lower() + word[1:] if inside else word
    before = language.definite.search(opening[: found.start()]) if language.definite else None
    article = (before.group("article") or "") if before else ""
    elided = before.groupdict().get("elided") if before else None
    phrase = f"l'{word}" if elided else f"{article.lower()} {word}".strip()
    if article.lower() in {"a", "an"} and (many := re.search(rf"\b{re.escape(word)}e?s\b", own, re.IGNORECASE)):
        return Subject(many.group().lower(), plural=True, person=False, past=False)
    rest = opening[found.end() : found.end() + 140]
    verb = re.search(r"\b(are|were|is|was|es|son|fue|fueron|est|sont|fut|était)\b", rest)
    said = verb.group() if verb else ""
    plural = said in {"are", "were", "son", "fueron", "sont"}
    return Subject(
        phrase, plural=plural, person=_lived(facts, name), past=said in {"was", "were", "fue", "fut", "était"}
    )


def _lived(facts: Facts, name: str) -> bool:
    pronouns = re.search(r"\b(?:[Hh]e|[Ss]he|[Hh]is|[Hh]er)\b", facts.body.split("\n\n")[0]) is not None
    years = re.search(r"\bnacid[oa]|\bné[e]? le\b|\bnació\b", facts.body[:200]) is not None
    return (pronouns or years) and name[:1].isupper() and (" " in name or facts.body.startswith(name))


def say(kind: str, language: Language, *, facts: Facts, past: bool = False) -> tuple[str, ...]:
    """Return our sentences of a kind in that language about that article, none in a language we don't speak."""
    templates = TEMPLATES.get(language.code, {}).get(kind, ())
    if not templates:
        return ()
    subject = subject_of(facts, language)
    be = {
        "en": ("are", "is", "were", "was"),
        "es": ("son", "es", "fueron", "fue"),
        "fr": ("sont", "est", "étaient", "était"),
    }
    are, is_, were, was = be[language.code]
    return tuple(
        template.format(
            subject=subject.phrase,
            title=facts.title,
            **{"is": are if subject.plural else is_, "was": (were if subject.plural else was) if past else is_},
        )
        for template in templates
    )


def plain_words(kind: str, language: Language) -> tuple[str, ...]:
    """Return our sentences of a kind that name no subject."""
    return TEMPLATES.get(language.code, {}).get(kind, ())


def endings(
    tone: str, language: Language, *, facts: Facts, turn: int, words: int = 1_000
) -> tuple[tuple[str, ...], ...]:
    """Return closings of different lengths, the tone's own first; `turn` makes variants end differently.

    The caption is pointed to only where it names a source. A language that isn't ours to speak has one empty closing.
    In few `words` there is room for what is told alone: a call takes a sixth of a quarter of a minute.
    """
    if words < _WORDS_FOR_A_CALL:
        return ((),)
    templates = TEMPLATES.get(language.code, {})
    sourced = source_line(facts, language) is not None
    usual, pointing = templates.get("end", ()), templates.get("serious", ()) if sourced else ()
    own = pointing if tone == "serious" else templates.get(tone, ())
    ordered = (own or usual) + (usual if own else pointing)
    start = 2 * turn % max(1, len(ordered))
    calls = [(call,) for call in ordered[start:] + ordered[:start]]
    told = (
        [(said, call) for said in templates.get("told", ()) for (call,) in calls[:2]]
        if facts.kind == "encyclopaedia"
        else []
    )
    return (*calls, *told) or ((),)


def outline(topic: str, language: Language) -> tuple[tuple[str, str], ...]:
    """Return an outline's (sentence, picture) pairs: the first two and the last always belong to it."""
    lines = OUTLINES.get(language.code, OUTLINES["en"])
    return tuple((said.format(topic=topic), seen.format(topic=topic)) for said, seen in lines)


def outline_ways(topic: str, language: Language) -> tuple[tuple[str, ...], ...]:
    """Return all wordings of an outline's first, second and last sentence; the first of each is the usual one."""
    lines = outline(topic, language)
    others = OUTLINE_WAYS.get(language.code, OUTLINE_WAYS["en"])
    return tuple(
        (lines[at][0], *(way.format(topic=topic) for way in ways)) for at, ways in zip((0, 1, -1), others, strict=True)
    )


def source_line(facts: Facts, language: Language) -> str | None:
    """Return the line that names source and licence, with the change (CC BY-SA 4.0, section 3(a))."""
    if facts.attribution_title is None and facts.attribution_url is None:
        return None
    word = (plain_words("source", language) or ("Source",))[0]
    changed = (plain_words("shortened", language) or ("shortened",))[0]
    licence = f"{facts.attribution_licence}, {changed}" if facts.attribution_licence else None
    parts = [facts.attribution_title, licence, facts.attribution_url]
    return f"{word}: " + ", ".join(part for part in parts if part)


def hashtags(
    subject: str, keywords: list[str], *, platform: str, language: Language, is_outline: bool
) -> tuple[str, ...]:
    """Return 3 to 8 hashtags without '#': subject, key words, platform, then our own."""
    own = plain_words("outline_tags" if is_outline else "tags", language) or TEMPLATES["en"]["tags"]
    wanted = ["".join(words_of(subject)[:4]), *("".join(words_of(k)) for k in keywords[:4])]
    wanted += [PLATFORM_TAGS.get(platform, "video"), *own]
    tags: list[str] = []
    for tag in (re.sub(r"[^\w]|_", "", w).casefold() for w in wanted):
        said = len(tag) > 2 or (tag and not tag.isascii())  # noqa: PLR2004 - 猫 is a word
        if said and len(tag) <= 30 and not tag.isdigit() and tag not in tags:  # noqa: PLR2004 - what platforms take
            tags.append(tag)
    return tuple(tags[: min(_MOST_TAGS, most_hashtags(platform))])
