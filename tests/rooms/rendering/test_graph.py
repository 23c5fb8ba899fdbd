"""Command lines and what is read from their answers."""

from pathlib import Path

import pytest

from reelwright.rendering import graph

SUMMARY = """[Parsed_ebur128_0 @ 0x1] Summary:

  Integrated loudness:
    I:         -14.2 LUFS
    Threshold: -24.5 LUFS

  Loudness range:
    LRA:         3.1 LU

  True peak:
    Peak:       -1.6 dBFS
"""


def test_the_last_loudness_summary_is_read() -> None:
    assert graph.loudness(SUMMARY.replace("-14.2", "-30.0") + SUMMARY) == graph.Loudness(-14.2, 3.1, -1.6)


def test_silence_reads_as_silence_and_gets_no_gain() -> None:
    silent = graph.loudness(SUMMARY.replace("-14.2", "-70.0").replace("-1.6", "-inf"))
    assert silent.silent
    assert graph.gain_db(silent, -14) == 0.0
    assert graph.gain_db(graph.Loudness(-40, 0, -20), -14) == 26
    assert graph.gain_db(graph.Loudness(-55, 0, -40), -14) == 30


def test_a_run_that_said_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no loudness summary"):
        graph.loudness("Conversion failed!")


@pytest.mark.parametrize("name", ["../x.mp4", "/etc/passwd", "a'b.mp4", "a.mp4\nfile /etc/passwd", "-i.mp4", "x.ts"])
def test_only_our_own_names_enter_the_concat_list(name: str) -> None:
    with pytest.raises(ValueError, match="not a generated file name"):
        graph.listing(["chunk_0000.mp4", name])


def test_a_list_leads_to_no_path_outside_of_its_folder() -> None:
    argv = graph.join("ffmpeg", Path("chunks.txt"), Path("y"), Path("z"), samples=96_000)
    told = argv[: argv.index("chunks.txt")]
    assert (told[told.index("-f") + 1], told[told.index("-safe") + 1]) == ("concat", "1")


def test_every_command_reads_files_alone_asks_nothing_and_stops_at_the_first_error() -> None:
    here = Path("x")
    voices = [graph.Spoken(here, 0), graph.Spoken(Path("y"), 48_000)]
    gains = {"voice_gain_db": 1.0, "music_gain_db": -3.0}
    commands = [
        graph.encode("ffmpeg", here, width=1080, height=1920),
        graph.measure_loudness("ffmpeg", here),
        graph.measure_voices("ffmpeg", [voice.path for voice in voices]),
        graph.mix("ffmpeg", here, voices=voices, music=Path("m"), samples=96_000, **gains),
        graph.master("ffmpeg", here, here, gain=3.0, samples=96_000),
        graph.join("ffmpeg", here, here, here, samples=96_000),
        graph.thumbnail("ffmpeg", here, here, at_ms=400),
        graph.measure_picture("ffmpeg", here, graph.Look(frames=900, tile=(144, 256), every_s=1.0)),
    ]
    for argv in commands:
        assert argv[0] == "ffmpeg"
        assert {"-nostdin", "-xerror"} <= set(argv)
        files = argv.count("-i")
        assert argv.count("-protocol_whitelist") == files
        assert argv.count("-format_whitelist") == files - argv.count("pipe:0")
        assert all(isinstance(part, str) for part in argv)
