"""`reelwright make`: one command, a checked file, and nothing left behind."""

import json
import sys
from pathlib import Path

import av
import pytest

from reelwright.cli import main
from tests.end_to_end.conftest import Dev, processes_that_name, reelwright


def checked(printed: str, *, seconds: int, size: tuple[int, int]) -> dict[str, object]:
    made = json.loads(printed)
    assert made["gate"]["passed"] is True
    assert len(made["gate"]["checks"]) >= 10
    assert abs(made["duration_s"] - seconds) <= seconds / 10
    assert set(made["timings"]) >= {"INGESTION", "TTS_GENERATION", "VIDEO_ASSEMBLY"}
    assert made["credits"] > 0
    for name in ("video", "thumbnail", "captions", "captions_vtt", "manifest"):
        assert Path(made[name]).stat().st_size > 100, name
    with av.open(made["video"]) as file:
        picture, sound = file.streams.video[0], file.streams.audio[0]
        assert (picture.codec_context.width, picture.codec_context.height) == size
        assert (picture.codec_context.name, sound.codec_context.name) == ("h264", "aac")
    return made


def test_a_bare_topic_becomes_a_checked_reel_with_its_source_named(tmp_path: Path) -> None:
    out = tmp_path / "cats.mp4"
    data = tmp_path / "data"
    run = reelwright(
        "make", "Why do cats purr?", "-o", str(out), "--duration", "10", "--json", "--data", str(data), timeout=400
    )
    assert run.returncode == 0, run.stderr
    made = checked(run.stdout, seconds=10, size=(1080, 1920))
    assert "CC BY-SA" in str(made["attribution"])
    assert "CC BY-SA" in str(made["caption"])
    again = reelwright("reproduce", str(made["manifest"]), str(data / "artefacts"), "-o", str(tmp_path / "again.mp4"))
    assert (again.returncode, again.stdout) == (0, f"{tmp_path / 'again.mp4'}: the same file\n"), again.stderr
    assert (tmp_path / "again.mp4").read_bytes() == out.read_bytes()
    assert processes_that_name(data) == []
    assert not (data / "stripe").exists(), "a shop was opened for a command that buys nothing"


def test_a_web_page_becomes_a_reel_where_the_setting_allows_it(tmp_path: Path, page: str, dev: Dev) -> None:
    source = ("--url", f"http://{page}/bees.html", "-o", str(tmp_path / "bees.mp4"))
    more = ("--duration", "10", "--aspect", "1:1", "--music", "none", "--json", "--data", str(dev.data))
    run = reelwright("make", *source, *more, timeout=400)
    assert run.returncode == 0, run.stderr
    made = checked(run.stdout, seconds=10, size=(1080, 1080))
    assert made["outline"] is False
    assert dev.process.poll() is None


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((), "TOPIC"),
        (("Cats", "--url", "https://example.com"), "TOPIC"),
        (("--text", "nowhere.txt"), "--text"),
        (("Cats", "-o", "/nowhere/cats.mp4"), "--out"),
        (("Cats", "-o", "/"), "--out"),
        (("Cats", "-o", "/proc/cats.mp4"), "--out"),
        (("Cats", "--aspect", "4:3"), "--aspect"),
    ],
)
def test_what_can_be_known_before_is_refused_before_anything_starts(
    arguments: tuple[str, ...],
    field: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "data"
    monkeypatch.setattr(sys, "argv", ["reelwright", "make", *arguments, "--data", str(data)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert (ended.value.code, field in told, "Traceback" in told) == (2, True, False), told
    assert not data.exists()


REFUSED = [
    (("a" * 5000,), "topic"),
    (("--url", "http://[::1]/"), "url"),
    (("--url", "http://127.0.0.1:9/"), "url"),  # what the allow-list doesn't name
]


def test_what_is_refused_before_or_after_the_start_is_one_line_and_exit_2(dev: Dev, tmp_path: Path, page: str) -> None:
    out = tmp_path / "x.mp4"
    for arguments, field in [*REFUSED, (("--url", f"http://{page}/gone.html"), "url: ")]:
        run = reelwright("make", *arguments, "-o", str(out), "--json", "--data", str(dev.data), timeout=60)
        assert (run.returncode, run.stdout) == (2, ""), run.stderr
        assert field in run.stderr
        assert len(run.stderr.strip().splitlines()) == 1
        assert not out.exists()
    assert dev.process.poll() is None
