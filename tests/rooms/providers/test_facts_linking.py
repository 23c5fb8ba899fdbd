"""Linking a person's words to an article: right, or not at all."""

import pytest

from reelwright.providers.offline.facts import Encyclopaedia, facts_of
from reelwright.providers.offline.facts_linking import link


def linked(topic: str, code: str = "en") -> str | None:
    book = Encyclopaedia.load(code)
    assert book is not None
    found = link(topic, book)
    return None if found is None else book.articles[found.article].title


@pytest.mark.parametrize(
    ("topic", "title"),
    [
        ("Why do octopuses have three hearts?", "Octopus"),
        ("Why do cats purr?", "Cat"),
        ("How do black holes form?", "Black hole"),
        ("The history of coffee", "Coffee"),
        ("The fall of the Roman Empire", "Roman Empire"),
        ("Why is the sky blue?", "Blue"),
        ("How do planes fly?", "Airplane"),
        ("How hot is Mercury?", "Mercury (planet)"),
        ("Mercury the element", "Mercury (element)"),
        ("Einstein's greatest discovery", "Albert Einstein"),
        ("Benefits of green tea", "Tea"),
        ("What would happen if the moon disappeared?", "Moon"),
        ("5 facts about Japan", "Japan"),
        ("Blue whales are the biggest animals", "Blue whale"),
        ("World War 2", "World War II"),
        ("How does the heart pump blood?", "Heart"),
        ("Why do wolves howl?", "Wolf"),
        ("machu picchu", "Machu Picchu"),
    ],
)
def test_a_topic_finds_its_article(topic, title):
    assert linked(topic) == title


@pytest.mark.parametrize(
    "topic",
    [
        "asdf qwer",
        "Zorblax",
        "Zorblax Industries",
        "Brightwave Logistics GmbH",
        "Brightwave Logistics",
        "Northwind Coffee Roasters",
        "Summit Bank",
        "Smith & Sons Plumbing",
        "Acme Widgets quarterly results",
        "glorpitude of the fnord",
        "our new product launch",
        "my grandmother's 80th birthday",
        "10 tips for a better morning",
        "?!",
        "the of and",
        "\x00{\\an8}",
    ],
)
def test_words_without_an_article_find_none(topic):
    """Facts about the wrong thing are worse than no facts: a company is not what its name means."""
    assert linked(topic) is None


def test_spanish_and_french_have_their_own_articles():
    assert linked("Historia del café", "es") == "Café"
    assert linked("Pourquoi les chats ronronnent-ils ?", "fr") == "Chat"
    assert linked("les trous noirs", "fr") == "Trou noir"
    assert Encyclopaedia.load("de") is None


def test_facts_name_article_address_and_licence():
    book = Encyclopaedia.load("en")
    assert book is not None
    number = next(n for n, a in enumerate(book.articles) if a.title == "Mercury (planet)")
    facts = facts_of(book, number, "How hot is Mercury?")

    assert (facts.kind, facts.title, facts.attribution_licence) == ("encyclopaedia", "Mercury", "CC BY-SA 4.0")
    assert facts.attribution_url == "https://en.wikipedia.org/wiki/Mercury_(planet)"
    assert facts.attribution_title == "Mercury (planet) (Wikipedia)"


def test_a_namesake_never_lends_sentences():
    """A story about the planet must not say that it is a metal, nor one about Napoleon tell of Napoleon III."""
    book = Encyclopaedia.load("en")
    assert book is not None
    for title, wrong in (("Mercury (planet)", "chemical element"), ("Napoleon", "Napoleon III was")):
        number = next(n for n, a in enumerate(book.articles) if a.title == title)
        assert wrong not in facts_of(book, number, title).body


def test_a_short_article_is_helped_by_its_neighbours_which_are_named():
    book = Encyclopaedia.load("en")
    assert book is not None
    number = next(n for n, a in enumerate(book.articles) if a.title == "Bee")
    facts = facts_of(book, number, "How do bees make honey?")
    own, *others = facts.body.split("\n\n")

    assert own == book.articles[number].extract
    assert others
    assert all("bee" in sentence.casefold() for sentence in others)
    assert facts.attribution_title is not None
    assert facts.attribution_title.count(";") >= 1
