"""Where a running stack can be reached: told to whoever starts it, and kept for whoever finds it running."""

import contextlib
import fcntl
import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import rich_click as click

from reelwright.dev import child

_POLL_S = 0.05


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """A stack's addresses, two keys to its API, and its processes' ids by name.

    `mail_dir` is the folder that mail is put into, "" where a mail server sends it.
    """

    base_url: str
    worker_url: str
    api_key: str
    admin_api_key: str
    database_url: str
    redis_url: str
    qstash_url: str
    stripe_url: str
    mail_dir: str
    pids: Mapping[str, int]


def default_data(environment: Mapping[str, str] = os.environ) -> Path:
    """Return $REELWRIGHT_DATA, else `reelwright` in the user's data home (XDG Base Directory)."""
    if environment.get("REELWRIGHT_DATA"):
        return Path(environment["REELWRIGHT_DATA"]).expanduser()
    home = environment.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(home).expanduser() / "reelwright"


DATA = click.option(
    "--data", type=click.Path(path_type=Path), default=default_data, help="The folder that keeps everything."
)


def lock_file(data: Path) -> Path:
    """Return the file whose lock a running stack's supervisor holds."""
    return data / "stack.lock"


def write(data: Path, endpoints: Endpoints) -> None:
    """Keep them for `running`, 0600: there are keys and passwords in them."""
    child.write_private(data / "running.json", msgspec.json.encode(endpoints).decode())


def forget(data: Path) -> None:
    """Say that no stack is ready here."""
    (data / "running.json").unlink(missing_ok=True)


def running(data: Path, *, wait_s: float = 0) -> Endpoints | None:
    """Return the endpoints of the stack that runs on this folder, or None.

    One that is still starting is waited for, at most `wait_s`.
    """
    deadline = time.monotonic() + wait_s
    while _is_held(lock_file(data)):
        with contextlib.suppress(FileNotFoundError):
            return msgspec.json.decode((data / "running.json").read_bytes(), type=Endpoints)
        if time.monotonic() >= deadline:
            return None
        time.sleep(_POLL_S)
    return None


def _is_held(file: Path) -> bool:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look don't see each other
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
