"""Loads our programs once and becomes each of them: what importing takes, seconds, is paid once and not by each.

`python -m reelwright.dev.loading CONTROL CALL FIRST FUNCTIONS THEN`, started by `reelwright.dev.loader`: descriptors of
two sockets, and lists with commas between. FIRST is imported. Then a fork waits at CALL for an argument, calls the
functions one after the other, and answers with what the last one returned, while here THEN is imported. Then each line
at CONTROL names a module: a fork becomes it, by its `main`, and its process id and a descriptor of it go back. One
thread, so that forking is safe; ends with CONTROL.
"""

import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15  # linux/prctl.h


def _fork(name: str) -> int:
    """Return 0 in a child that leads a group of its own and dies with us, and its process id here."""
    parent = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # until we hold it, it may not be forgotten
    pid = os.fork()
    if pid:
        os.setpgid(pid, pid)
        return pid
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(1)
    os.setpgid(0, 0)
    gc.enable()
    return 0


def _held(pid: int) -> int:
    """Return a descriptor of a child, and forget children again as they end."""
    descriptor = os.pidfd_open(pid)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    return descriptor


def _forget_the_dead(_signal: int, _frame: object) -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _imported(modules: Sequence[str]) -> None:
    for name in modules:
        importlib.import_module(name)
    gc.freeze()  # nobody looks through it for garbage, and its pages stay shared


def _answer(call: socket.socket, functions: Sequence[str]) -> None:
    """Call the functions with the argument that comes, and send what the last one returned."""
    found = [
        getattr(importlib.import_module(module), name) for module, _, name in (f.partition(":") for f in functions)
    ]
    with call, call.makefile("rw", encoding="utf-8") as line:
        if argument := line.readline():
            *_, returned = [function(json.loads(argument)) for function in found]
            line.write(json.dumps(returned))


def _become(said: str) -> None:
    """Run a module's `main` as a program of its own: with the told arguments, environment and log."""
    told = json.loads(said)
    log = os.open(told["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    os.environ.clear()
    os.environ.update(told["environment"])
    sys.argv = [told["module"], *told["arguments"]]
    importlib.import_module(told["module"]).main()


def main() -> None:
    """Load, fork the caller, load the rest, and become whatever is asked for."""
    control, call = (socket.socket(fileno=int(descriptor)) for descriptor in sys.argv[1:3])
    first, functions, then = (given.split(",") for given in sys.argv[3:6])
    signal.signal(signal.SIGCHLD, _forget_the_dead)
    gc.disable()
    _imported(first)
    if not (pid := _fork("rw-call")):
        control.close()
        _answer(call, functions)
        return
    os.close(_held(pid))
    call.close()
    _imported(then)
    lines = control.makefile("r", encoding="utf-8")
    for said in lines:
        name = json.loads(said)["name"]
        if not (pid := _fork(f"rw-{name}")):
            lines.close()
            control.close()
            _become(said)
            return
        descriptor = _held(pid)
        socket.send_fds(control, [f"{pid}\n".encode()], [descriptor])
        os.close(descriptor)


if __name__ == "__main__":
    main()
