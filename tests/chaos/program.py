"""API and workers as production runs them, but born quickly and armed from outside; the workers' stages pretend.

    python -m tests.chaos.program SOCKET

Loading the program takes seconds, and a chaos test starts dozens of processes. So one process loads it, starts nothing,
and forks for each `Birth` that comes through its socket; the child runs the program's own `main` under its own
environment. SIGUSR1 makes a child read its failpoints anew from the file in REELWRIGHT_CHAOS_ARMS.
"""

import asyncio
import ctypes
import os
import signal
import socket
import sys
import threading
import time
import traceback
from datetime import datetime, timedelta, tzinfo
from importlib import import_module
from pathlib import Path
from secrets import token_hex

import msgspec
from jwt import api_jwt

from reelwright import app, outbox
from reelwright.generations import Stage
from reelwright.ground import clock, failpoints
from tests.chaos.stages import ARMS, Pretence
from worker import app as worker_app

_PR_SET_PDEATHSIG = 1
CLOCK = "REELWRIGHT_CHAOS_CLOCK"
"""By how many seconds a process's own clock is ahead."""
STALLS = "REELWRIGHT_CHAOS_STALLS"
"""For how many seconds of the processor's time a turn of the event loop may last without being logged."""
MAINS = {"api": app.main, "worker": worker_app.main}


class Birth(msgspec.Struct, frozen=True):
    """What to run, with which arguments and environment, and where its output goes. The answer is its process id."""

    kind: str
    arguments: list[str]
    environment: dict[str, str]
    log: str


def _arm(_signal: int, _frame: object) -> None:
    """The file's first line numbers the order, the second is the specification."""
    file = Path(os.environ[ARMS])
    number, spec = file.read_text(encoding="utf-8").split("\n", 1)
    failpoints.arm(spec)
    file.with_suffix(".done").write_text(f"{os.getpid()} {number}", encoding="utf-8")


def _live(birth: Birth) -> None:
    """Become what was asked for: a process group and a life of its own, but no longer than ours."""
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    log = os.open(birth.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGUSR1, _arm)
    os.environ.clear()
    os.environ.update(birth.environment)
    _rename()
    _set_clock(float(birth.environment.get(CLOCK, "0")))
    _watch_turns(float(birth.environment.get(STALLS, "0")))
    sys.argv = [birth.kind, *birth.arguments]
    MAINS[birth.kind]()


def _set_clock(ahead_s: float) -> None:
    """Let this process believe that it is so much later: our own clock, and the one that signatures are judged by."""
    if not ahead_s:
        return
    ahead, real_time, real_now = timedelta(seconds=ahead_s), time.time, clock.now

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + ahead

    time.time = lambda: real_time() + ahead_s
    clock.now = lambda: real_now() + ahead
    setattr(api_jwt, "datetime", Shifted)  # noqa: B010 - it imports the name, which a stub calls final


def _watch_turns(most_s: float) -> None:
    """Look from a second thread how much processor time the main one has used since its loop last came round."""
    if not most_s:
        return
    clock_id, came, told = time.pthread_getcpuclockid(threading.main_thread().ident or 0), [0.0], [0.0]
    relay = outbox.Relay.run

    async def come_round() -> None:
        while True:
            came[0] = time.clock_gettime(clock_id)
            await asyncio.sleep(0.005)

    async def beside(self: outbox.Relay) -> None:  # which every process of ours runs
        rounds = asyncio.create_task(come_round())
        try:
            await relay(self)
        finally:
            rounds.cancel()

    def watch() -> None:
        while True:
            time.sleep(0.01)
            if came[0] and came[0] != told[0] and time.clock_gettime(clock_id) - came[0] > most_s:
                told[0] = came[0]
                frame = sys._current_frames()[threading.main_thread().ident or 0]
                where = "".join(traceback.format_stack(frame)[-4:]).replace("\n", " ")
                print(f"chaos.stalled {where}", flush=True)  # noqa: T201 - a line of its log

    outbox.Relay.run = beside
    threading.Thread(target=watch, daemon=True).start()


def _rename() -> None:
    """A process's own name in notifications is drawn while the program loads, which forked ones would share."""
    own = token_hex(4)
    for name, module in list(sys.modules.items()):
        if name.startswith("reelwright.outbox") and "HERE" in vars(module):
            vars(module)["HERE"] = own


def main() -> None:
    """Give birth until whoever started us is gone."""
    if os.environ.get("CHAOS") == "all":
        import_module("openai.resources")  # seconds on a busy machine, in which a worker would lose its lease
    worker_app.STAGES.update(dict.fromkeys(Stage, Pretence(real=dict(worker_app.STAGES)).perform))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are gone at once, and nobody need wait for them
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as asked:
            birth = msgspec.json.decode(asked.readline(), type=Birth)
            child = os.fork()
            if child:
                connection.sendall(str(child).encode())
                continue
        listener.close()
        _live(birth)
        os._exit(0)


if __name__ == "__main__":
    main()
