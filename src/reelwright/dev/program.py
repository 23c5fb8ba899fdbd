"""One of our own programs as a supervised process: started, asked whether it is ready, stopped."""

import contextlib
import http.client
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from reelwright.dev import child
from reelwright.dev.loader import Forked, Loader
from reelwright.ground.errors import Outage

_GRACE_S = 5
_START_TIMEOUT_S = 120  # cold imports on a busy machine


class Program:
    """A command that serves HTTP on a loopback port and answers 200 at `/health/ready` when it can work.

    Where a `loader` has loaded it, it starts from there the first time.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        port: int,
        environment: Mapping[str, str],
        log: Path,
        loader: Loader | None = None,
    ) -> None:
        self.log = log
        self.name = name
        self._command = [*command, "--port", str(port)]
        self._port = port
        self._environment = dict(environment)
        self._loader = loader
        self._child: child.Child | Forked | None = None

    @property
    def pid(self) -> int:
        """Its process id, 0 when it was never started."""
        return self._child.pid if self._child else 0

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child is not None and self._child.alive

    def start(self) -> None:
        """Start it and return at once: it may take a while until it is ready."""
        loader, self._loader = self._loader, None
        log, environment = self.log, self._environment
        forked = loader and loader.become(self.name, self._command, log=log, environment=environment)
        self._child = forked or child.spawn(self._command, log=log, environment=environment)

    def await_ready(self) -> None:
        """Return when it can work. Raises Outage with its last words."""
        if self._child is None or not child.await_ready(self._child, self._is_ready, timeout_s=_START_TIMEOUT_S):
            words = child.last_lines(self.log)
            raise Outage(f"The {self.name} process did not start: {words or 'it said nothing'} (see {self.log}).")

    def ask_to_stop(self) -> None:
        """Tell it to finish, without waiting."""
        if self._child is not None:
            self._child.ask(signal.SIGTERM)

    def stop(self) -> None:
        """Let it finish for a moment, then end it and all it has started in its group."""
        if self._child is not None:
            self._child.stop(grace_s=_GRACE_S)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=2)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == http.client.OK
        return False
