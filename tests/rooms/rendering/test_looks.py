"""A chunk is named by what it shows: an edit renames the chunks that show it, and no others."""

from dataclasses import replace

from reelwright.rendering import Take, Timeline, Word, looks, plan

SAID = ("Cats", "purr", "when", "they", "are", "calm.")
SIZE = {"target_ms": 30_000, "width": 1080, "height": 1920}


def takes() -> list[Take]:
    words = tuple(Word(text, 300 * n, 300 * n + 250) for n, text in enumerate(SAID))
    return [
        Take(
            duration_ms=5000,
            motion="push_in",
            amount=0.12,
            transition="fade",
            transition_frames=12,
            narration_ms=2000,
            words=words,
        )
        for _ in range(6)
    ]


def planned(scenes: list[Take], *, platform: str = "tiktok", **size: int) -> Timeline:
    return plan(scenes, platform=platform, **{**SIZE, **size})


def renamed(before: Timeline, after: Timeline) -> set[int]:
    """Return which chunks are named otherwise."""
    old, new = looks(before), looks(after)
    assert len(old) == len(new) == len(before.chunks())
    return {number for number, (was, now) in enumerate(zip(old, new, strict=True)) if was[0] != now[0]}


def edited(scene: int, **changes: object) -> list[Take]:
    return [replace(take, **changes) if number == scene else take for number, take in enumerate(takes())]


def test_a_chunk_says_whose_pictures_it_shows_and_how_long_it_is() -> None:
    whole = planned(takes())
    assert [scenes for _, scenes, _ in looks(whole)] == [(0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5)]
    assert sum(length for _, _, length in looks(whole)) == whole.duration_ms == 30_000
    assert len({name for name, _, _ in looks(whole)}) == 6


def test_other_words_rename_only_the_chunks_that_show_them() -> None:
    words = (Word("Dogs", 0, 400), Word("bark.", 450, 900))
    assert renamed(planned(takes()), planned(edited(3, words=words, narration_ms=1000))) == {3}


def test_a_voice_that_no_longer_fits_moves_what_comes_behind() -> None:
    assert 0 in renamed(planned(takes()), planned(edited(1, narration_ms=9000)))


def test_another_motion_or_transition_renames_what_is_seen_of_it() -> None:
    assert renamed(planned(takes()), planned(edited(0, motion="pan_up"))) == {0, 1}
    assert renamed(planned(takes()), planned(edited(5, amount=0.2))) == {4, 5}
    assert renamed(planned(takes()), planned(edited(0, transition="dip"))) == {0, 1}


def test_another_platform_places_every_caption_elsewhere() -> None:
    assert renamed(planned(takes()), planned(takes(), platform="shorts")) == set(range(6))


def test_another_size_is_another_picture() -> None:
    silent = [replace(take, words=(), narration_ms=0) for take in takes()]
    assert renamed(planned(silent), planned(silent, width=1920, height=1080)) == set(range(6))
    assert renamed(planned(silent), planned(silent)) == set()


def test_another_platform_moves_a_logo_even_where_nobody_speaks() -> None:
    silent = [replace(take, words=(), narration_ms=0) for take in takes()]
    assert renamed(planned(silent), planned(silent, platform="shorts")) == set(range(6))


def test_a_word_that_only_another_style_shows_by_then_renames_the_chunk_too() -> None:
    """A subtitle shows a whole sentence from its first word on; the style is chosen later, and is in no look."""

    def reel(last: str) -> Timeline:
        said = ["a."] * 10 + ["so", "it", "was", "and", "so", last]
        words = tuple(Word(text, 400 * n, 400 * n + 380) for n, text in enumerate(said))
        return planned([replace(takes()[0], duration_ms=10_000, narration_ms=7000, words=words)], target_ms=10_000)

    assert renamed(reel("is."), reel("be.")) == {0, 1}
