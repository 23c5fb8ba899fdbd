"""Captions in every script: letters that are there, in the right shape, order and lines."""

from itertools import pairwise

import pytest

from reelwright.rendering import Style, captions
from reelwright.rendering.captions import Group, NoLetters
from reelwright.rendering.fonts import FACES, Chain, has_glyph
from reelwright.rendering.scripts import capitals, cleaned, columns, language, may_break, pieces, standing
from reelwright.rendering.style import FONTS
from tests.rooms.rendering.saying import TEXTS, spoken

CLOSING, OPENING = "、。，．・：；？！ーっゃゅょッャュョ）」』】…,.!?)", "（「『【(["


def only(text: str, style: str = "classic") -> Group:
    (group,) = captions.groups(spoken(text), Style(name=style))
    return group


def from_the_left(group: Group) -> list[str]:
    return [word.text for word in sorted(group.block.words, key=lambda word: word.x)]


@pytest.mark.parametrize("script", TEXTS)
def test_every_letter_is_drawn_by_a_font_that_has_it(script: str) -> None:
    timeline = spoken(TEXTS[script])
    groups = captions.groups(timeline, Style(font="anton"))

    assert captions.undrawn(word.text for word in timeline.words) == []
    assert all(group.whole for group in groups)
    runs = [run for group in groups for word in group.block.words for run in word.runs]
    assert not [(run.face.name, c) for run in runs for c in run.text if not has_glyph(c, run.face.name)]
    drawn = "".join("".join(run.text for run in word.runs) for group in groups for word in group.block.words)
    said = capitals(cleaned(TEXTS[script]))
    assert sorted(c for c in drawn if c.isalnum()) == sorted(c for c in said if c.isalnum())


def test_all_fonts_together_draw_the_same_letters_whichever_is_chosen() -> None:
    assert set(FONTS) < set(FACES)
    assert {frozenset(Chain(font).names) for font in FONTS} == {frozenset(FACES)}


def test_a_script_that_no_font_has_is_refused_before_anything_is_rendered() -> None:
    with pytest.raises(NoLetters, match=r"No caption font has ⵜ ⵉ ⴼ ⵏ ⴰ ⵖ ⵡ ⵍ: .* choose another language") as refusal:
        captions.require_letters("ⵜⵉⴼⵉⵏⴰⵖ ⴰⵡⴰⵍ")
    assert (refusal.value.code, refusal.value.field) == ("captions.no_letters", "language")
    with pytest.raises(NoLetters, match="ⵣ ⵓ ⵔ:"):
        captions.require_letters("one word in twenty " * 5 + "ⵣⵓⵔ")
    for text in TEXTS.values():
        captions.require_letters(text)


def test_a_reel_is_set_in_one_font_where_the_chosen_one_lacks_many_of_its_letters() -> None:
    faces = {
        run.face.name
        for group in captions.groups(spoken(TEXTS["vietnamese"]))
        for word in group.block.words
        for run in word.runs
    }
    assert faces == {"montserrat"}
    odd = captions.groups(spoken("One Đỗ is no reason to change a whole reel of plain English words"))
    assert {run.face.name for group in odd for word in group.block.words for run in word.runs} == {
        "poppins",
        "montserrat",
    }


def test_words_of_right_to_left_scripts_stand_from_the_right() -> None:
    assert from_the_left(only("هل تعلم لماذا")) == ["لماذا", "تعلم", "هل"]
    assert from_the_left(only("למה חתולים")) == ["חתולים", "למה"]
    assert from_the_left(only("Cats purr at")) == ["CATS", "PURR", "AT"]


@pytest.mark.parametrize(
    ("words", "rtl", "seen"),
    [
        ("אב גד הו", True, "הו גד אב"),
        ("אב New York הו", True, "הו New York אב"),
        ("אב 12 34 הו", True, "הו 34 12 אב"),
        ("see אב גד now", False, "see גד אב now"),
        ("see אב 12 now", False, "see 12 אב now"),
        ("אב – גד", True, "גד – אב"),
        ("iPhone 15 הו", True, "הו iPhone 15"),
    ],
)
def test_mixed_directions_follow_unicode(words: str, seen: str, *, rtl: bool) -> None:
    said = words.split()
    assert " ".join(said[one.word] for one in standing(said, rtl=rtl)) == seen


