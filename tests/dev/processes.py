"""Looks at /proc: who is alive, and who has to do with a folder."""

import fcntl
import os
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def naming(folder: Path) -> list[int]:
    """The living processes whose command line names the folder, but for ourselves."""
    found: list[int] = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit() and int(place.name) != os.getpid():
            try:
                words = (place / "cmdline").read_bytes().decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if str(folder) in words:
                found.append(int(place.name))
    return found


def is_free(lock: Path) -> bool:
    """Whether no process, backends included, holds a server's folder."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def owner(pid: int) -> int:
    """The user id that a process runs as."""
    return Path(f"/proc/{pid}").stat().st_uid


def is_private(folder: Path) -> bool:
    """Whether only its owner can enter a folder."""
    return folder.stat().st_mode & 0o077 == 0
