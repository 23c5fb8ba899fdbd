"""Captions on the picture and beside it."""

import re
from itertools import pairwise
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelwright.rendering import STYLES, Style, Timeline, Word, captions, fonts, reading, safe_area
from reelwright.rendering.fonts import FACES
from reelwright.rendering.lettering import cleaned, drawable, has_glyph
from reelwright.rendering.style import MANNERS
from tests.rooms.rendering.fixture import plan, take


def spoken(text: str, *, platform: str = "tiktok", width: int = 1080, height: int = 1920) -> Timeline:
    words = tuple(Word(w, 100 + i * 300, 380 + i * 300) for i, w in enumerate(text.split(" ")))
    length_ms = 500 + 300 * len(words)
    said = take(narration_ms=length_ms, duration_ms=length_ms + 500, words=words)
    return plan(said, target_ms=length_ms + 500, width=width, height=height, platform=platform)


def shown(timeline: Timeline) -> list[str]:
    return [" ".join(word.text for word in group.block.words) for group in captions.groups(timeline)]


def test_groups_are_short_and_end_with_the_clause() -> None:
    timeline = spoken("Cats purr, and so it is that bones heal faster than we ever thought. Really?")

    assert shown(timeline) == [
        "CATS PURR, AND SO IT IS",
        "THAT BONES HEAL",
        "FASTER THAN WE",
        "EVER THOUGHT. REALLY?",
    ]
    slower = tuple(Word(w.text, 2 * w.start_ms, 2 * w.end_ms) for w in timeline.words)
    assert shown(plan(take(narration_ms=10_000, words=slower), target_ms=10_500)) == [
        "CATS PURR,",
        "AND SO IT IS",
        "THAT BONES HEAL",
        "FASTER THAN WE",
        "EVER THOUGHT.",
        "REALLY?",
    ]


def test_a_group_never_spans_two_scenes() -> None:
    one = take(words=(Word("one", 1700, 1900),))
    two = take(words=(Word("two", 0, 200),))

    timeline = plan(one, two, target_ms=4300)

    assert shown(timeline) == ["ONE", "TWO"]


def test_a_word_is_lit_from_its_start_until_the_next_and_the_group_lingers_a_little() -> None:
    group = captions.groups(spoken("Cats purr."))[0]

    assert group.turns == (3, 12)
    assert (group.lit(2), group.lit(3), group.lit(11), group.lit(12)) == (None, 0, 0, 1)
    assert group.end == round((680 + 350) * 30 / 1000)
    assert group.lit(group.end) is None


@pytest.mark.parametrize("platform", ["tiktok", "reels", "shorts"])
@pytest.mark.parametrize(("width", "height"), [(1080, 1920), (1080, 1080), (1920, 1080)])
@pytest.mark.parametrize(
    "text", ["Cats purr at night", "incomprehensibilities", "W" * 60, "WWWWWWWWWWWWWWWW", "gyp,", "ÅÉÎ ẤẬ"]
)
def test_all_ink_lies_in_the_safe_area(text: str, platform: str, width: int, height: int) -> None:
    area = safe_area(platform, width=width, height=height)
    for group in captions.groups(spoken(text, platform=platform, width=width, height=height)):
        assert area.holds(group.block.ink)
        assert len({word.baseline for word in group.block.words}) <= 2


def test_two_lines_are_about_as_long_as_each_other() -> None:
    (group,) = captions.groups(spoken("Cats purr at about"))
    lines = [w.baseline for w in group.block.words]
    assert lines[0] == lines[1] < lines[2] == lines[3]


def test_a_long_word_shrinks_and_a_short_one_does_not() -> None:
    (short,) = captions.groups(spoken("Cats"))
    (long,) = captions.groups(spoken("incomprehensibilities"))
    assert (short.block.size, long.block.size < short.block.size) == (92, True)


def test_what_the_font_lacks_falls_back_or_is_left_out() -> None:
    assert has_glyph("É")
    assert not has_glyph("🐱")
    assert not has_glyph("ж")
    assert drawable("cat🐱!") == ("cat!", True)
    assert drawable("①st") == ("1st", True)
    assert drawable("жук") == ("", False)
    assert shown(spoken("Cats 🐱 purr")) == ["CATS PURR"]
    assert captions.undrawn(["Cats", "жук", "🐱", "❤\ufe0f", "1\ufe0f\u20e3", "नमस्ते", "①"]) == []
    assert captions.undrawn(["Cats", "ⵣⵓⵔⵓ", "᠑", "a\u0b3c"]) == ["ⵣ", "ⵓ", "ⵔ", "᠑", "\u0b3c"]


def test_all_of_ascii_is_drawn() -> None:
    """An edit in it is not looked at."""
    captions.require_letters(" ".join(map(chr, range(128))))


