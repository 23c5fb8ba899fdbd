"""Media processes: what counts as success, and that none outlives its reason."""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from reelwright import rendering
from reelwright.ground.errors import Outage
from tests.waiting import wait_until
from worker import ffmpeg

SHELL = "/bin/sh"
FAMILY = "sleep 600 & echo $!; echo $$; wait"


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet reaped doesn't."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def picture(out: Path, *, seconds: float = 1.0) -> list[str]:
    source = f"testsrc2=size=320x240:rate=30:duration={seconds}"
    return [ffmpeg.program(), "-v", "error", "-y", "-f", "lavfi", "-i", source, "-c:v", "libx264", str(out)]


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def frames(wanted: int):
    def check(path: Path) -> None:
        made = rendering.probe(path).frames
        if made != wanted:
            raise ValueError(made)

    return check


async def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"

    finished = await ffmpeg.produce(picture, out, check=frames(30))

    assert rendering.probe(out).frames == 30
    assert finished.wall_ms > 0
    assert names(tmp_path) == ["out.mp4"]


async def test_a_program_that_fails_is_an_outage_with_the_end_of_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(Outage) as failure:
        await ffmpeg.run([SHELL, "-c", "echo first >&2; echo broken pixels >&2; exit 3"], cwd=tmp_path)

    assert failure.value.code == "worker.media_failed"
    assert isinstance(failure.value, ffmpeg.MediaFailed)
    assert failure.value.tail.endswith("broken pixels\n")
    assert "pixels" not in failure.value.sentence


async def test_an_exit_code_of_zero_does_not_make_a_short_file_count(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    out.write_bytes(b"the older file")

    with pytest.raises(ffmpeg.MediaFailed):
        await ffmpeg.produce(lambda part: picture(part, seconds=0.5), out, check=frames(30))

    assert out.read_bytes() == b"the older file"
    assert names(tmp_path) == ["out.mp4"]


async def test_no_file_at_all_does_not_count(tmp_path: Path) -> None:
    with pytest.raises(ffmpeg.MediaFailed):
        await ffmpeg.produce(lambda _: [SHELL, "-c", "true"], tmp_path / "out.mp4", check=frames(30))
    assert names(tmp_path) == []


async def test_a_full_disk_is_told_apart(tmp_path: Path) -> None:
    raw = [
        ffmpeg.program(),
        "-v",
        "error",
        "-y",
        "-xerror",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=duration=1",
        "-f",
        "rawvideo",
    ]
    with pytest.raises(Outage) as failure:
        await ffmpeg.run([*raw, "/dev/full"], cwd=tmp_path)
    assert failure.value.code == "worker.disk_full"


async def test_what_it_says_is_kept_only_to_a_bound(tmp_path: Path) -> None:
    line = "x" * 59
    noisy = f"i=0; while [ $i -lt 4000 ]; do echo {line} >&2; i=$((i+1)); done"
    finished = await ffmpeg.run([SHELL, "-c", noisy + "; echo last >&2"], cwd=tmp_path)
    assert len(finished.report) < ffmpeg.TAIL_BYTES + 2 * 16 * 1024
    assert finished.report.endswith("last\n")


async def test_every_line_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    await ffmpeg.run([SHELL, "-c", "printf '1\\n2\\n3'; printf '\\n'"], cwd=tmp_path, on_line=told.append)
    assert told == ["1", "2", "3"]


async def test_no_key_reaches_a_media_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-made-up")
    told: list[str] = []
    await ffmpeg.run(["/usr/bin/env"], cwd=tmp_path, on_line=told.append)
    assert any(line.startswith("PATH=") for line in told)
    assert not any("sk-made-up" in line for line in told)


async def test_a_late_process_dies_with_its_whole_group(tmp_path: Path) -> None:
    pids: list[int] = []
    with pytest.raises(ffmpeg.MediaFailed):
        await ffmpeg.run(
            [SHELL, "-c", FAMILY],
            cwd=tmp_path,
            deadline=timedelta(seconds=1.5),
            on_line=lambda line: pids.append(int(line)),
        )
    assert len(pids) == 2
    await wait_until(lambda: not any(alive(pid) for pid in pids))


async def test_a_cancelled_process_dies_with_its_whole_group(tmp_path: Path) -> None:
    pids: list[int] = []
    running = asyncio.create_task(
        ffmpeg.run([SHELL, "-c", FAMILY], cwd=tmp_path, on_line=lambda line: pids.append(int(line)))
    )
    await wait_until(lambda: len(pids) == 2)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    await wait_until(lambda: not any(alive(pid) for pid in pids))


async def test_a_media_process_dies_with_a_killed_worker(tmp_path: Path) -> None:
    """Kill -9 leaves the worker no time to clean up: the kernel does."""
    script = (
        "import asyncio, pathlib\n"
        "from worker import ffmpeg\n"
        "def say(line): print(line, flush=True)\n"
        "asyncio.run(ffmpeg.run(['/bin/sh', '-c', 'echo $$; exec sleep 600'], cwd=pathlib.Path('.'), on_line=say))\n"
    )
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, cwd=Path(ffmpeg.__file__).parents[1]
    )
    assert worker.stdout is not None
    child = int(await worker.stdout.readline())
    assert alive(child)

    os.kill(worker.pid, signal.SIGKILL)
    await worker.wait()

    await wait_until(lambda: not alive(child))
    assert await worker.stdout.read() == b""


async def test_a_program_that_is_not_there_is_an_outage(tmp_path: Path) -> None:
    with pytest.raises(ffmpeg.MediaFailed, match="could not be rendered"):
        await ffmpeg.run([str(tmp_path / "missing")], cwd=tmp_path)


def test_a_setting_chooses_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELWRIGHT_FFMPEG", "/opt/ffmpeg")
    assert ffmpeg.program() == "/opt/ffmpeg"
    monkeypatch.delenv("REELWRIGHT_FFMPEG")
    assert Path(ffmpeg.program()).is_file()
