"""Side files and reports are read as they were written, however long the reel is."""

from pathlib import Path

import pytest

from reelwright.rendering import Word, captions, edges, gate, graph
from tests.rooms.rendering import fixture
from worker import ffmpeg


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
    """Each frame whose edges are measured prints two lines: 300 of 160 letters fit into the 64 KiB that are kept."""
    looks = (graph.Look(frames=n, tile=(2, 2), every_s=1) for n in (900, 5400))
    short, long = (" ".join(graph.measure_picture("ffmpeg", Path("x"), look)) for look in looks)

    assert "mod(n\\,10)" in short.replace("\\\\", "\\")
    assert "mod(n\\,36)" in long.replace("\\\\", "\\")


@pytest.mark.parametrize(
    ("drawn", "planned", "alone"),
    [
        ("geq=lum='16+max(0,Y-60)*0.15':cb=128:cr=128", 1.0, 1.0),  # night: it grows lighter, and never ends at once
        ("drawbox=y=0:h=40:t=fill:c=black:enable='gte(n,15)'", 0.938, 0.938),
        ("drawbox=t=60:c=black:enable='gte(n,15)'", 0.644, 1.0),  # black on all sides: a card, if nobody knows better
        ("drawbox=y=0:h=40:t=fill:c=black:enable='between(n,10,19)'", 0.938, 1.0),
    ],
)
async def test_bars_in_any_frame_are_seen_and_night_is_none(
    tmp_path: Path, drawn: str, planned: float, alone: float
) -> None:
    argv = [ffmpeg.program(), "-v", "error", "-f", "lavfi", "-i", f"color=gray:s=360x640:r=30:d=1.5,{drawn}", "a.mp4"]
    await ffmpeg.run(argv, cwd=tmp_path)
    look = graph.Look(frames=45, tile=(18, 32), every_s=1)

    report = (await ffmpeg.run(graph.measure_picture(ffmpeg.program(), tmp_path / "a.mp4", look), cwd=tmp_path)).report

    seen = gate.seen(report, width=360, height=640, length_ms=1500)
    used = (min(edges.narrowest(seen.framed, fades=fades)) for fades in ((), None))
    assert [round(share, 3) for share in used] == [planned, alone]
