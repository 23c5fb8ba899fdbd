"""API and workers as production runs them, but born quickly and armed from outside; the workers' stages pretend.

    python -m tests.chaos.program SOCKET

Loading the program takes seconds, and a chaos test starts dozens of processes. So one process loads it, starts nothing,
and forks for each `Birth` that comes through its socket; the child runs the program's own `main` under its own
environment. SIGUSR1 makes a child read its failpoints anew from the file in REELWRIGHT_CHAOS_ARMS.
"""

import ctypes
import os
import signal
import socket
import sys
from pathlib import Path
from secrets import token_hex

import msgspec

from reelwright import app, outbox
from reelwright.generations import Stage
from reelwright.ground import failpoints
from tests.chaos.stages import ARMS, Pretence
from worker import app as worker_app

_PR_SET_PDEATHSIG = 1
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
    sys.argv = [birth.kind, *birth.arguments]
    MAINS[birth.kind]()


def _rename() -> None:
    """A process's own name in notifications is drawn while the program loads, which forked ones would share."""
    shared, own = outbox.HERE, token_hex(4)
    for module in list(sys.modules.values()):
        if vars(module).get("HERE") == shared:
            vars(module)["HERE"] = own


def main() -> None:
    """Give birth until whoever started us is gone."""
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
