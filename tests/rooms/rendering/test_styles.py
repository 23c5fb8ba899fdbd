"""What each caption style draws: where, in which colours, how it moves, and by which name it goes."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reelwright.rendering import FONTS, STYLES, Area, Logo, Style, captions, contrast, planes, safe_area
from reelwright.rendering.captions import Group
from reelwright.rendering.inking import DARK, POP_FRAMES, Inker, Patch, logo, outline, readable
from reelwright.rendering.safearea import LENGTHS_S, PLATFORMS
from reelwright.rendering.style import MANNERS
from tests.rooms.rendering.saying import TEXTS, spoken

FRAME = (1080, 1920)
SOLID = 150  # more opaque than any shadow
Pixels = NDArray[np.int64]


def only(text: str, style: Style, *, frame: tuple[int, int] = FRAME) -> Group:
    (group,) = captions.groups(spoken(text, width=frame[0], height=frame[1]), style)
    return group


def drawn(group: Group, style: Style, *, frame: tuple[int, int] = FRAME) -> dict[int, Patch]:
    """Every frame of a group, each drawn by an inker that saw the ones before."""
    inker = Inker(group, style, frame=frame)
    every = {number: inker.patch(number) for number in range(group.turns[0], group.end)}
    return {number: patch for number, patch in every.items() if patch is not None}


def solid(patch: Patch) -> Area:
    rows, across = np.nonzero(np.asarray(patch.opacity) > SOLID)
    x, y = patch.at
    return Area(int(across.min()) + x, int(rows.min()) + y, int(across.max()) + 1 + x, int(rows.max()) + 1 + y)


def word(patch: Patch, group: Group, number: int) -> tuple[Pixels, Pixels]:
    """The luma and opacity of one word's letters."""
    placed, block = group.block.words[number], group.block
    x, y = patch.at
    box = (
        round(placed.x) - x,
        placed.baseline - block.rise - y,
        round(placed.x + placed.length) - x,
        placed.baseline + block.fall - y,
    )
    luma, opacity = (np.asarray(plane.crop(box), dtype=int) for plane in (patch.planes.y, patch.opacity))
    return luma, opacity


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("script", ["latin", "vietnamese", "japanese", "arabic", "hindi"])
def test_all_that_is_drawn_lies_in_its_box_and_in_the_safe_area(style: str, script: str) -> None:
    chosen = Style(name=style)
    for frame in (FRAME, (1080, 1080), (1920, 1080), (360, 640)):
        area = safe_area("tiktok", width=frame[0], height=frame[1])
        groups = captions.groups(spoken(TEXTS[script], width=frame[0], height=frame[1]), chosen)
        for group in groups:
            assert area.holds(group.block.ink)
            assert len({placed.baseline for placed in group.block.words}) <= 2
        if frame != (360, 640):
            continue
        widest = max(groups, key=lambda group: group.block.ink.right - group.block.ink.left)
        inker = Inker(widest, chosen, frame=frame)
        for turn in dict.fromkeys(widest.turns):
            patch = inker.patch(turn + POP_FRAMES - 1)
            assert patch is None or widest.block.ink.holds(solid(patch))


@pytest.mark.parametrize("style", STYLES)
def test_groups_are_as_small_as_their_style_wants_and_follow_each_other(style: str) -> None:
    groups = captions.groups(spoken(" ".join(TEXTS["latin"] for _ in range(3))), Style(name=style))
    manner = MANNERS[style]

    assert all(a.end <= b.turns[0] for a, b in pairwise(groups))
    for group in groups:
        shown = " ".join(placed.text for placed in group.block.words)
        assert len(shown) <= 2 * manner.columns  # short clauses are shown together
        assert style == "subtitle" or len(group.block.words) <= 2 * manner.words
        assert group.end - group.turns[0] <= 6 * 30 + 12
        assert all(turn < end for turn, end in zip(group.turns, group.ends, strict=True))
    sizes = {name: only("Cats", Style(name=name)).block.size for name in STYLES}
    assert sizes["subtitle"] < sizes["classic"] == sizes["box"] == sizes["karaoke"] < sizes["pop"]


