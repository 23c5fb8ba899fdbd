"""Intro and outro: on top of the ordered length, readable, never still and never black, fading into the scenes."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reelwright.rendering import (
    Card,
    Logo,
    Painter,
    Style,
    Take,
    Timeline,
    Word,
    contrast,
    looks,
    plan,
    planes,
    safe_area,
)
from reelwright.rendering.cards import CardPainter
from reelwright.rendering.planes import Planes
from reelwright.rendering.timeline import CARD_FADE_FRAMES

INTRO, OUTRO = Card("Cats, daily", 45), Card("Follow for more", 30)
KIT = Style(font="inter", text="#FFFFFF", highlight="#7CFFCB", box="#123A5A")
TAKE = Take(
    duration_ms=3000,
    motion="push_in",
    amount=0.1,
    transition="fade",
    transition_frames=10,
    narration_ms=900,
    words=(Word("Cats", 0, 400), Word("purr.", 450, 900)),
)


def reel(*, width: int = 540, height: int = 960, **cards: Card | None) -> Timeline:
    return plan([TAKE, TAKE], target_ms=6000, width=width, height=height, platform="tiktok", **cards)


def luma(picture: Planes) -> NDArray[np.float64]:
    return np.asarray(picture.y, np.float64)


def test_cards_come_on_top_and_move_everything_that_is_spoken() -> None:
    bare, carded = reel(), reel(intro=INTRO, outro=OUTRO)
    assert (carded.frames, carded.target_frames) == (bare.frames + 75, bare.target_frames + 75)
    assert [(s.start, s.end) for s in carded.shots] == [(s.start + 45, s.end + 45) for s in bare.shots]
    assert [w.start_ms for w in carded.words] == [w.start_ms + 1500 for w in bare.words]
    assert [s.speech_ms and s.speech_ms[0] for s in carded.shots] == [1500, 1500 + 3000]
    assert all(carded.card(frame) is None for frame in range(45, 45 + bare.frames))
    assert bare.card(0) is None


def test_every_frame_of_a_card_shows_it_and_it_fades_at_the_scenes_side() -> None:
    whole = reel(intro=INTRO, outro=OUTRO)
    shares = [seen[2] for frame in range(45) if (seen := whole.card(frame)) is not None]
    assert (len(shares), shares[0]) == (45, 1.0)
    assert shares.count(1.0) == 45 - CARD_FADE_FRAMES
    assert all(a > b > 0 for a, b in zip(shares[-9:], shares[-8:], strict=False))
    after = [seen[2] for frame in range(whole.shots[-1].end, whole.frames) if (seen := whole.card(frame)) is not None]
    assert after[:CARD_FADE_FRAMES] == sorted(after[:CARD_FADE_FRAMES])
    assert set(after[CARD_FADE_FRAMES:]) == {1.0}
    for frame in range(whole.frames):
        seen = whole.card(frame)
        assert (seen is not None and seen[2] == 1.0) == (whole.seen(frame, frame + 1) == ())


def test_a_reel_is_painted_from_its_first_frame_to_its_last(tmp_path: Path) -> None:
    Image.effect_noise((621, 1104), 60).convert("RGB").save(tmp_path / "noise.png")
    planes.prepare(tmp_path / "noise.png", tmp_path / "source.png", width=540, height=960)
    whole = reel(intro=INTRO, outro=OUTRO)
    painter = Painter(whole, dict.fromkeys((0, 1), tmp_path / "source.png"), KIT)
    title, halfway, scene, ending = (luma(painter.frame(n)) for n in (0, 41, 60, whole.frames - 1))
    rough = [float(np.abs(np.diff(part[:200], axis=0)).mean()) for part in (title, halfway, scene, ending)]
    assert rough[0] < 1 < rough[1] < rough[2]  # noise shows as much as the scene does
    assert rough[3] < 1


@pytest.mark.parametrize("box", ["#000000", "#123A5A", None])
def test_a_card_is_neither_still_nor_black(box: str | None) -> None:
    """The gate calls a second without change frozen (-66 dB), and one with 98 % of its pixels dark black."""
    timeline = reel(intro=INTRO)
    painter = CardPainter(INTRO, timeline, Style(box=box))
    shown = [luma(painter.frame(frame / 45))[::4, ::4] for frame in range(0, 45, 5)]
    still = 255 * 10 ** (-66 / 20)
    moved = [float(np.abs(a - b).mean()) for a, b in pairwise(shown)]
    assert min(moved) > 2 * still
    assert max(float((picture <= 16 + 0.08 * 219).mean()) for picture in shown) < 0.9


@pytest.mark.parametrize(
    "text", ["Cats, daily", "Everything you never knew about the purring of cats at night", "قطط كل يوم"]
)
@pytest.mark.parametrize("size", [(1080, 1920), (1080, 1080), (1920, 1080)])
def test_a_title_stands_in_the_safe_area(text: str, size: tuple[int, int]) -> None:
    timeline = reel(width=size[0], height=size[1])
    painter = CardPainter(Card(text, 45), timeline, KIT)
    assert safe_area("tiktok", width=size[0], height=size[1]).holds(painter.ink)


def test_a_title_can_be_read_and_a_logo_is_shown(tmp_path: Path) -> None:
    Image.new("RGBA", (200, 100), (255, 0, 0, 255)).save(tmp_path / "logo.png")
    marked = Style(box="#123A5A", text="#FFFFFF", logo=Logo(path=str(tmp_path / "logo.png")))
    timeline = reel(intro=INTRO)
    plain, logo = (CardPainter(INTRO, timeline, style).frame(0.5) for style in (KIT, marked))
    assert luma(plain).max() >= 234
    assert contrast("#FFFFFF", "#123A5A") > 4.5
    assert int(np.asarray(logo.v).max()) > 200 > int(np.asarray(plain.v).max())  # BT.709's red is far up in V


def test_another_card_renames_the_chunks_that_show_it() -> None:
    def names(intro: Card | None, outro: Card | None) -> list[str]:
        return [name for name, _, _ in looks(reel(intro=intro, outro=outro))]

    first = names(INTRO, OUTRO)
    assert len(first) > 1
    assert [a == b for a, b in zip(first, names(Card("Dogs", 45), OUTRO), strict=True)] == [False] + [True] * (
        len(first) - 1
    )
    assert [a == b for a, b in zip(first, names(INTRO, Card("Bye", 30)), strict=True)][-1] is False


def test_a_title_without_spaces_is_broken_between_its_phrases() -> None:
    """In one line it would shrink to what nobody can read."""
    title = Card("猫のことを毎日すこしずつ知るための短い動画", 45)
    block = CardPainter(title, reel(width=1080, height=1920, intro=title), KIT)._block
    assert len({word.baseline for word in block.words}) == 2
    assert "".join(word.text for word in block.words) == title.text
    assert block.size >= 60
