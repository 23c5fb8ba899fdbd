"""`reelwright inspect`, as a person and a program run it."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from reelwright.cli.inspect import InspectRefused
from reelwright.cli.inspect import inspect as command
from reelwright.rendering import Style, captions, sheet
from reelwright.rendering.gates import GATES
from tests.gates import good
from worker import ffmpeg


def inspect(*words: object) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from reelwright.cli import main; main()", "inspect", *map(str, words)]
    return subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)


def colours(image: Image.Image) -> set[str]:
    every = np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)
    return {"#{:02x}{:02x}{:02x}".format(*one) for one in every.tolist()}


def test_a_good_reel_exits_with_0_as_json_and_as_a_picture(reel: good.Good, tmp_path: Path) -> None:
    plan, drawn = tmp_path / "plan.json", tmp_path / "sheet.png"
    plan.write_bytes(msgspec.json.encode(reel.timeline))

    ended = inspect(reel.video, "--plan", plan, "--sheet", drawn, "--json")

    told = json.loads(ended.stdout)
    assert (ended.returncode, ended.stderr, told["failed"], told["passed"]) == (0, "", [], True)
    assert [c["gate"] for c in told["checks"]] == [gate.number for gate in GATES.values()]
    assert [c["name"] for c in told["checks"]] == list(GATES)
    unjudged = {c["name"] for c in told["checks"] if c["passed"] is None}
    told_by_its_maker = {"lossy_generations", "fidelity", "mb_a_minute", "thumbnails", "reproducible"}
    unheard = {"speech_in_each_scene", "speech_sync_ms", "caption_words", "voice_over_music_db"}
    unheard |= {"cut_to_voice_frames"}
    assert unjudged == told_by_its_maker | unheard
    assert (told["width"], told["height"], told["duration_s"]) == (360, 640, 4.0)
    with Image.open(drawn) as image:
        seen = colours(image)
        assert (image.format, image.width) == ("PNG", sheet.WIDTH)
    assert {"#4cc38a", "#ffd84d", "#ff9f43", "#5b84c4"} <= seen  # gates that hold, caption boxes, loudness, waveform
    assert "#ff6369" not in seen  # what is wrong


def test_the_manifest_tells_how_the_captions_were_set_and_where_black_is_meant(reel: good.Good, tmp_path: Path) -> None:
    """By the plan alone a reel in whole sentences was judged as if it had few words at once."""
    manifest, drawn = tmp_path / "manifest.json", tmp_path / "drawn.png"
    told = {"type": "manifest/1", "timeline": reel.timeline, "style": Style(name="subtitle"), "video_bytes": 1}
    manifest.write_bytes(msgspec.json.encode(told))
    bad, spoil = tmp_path / "bad.mp4", r"drawbox=t=fill:c=black:enable=between(t\,1\,1.15)"
    encoding = ["-c:a", "copy", "-c:v", "libx264", "-g", "60"]
    subprocess.run([ffmpeg.program(), "-v", "error", "-i", reel.video, "-vf", spoil, *encoding, bad], check=True)

    ended = inspect(bad, "--plan", manifest, "--sheet", drawn, "--json")

    checks = {check["name"]: check for check in json.loads(ended.stdout)["checks"]}
    assert checks["black_s"]["passed"] is False
    groups = {name: len(captions.groups(reel.timeline, Style(name=name))) for name in ("classic", "subtitle")}
    assert groups["classic"] != groups["subtitle"] == checks["caption_boxes"]["value"]["groups"]


def test_a_bad_one_exits_with_1_and_names_each_failed_gate_with_what_to_do(reel: good.Good, tmp_path: Path) -> None:
    bad, drawn = tmp_path / "bad.mp4", tmp_path / "bad.png"
    black = r"drawbox=t=fill:c=black:enable=between(t\,1\,1.5)"
    spoil = ["-vf", black, "-an", "-c:v", "libx264", "-g", "60"]
    subprocess.run([ffmpeg.program(), "-v", "error", "-i", reel.video, *spoil, bad], check=True)
    bad.with_suffix(".srt").write_text(reel.subtitles)

    ended = inspect(bad, "--duration", 9, "--platform", "tiktok", "--sheet", drawn)

    lines = ended.stdout.splitlines()
    assert ended.returncode == 1
    assert any(line.startswith("✗ 17 black_s: 0.5") and "To mend it, remove the black frames" in line for line in lines)
    assert "✗ 7 duration_s: 4 s, wanted 8.1 to 9.9 s. To mend it, shorten or lengthen the script." in lines
    assert any(line.startswith("✗ 1 streams: 1 video, 0 sound") and "-map 0:v:0 -map 0:a:0" in line for line in lines)
    with Image.open(drawn) as image:
        assert {"#ff6369", "#ffd84d"} <= colours(image)  # what is wrong, and the .srt found beside it


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.mp4", b"these are notes"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"),
    ],
)
def test_what_is_no_video_exits_with_2_and_says_so(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)

    ended = inspect(file, "--json")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Traceback" not in ended.stderr
    assert str(file) in ended.stderr
    assert ended.stderr.startswith("reelwright: FILE: ")


def test_a_side_file_that_is_none_is_named(reel: good.Good, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.srt"
    wrong.write_text("no times here")

    ended = inspect(reel.video, "--captions", wrong)

    assert ended.returncode == 2
    assert ended.stderr == f"reelwright: --captions: {wrong} holds no subtitles: give SubRip or WebVTT.\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shots": []}, "it has no scenes"),
        ({"platform": "vimeo"}, "the platform vimeo is none of tiktok, reels, shorts"),
        ({"width": 0}, "0×640 is no size of a frame"),
        ({"words": [["late", 900, 100, 0]]}, "a word ends before it begins"),
    ],
)
def test_a_plan_of_no_reel_is_refused_in_a_sentence(
    reel: good.Good, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    """Exit code 1 says that gates failed: a mistake in the question must not pass for a verdict."""
    plan = tmp_path / "plan.json"
    plan.write_bytes(msgspec.json.encode(msgspec.to_builtins(reel.timeline) | change))

    ended = CliRunner().invoke(command, [str(reel.video), "--plan", str(plan), "--json"])

    assert isinstance(ended.exception, InspectRefused)
    assert said in ended.exception.sentence


@pytest.mark.parametrize("seconds", ["inf", "nan", "-1"])
def test_a_length_that_is_none_is_refused(reel: good.Good, seconds: str) -> None:
    ended = CliRunner().invoke(command, [str(reel.video), "--duration", seconds, "--json"])
    refused = isinstance(ended.exception, InspectRefused)
    assert (ended.stdout, refused or ended.exit_code == 2) == ("", True)
