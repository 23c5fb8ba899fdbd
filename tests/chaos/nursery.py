"""Starts API and workers within a fraction of a second: forks of one process that has loaded the program already."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from reelwright.dev import child
from reelwright.dev.program import Program
from tests.load.rig import search_path

_PATIENCE_S = 120  # cold imports on a busy machine
_POLL_S = 0.01


class _Forked:
    """The part of a Popen that `child.Child` asks for, of a process that is not our own child."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return -1
        return None

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> None:
        until = time.monotonic() + (timeout or _PATIENCE_S)
        while self.poll() is None:
            if time.monotonic() >= until:
                raise subprocess.TimeoutExpired("a forked process", timeout or _PATIENCE_S)
            time.sleep(_POLL_S)


class Nursery:
    """The process that forks. It and all its children die with us."""

    def __init__(self, folder: Path) -> None:
        self._socket, self._log = folder / "born", folder / "nursery.log"
        environment = os.environ | {"PYTHONPATH": search_path(), "OPENBLAS_NUM_THREADS": "1"}
        program = [sys.executable, "-m", "tests.chaos.program", str(self._socket)]
        self._child = child.spawn(program, log=self._log, environment=environment)

    def born(self, kind: str, arguments: list[str], environment: Mapping[str, str], log: Path) -> child.Child:
        """Return a new process. Raises RuntimeError with the loader's last words."""
        if not child.await_ready(self._child, self._socket.exists, timeout_s=_PATIENCE_S):
            raise RuntimeError(child.last_lines(self._log) or "the nursery said nothing")
        order = {"kind": kind, "arguments": arguments, "environment": dict(environment), "log": str(log)}
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(_PATIENCE_S)
            line.connect(str(self._socket))
            line.sendall(msgspec.json.encode(order) + b"\n")
            forked: Any = _Forked(int(line.recv(32)))
        return child.Child(cast("subprocess.Popen[bytes]", forked))

    def stop(self) -> None:
        """End it, and with it whatever it has left."""
        self._child.stop(signal.SIGKILL)


class Grown(Program):
    """One of our programs, from the nursery."""

    def __init__(
        self, name: str, kind: str, *, nursery: Nursery, port: int, environment: Mapping[str, str], log: Path
    ) -> None:
        super().__init__(name, ("--host", "127.0.0.1"), port=port, environment=environment, log=log)
        self._kind, self._nursery = kind, nursery

    def start(self) -> None:
        """Start it and return at once."""
        self._child = self._nursery.born(self._kind, self._command, self._environment, self.log)


@contextlib.contextmanager
def nursing() -> Generator[Nursery]:
    """Load the program once, for as long as the block."""
    with tempfile.TemporaryDirectory(prefix="reelwright-nursery-") as folder:
        nursery = Nursery(Path(folder))
        try:
            yield nursery
        finally:
            nursery.stop()
