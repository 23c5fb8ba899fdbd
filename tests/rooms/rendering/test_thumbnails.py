"""Thumbnails: the clear, sharp, colourful frame wins, three that differ are kept, none in a transition or on a card."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFilter

from reelwright.rendering import Card, Take, Timeline, Word, plan, thumbnails

SIZE = (144, 256)


def timeline(scenes: int = 3, **cards: Card) -> Timeline:
    words = tuple(Word(text, 300 * n, 300 * n + 250) for n, text in enumerate(("Cats", "purr", "when", "calm.")))
    take = Take(
        duration_ms=4000,
        motion="push_in",
        amount=0.1,
        transition="fade",
        transition_frames=12,
        narration_ms=1200,
        words=words,
    )
    return plan([take] * scenes, target_ms=4000 * scenes, width=1080, height=1920, platform="tiktok", **cards)


def drawn(path: Path, colour: str, *, ground: str = "#203040", at: tuple[int, int] = (40, 70), blur: float = 0) -> Path:
    """A disc with stripes: something that stands out, with edges."""
    picture = Image.new("RGB", SIZE, ground)
    pen = ImageDraw.Draw(picture)
    pen.ellipse((*at, at[0] + 70, at[1] + 70), fill=colour)
    for x in range(at[0] + 10, at[0] + 60, 8):
        pen.line((x, at[1] + 20, x, at[1] + 50), fill="white", width=3)
    picture.filter(ImageFilter.GaussianBlur(blur)).save(path)
    return path


@pytest.mark.parametrize("size", [(540, 960), (2208, 1242)])
def test_the_wide_one_shows_a_scenes_picture_at_its_own_size_and_within_two_megabytes(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    source, out = tmp_path / "source.png", tmp_path / "wide.jpg"
    noise = Image.effect_noise(size, 90).convert("RGB")  # nothing takes more bytes
    noise.save(source, compress_level=0)

    thumbnails.widen(source, out)

    with Image.open(out) as wide:
        assert (wide.format, wide.mode, wide.size) == ("JPEG", "RGB", (1280, 720))
    assert out.stat().st_size < 2_000_000


def flat(path: Path, colour: str = "#777777") -> Path:
    Image.new("RGB", SIZE, colour).save(path)
    return path


def test_the_sharp_and_colourful_frame_is_the_best(tmp_path: Path) -> None:
    tiles = [
        (2.0, flat(tmp_path / "flat.png")),
        (6.0, drawn(tmp_path / "good.png", "#ff5522")),
        (10.0, drawn(tmp_path / "soft.png", "#ff5522", at=(5, 150), blur=4)),
    ]
    first, *rest = thumbnails.chosen(timeline(), tiles)
    assert first.at_ms == 6000
    assert all(first.score > other.score for other in rest)
    assert 0 <= min(other.score for other in rest) <= first.score <= 100
    assert set(first.parts) == {"sharpness", "contrast", "colour", "saliency", "caption"}


def test_those_that_are_kept_differ(tmp_path: Path) -> None:
    """Two of one kind: the better one, however good the other."""
    tiles = [
        (2.0, drawn(tmp_path / "a.png", "#ff5522")),
        (2.5, drawn(tmp_path / "b.png", "#ff5520")),
        (6.0, drawn(tmp_path / "c.png", "#22cc66", at=(60, 20))),
        (10.0, drawn(tmp_path / "d.png", "#3355ff", ground="#f0e8d8", at=(10, 160))),
        (10.5, drawn(tmp_path / "e.png", "#ffffff", ground="#551133", at=(10, 30))),
    ]
    kept = thumbnails.chosen(timeline(), tiles)
    assert len(kept) == 3
    assert sum(one.at_ms < 4000 for one in kept) <= 1
    assert [one.score for one in kept] == sorted((one.score for one in kept), reverse=True)
    alike = [(second, tmp_path / "a.png") for second in (2.0, 6.0, 10.0)]
    assert len(thumbnails.chosen(timeline(), alike)) == 1


def test_no_frame_of_a_transition_or_a_card_is_taken(tmp_path: Path) -> None:
    """The best picture of all stands where two scenes melt into each other, and on the intro."""
    reel = timeline(intro=Card("Hi", 45), outro=Card("Bye", 45))
    cut = reel.shots[0].end / 30
    good, poor = drawn(tmp_path / "good.png", "#ff5522"), flat(tmp_path / "poor.png")
    tiles = [(0.5, good), (cut, good), (cut + 1, poor), (reel.duration_ms / 1000 - 0.5, good)]
    assert [one.at_ms for one in thumbnails.chosen(reel, tiles)] == [pytest.approx(1000 * (cut + 1), abs=17)]


def test_letters_do_not_pass_for_sharpness(tmp_path: Path) -> None:
    """A blurred picture with a crisp caption scores no better than without."""
    soft, lettered = drawn(tmp_path / "soft.png", "#ff5522", blur=3), tmp_path / "lettered.png"
    with Image.open(soft) as file:
        captioned = file.copy()
    pen = ImageDraw.Draw(captioned)
    for x in range(30, 110, 4):
        pen.line((x, 200, x, 212), fill="white", width=2)
    captioned.save(lettered)
    sharp = drawn(tmp_path / "sharp.png", "#22cc66", at=(60, 20))
    plain, written = (
        {one.at_ms: one.parts["sharpness"] for one in thumbnails.chosen(timeline(), [(0.5, path), (6.0, sharp)])}
        for path in (soft, lettered)
    )
    assert written[500] == pytest.approx(plain[500], abs=0.05)


def test_there_is_one_even_where_nothing_is_worth_showing(tmp_path: Path) -> None:
    assert [one.at_ms for one in thumbnails.chosen(timeline(1), [(1.0, flat(tmp_path / "f.png"))])] == [1000]
    assert thumbnails.chosen(timeline(), []) == ()
