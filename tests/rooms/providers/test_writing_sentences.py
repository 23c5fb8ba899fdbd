"""Sentences as they are said: where they end, and what of a page never gets a voice."""

import pytest

from reelwright.providers.offline.language import ENGLISH, FRENCH, OTHER, SPANISH, language_of, spoken_words, stem
from reelwright.providers.offline.writing_choice import pieces, versions_of
from reelwright.providers.offline.writing_sentences import Sentence, plain, sentences, split


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Dr. J. R. Smith of the U.S. Army measured 3.5 km in 1912. It was cold.", 2),
        ("He lived in the U.S. The house still stands.", 2),
        ("Ships, e.g. ferries, and trains, i.e. wagons, etc. were late. Nobody knew why.", 2),
        ("The rainbow is in the sky. The rainbow takes the form of an arc. It ends.", 3),
        ('He said "Wait!" and left. "Why?" she asked.', 2),
        ("Version 2.0 costs $3.50. It is new!", 2),
        ("¿Qué es esto? ¡Un faro! Es alto.", 3),
        ("猫は動物です。犬も動物です！本当ですか？", 3),
    ],
)
def test_sentences_end_where_a_reader_would_stop(text, count):
    assert len(split(text, ENGLISH)) == count, split(text, ENGLISH)


def test_parentheses_citations_and_sounds_are_not_said():
    (sentence,) = sentences(
        "The cat (Felis catus; /kæt/ (listen)) is[3] a small [sic] animal [ˈkæt] of the house.[12][note 1]", ENGLISH
    )

    assert sentence.text == "The cat is a small sic animal of the house."


def test_markup_headings_and_boilerplate_are_dropped():
    page = (
        "# Big title\n\nMenu\n\n<p>The tower <i>stands</i> on a rock.</p><style>p{color:red}</style>\n\n"
        "We use cookies on this site, please accept the policy.\n\nAll rights reserved by the tower company.\n\n"
        "| a | b |\n\n* The **lamp** burns [every night](https://example.com/x_(y)) of the year."
    )
    said = [sentence.text for sentence in sentences(page, ENGLISH)]

    assert said[0] == "The tower stands on a rock."
    assert said[1].startswith("The lamp burns every night")
    assert len(said) == 2


def test_plain_keeps_every_script_and_no_control():
    assert (
        plain("Ωραία µέρα — naïve café \u200fשלום\u200e 日本 50 °C\u202e\u0007😀")
        == "Ωραία µέρα — naïve café שלום 日本 50 °C"
    )


def whole(text: str) -> Sentence:
    return Sentence(text, text, 0, spoken_words(text))


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("The lens is made of glass rings, which bend the light.", "The lens is made of glass rings."),
        ("The body of it is soft, including arms, eyes and skin.", "The body of it is soft."),
        ("Its gravity is so strong that it prevents anything, including light, from escaping.", None),
        ("Although the tower is old, which is rare, it works.", None),
        ("The Moon, which is near to the Earth, has seas.", None),
    ],
)
def test_only_a_last_clause_is_left_out(text, short):
    """What stays must be a sentence, and must say what the source said."""
    shorter = [version.text for version in versions_of(whole(text), ENGLISH)[1:]]

    assert shorter == ([] if short is None else [short])


def test_a_long_sentence_is_cut_at_its_comma_into_two_sayable_parts():
    text = "Workers could only land on the rock at low tide, so a single tower could take more than ten years."
    parts = pieces(text, ENGLISH)

    assert parts == (
        "Workers could only land on the rock at low tide,",
        "so a single tower could take more than ten years.",
    )
    assert pieces("A short sentence can't be cut.", ENGLISH) is None


def test_the_text_says_which_language_it_is():
    spanish = "El faro es una torre que guía a los barcos en la noche y su luz se ve desde muy lejos en el mar."
    french = "Le phare est une tour qui guide les navires dans la nuit et sa lumière se voit de très loin sur la mer."
    german = "Der Leuchtturm weist den Schiffen nachts den Weg und sein Licht sieht man noch aus sehr weiter Ferne."

    assert language_of(spanish, declared="en") is SPANISH
    assert language_of(french, declared="en") is FRENCH
    assert language_of(german, declared="en") is OTHER


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("Octopuses", "octopus"),
        ("wolves", "wolf"),
        ("cities", "city"),
        ("cats'", "cat"),
        ("Einstein's", "einstein"),
        ("glass", "glass"),
    ],
)
def test_plurals_and_possessives_meet_their_singular(plural, one):
    assert stem(plural.rstrip("'"), ENGLISH) == one
