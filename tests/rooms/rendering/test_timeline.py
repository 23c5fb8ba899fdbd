"""The plan of a reel."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.rendering import SAMPLES_A_FRAME, Timeline, Word, on_beats
from tests.rooms.rendering.fixture import plan, take


def test_a_reel_whose_narrations_fit_is_as_long_as_its_target_to_the_frame() -> None:
    timeline = plan(take(duration_ms=3333), take(duration_ms=3333), take(duration_ms=3334), target_ms=10_000)

    assert timeline.frames == 300
    assert timeline.samples == 480_000
    assert [shot.end - shot.start for shot in timeline.shots] == [100, 100, 100]


def test_speech_is_never_cut_and_a_long_one_takes_time_from_the_pauses_of_others() -> None:
    timeline = plan(take(narration_ms=4800), take(narration_ms=1000), target_ms=6000)

    first, second = timeline.shots
    assert timeline.frames == 180
    assert first.end * 1000 / 30 >= 4800 + 100
    assert second.speech_ms == (round(first.end * 1000 / 30), round(first.end * 1000 / 30) + 1000)


def test_a_reel_whose_narrations_do_not_fit_is_as_long_as_they_need() -> None:
    timeline = plan(take(narration_ms=4000), take(narration_ms=4000), target_ms=6000)

    assert timeline.frames == 2 * (120 + 3)
    assert timeline.target_frames == 180


@given(
    lengths=st.lists(st.tuples(st.integers(0, 9000), st.integers(500, 12_000)), min_size=1, max_size=12),
    target_ms=st.integers(3000, 60_000),
)
def test_whatever_the_lengths_every_scene_holds_its_speech_and_the_frames_add_up(
    lengths: list[tuple[int, int]], target_ms: int
) -> None:
    takes = [take(narration_ms=said, duration_ms=planned, words=()) for said, planned in lengths]

    timeline = plan(*takes, target_ms=target_ms)

    starts = [shot.start for shot in timeline.shots]
    assert starts == [0, *(shot.end for shot in timeline.shots[:-1])]
    for shot, (said, _) in zip(timeline.shots, lengths, strict=True):
        assert (shot.end - shot.start) * 1000 / 30 >= said + 100 - 1
    spoken = sum(-(-said * 30 // 1000) for said, _ in lengths)
    if spoken + 3 * len(lengths) <= timeline.target_frames:
        assert timeline.frames == timeline.target_frames
    else:
        assert timeline.frames == spoken + 3 * len(lengths)
    assert [f for a, b in timeline.chunks() for f in range(a, b)] == list(range(timeline.frames))


def test_a_transition_is_shared_half_and_half() -> None:
    one, two, three = plan(take(), take(), take(), target_ms=9000).shots

    assert (one.before, one.after, two.before, two.after, three.before, three.after) == (0, 6, 6, 6, 6, 0)
    assert [shot.scene for shot in plan(take(), take(), target_ms=6000).seen(84, 85)] == [0, 1]
    assert [shot.scene for shot in plan(take(), take(), target_ms=6000).seen(83, 84)] == [0]
    assert [shot.scene for shot in plan(take(), take(), target_ms=6000).seen(96, 97)] == [1]


def test_a_transition_never_takes_more_than_a_third_of_a_short_scene_on_one_side() -> None:
    short = take(duration_ms=400, narration_ms=0, words=(), transition_frames=40)

    timeline = plan(short, short, target_ms=800)

    assert [(shot.end - shot.start, shot.before + shot.after) for shot in timeline.shots] == [(12, 4), (12, 4)]


def test_words_carry_the_reels_time_and_narrations_begin_on_a_whole_frame() -> None:
    timeline = plan(take(), take(), target_ms=6000)

    assert [w.start_ms for w in timeline.words] == [100, 600, 3100, 3600]
    assert timeline.words[2] == Word("Hello", 3100, 3500, 1)
    assert timeline.shots[1].start * SAMPLES_A_FRAME == 48_000 * 3


def test_motion_runs_over_all_frames_in_which_a_scene_is_seen() -> None:
    _, shot, _ = plan(take(), take(), take(), target_ms=9000).shots

    assert shot.progress(shot.start - shot.before) == 0.0
    assert shot.progress(shot.end + shot.after - 1) == 1.0


def test_thirty_seconds_make_six_chunks_of_five() -> None:
    chunks = plan(*[take(duration_ms=5000)] * 6, target_ms=30_000).chunks()

    assert chunks == tuple((i * 150, (i + 1) * 150) for i in range(6))


def test_a_plan_survives_json() -> None:
    timeline = plan(take(), take(words=(Word("Wörd\u0000", 0, 10),)), target_ms=6000)

    assert msgspec.json.decode(msgspec.json.encode(timeline), type=Timeline) == timeline


def test_no_scene_is_no_reel() -> None:
    with pytest.raises(ValueError, match="at least one scene"):
        plan(target_ms=6000)


def test_cuts_near_a_beat_move_onto_it_with_all_that_is_spoken_there() -> None:
    """A beat every half second from 0.2 s on: the cut at 3.3 s is 0.1 s late, the one at 6.6 s 0.1 s early."""
    scene = take(duration_ms=3300, narration_ms=1500, words=(Word("Cats", 0, 700), Word("purr.", 800, 1500)))
    before = plan(scene, scene, scene, target_ms=9900)
    assert [shot.start for shot in before.shots] == [0, 99, 198]

    after = on_beats(before, bpm=120, first_beat_ms=200)

    assert [(shot.start, shot.end) for shot in after.shots] == [(0, 96), (96, 201), (201, 297)]
    assert after.frames == before.frames
    for shot in after.shots:
        said = [word for word in after.words if word.scene == shot.scene]
        assert shot.speech_ms is not None
        assert shot.speech_ms[0] == said[0].start_ms == round(shot.start * 1000 / 30)
        assert shot.speech_ms[1] - shot.speech_ms[0] == 1500


def test_no_cut_goes_farther_than_120_ms_or_into_speech() -> None:
    scene = take(duration_ms=3000, narration_ms=1000)
    reel = plan(scene, scene, target_ms=6000)
    assert reel.shots[1].start == 90
    assert [on_beats(reel, bpm=30, first_beat_ms=3000 + off).shots[1].start for off in (-140, -110, 110, 140)] == [
        *(90, 87, 93, 90)
    ]
    tight = plan(take(duration_ms=3000, narration_ms=2850), take(duration_ms=3000, narration_ms=2850), target_ms=6000)
    assert on_beats(tight, bpm=30, first_beat_ms=2900) == tight
    assert on_beats(tight, bpm=30, first_beat_ms=3100) == tight


@given(
    said=st.lists(st.integers(0, 4000), min_size=2, max_size=8),
    bpm=st.floats(50, 200),
    first_beat_ms=st.floats(0, 1200),
)
def test_whatever_the_beat_speech_stays_whole_and_apart(said: list[int], bpm: float, first_beat_ms: float) -> None:
    takes = [take(narration_ms=ms, duration_ms=3500, words=()) for ms in said]
    before = plan(*takes, target_ms=3500 * len(said))
    after = on_beats(before, bpm=bpm, first_beat_ms=first_beat_ms)
    assert (after.frames, after.shots[0].start) == (before.frames, 0)
    for was, now in zip(before.shots, after.shots, strict=True):
        assert abs(now.start - was.start) * 1000 / 30 <= 120
        assert (now.speech_ms is None) == (was.speech_ms is None)
        if now.speech_ms is not None:
            assert now.speech_ms[1] <= now.end * 1000 / 30 - 99
    assert all(a.end == b.start for a, b in pairwise(after.shots))


@given(frames=st.integers(30, 6000))
def test_chunks_are_laid_end_to_end_at_tenths_of_a_second(frames: int) -> None:
    """A file of 113 frames says that it is 3.766 s long: the next one would come 0.7 ms early, and the rate be off."""
    chunks = plan(take(duration_ms=1000), target_ms=round(frames * 1000 / 30)).chunks()
    assert chunks[0][0] == 0
    assert all(a[1] == b[0] for a, b in pairwise(chunks))
    assert all(edge % 3 == 0 for edge, _ in chunks)
    assert all(0 < b - a <= 226 for a, b in chunks)
