"""Side files and reports are read as they were written, however long the reel is."""

from pathlib import Path

from reelwright.rendering import Word, captions, graph
from tests.rooms.rendering import fixture


def test_subtitles_read_as_they_were_written_in_both_forms() -> None:
    words = (Word("<b>&amp;", 100, 500), Word("{\\an8}there", 600, 900), Word("-->", 950, 1900))
    timeline = fixture.plan(fixture.take(words=words), fixture.take(), target_ms=6000)

    written = captions.cues(timeline)

    assert len(written) == 2
    assert [(c.start_ms, c.end_ms) for c in captions.read(captions.srt(timeline))] == [
        (c.start_ms, c.end_ms) for c in written
    ]
    assert captions.read(captions.vtt(timeline))[1] == written[1]
    assert captions.read("\ufeff" + captions.srt(timeline).replace("\n", "\r\n"))[1] == written[1]


def test_the_report_on_a_long_reel_stays_short_enough_to_be_kept_whole() -> None:
    """Each frame whose edges are measured prints a line: 200 of 150 letters fit into the 64 KiB that are kept."""
    looks = (graph.Look(frames=n, tile=(2, 2), every_s=1) for n in (900, 5400))
    short, long = (" ".join(graph.measure_picture("ffmpeg", Path("x"), look)) for look in looks)

    assert "mod(n\\,10)" in short.replace("\\\\", "\\")
    assert "mod(n\\,27)" in long.replace("\\\\", "\\")