def test_only_so_many_letters_are_looked_for_as_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs some milliseconds the first time, and anybody may send a thousand."""
    asked: list[str] = []
    monkeypatch.setattr(fonts, "has_glyph", lambda character, _: asked.append(character))
    with pytest.raises(captions.NoLetters, match=r"ⴰ ⴱ ⴲ ⴳ ⴴ ⴵ ⴶ ⴷ …:"):
        captions.require_letters("".join(map(chr, range(0x2D30, 0x2D68))) + "🐱" * 9)
    assert len(set(asked)) == 9
    asked.clear()
    captions.require_letters("🐱 ☃ → ⠿")
    assert set(asked) <= {" "}


def test_a_text_of_one_script_asks_its_font_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def has(character: str, name: str) -> bool:
        asked.append((character, name))
        return name == "cjk"

    monkeypatch.setattr(fonts, "has_glyph", has)
    captions.require_letters("".join(map(chr, range(0x4E00, 0x4F00))))
    assert len(asked) < 256 + len(FACES)


def test_control_characters_never_reach_a_caption() -> None:
    dirty = "a\x00b\x1b[31m\u202ec\ufeff\ud800\ne\u0301"
    assert cleaned(dirty) == "ab[31mc é"
    timeline = spoken("x")
    dirty_plan = plan(take(words=(Word(dirty, 0, 500),)), target_ms=3000)
    for text in (captions.srt(dirty_plan), captions.vtt(dirty_plan), *shown(dirty_plan)):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e\ufeff]", text)
    assert captions.srt(timeline).count("-->") == 1


HOSTILE = [
    "{\\fs3000\\bord300\\blur200\\t(\\frz3600)}W",
    "{\\p1}m-0-0-l-9999",
    "<b>x</b>",
    "<c.red>&amp;</c>",
    "00:00:00,000",
    "-->",
    "NOTE",
    "STYLE",
    "\\N\\h",
    "a" * 10_000,
    "e" + "\u0301" * 2000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_it_is_and_makes_no_markup(text: str) -> None:
    timeline = plan(take(words=(Word(text, 0, 900), Word("end.", 900, 1500))), target_ms=3000)

    subrip, web = captions.srt(timeline), captions.vtt(timeline)

    assert len(re.findall(r"(?m)^\d+\n\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}$", subrip)) == subrip.count("-->")
    assert not re.search(r"<[a-zA-Z/]|\{\\", subrip)
    body = web.removeprefix("WEBVTT\n\n")
    assert len(re.findall(r"(?m)^\d\d:\d\d:\d\d\.\d{3} --> ", body)) == body.count("-->")
    assert "<" not in body.replace("-->", "")


def test_hostile_text_costs_no_more_time_than_plain_text() -> None:
    def cost(text: str) -> float:
        began = process_time()
        captions.groups(plan(take(words=(Word(text, 0, 900),)), target_ms=3000))
        return process_time() - began

    cost("warm")
    assert max(cost(text) for text in HOSTILE) < 0.5


def test_side_files_hold_sentences_in_order_and_escape_for_their_format() -> None:
    timeline = spoken("Tom & Jerry <3 milk. They really do, and nobody knows why they would ever stop drinking it.")

    web = captions.vtt(timeline)

    assert web.startswith("WEBVTT\n\n00:00:00.100 --> ")
    assert "Tom &amp; Jerry &lt;3 milk." in web
    assert "Tom & Jerry <\u20603 milk." in captions.srt(timeline)
    every = captions.cues(timeline)
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(every))
    assert every[-1].end_ms <= timeline.duration_ms
    assert all(len(cue.lines) <= 2 and max(map(len, cue.lines)) <= 42 for cue in every)
    said = " ".join(line for cue in every for line in cue.lines)
    assert said == " ".join(word.text for word in timeline.words)


def test_no_subtitle_holds_the_last_word_alone() -> None:
    """At 64 columns the sentence's end, "model.", stood by itself for a second."""
    cues = captions.cues(spoken("Blue is one of the three primary colours in the RGB colour model, too."))

    assert len(cues) == 2
    assert all(len(cue.words) >= 5 for cue in cues)


WORDS = st.lists(
    st.tuples(
        st.sampled_from(["Cats", "purr,", "…", "!", "incomprehensibilities.", "and", "so?", "猫がなぜ。"]),
        st.sampled_from([0, 0, 1, 7, 33, 34, 300, 900]),
        st.sampled_from([0, 0, 1, 250, 1200]),
    ),
    min_size=1,
    max_size=24,
)


