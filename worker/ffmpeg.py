"""Starts media processes, and nobody else does: argument lists only, bounded, and dead with the worker that asked.

A tiny launcher stands between us and the program: it asks the kernel to kill the program when its parent dies
(PR_SET_PDEATHSIG survives execve) and starts it only if that parent still lives, without core dumps, with at most 512
open files and 4 GiB in each, and shut in where `worker.confinement` can. Running Python between fork and exec of a
threaded process can deadlock, so there is no `preexec_fn`. The signal follows the thread that forked: start from the
event loop's own thread, and let that be the main one.
"""

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic

from reelwright.ground import failpoints
from reelwright.ground.errors import Outage
from reelwright.ground.surroundings import surroundings
from worker.confinement import confined

TAIL_BYTES = 64 * 1024
DEADLINE = timedelta(minutes=5)
_GRACE_S = 5.0
_DISK_FULL = (b"No space left on device", b"Disk quota exceeded")
_LAUNCHER = """\
import ctypes, os, resource, signal, sys
for what, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 4 << 30), (resource.RLIMIT_NOFILE, 512)):
    kept = resource.getrlimit(what)[1]
    most = most if kept == resource.RLIM_INFINITY else min(most, kept)
    resource.setrlimit(what, (most, most))
libc = ctypes.CDLL(None, use_errno=True)
if sys.platform == "linux" and libc.prctl(1, signal.SIGKILL, 0, 0, 0):
    sys.exit("prctl failed")
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class MediaFailed(Outage):
    """A media process failed, was killed or ran out of time; `tail` is the end of what it said."""

    code = "worker.media_failed"

    def __init__(self, sentence: str, *, code: str | None = None, tail: str = "") -> None:
        super().__init__(sentence, code=code)
        self.tail = tail


@dataclass(frozen=True, slots=True)
class Finished:
    """A media process that ended well: the end of its standard error, and how long it took."""

    report: str
    wall_ms: int


def program() -> str:
    """Return the ffmpeg to run: REELWRIGHT_FFMPEG, else the one that came as a wheel."""
    if chosen := os.environ.get("REELWRIGHT_FFMPEG"):
        return chosen
    import imageio_ffmpeg  # noqa: PLC0415 - not needed where the setting names one, nor by a chunk process

    return imageio_ffmpeg.get_ffmpeg_exe()


def _launched(argv: Sequence[str]) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *argv]


async def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    deadline: timedelta = DEADLINE,
    on_line: Callable[[str], None] | None = None,
    reads: Iterable[Path] = (),
) -> Finished:
    """Run a program to its end in a process group of its own; `on_line` gets each line of its standard output.

    What it reads elsewhere than in `cwd` stands in `argv` or in `reads`; it writes nowhere else.
    Cancelled or late, the whole group is killed and reaped before this returns. Raises MediaFailed, with the code
    `worker.disk_full` where that was why.
    """
    began = monotonic()
    child = await asyncio.create_subprocess_exec(
        *_launched(confined(argv, cwd, reads)),
        cwd=cwd,
        env=surroundings(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    tail: deque[bytes] = deque()
    try:
        await failpoints.reached("render.spawned")
        async with asyncio.timeout(deadline.total_seconds()), asyncio.TaskGroup() as both:
            both.create_task(_keep_tail(child.stderr, tail))
            both.create_task(_tell(child.stdout, on_line))
            both.create_task(child.wait())
    except TimeoutError as late:
        raise _failure(argv, "ran out of time", b"".join(tail)) from late
    finally:
        await _end(child)
    if child.returncode:
        raise _failure(argv, f"ended with {child.returncode}", b"".join(tail))
    return Finished(b"".join(tail).decode(errors="replace"), round((monotonic() - began) * 1000))


async def _end(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    await asyncio.shield(child.wait())


async def _keep_tail(stream: asyncio.StreamReader | None, tail: deque[bytes]) -> None:
    async for part in _parts(stream):
        tail.append(part)
        while sum(map(len, tail)) - len(tail[0]) > TAIL_BYTES:
            tail.popleft()


async def _tell(stream: asyncio.StreamReader | None, on_line: Callable[[str], None] | None) -> None:
    rest = b""
    async for part in _parts(stream):
        *lines, rest = (rest + part).split(b"\n")
        rest = rest[-TAIL_BYTES:]
        for line in lines if on_line else ():
            on_line(line.decode(errors="replace"))  # type: ignore[misc] - the loop is empty without it


async def _parts(stream: asyncio.StreamReader | None) -> AsyncIterator[bytes]:
    while stream is not None and (part := await stream.read(16 * 1024)):
        yield part


def _failure(argv: Sequence[str], what: str, tail: bytes) -> MediaFailed:
    from reelwright.ground import log  # noqa: PLC0415 - 0.14 s that every chunk process would pay, which never logs

    said = tail[-2048:].decode(errors="replace")
    log.logger(__name__).warning("media_process_failed", program=Path(argv[0]).name, what=what, stderr=said)
    if any(sign in tail for sign in _DISK_FULL):
        return MediaFailed("The worker's disk is full.", code="worker.disk_full", tail=said)
    return MediaFailed("The reel could not be rendered this time.", tail=said)


async def produce(
    build: Callable[[Path], Sequence[str]],
    out: Path,
    *,
    check: Callable[[Path], None],
    deadline: timedelta = DEADLINE,
    on_line: Callable[[str], None] | None = None,
) -> Finished:
    """Make the file `out`: it appears, under its name, only when the program ended well, it passed and is on disk.

    `build` returns the command for the unfinished file's path. `check` raises ValueError or OSError on a file that
    isn't what was wanted (ffmpeg ends with 0 on truncated input). Raises MediaFailed.
    """
    part = out.with_name(f"part_{out.name}")
    argv = build(part)
    try:
        finished = await run(argv, cwd=out.parent, deadline=deadline, on_line=on_line)
        await asyncio.to_thread(_settle, part, out, check)
    except (ValueError, OSError) as wrong:
        raise _unusable(argv, wrong) from wrong
    finally:
        part.unlink(missing_ok=True)
    return finished


def _unusable(argv: Sequence[str], wrong: Exception) -> MediaFailed:
    full = isinstance(wrong, OSError) and wrong.errno in {errno.ENOSPC, errno.EDQUOT}
    return _failure(argv, f"made an unusable file: {wrong}", _DISK_FULL[0] if full else b"")


def _settle(part: Path, out: Path, check: Callable[[Path], None]) -> None:
    check(part)
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(out)


class Pipe:
    """A media process fed through its standard input, for the chunk program, which is one thread and one purpose.

    It stays in the caller's process group, so that whoever kills the chunk kills it too.
    """

    def __init__(self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> None:
        self._child = subprocess.Popen(  # noqa: S603 - an argument list of our own making, no shell
            _launched(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=environment or surroundings(),
            bufsize=0,
        )
        _widen(self._descriptor())

    def _descriptor(self) -> int:
        if self._child.stdin is None:
            raise BrokenPipeError
        return self._child.stdin.fileno()

    def write(self, data: bytes) -> None:
        """Write all of it. Raises BrokenPipeError when the process has ended."""
        view, descriptor = memoryview(data), self._descriptor()
        while view:
            view = view[os.write(descriptor, view) :]

    def close(self) -> int:
        """End the input and return the exit code."""
        if self._child.stdin is not None:
            self._child.stdin.close()
        return self._child.wait()


def _widen(descriptor: int) -> None:
    """Make a pipe hold a megabyte, where the system can: fewer switches between painter and encoder."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, 1 << 20)


if sys.platform == "linux":
    import fcntl