@pytest.mark.parametrize("style", STYLES)
def test_words_that_are_not_spoken_stay_as_they_are_to_the_pixel(style: str) -> None:
    chosen = Style(name=style)
    group = only("it was so", chosen)
    frames = drawn(group, chosen)

    for still in range(3):
        untouched = [n for n in frames if group.lit(n) not in ({still, still + 1} if style == "pop" else {still})]
        if style == "karaoke":
            untouched = [n for n in frames if n < group.turns[still]]
        seen = {tuple(part.tobytes() for part in word(frames[n], group, still)) for n in untouched}
        assert len(seen) <= 1
        assert bool(seen) is bool(untouched)


@pytest.mark.parametrize("style", STYLES)
def test_a_frame_is_the_same_wherever_drawing_begins(style: str) -> None:
    chosen = Style(name=style)
    group = only("it was so", chosen)
    frames = drawn(group, chosen)
    for number in (group.turns[1] + 1, group.turns[2] + 5):
        alone = Inker(group, chosen, frame=FRAME).patch(number)
        assert alone is not None
        assert alone.opacity.tobytes() == frames[number].opacity.tobytes()
        assert alone.planes.y.tobytes() == frames[number].planes.y.tobytes()


@pytest.mark.parametrize("style", ["classic", "pop", "subtitle"])
def test_only_the_spoken_word_has_the_highlight(style: str) -> None:
    chosen = Style(name=style, highlight="#0000FF" if style != "subtitle" else "#FF9900")
    group = only("it was so", chosen)
    blue = np.asarray(drawn(group, chosen)[group.turns[1] + 4].planes.u, dtype=int) - 128
    x = drawn(group, chosen)[group.turns[1] + 4].at[0]
    coloured = np.flatnonzero((np.abs(blue) > 60).any(axis=0)) * 2 + x
    lit = group.block.words[1]
    assert lit.x - 30 <= coloured.min() < coloured.max() <= lit.x + lit.length + 30


@pytest.mark.parametrize("style", STYLES)
def test_where_no_single_word_was_heard_none_lights_up(style: str) -> None:
    """Nothing moves in such a group, and the colour of what is spoken, or its box, is nowhere."""
    blue_box = "#0000FF" if style == "box" else None
    chosen = Style(name=style, highlight="#0000FF" if style != "subtitle" else "#FF9900", box=blue_box)
    group = replace(only("it was so", chosen), lights=False)
    frames = list(drawn(group, chosen).values())

    assert len(frames) == group.end - group.turns[0]
    assert len({(patch.planes.y.tobytes(), patch.opacity.tobytes()) for patch in frames}) == 1
    blue = np.abs(np.asarray(frames[-1].planes.u, dtype=int) - 128) > 60
    assert not blue.any()
    orange = np.asarray(frames[-1].planes.v, dtype=int) - 128 > 60
    assert not orange.any()


@pytest.mark.parametrize(("text", "from_the_right"), [("wonderful", False), ("القطط", True)])
def test_karaoke_fills_a_word_from_where_it_begins_and_never_back(text: str, *, from_the_right: bool) -> None:
    chosen = Style(name="karaoke", text="#FFFFFF", highlight="#0000FF")
    group = only(text, chosen)
    filled: list[list[int]] = []
    for patch in drawn(group, chosen).values():
        columns = np.flatnonzero((np.asarray(patch.planes.u, dtype=int) > 200).any(axis=0))
        filled.append([int(columns.min()), int(columns.max())] if len(columns) else [])
    shown = [edges for edges in filled if edges]
    first, last = shown[0], shown[-1]
    moving, fixed = (0, 1) if from_the_right else (1, 0)

    assert len({edges[moving] for edges in shown}) > 5
    steps = [b[moving] - a[moving] for a, b in pairwise(shown)]
    assert all(step <= 0 for step in steps) if from_the_right else all(step >= 0 for step in steps)
    assert abs(first[fixed] - last[fixed]) <= 8
    assert last[1] - last[0] > group.block.words[0].length / 2 * 0.9


