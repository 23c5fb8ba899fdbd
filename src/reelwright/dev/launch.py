"""Starts a program that dies with its parent and, for root, under another identity. Run as a script, by its path.

Between fork and exec only async-signal-safe work is allowed in a threaded parent, so this is a process of its own and
not a `preexec_fn`. Arguments: parent's pid, the signal its death sends, identity (own, namespace, nobody), program.

    own         run as whoever called
    namespace   root inside a fresh user namespace, where it is called 65534: nothing on disk changes hands
    nobody      give up root, but keep CAP_DAC_OVERRIDE, so that a data folder below a private home can be reached
"""

import ctypes
import os
import sys
from pathlib import Path

NOBODY = 65534
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
_CAP_DAC_OVERRIDE, _CAP_VERSION_3 = 1, 0x20080522  # linux/capability.h


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Capabilities(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _linux() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _enter_namespace(libc: ctypes.CDLL) -> None:
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "no user namespace for us")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} 0 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} 0 1", encoding="ascii")


def _become_nobody(libc: ctypes.CDLL | None) -> None:
    if libc is not None:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    if libc is not None:  # where the capability is withheld we go on without: then the folders must be open to all
        kept = 1 << _CAP_DAC_OVERRIDE
        both = (_Capabilities * 2)(_Capabilities(kept, kept, kept), _Capabilities(0, 0, 0))
        libc.capset(ctypes.byref(_Header(_CAP_VERSION_3, 0)), both)
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


def main(arguments: list[str]) -> None:
    """Take on the identity, tie our life to the parent's, and become the program. Raises OSError."""
    parent, last_signal, identity, *program = arguments
    libc = _linux()
    if identity == "namespace" and libc is not None:
        _enter_namespace(libc)
    elif identity == "nobody":
        _become_nobody(libc)
    if libc is not None:
        libc.prctl(_PR_SET_PDEATHSIG, int(last_signal), 0, 0, 0)  # last: a change of identity clears it
        if os.getppid() != int(parent):  # it died before we asked to be told
            return
    os.execv(program[0], program)  # noqa: S606 - becoming the program, without a shell, is the point


if __name__ == "__main__":
    main(sys.argv[1:])
