"""Lines on sheets: every script is drawn in fonts that have it, within the room, and cut where it may be."""

import unicodedata

import pytest
from PIL import Image, ImageDraw

from reelwright.rendering import lines
from reelwright.rendering.fonts import has_glyph
from reelwright.rendering.lines import Line

TEXTS = {
    "latin": "Why do cats purr? Nobody knows for certain, but they do it when they rest.",
    "japanese": "猫はなぜ喉を鳴らすのでしょうか。実は誰にも本当の理由はわかっていません。",
    "arabic": "لماذا تخرخر القطط؟ لا أحد يعرف على وجه اليقين لكنها تفعل ذلك عندما ترتاح.",
    "hebrew": "למה חתולים מגרגרים? אף אחד לא יודע בוודאות, אבל הם עושים זאת כשהם נחים.",
    "devanagari": "बिल्लियाँ घुरघुराती क्यों हैं? कोई निश्चित रूप से नहीं जानता लेकिन वे ऐसा करती हैं।",
    "mixed": "Cats: 猫 naps, قطة too, חתול 42 кот (3.5 kHz)",
}


def letters(line: Line) -> str:
    return "".join(run.text for run in line.runs)


def sorted_letters(*made: Line | str) -> list[str]:
    """Return what is drawn, whichever way it stands, without the marks that only say which way."""
    texts = [one if isinstance(one, str) else letters(one) for one in made]
    return sorted(c for text in texts for c in text if not c.isspace() and c not in "\u200e\u200f")


@pytest.mark.parametrize("script", TEXTS)
@pytest.mark.parametrize("room", [90, 320, 2000])
def test_every_letter_is_drawn_by_a_font_that_has_it_and_stays_in_the_room(script: str, room: int) -> None:
    for line in (lines.fitted(TEXTS[script], 17, room), *lines.two(TEXTS[script], 14, room)):
        assert 0 < line.length <= room
        assert all(has_glyph(c, run.face.name) for run in line.runs for c in run.text)
    whole = lines.fitted(TEXTS[script], 17, 2000)
    assert sorted_letters(whole) == sorted_letters(TEXTS[script])
    assert whole.rightwards == (script in {"arabic", "hebrew"})


@pytest.mark.parametrize("script", TEXTS)
def test_two_lines_hold_all_of_what_has_room_on_them(script: str) -> None:
    text = TEXTS[script]
    room = lines.fitted(text, 14, 2000).length * 0.65
    above, below = lines.two(text, 14, room)
    assert sorted_letters(above, below) == sorted_letters(text)


def test_a_cut_leaves_every_mark_with_its_letter() -> None:
    text, seen = TEXTS["devanagari"], set[int]()
    for room in range(60, 700, 9):
        kept = letters(lines.fitted(text, 17, room)).replace(" ", "").removesuffix("…")
        assert text.replace(" ", "").startswith(kept)
        following = text.replace(" ", "")[len(kept) : len(kept) + 1]
        assert not following or not unicodedata.category(following).startswith("M"), kept
        seen.add(len(kept))
    assert len(seen) > 20


def test_words_of_several_scripts_stand_on_one_baseline() -> None:
    line = lines.fitted("xx 猫 xx", 40, 500)
    assert [run.face.name for run in line.runs] == ["poppins", "cjk", "poppins"]
    assert [run.x for run in line.runs] == sorted(run.x for run in line.runs)
    picture = Image.new("L", (300, 80))
    line.draw(ImageDraw.Draw(picture), (0, 0), "white")
    ends = [picture.crop((round(run.x), 0, round(run.x) + 20, 80)).getbbox() for run in (line.runs[0], line.runs[2])]
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0][3] == ends[1][3]


def test_arabic_is_joined_and_stands_from_the_right() -> None:
    line = lines.fitted("قطة تسمى iPhone", 40, 500)
    assert [(run.face.name, run.text.strip("\u200e\u200f")) for run in line.runs] == [
        ("poppins", "iPhone"),
        ("arabic", "تسمى"),
        ("arabic", "قطة"),
    ]
    apart = sum(lines.fitted(letter, 40, 500).length for letter in "قطة")
    assert lines.fitted("قطة", 40, 500).length < 0.9 * apart