def test_a_popping_word_grows_softly_and_stays_in_its_own_room() -> None:
    chosen = Style(name="pop")
    group = only("was", chosen)
    widths = [solid(patch).right - solid(patch).left for patch in drawn(group, chosen).values()]

    assert widths[: POP_FRAMES + 1] == sorted(widths[: POP_FRAMES + 1])
    assert len(set(widths[:POP_FRAMES])) == POP_FRAMES
    assert set(widths[POP_FRAMES - 1 :]) == {widths[-1]}
    length, stroke = group.block.words[0].length, 2 * group.block.stroke
    assert widths[-1] == pytest.approx(length * MANNERS["pop"].swell + stroke, abs=0.07 * length)
    for row in captions.groups(spoken("it was so"), chosen):
        for baseline in {placed.baseline for placed in row.block.words}:
            line = [placed for placed in row.block.words if placed.baseline == baseline]
            swollen = [(MANNERS["pop"].swell - 1) / 2 * placed.length for placed in (line[0], line[-1])]
            left, right = line[0].x - swollen[0], line[-1].x + line[-1].length + swollen[1]
            assert (left + right) / 2 == pytest.approx(FRAME[0] / 2, abs=1)
        words = sorted(row.block.words, key=lambda placed: (placed.baseline, placed.x))
        for left, right in pairwise(words):
            if left.baseline == right.baseline:
                assert right.x - left.x - left.length > (MANNERS["pop"].swell - 1) / 2 * max(left.length, right.length)


@pytest.mark.parametrize("text", ["it was so", TEXTS["chinese"], "هل تعلم لماذا"])
def test_a_words_box_touches_no_other_word(text: str) -> None:
    chosen = Style(name="box", box="#0000FF")
    (group, *_) = captions.groups(spoken(text), chosen)
    for lit, turn in enumerate(group.turns):
        patch = Inker(group, chosen, frame=FRAME).patch(turn)
        assert patch is not None
        rows, across = np.nonzero(np.asarray(patch.planes.u, dtype=int) > 200)
        x, y = patch.at
        box = Area(
            int(across.min()) * 2 + x, int(rows.min()) * 2 + y, int(across.max()) * 2 + x, int(rows.max()) * 2 + y
        )
        for number, other in enumerate(group.block.words):
            if number == lit:
                assert box.left < other.x < other.x + other.length < box.right
            elif other.baseline == group.block.words[lit].baseline:
                assert box.right < other.x or box.left > other.x + other.length


COLOURS = ("#FFFFFF", "#000000", "#FFDD00", "#808080", "#B00020", "#0000FF", "#7CFC00", "#6D28D9")


@pytest.mark.parametrize("colour", COLOURS)
def test_letters_stand_apart_from_what_lies_round_them(colour: str) -> None:
    assert contrast(colour, outline(colour)) >= 3
    for ground in COLOURS:
        assert contrast(readable(colour, ground), ground) >= 4.5


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("picture", ["#000000", "#FFFFFF", "#7F7F7F"])
def test_letters_can_be_read_on_any_picture(style: str, picture: str) -> None:
    """Measured on the frame: the letters' luma against the outline, panel or box that parts them from the picture."""
    chosen = Style(name=style)
    group = only("was", chosen)
    frame = planes.from_rgb(Image.new("RGB", FRAME, picture))
    patch = Inker(group, chosen, frame=FRAME).patch(group.turns[0] + POP_FRAMES)
    assert patch is not None
    patch.lay_on(frame)
    ink = group.block.ink
    seen = np.asarray(frame.y.crop((ink.left, ink.top, ink.right, ink.bottom)), dtype=int)
    opacity = np.asarray(patch.opacity, dtype=int)[
        ink.top - patch.at[1] : ink.bottom - patch.at[1], ink.left - patch.at[0] : ink.right - patch.at[0]
    ]
    brightest, darkest = np.percentile(seen[opacity > SOLID], (97, 10))
    levels = [
        f"#{round((level - 16) * 255 / 219):02x}" + f"{round((level - 16) * 255 / 219):02x}" * 2
        for level in (brightest, darkest)
    ]
    assert contrast(*levels) >= 3


