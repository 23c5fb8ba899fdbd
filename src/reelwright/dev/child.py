"""Processes that can't outlive us: spawned in a group of their own, ended with it, locked folders freed by death."""

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Literal, Protocol

from reelwright.dev import launch
from reelwright.ground.errors import Kind, Refusal

Identity = Literal["own", "namespace", "nobody"]
_NEEDED_BYTES = 200 * 1024 * 1024  # a new cluster with its first write-ahead segments, and room to work
_POLL_S = 0.01
_PORTS, _PORT_TRIES = range(18_000, 32_000), 20
_MOST_KEPT_PORTS = 200  # of one process: more than its servers, fewer than its file descriptors
_kept_ports: deque[int] = deque()
LOCK_WAIT_S = 10.0  # a predecessor whose parent was killed is still closing down


class FolderInUse(Refusal):
    """Another living process holds the folder."""

    kind = Kind.CONFLICT
    code = "dev.folder_in_use"


class FolderUnusable(Refusal):
    """The folder can't be written, or its disk is full."""

    code = "dev.folder_unusable"


class Living(Protocol):
    """Whatever can be waited for only while it lives."""

    @property
    def alive(self) -> bool: ...


class Child:
    """A running process of ours: its group's leader."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._asked_at: float | None = None
        self.pid = process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs; asking also reaps it."""
        return self._process.poll() is None

    def ask(self, signal_number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.alive:
            self._process.send_signal(signal_number)
        if self._asked_at is None:
            self._asked_at = time.monotonic()

    def stop(self, ask: signal.Signals = signal.SIGTERM, *, grace_s: float = 10) -> None:
        """Ask it to end, kill it once the grace since it was first asked is over, and what its group has left."""
        self.ask(ask)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0, (self._asked_at or 0) + grace_s - time.monotonic()))
        with contextlib.suppress(ProcessLookupError, PermissionError):  # an empty group; macOS says the second of it
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


@cache
def _spawner() -> ThreadPoolExecutor:
    # Linux sends the death signal when the *thread* that forked ends: this one lives as long as the interpreter.
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


def spawn(
    program: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    last_signal: signal.Signals = signal.SIGKILL,
    identity: Identity = "own",
    keep: Sequence[int] = (),
) -> Child:
    """Start a program whose death follows ours (`last_signal`), output appended to `log`, descriptors `keep` inherited.

    Callable from any thread. Raises OSError.
    """

    def start() -> Child:
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                [*_launcher(last_signal, identity), *program],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd="/",
                process_group=0,
                pass_fds=tuple(keep),
            )
        return Child(process)

    return _spawner().submit(start).result()


def run(program: Sequence[str], *, identity: Identity = "own", stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program to its end under the identity, its life tied to ours, its output caught."""

    def start() -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own programs, no shell
            [*_launcher(signal.SIGKILL, identity), *program],
            input=stdin,
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )

    return _spawner().submit(start).result()


def _launcher(last_signal: signal.Signals, identity: Identity) -> list[str]:
    script = str(Path(launch.__file__).resolve())
    return [sys.executable, "-I", "-S", script, str(os.getpid()), str(int(last_signal)), identity]


@cache
def server_identity() -> Identity:
    """Return how a program that refuses to run as root may run here."""
    if os.geteuid() != 0:
        return "own"
    probe = run([sys.executable, "-I", "-S", "-c", ""], identity="namespace")
    return "namespace" if sys.platform == "linux" and probe.returncode == 0 else "nobody"


def open_folder(folder: Path) -> Path:
    """Make the private folder and prove that it takes a write. Raises FolderUnusable."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / f".probe-{secrets.token_hex(4)}"
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise unusable(folder, error) from error
    if free < _NEEDED_BYTES:
        raise FolderUnusable(
            f"{free // 2**20} MB are free for {folder}: make it {_NEEDED_BYTES // 2**20}, or choose another --data.",
            field="data",
        )
    return folder


def unusable(folder: Path, error: OSError) -> FolderUnusable:
    """Say what is wrong with a folder, and what to do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FolderUnusable(f"The disk of {folder} is full: free some space or choose another --data.", field="data")
    return FolderUnusable(
        f"{folder} can't be written ({os.strerror(error.errno or errno.EIO)}): "
        "choose another folder with --data or REELWRIGHT_DATA.",
        field="data",
    )


def take_lock(file: Path, *, wait_s: float) -> int:
    """Return a descriptor that holds the file's lock; whoever inherits it holds it too, until the last has died.

    Raises FolderInUse when it isn't free within `wait_s`.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise FolderInUse(
                    f"{file.parent} is in use by a running server: stop it or choose another --data.", field="data"
                ) from None
            time.sleep(_POLL_S)
        else:
            return descriptor


def secret(file: Path) -> str:
    """Return the secret kept in the file (0600), made on first use."""
    if file.exists():
        return file.read_text(encoding="ascii")
    made = secrets.token_urlsafe(24)
    write_private(file, made)
    return made


def write_private(file: Path, text: str) -> None:
    """Put the text there whole or not at all, readable by its owner only."""
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)


def free_port() -> int:
    """Return a loopback TCP port that nobody listens on, kept for a server of ours.

    It is none of those that systems give to outgoing connections. This process stays bound to it without listening, and
    lets the port be shared only from then on: whoever looks for a free port passes it by, while a server that asks for
    this one (with SO_REUSEADDR, as all of ours do) gets it, again after each restart.
    """
    keeper = socket.socket()
    for _ in range(_PORT_TRIES):
        with contextlib.suppress(OSError):
            keeper.bind(("127.0.0.1", secrets.choice(_PORTS)))
            break
    else:
        keeper.bind(("127.0.0.1", 0))
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port = int(keeper.getsockname()[1])
    _kept_ports.append(keeper.detach())
    if len(_kept_ports) > _MOST_KEPT_PORTS:
        os.close(_kept_ports.popleft())
    return port


def await_ready(child: Living, ready: Callable[[], bool], *, timeout_s: float) -> bool:
    """Wait until `ready`, the child's death or the time-out; return whether it is ready."""
    deadline = time.monotonic() + timeout_s
    while child.alive and time.monotonic() < deadline:
        if ready():
            return True
        time.sleep(_POLL_S)
    return False


def last_lines(log: Path, count: int = 3) -> str:
    """Return the end of a log as one line."""
    if not log.exists():
        return ""
    return " / ".join(log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-count:])
