"""Media processes: what counts as success, and that none outlives its reason."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from reelwright import rendering
from reelwright.ground.errors import Outage
from tests.waiting import wait_until
from worker import confinement, ffmpeg

SHELL = "/bin/sh"
FAMILY = "setsid sleep {0} & sleep {0} & echo {0}; wait"


@pytest.fixture(params=["shut in", "under limits alone"])
def walls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether media processes are shut in by bubblewrap; skipped where that is to be, and is missing or refused."""
    shut_in = request.param == "shut in"
    monkeypatch.delenv(confinement.MARK, raising=False)
    if shut_in and confinement.confined([SHELL], Path("/")) == [SHELL]:
        pytest.skip("bubblewrap is not installed, or may not make namespaces here")
    if not shut_in:
        monkeypatch.setenv(confinement.MARK, "1")
    return shut_in


def sleeping(seconds: str) -> list[str]:
    """Return the states of the processes that sleep for so long, in whatever namespace they are."""
    return [
        process.info["status"]
        for process in psutil.process_iter(["cmdline", "status"])
        if (process.info["cmdline"] or [])[:2] == ["sleep", seconds]
    ]


def so_long() -> str:
    """Return a time that nobody else sleeps for."""
    return f"600.{uuid4().int % 10**9:09d}"


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


async def test_a_late_process_dies_with_its_whole_group(tmp_path: Path, *, walls: bool) -> None:
    """Where it is shut in, what left the group dies with it, too."""
    told, seconds = list[str](), so_long()
    with pytest.raises(ffmpeg.MediaFailed):
        await ffmpeg.run(
            [SHELL, "-c", (FAMILY if walls else FAMILY.replace("setsid ", "")).format(seconds)],
            cwd=tmp_path,
            deadline=timedelta(seconds=1.5),
            on_line=told.append,
        )
    assert told == [seconds]
    await wait_until(lambda: not sleeping(seconds))


@pytest.mark.usefixtures("walls")
async def test_a_cancelled_process_dies_with_its_whole_group(tmp_path: Path) -> None:
    seconds = so_long()
    family = FAMILY.replace("setsid ", "").format(seconds)
    running = asyncio.create_task(ffmpeg.run([SHELL, "-c", family], cwd=tmp_path))
    await wait_until(lambda: len(sleeping(seconds)) == 2)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    await wait_until(lambda: not sleeping(seconds))


@pytest.mark.usefixtures("walls")
async def test_a_media_process_dies_with_a_killed_worker() -> None:
    """Kill -9 leaves the worker no time to clean up: the kernel does."""
    seconds = so_long()
    script = (
        "import asyncio, pathlib\n"
        "from worker import ffmpeg\n"
        f"asyncio.run(ffmpeg.run(['/bin/sleep', '{seconds}'], cwd=pathlib.Path('.')))\n"
    ).replace("/bin/sleep", "/bin/sh', '-c', 'exec sleep $0")
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, cwd=Path(ffmpeg.__file__).parents[1]
    )
    await wait_until(lambda: sleeping(seconds))

    os.kill(worker.pid, signal.SIGKILL)
    await worker.wait()

    await wait_until(lambda: not sleeping(seconds))
    assert worker.stdout is not None
    assert await worker.stdout.read() == b""


ESCAPES = {
    "reads the system": "cat /etc/passwd",
    "reads another's file": "cat {beside}",
    "writes beside its folder": "echo x > {beside}.new",
    "changes its program": "echo x >> {program}",
    "calls this machine": "{python} -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 2)'",
    "looks at its worker": "cat /proc/{worker}/environ",
}


@pytest.mark.parametrize("escape", ESCAPES)
async def test_s102_shut_in_it_sees_and_reaches_nothing_of_ours(escape: str, tmp_path: Path, *, walls: bool) -> None:
    """Each of them works where nothing but limits stands in its way; so it is the wall that it fails at."""
    inside, beside = tmp_path / "inside", tmp_path / "beside"
    inside.mkdir()
    beside.write_text("another's")
    (inside / "own").write_text("its own")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        told = ESCAPES[escape].format(
            beside=beside,
            program=beside if not walls else rendering.__file__,
            python=sys.executable,
            port=listening.getsockname()[1],
            worker=os.getpid(),
        )
        running = ffmpeg.run([SHELL, "-c", f"cat own && {told} && echo out"], cwd=inside)
        done = (await asyncio.gather(running, return_exceptions=True))[0]
    if "new" in told:
        assert (f"{beside.name}.new" in names(tmp_path)) is not walls
    else:
        assert isinstance(done, ffmpeg.MediaFailed) is walls


@pytest.mark.usefixtures("walls")
async def test_s102_a_file_without_end_is_cut_off(tmp_path: Path) -> None:
    """At 4 GiB; a hole costs no disk."""
    growing = f"open({str(tmp_path / 'out')!r}, 'wb').truncate"
    await ffmpeg.run([sys.executable, "-c", f"{growing}(4 << 30)"], cwd=tmp_path)
    with pytest.raises(ffmpeg.MediaFailed):
        await ffmpeg.run([sys.executable, "-c", f"{growing}((4 << 30) + 1)"], cwd=tmp_path)


@pytest.mark.parametrize("walls", ["shut in"], indirect=True)
def test_s102_shut_in_a_fork_bomb_ends_at_512(walls: bool) -> None:  # noqa: FBT001 - a fixture that is asked for once
    """As who is not root, whom no such limit holds: the image's user is none."""
    bomb = "for n in $(seq 600); do sleep 60 & done 2>&1; echo all"
    nobody: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        argv = confinement.confined([SHELL, "-c", bomb], Path(folder))
        for at in [n for n, word in enumerate(argv) if word == "--ro-bind-try"][::-1]:
            if Path(argv[at + 1]).is_relative_to(Path.home()):  # its Python may be there, which the shell doesn't need
                del argv[at : at + 3]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, cwd=folder, **nobody)
    assert walls
    assert "fork" in done.stdout, done.stderr
    assert "all" not in done.stdout


async def test_a_program_that_is_not_there_is_an_outage(tmp_path: Path) -> None:
    with pytest.raises(ffmpeg.MediaFailed, match="could not be rendered"):
        await ffmpeg.run([str(tmp_path / "missing")], cwd=tmp_path)


def test_a_setting_chooses_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELWRIGHT_FFMPEG", "/opt/ffmpeg")
    assert ffmpeg.program() == "/opt/ffmpeg"
    monkeypatch.delenv("REELWRIGHT_FFMPEG")
    assert Path(ffmpeg.program()).is_file()
