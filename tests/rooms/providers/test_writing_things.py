"""Things that texts name: hashtags and pictures are words in any script, never a clause run together."""

import pytest

from reelwright.providers.offline.illustrations import Illustrations
from reelwright.providers.offline.illustrations_abroad import named_in, tongue_of
from reelwright.providers.offline.illustrations_tongues import LANGUAGES, TONGUES
from reelwright.providers.offline.language import ENGLISH, OTHER, SPANISH, spoken_s, spoken_words
from reelwright.providers.offline.writing_things import things


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("The clockmaker oiled the wheels and weighed the pendulum.", ["clockmaker", "wheels", "pendulum"]),
        ("A crab that lives there must bear hot sun at noon and cold rain at night.", ["crab", "sun", "cold rain"]),
        ("Tide pools are small seas that the ocean leaves behind twice a day.", ["Tide pools", "seas", "ocean"]),
        ("Bats call far above what any of us can hear.", ["Bats"]),
    ],
)
def test_english_names_end_at_a_known_word(text: str, named: list[str]) -> None:
    """`bearhotsun` and `batscallfar` were hashtags once."""
    assert things(text, ENGLISH) == named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("猫は喉の筋肉を一秒間に二十五回ほど動かして、ゴロゴロという音を出します。", ["猫", "喉", "筋肉"]),
        ("低い音の振動は、骨や筋肉を強くするとも言われています。", ["音", "振動", "骨", "筋肉"]),
        ("عندما نشرب القهوة يصل الكافيين إلى الدماغ بعد نصف ساعة تقريبا.", ["القهوة", "الكافيين", "الدماغ"]),
        ("Ein Leuchtturm weist Schiffen in der Nacht den Weg.", ["Leuchtturm", "Schiffen", "Nacht", "Weg"]),
    ],
)
def test_other_scripts_give_words_and_no_clauses(text: str, named: list[str]) -> None:
    assert things(text, OTHER, most=4)[: len(named)] == named


def test_spanish_verbs_are_no_things() -> None:
    assert things("Los ríos llevan esa sal al mar desde hace millones de años.", SPANISH) == ["ríos", "sal", "mar"]


@pytest.mark.parametrize(
    ("text", "tongue", "named"),
    [
        ("Los ríos llevan esa sal al mar desde hace millones de años.", "es", ["river", "salt", "sea"]),
        ("猫は喉の筋肉を一秒間に動かします。", "ja", ["cat", "muscle"]),
        ("تحتوي حبة البن على مادة اسمها الكافيين.", "ar", ["coffee"]),
        ("Les phares guident les bateaux la nuit.", "fr", ["lighthouse", "ship", "night"]),
        ("Кошки мурлыкают ночью", "ru", ["cat", "night"]),
        ("Wiatr i morze są w nocy", "", []),
        ("a cat on a sofa", "en", []),
    ],
)
def test_what_is_named_abroad_is_known_in_english(text: str, tongue: str, named: list[str]) -> None:
    assert (tongue_of(text), named_in(text, tongue)) == (tongue, named)


def test_every_line_has_a_word_in_every_language() -> None:
    lines = [line.split("|") for line in TONGUES.splitlines() if line]
    assert all(len(cells) == len(LANGUAGES) + 1 and all(cell.strip() for cell in cells) for cells in lines)


@pytest.mark.parametrize(
    ("text", "unshown"),
    [
        ("A crab must bear hot sun at noon.", "bear"),
        ("Seas that the ocean leaves behind.", "leaves"),
        ("Bats call far above, and the crickets have gone quiet.", "cricket bat and ball"),
        ("Which part surprised you the most?", "gift"),
        ("El agua de la lluvia cae limpia sobre las montañas.", "money with wings"),
        ("猫は喉を鳴らします。", "key"),
    ],
)
def test_a_likeness_of_words_is_no_subject(text: str, unshown: str) -> None:
    catalogue = Illustrations.load()
    scores = catalogue.scores({text: 1.0})
    rated = scores[catalogue.position(unshown)]
    assert rated < 0.45 or (scores > rated).sum() >= 2


def test_longer_words_and_digits_take_longer_to_say() -> None:
    """By its tokens alone a short sentence was up to a quarter too short, and music filled the rest."""
    assert spoken_s("In 1822 Augustin Fresnel cut a thick lens.") > spoken_s("In May a man we met cut a thick lens.")
    assert spoken_words("encyclopaedia encyclopaedia") >= 5
    assert spoken_s("子猫は目が開く前から喉を鳴らします。") == pytest.approx(3.2, abs=0.4)
