"""The supervisor's side of `reelwright.dev.loading`: programs that have been loaded together, and become processes."""

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reelwright.dev import child

_ENOUGH = 64  # bytes that a process id takes


def module_of(command: Sequence[str]) -> str | None:
    """Return the module that a command runs with our Python, None where it is another one."""
    python, how, *rest = command
    return rest[0] if (python, how) == (sys.executable, "-m") else None


class Forked:
    """A running process that the loader has become: its group's leader. As `child.Child`, though not our own child."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self._descriptor = descriptor
        self._end = select.poll()
        self._end.register(descriptor, select.POLLIN)
        self._ended = False
        self._asked_at: float | None = None

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return not self._await_end(0)

    def ask(self, signal_number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, signal_number)
        if self._asked_at is None:
            self._asked_at = time.monotonic()

    def stop(self, ask: signal.Signals = signal.SIGTERM, *, grace_s: float = 10) -> None:
        """Ask it to end, kill it once the grace since it was first asked is over, and what its group has left."""
        self.ask(ask)
        self._await_end(max(0, (self._asked_at or 0) + grace_s - time.monotonic()))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._await_end(None)

    def _await_end(self, seconds: float | None) -> bool:
        if not self._ended and self._end.poll(None if seconds is None else seconds * 1000):
            os.close(self._descriptor)
            self._ended = True
        return self._ended


class Loader:
    """A process that loads modules: `first` what the functions take, and while these are called, `then` the others.

    A function is named as in `reelwright.dev.preparing:migrated`. Linux alone can hold processes that aren't children.
    """

    def __init__(
        self,
        *,
        first: Sequence[str],
        functions: Sequence[str],
        then: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
    ) -> None:
        (self._control, control), (self._call, call) = socket.socketpair(), socket.socketpair()
        with control, call:
            ends = control.fileno(), call.fileno()
            arguments = (*map(str, ends), *map(",".join, (first, functions, then)))
            command = [sys.executable, "-m", "reelwright.dev.loading", *arguments]
            self._child = child.spawn(command, log=log, environment=environment, keep=ends)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @staticmethod
    def available() -> bool:
        """Whether this system can hold a process that isn't a child."""
        return sys.platform == "linux" and hasattr(os, "pidfd_open")

    def called(self, argument: str) -> Any:
        """Call the functions with one argument; return what the last one did, None where one failed. Once."""
        with self._call, contextlib.suppress(OSError), self._call.makefile("rw", encoding="utf-8") as line:
            line.write(json.dumps(argument) + "\n")
            line.flush()
            if answer := line.readline():
                return json.loads(answer)
        return None

    def become(self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> Forked | None:
        """Start the module that a command names as a process of its own; None where the loader can't."""
        module, arguments = module_of(command), command[3:]
        told = {"name": name, "module": module, "arguments": arguments, "log": str(log), "environment": environment}
        with contextlib.suppress(OSError):
            self._control.sendall(json.dumps(told).encode() + b"\n")
            said, descriptors, _, _ = socket.recv_fds(self._control, _ENOUGH, 1)
            if descriptors:
                return Forked(int(said), descriptors[0])
        return None

    def stop(self) -> None:
        """End it, and with it whatever it has become that still runs."""
        self._call.close()
        self._control.close()
        self._child.stop(signal.SIGKILL)
