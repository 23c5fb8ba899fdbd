"""Runs everything on one machine: servers, API and worker from one folder, each restarted when it dies."""

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from reelwright.dev import child, endpoints
from reelwright.dev.credentials import Credentials
from reelwright.dev.endpoints import Endpoints
from reelwright.dev.loader import Loader, module_of
from reelwright.dev.postgres import Postgres
from reelwright.dev.preparing import LOADS, migrated
from reelwright.dev.program import Program
from reelwright.dev.stripe.keys import Keys
from reelwright.dev.valkey import Valkey
from reelwright.ground import log
from reelwright.ground.errors import Kind, Outage, Refusal

API = (sys.executable, "-m", "reelwright.app", "--host", "127.0.0.1")
WORKER = (sys.executable, "-m", "worker.app", "--host", "127.0.0.1")
_DELIVERY = (sys.executable, "-m", "reelwright.dev.delivery")
_STRIPE = (sys.executable, "-m", "reelwright.dev.stripe")

_WATCH_S, _MOMENT_S = 0.1, 0.5
_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.2, 5.0
_STABLE_S = 10.0
_LEAST_AT_ONCE, _MOST_AT_ONCE = 2, 8
_LOG_CAP_BYTES = 10 * 1024 * 1024
_STRIPE_ITSELF = "https://api.stripe.com"
_QSTASH = ("QSTASH_TOKEN", "QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY")

logger = log.logger("stack")


