"""The language of a text: told apart where it can be, and never wrongly held against whoever wrote it."""

import pytest

from reelwright.providers.offline.facts import Encyclopaedia
from reelwright.providers.tongue import heard, name_of, speaks
from tests.golden import texts
from tests.rooms.providers.test_recordings import SPOKEN

_REEL = 70  # words of half a minute
_SLIPS = 0.05  # of articles that are little but names, in which no small words stand


@pytest.mark.parametrize("language", ["en", "es", "fr"])
def test_no_article_is_taken_for_one_in_another_language(language: str) -> None:
    """Names, dates and borrowed words fill an encyclopaedia, and a refused reel is a lost customer."""
    book = Encyclopaedia.load(language)
    assert book is not None
    said = [" ".join(article.extract.split()[:_REEL]) for article in book.articles[::25]]
    assert [text for text in said if not speaks(text, language)] == []
    for other in {"en", "es", "fr", "de", "pt", "ja", "ar"} - {language}:
        assert sum(speaks(text, other) for text in said) <= _SLIPS * len(said), other


FULL_OF_NAMES = {
    "Miles Dewey Davis III, conocido como Miles Davis, fue un trompetista y compositor estadounidense de jazz.": "es",
    "The Metamorphoses is a Latin narrative poem from 8 CE by the Roman poet Ovid.": "en",
    "Martin Luther King Jr., né Michael King Jr., plus couramment appelé Martin Luther King, né": "fr",
    "Diese Woche: Why the Beatles broke up, und warum es bis heute viele Fans beschäftigt.": "de",
    "NASA ESA": "ja",
}


@pytest.mark.parametrize("text", FULL_OF_NAMES)
def test_names_are_of_no_language(text: str) -> None:
    assert speaks(text, FULL_OF_NAMES[text])


@pytest.mark.parametrize("language", SPOKEN)
def test_a_sentence_is_enough_to_name_its_language(language: str) -> None:
    assert heard(SPOKEN[language]) == language


def test_what_cannot_be_told_is_not_told() -> None:
    assert heard("Leonardo da Vinci, Michelangelo Buonarroti") is None
    assert heard("...") is None
    assert not speaks(texts.JAPANESE, "no")


def test_a_language_is_named_as_people_call_it() -> None:
    assert [name_of(code) for code in ("de", "pt-BR", "ja", "xx")] == ["German", "Portuguese", "Japanese", "“xx”"]
