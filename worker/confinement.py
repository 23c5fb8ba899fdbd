"""Shuts a media process in by bubblewrap, where that is installed and allowed: one folder to write to, and no network.

It sees the system's libraries, our program and the folder it works in, and of processes only its own: 512 with their
threads at most, which all end with it. Elsewhere it runs with the limits of `worker.ffmpeg` alone. A process that is
shut in shuts nobody in again.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import reelwright
import worker

MARK = "REELWRIGHT_CONFINED"
"""Set in the environment of a process that is shut in."""
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/fonts", "/etc/localtime")
_ALONE = ("--unshare-all", "--die-with-parent", "--tmpfs", "/tmp")  # noqa: S108 - its own
_OWN = ("--proc", "/proc", "--dev", "/dev")
_FEW = ("--nproc=512", "--")
"""A kernel counts them by user and namespace, so the limit is set inside; it never holds one that is root outside."""
_PATIENCE_S = 10


def confined(argv: Sequence[str], folder: Path, reads: Iterable[Path] = ()) -> list[str]:
    """Return the command that runs `argv` in `folder`, shut in where that is possible.

    It can read what it `reads`, and what it names of other folders by an absolute path.
    """
    walls = None if MARK in os.environ else _walls(os.path.realpath(argv[0]))
    if walls is None:
        return list(argv)
    inside = str(folder.resolve())
    named = [
        word for word in argv[1:] if word.startswith("/") and not word.startswith((f"{folder}/", f"{inside}/", "/dev/"))
    ]
    windows = [word for path in (*named, *map(str, reads)) for word in ("--ro-bind-try", path, path)]
    folder_alone = ("--bind", inside, inside, "--chdir", inside, "--setenv", MARK, "1")
    return [*walls, *windows, *folder_alone, "--", *_few(), *argv]


@cache
def _few() -> tuple[str, ...]:
    """Return what limits a command's processes from within: util-linux has it."""
    limiter = shutil.which("prlimit", path="/usr/bin:/bin")
    return (limiter, *_FEW) if limiter else ()


@cache
def _walls(program: str) -> tuple[str, ...] | None:
    """Return what stands before every command with this program; None where bubblewrap is missing or refused."""
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None or sys.platform != "linux":
        return None
    programs = (Path(path).parent for path in (program, os.environ.get("REELWRIGHT_FFMPEG", "")) if path)
    packages = (Path(package).parent for package in (*reelwright.__path__, *worker.__path__))
    ours = {sys.prefix, sys.base_prefix, *map(str, programs), *map(str, packages)}
    seen = [*_SYSTEM, *sorted(ours)]
    walls = (bubblewrap, *_ALONE, *(word for path in seen for word in ("--ro-bind-try", path, path)), *_OWN)
    trial = [*walls, "--", *_few(), sys.executable, "-I", "-S", "-c", "open('/dev/null')"]
    try:
        subprocess.run(trial, capture_output=True, timeout=_PATIENCE_S, check=True)  # noqa: S603 - our own words
    except (OSError, subprocess.SubprocessError):
        return None
    return walls