@settings(max_examples=100, deadline=None)
@given(scenes=st.lists(WORDS, min_size=1, max_size=3), by_sentence=st.booleans())
def test_no_caption_stands_over_another_whatever_times_the_voice_tells(
    scenes: list[list[tuple[str, int, int]]], *, by_sentence: bool
) -> None:
    """A word of no length, as one voice gives an ellipsis, began where the next group did: its gate failed for ever."""
    takes = []
    for said in scenes:
        at, words = 0, list[Word]()
        for text, after_ms, lasts_ms in said:
            at += after_ms
            words.append(Word(text, at, at + lasts_ms))
        length_ms = max(word.end_ms for word in words)
        takes.append(take(words=tuple(words), narration_ms=length_ms or 1, by_sentence=by_sentence))
    timeline = plan(*takes, target_ms=3000)

    for manner in MANNERS.values():
        parts = captions.parts(timeline, manner)
        assert all(a.end <= b.turns[0] for a, b in pairwise(parts))
        assert parts[-1].end <= timeline.frames
        assert all(part.turns[0] < part.end and list(part.turns) == sorted(part.turns) for part in parts)
        assert all(part.lights is not by_sentence for part in parts)
    cues = captions.cues(timeline)
    stood = [reading.stays((cues,), timeline, Style(name=name)) for name in STYLES]
    assert [check for check in stood if check.passed is False] == []
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(cues))
    assert all(cue.start_ms < cue.end_ms <= timeline.duration_ms for cue in cues)
    shown = "".join(line for cue in cues for line in cue.lines).replace(" ", "")
    assert shown == "".join(word.text for word in timeline.words)


def test_an_ellipsis_without_length_is_shown_with_what_begins_beside_it() -> None:
    words = (Word("Cats.", 0, 400), Word("…", 1000, 1000), Word("Purr", 1000, 1400))
    timeline = plan(take(words=words), target_ms=3000)

    assert shown(timeline) == ["CATS.", "… PURR"]
    assert [cue.lines for cue in captions.cues(timeline)] == [("Cats.",), ("… Purr",)]


def test_short_clauses_are_shown_together_and_none_flashes_by() -> None:
    """Pages of 0.3 s and subtitles of 0.26 s, one upon the other, were drawn, and no gate told."""
    text = "Yes. It purrs, and why? Nobody can say for sure. Cats, dogs, birds, bees: all hum."
    at, words = 100, list[Word]()
    for word in text.split():
        words.append(Word(word, at, at + 55 * len(word)))
        at += 60 * len(word)
    timeline = plan(take(narration_ms=at, duration_ms=at, words=tuple(words)), target_ms=at)

    assert shown(timeline) == [
        "YES. IT PURRS, AND WHY?",
        "NOBODY CAN SAY FOR SURE.",
        "CATS, DOGS, BIRDS,",
        "BEES: ALL HUM.",
    ]
    cues = captions.cues(timeline)
    assert [" ".join(cue.lines) for cue in cues][:2] == ["Yes. It purrs, and why?", "Nobody can say for sure."]
    assert all(b.start_ms - a.end_ms >= 67 for a, b in pairwise(cues))
    assert all(cue.end_ms - cue.start_ms >= 834 for cue in cues)


def test_a_page_is_joined_to_the_one_before_where_nothing_comes_behind_it() -> None:
    words = (Word("Cats", 0, 600), Word("purr,", 700, 1700), Word("too.", 1950, 2200))
    timeline = plan(take(narration_ms=2200, duration_ms=2300, words=words), take(), target_ms=5300)

    assert shown(timeline)[0] == "CATS PURR, TOO."


def test_what_is_alone_in_its_scene_stands_as_long_as_the_scene_lets_it() -> None:
    short = take(narration_ms=300, duration_ms=300, words=(Word("Yes.", 0, 250),))
    timeline = plan(short, take(), target_ms=3300)
    first, second, *_ = captions.parts(timeline, MANNERS["classic"])

    assert first.end == second.turns[0] < 25
    assert reading.stays((captions.cues(timeline),), timeline).passed
    gone = captions.Cue(0, 100, ("Yes.",))
    assert reading.stays(((gone, *captions.cues(timeline)[1:]),), timeline).passed is False


def test_subtitles_are_cut_as_those_of_the_plan_that_they_are_held_against() -> None:
    """Were each plan cut by its own times, a narration 30 ms late could change a cut, and with it every line."""
    one, two = (
        plan(take(words=(Word("Yes.", 0, 300), Word("Why?", start, 1900))), target_ms=3000) for start in (890, 910)
    )
    assert [len(captions.cues(timeline)) for timeline in (one, two)] == [1, 2]
    assert [cue.lines for cue in captions.cues(two, one)] == [cue.lines for cue in captions.cues(one)]


def test_where_only_sentences_were_heard_they_are_what_is_held_against_the_sound() -> None:
    said = ("Cats", "purr.", "Why?", "So", "it", "is")
    words = tuple(Word(text, 100 * i, 100 * i + 90) for i, text in enumerate(said))
    plain, shared = (plan(take(words=words, by_sentence=by), target_ms=3000) for by in (False, True))

    assert captions.audible(plain, plain.shots[0]) == plain.words
    assert captions.audible(shared, shared.shots[0]) == (
        Word("Cats purr.", 0, 190),
        Word("Why?", 200, 290),
        Word("So it is", 300, 590),
    )