@pytest.mark.parametrize(("text", "box"), [("#FFFFFF", "#FFFFFF"), ("#111111", "#000000"), ("#FFFFFF", "#FFDD00")])
def test_a_word_can_be_read_on_its_box_whatever_is_chosen(text: str, box: str) -> None:
    chosen = Style(name="box", text=text, box=box)
    group = only("was", chosen)
    patch = Inker(group, chosen, frame=FRAME).patch(group.turns[0])
    assert patch is not None
    luma, _ = word(patch, group, 0)
    assert np.percentile(luma, 95) - np.percentile(luma, 5) > 120


def test_contrast_is_that_of_the_web_content_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == contrast("#FFFFFF", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)
    assert contrast(DARK, DARK) == 1
    with pytest.raises(ValueError, match="not a colour"):
        contrast("red", DARK)


def test_a_style_is_named_by_all_that_it_draws(tmp_path: Path) -> None:
    one, same, other = (tmp_path / name for name in ("one.png", "same.png", "other.png"))
    for path, colour in ((one, "red"), (same, "red"), (other, "blue")):
        Image.new("RGB", (40, 20), colour).save(path)
    different = [
        Style(),
        *(Style(name=name) for name in STYLES[1:]),
        *(Style(font=font) for font in FONTS[1:]),
        *(Style(**{part: "#123456"}) for part in ("text", "highlight", "box")),
        *(Style(logo=Logo(path=str(path))) for path in (one, other)),
        Style(logo=Logo(path=str(one), corner="top_left")),
        Style(logo=Logo(path=str(one), share=0.2)),
    ]
    assert len({style.named() for style in different}) == len(different)
    assert Style(logo=Logo(path=str(one))).named() == Style(logo=Logo(path=str(same))).named()
    assert Style(logo=Logo(path="away", sha256="ab")).named() == Style(logo=Logo(path="elsewhere", sha256="ab")).named()
    assert Style(text="#ffaa00").named() == Style(text="#FFAA00").named()


@pytest.mark.parametrize("frame", [FRAME, (1080, 1080), (1920, 1080)])
@pytest.mark.parametrize("corner", ["top_left", "top_right", "bottom_left", "bottom_right"])
def test_a_logo_lies_in_its_corner_and_no_caption_meets_it(tmp_path: Path, corner: str, frame: tuple[int, int]) -> None:
    for size in ((300, 100), (100, 300)):
        file = tmp_path / "logo.png"
        Image.new("RGBA", size, (255, 0, 0, 255)).save(file)
        chosen = Logo(path=str(file), corner=corner, share=0.25)
        area = safe_area("reels", width=frame[0], height=frame[1])
        patch = logo(chosen, area, frame=frame)
        x, y = patch.at
        box = Area(x, y, x + patch.opacity.width, y + patch.opacity.height)

        assert area.holds(box)
        assert (x < frame[0] / 2, y < frame[1] / 2) == ("left" in corner, "top" in corner)
        assert patch.opacity.width / patch.opacity.height == pytest.approx(size[0] / size[1], rel=0.05)
        timeline = spoken("incomprehensibilities wander", platform="reels", width=frame[0], height=frame[1])
        for name in STYLES:
            for group in captions.groups(timeline, Style(name=name, logo=chosen)):
                assert area.holds(group.block.ink)
                assert group.block.ink.top >= box.bottom or group.block.ink.bottom <= box.top


def test_safe_areas_are_dated_and_say_where_they_are_from() -> None:
    assert set(PLATFORMS) == set(LENGTHS_S)
    for name, margins in PLATFORMS.items():
        assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", margins.as_of), name
        assert margins.source, name
        tall, wide = safe_area(name, width=1080, height=1920), safe_area(name, width=1920, height=1080)
        assert (tall.left, tall.top) == (margins.left, margins.top)
        assert (wide.left, wide.right, wide.top, wide.bottom) == (154, 1766, 86, 994)