def test_marks_at_the_ends_of_foreign_words_in_a_row_stay_with_them() -> None:
    stood = {one.word: one.text for one in standing(["אב", "New", "York,", "הו", "NASA!"], rtl=True)}
    assert stood == {0: "אב", 1: "\u200eNew\u200e", 2: "\u200eYork,\u200e", 3: "הו", 4: "NASA!"}


def test_lines_break_neither_before_a_closing_mark_nor_behind_an_opening_one() -> None:
    assert may_break("猫", "犬")
    assert not any(may_break("猫", mark) for mark in CLOSING)
    assert not any(may_break(mark, "猫") for mark in OPENING)


def test_arabic_letters_are_joined_and_hebrew_punctuation_stands_on_the_left() -> None:
    face = FACES["arabic"].at(80)
    assert face.getlength("مرحبا", direction="rtl") < 0.9 * sum(face.getlength(c) for c in "مرحبا")
    (run,) = only("مرحبا").block.words[0].runs
    assert (run.face.name, run.shaping) == ("arabic", {"direction": "rtl"})
    font = FACES["hebrew"].at(80)
    assert bytes(font.getmask("מה!", direction="rtl")) == bytes(font.getmask("!מה", direction="ltr"))  # type: ignore[arg-type]


def test_joiners_stay_only_where_a_script_spells_with_them() -> None:
    assert cleaned("می\u200cخواهند") == "می\u200cخواهند"
    assert cleaned("c\u200cat\u200d \u200cمی\u200c") == "cat می"


def test_marks_are_not_heaped_on_a_letter() -> None:
    assert cleaned("x" + "\u0338" * 2000 + "y") == "x" + "\u0338" * 5 + "y"


@pytest.mark.parametrize("script", ["japanese", "chinese", "taiwanese"])
def test_texts_without_spaces_are_cut_into_phrases_by_the_rules_of_their_lines(script: str) -> None:
    text = TEXTS[script].replace(" ", "")
    cut = pieces(text, language(text))

    assert "".join(cut) == text
    assert len(cut) > len(text) / 6
    assert all(columns(piece) <= 16 and piece[0] not in CLOSING and piece[-1] not in OPENING for piece in cut)


@pytest.mark.parametrize("style", ["classic", "box", "subtitle"])
def test_phrases_share_their_words_time_and_no_space_parts_them(style: str) -> None:
    timeline = spoken(TEXTS["japanese"])
    groups = captions.groups(timeline, Style(name=style))

    turns = [turn for group in groups for turn in group.turns]
    assert turns == sorted(turns)
    assert len(set(turns)) >= 12
    for group in groups:
        rows = {word.baseline for word in group.block.words}
        for row in rows:
            line = [word for word in group.block.words if word.baseline == row]
            assert line[0].text[0] not in CLOSING
            for left, right in pairwise(line):
                assert right.x - left.x - left.length < group.block.size * 0.3


def test_ideographs_are_drawn_as_their_language_writes_them() -> None:
    assert [language(TEXTS[s]) for s in ("japanese", "chinese", "taiwanese", "korean", "latin")] == [
        *("ja", "zh-Hans", "zh-Hant", "ko", "")
    ]
    told = [run.shaping for word in only("直返声").block.words for run in word.runs]
    assert told == [{"language": "zh-Hans"}]
    font = FACES["cjk"].at(80)
    shapes = {bytes(font.getmask("直返", language=one)) for one in ("ja", "zh-Hans")}  # type: ignore[arg-type]
    assert len(shapes) == 2


def test_capitals_are_those_of_the_language() -> None:
    assert capitals("άνθρωπος ϊ Μαΐου") == "ΑΝΘΡΩΠΟΣ Ϊ ΜΑΪΟΥ"
    assert capitals("istanbul", turkish=True) == "İSTANBUL"
    assert [word.text for word in only("ılık istanbul").block.words] == ["ILIK", "İSTANBUL"]
    assert [word.text for word in only("straße").block.words] == ["STRASSE"]
    assert [word.text for word in only("Straße", "subtitle").block.words] == ["Straße"]


def test_side_files_keep_texts_without_spaces_whole_and_their_lines_short() -> None:
    cues = captions.cues(spoken(TEXTS["japanese"]))

    assert "".join(line for cue in cues for line in cue.lines) == TEXTS["japanese"]
    assert all(len(cue.lines) <= 2 and columns(line) <= 34 for cue in cues for line in cue.lines)
    arabic = " ".join(line for cue in captions.cues(spoken(TEXTS["arabic"])) for line in cue.lines)
    assert arabic == TEXTS["arabic"]