class Service(Protocol):
    """What the stack keeps alive."""

    @property
    def pid(self) -> int: ...
    @property
    def alive(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class AlreadyRunning(Refusal):
    """The folder has a stack."""

    kind = Kind.CONFLICT
    code = "dev.already_running"


def at_once(workers: int) -> int:
    """Return how many stage runs each of so many workers has under way: a core each, 2 to 8.

    A chunk that is being encoded takes some 350 MB.
    """
    return min(_MOST_AT_ONCE, max(_LEAST_AT_ONCE, (os.cpu_count() or 1) // workers))


class Stack:
    """One data folder's processes, `prepare` being told the database's URL once its tables are there.

    A server whose address stands in `environment` (DATABASE_URL, REDIS_URL, QSTASH_URL) is used and not started,
    nor is the simulated Stripe where STRIPE_SECRET_KEY is given. Without `shop` there is none: nothing can be bought.
    """

    def __init__(
        self,
        data: Path,
        *,
        port: int | None = None,
        worker_processes: int = 1,
        shop: bool = True,
        prepare: Callable[[str], Mapping[str, str]],
        environment: Mapping[str, str],
        programs: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._data = data.expanduser().resolve()
        self._port = port
        self._worker_processes = worker_processes
        self._shop = shop
        self._prepare = prepare
        self._given = dict(environment)
        self._programs = {"worker": WORKER, "api": API, **(programs or {})}
        self._services: dict[str, Service] = {}
        self._loader: Loader | None = None
        self._found: dict[str, str] = {}
        self._stopping = threading.Event()
        self._watch = threading.Thread(target=self._keep_alive, name="stack", daemon=True)
        self._lock: int | None = None

    @staticmethod
    def running(data: Path, *, wait_s: float = 0) -> Endpoints | None:
        """Return the endpoints of the stack that runs on this folder, or None."""
        return endpoints.running(data.expanduser().resolve(), wait_s=wait_s)

    @property
    def endpoints(self) -> Endpoints:
        """Where everything is, as of now: a restarted process has another id."""
        pids = {"supervisor": os.getpid(), **{name: service.pid for name, service in self._services.items()}}
        return Endpoints(**self._found, pids=pids)

    def start(self) -> Endpoints:
        """Start everything and return when API and workers can work; on failure nothing is left running.

        Raises AlreadyRunning, FolderUnusable, ProgramMissing; Outage where a process gives up.
        """
        child.open_folder(self._data)
        self._lock = self._take()
        try:
            self._start_all()
        except BaseException:
            self.stop()
            raise
        self._watch.start()
        return self.endpoints

    def stop(self) -> None:
        """End everything, last started first. Twice is as good as once."""
        self._stopping.set()
        while not self._is_unwatched():  # something is being started again: whatever comes of that ends, too
            self._end_all()
        endpoints.forget(self._data)
        self._end_all()
        if self._loader is not None:
            self._loader.stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _is_unwatched(self) -> bool:
        """Say whether nothing is started again any more; wait a moment for it."""
        if self._watch.is_alive():
            self._watch.join(_MOMENT_S)
        return not self._watch.is_alive()

    def _end_all(self) -> None:
        for service in self._services.values():
            if isinstance(service, Program):
                service.ask_to_stop()  # all at once, so that their last work ends side by side
        for service in reversed(self._services.values()):
            service.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _take(self) -> int:
        try:
            return child.take_lock(endpoints.lock_file(self._data), wait_s=1)
        except child.FolderInUse:
            there = self.running(self._data)
            where = there.base_url if there else "not ready yet"
            raise AlreadyRunning(
                f"{self._data} is in use by a running Reelwright ({where}): use or stop it, or give another --data.",
                field="data",
            ) from None

    def _start_all(self) -> None:
        endpoints.forget(self._data)
        api_port, worker_ports = self._api_port(), [child.free_port() for _ in range(self._worker_processes)]
        workers = [f"http://127.0.0.1:{port}" for port in worker_ports]
        base_url = f"http://127.0.0.1:{api_port}"
        queue = self._queue(workers)  # first, as it takes longest to load
        payments = self._payments(f"{base_url}/webhooks/stripe")
        self._loader = self._loaded()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="valkey") as beside:
            redis = beside.submit(self._redis)
            database_url = self._database()
            redis_url = redis.result()
        self._found = {
            "base_url": base_url,
            "worker_url": workers[0],
            "database_url": database_url,
            "redis_url": redis_url,
            "api_key": "",
            "admin_api_key": "",
            "qstash_url": queue["QSTASH_URL"],
            "stripe_url": payments["STRIPE_API_URL"],
            "mail_dir": self._mail_dir(),
        }
        self._found |= self._with_tables(database_url)
        environment = {
            "REELWRIGHT_ENVIRONMENT": "development",
            "REELWRIGHT_STORAGE_URL": f"file://{self._data / 'artefacts'}",
            "REELWRIGHT_REDIS_TIMEOUT": "2s",  # one machine renders, serves and counts
            "REELWRIGHT_SECRET_KEY": child.secret(self._data / "secret_key"),
            "REELWRIGHT_WORKER_CONCURRENCY": str(at_once(self._worker_processes)),
            "REELWRIGHT_GRACE": "3s",  # a program is ended after five: what it cuts, it must have time to give back
            **self._given,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "UPSTASH_REDIS_REST_URL": "",  # of the two ways to Redis, ours is the one
            "UPSTASH_REDIS_REST_TOKEN": "",
            "REELWRIGHT_BASE_URL": base_url,
            "REELWRIGHT_WORKER_URL": workers[0],
            "REELWRIGHT_MAIL_DIR": self._found["mail_dir"],
            **queue,
            **payments,
        }
        (self._data / "artefacts").mkdir(exist_ok=True)
        self._run("api", self._programs["api"], port=api_port, environment=environment)
        for number, port in enumerate(worker_ports, start=1):
            name = "worker" if number == 1 else f"worker-{number}"
            self._run(name, self._programs["worker"], port=port, environment=environment)
        self._await_programs()
        endpoints.write(self._data, self.endpoints)

    def _await_programs(self) -> None:
        for service in self._services.values():
            if isinstance(service, Program):
                service.await_ready()

    def _loaded(self) -> Loader | None:
        """Let API and worker load, and the tables' makers, while the servers are made that they will work with."""
        modules = [module_of(command) for command in self._programs.values()]
        if not (all(modules) and Loader.available()):
            return None
        return Loader(
            first=LOADS,
            functions=[f"{call.__module__}:{call.__qualname__}" for call in (migrated, self._prepare)],
            then=[module for module in modules if module],
            log=self._log("loading"),
            environment=self._given,
        )

    def _with_tables(self, database_url: str) -> Mapping[str, str]:
        """Make the tables, and prepare; what fails there is done again here, where it can be told what is wrong."""
        prepared = self._loader.called(database_url) if self._loader else None
        if prepared is None:
            migrated(database_url)
            prepared = self._prepare(database_url)
        return prepared

    def _api_port(self) -> int:
        if self._port is None:
            return child.free_port()
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self._port))
            except OSError as error:
                raise Refusal(
                    f"Port {self._port} can't be listened on ({error.strerror}): choose another --port, or none.",
                    code="dev.port_taken",
                    field="port",
                ) from error
        return self._port

    def _database(self) -> str:
        """Return the given database's URL, or that of a server we start."""
        if given := self._given.get("DATABASE_URL"):
            return given
        server = Postgres(self._data / "postgres", log=self._log("postgres"))
        self._services["postgres"] = server
        server.start()
        return server.url

    def _redis(self) -> str:
        """Return the given Redis's URL, or that of a server we start."""
        if given := self._given.get("REDIS_URL"):
            return given
        server = Valkey(self._data / "valkey", log=self._log("valkey"))
        self._services["valkey"] = server
        server.start()
        return server.url

    def _queue(self, workers: Sequence[str]) -> dict[str, str]:
        """Return the queue's part of the environment: the given one, or that of a local server we start."""
        if self._given.get("QSTASH_URL"):
            missing = [name for name in _QSTASH[:2] if not self._given.get(name)]
            if missing:
                raise Refusal(
                    f"QSTASH_URL is set, so {' and '.join(missing)} must be too; or unset it to use the local server.",
                    code="dev.setting_missing",
                    field=missing[0],
                )
            given = {name: self._given[name] for name in ("QSTASH_URL", *_QSTASH) if name in self._given}
            return given | {"REELWRIGHT_WORKER_URL": self._given.get("REELWRIGHT_WORKER_URL") or workers[0]}
        state = child.open_folder(self._data / "delivery")
        credentials = Credentials.kept_in(state / "credentials.json")
        port, tick = child.free_port(), f"{workers[0]}/worker/tick"
        self._run(
            "delivery",
            (*_DELIVERY, "--state", str(state), "--allow", workers[0], "--spread", ",".join(workers), "--tick", tick),
            port=port,
            environment=self._given,
        )
        return {
            "QSTASH_URL": f"http://127.0.0.1:{port}",
            "QSTASH_TOKEN": credentials.token,
            "QSTASH_CURRENT_SIGNING_KEY": credentials.current,
            "QSTASH_NEXT_SIGNING_KEY": credentials.next,
        }

    def _payments(self, webhook: str) -> dict[str, str]:
        """Return Stripe's part of the environment: the given one, that of a simulated account we start, or none."""
        if self._given.get("STRIPE_SECRET_KEY"):
            return {"STRIPE_API_URL": self._given.get("STRIPE_API_URL") or _STRIPE_ITSELF}
        if not self._shop:
            return {"STRIPE_API_URL": ""}
        state, port = child.open_folder(self._data / "stripe"), child.free_port()
        keys = Keys.kept_in(state / "credentials.json")
        self._run("stripe", (*_STRIPE, "--state", str(state), "--webhook", webhook), port=port, environment=self._given)
        return {
            "STRIPE_API_URL": f"http://127.0.0.1:{port}",
            "STRIPE_SECRET_KEY": keys.secret_key,
            "STRIPE_WEBHOOK_SECRET": keys.webhook_secret,
            "STRIPE_WEBHOOK_SECRET_NEXT": "",
        }

    def _mail_dir(self) -> str:
        """Return the folder that mail is put into, "" where a server is given that sends it."""
        given = self._given.get("REELWRIGHT_MAIL_DIR", "")
        if given or self._given.get("REELWRIGHT_SMTP_URL"):
            return given
        return str(child.open_folder(self._data / "mail"))

    def _run(self, name: str, command: Sequence[str], *, port: int, environment: Mapping[str, str]) -> None:
        loader = self._loader if name not in {"delivery", "stripe"} else None
        program = Program(name, command, port=port, environment=environment, log=self._log(name), loader=loader)
        self._services[name] = program
        program.start()

    def _log(self, name: str) -> Path:
        folder = self._data / "logs"
        folder.mkdir(exist_ok=True)
        file = folder / f"{name}.log"
        if file.exists() and file.stat().st_size > _LOG_CAP_BYTES:
            file.replace(file.with_suffix(".log.1"))
        return file

    def _keep_alive(self) -> None:
        """Start again what has died, each with a back-off of its own that a stable life resets."""
        begun = dict.fromkeys(self._services, time.monotonic())
        waits = dict.fromkeys(self._services, _FIRST_BACKOFF_S / 2)
        due: dict[str, float] = {}
        while not self._stopping.wait(_WATCH_S):
            now = time.monotonic()
            for name, service in self._services.items():
                if self._stopping.is_set() or service.alive:
                    continue
                if name not in due:
                    waits[name] = (
                        _FIRST_BACKOFF_S if now - begun[name] > _STABLE_S else min(_LAST_BACKOFF_S, 2 * waits[name])
                    )
                    due[name] = now + waits[name]
                    logger.warning("process died", process=name, again_in_s=waits[name])
                elif now >= due[name]:
                    del due[name]
                    begun[name] = now
                    with contextlib.suppress(Refusal, Outage, OSError):  # it is tried again, later and later
                        service.start()
                        endpoints.write(self._data, self.endpoints)
