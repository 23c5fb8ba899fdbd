"""A real PostgreSQL in one folder: made on first start, on loopback only, gone when we are, intact after any crash."""

import contextlib
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from reelwright.dev import child
from reelwright.dev.binaries import postgres_bin
from reelwright.ground.errors import Outage

ROLE = "reelwright"
_STATUS_LINE = 7  # of postmaster.pid, counted from 0: LOCK_FILE_LINE_PM_STATUS in PostgreSQL's miscadmin.h
_START_TRIES = 5
_START_TIMEOUT_S = 60  # recovery after a crash replays the log first


class Postgres:
    """One cluster below `folder`, with role and database `reelwright`.

    `settings` go on top of ours; `statements`, one line of SQL each, are run by the superuser in a new cluster.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        statements: Sequence[str] = (),
        log: Path | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.log = log or self.folder / "server.log"
        self._wanted_port = port
        self._settings = dict(settings or {})
        self._statements = statements
        self._child: child.Child | None = None
        self._port = 0
        self._password = ""

    @property
    def url(self) -> str:
        """The address, with its password, once started."""
        return f"postgresql://{ROLE}:{self._password}@127.0.0.1:{self._port}/{ROLE}"

    @property
    def pid(self) -> int:
        """The postmaster's process id, 0 when it was never started."""
        return self._child.pid if self._child else 0

    @property
    def alive(self) -> bool:
        """Whether the postmaster runs."""
        return self._child is not None and self._child.alive

    def start(self) -> None:
        """Make the cluster if there is none, and return when it takes connections; again on the port it had.

        Raises FolderUnusable, FolderInUse, ProgramMissing; Outage where the server itself gives up.
        """
        if self.alive:
            return
        child.open_folder(self.folder)
        programs, identity = postgres_bin(), child.server_identity()
        lock = child.take_lock(self.folder / "lock", wait_s=child.LOCK_WAIT_S)
        try:
            self._password = child.secret(self.folder / "password")
            data = self.folder / "data"
            if not data.exists():
                self._create(programs, identity, data)
            _hand_over(data, identity)
            (data / "postmaster.pid").unlink(missing_ok=True)  # stale: every process of a living server holds the lock
            for _ in range(_START_TRIES):
                if self._try_start(programs, identity, data, lock):
                    self._wanted_port = self._port
                    return
        finally:
            os.close(lock)
        raise Outage(f"PostgreSQL did not start: {child.last_lines(self.log)}", code="database.unavailable")

    def stop(self) -> None:
        """Roll back what is open, write everything down and end. Twice is as good as once."""
        if self._child is not None:
            self._child.stop(signal.SIGINT, grace_s=20)

    def _try_start(self, programs: Path, identity: child.Identity, data: Path, lock: int) -> bool:
        self._port = self._wanted_port or child.free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "log_statement": "none",
            "log_min_error_statement": "panic",  # statements hold what people wrote
            **self._settings,
        }
        self._child = child.spawn(
            [str(programs / "postgres"), "-D", str(data), *(f"--{name}={value}" for name, value in settings.items())],
            log=self.log,
            last_signal=signal.SIGINT,
            identity=identity,
            keep=(lock,),
        )
        if child.await_ready(self._child, lambda: _is_ready(data), timeout_s=_START_TIMEOUT_S):
            return True
        self._child.stop(signal.SIGQUIT)
        return False

    def _create(self, programs: Path, identity: child.Identity, data: Path) -> None:
        """Make the cluster aside and move it into place, so that a crash on the way leaves none."""
        half_made = self.folder / "data.new"
        shutil.rmtree(half_made, ignore_errors=True)
        half_made.mkdir(mode=0o700)
        _hand_over(half_made, identity)
        made = child.run(
            [
                *(str(programs / "initdb"), "-D", str(half_made), "--username=postgres", "--no-sync"),
                *("--auth=reject", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--locale=C", "--no-instructions", "--set=max_wal_size=512MB"),
            ],
            identity=identity,
        )
        if made.returncode == 0:
            (half_made / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n", encoding="ascii")
            made = child.run(
                [str(programs / "postgres"), "--single", "-F", "-D", str(half_made), "postgres"],  # as initdb: no sync
                identity=identity,
                stdin="".join(f"{line}\n" for line in (*self._first_statements(), *self._statements)),
            )
        if made.returncode != 0 or "ERROR" in made.stderr:
            shutil.rmtree(half_made, ignore_errors=True)
            if "No space left" in made.stderr:
                raise child.FolderUnusable(
                    f"The disk of {self.folder} is full: free some space or choose another --data.", field="data"
                )
            raise Outage(f"PostgreSQL made no cluster: {made.stderr.strip()[-300:]}", code="database.unavailable")
        half_made.rename(data)

    def _first_statements(self) -> tuple[str, ...]:
        return (
            f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{self._password}'",
            f"CREATE DATABASE {ROLE} OWNER {ROLE}",
        )


def _is_ready(data: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"
    return False


def _hand_over(data: Path, identity: child.Identity) -> None:
    """Give the cluster to whom the server will be: it insists on owning its folder."""
    owner = child.launch.NOBODY if identity == "nobody" else os.geteuid()
    if data.stat().st_uid == owner or os.geteuid() != 0:
        return
    for place in (data, *data.rglob("*")):
        os.chown(place, owner, owner, follow_symlinks=False)
