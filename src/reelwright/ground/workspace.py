"""A process's own folder for work under way. What a killed process left behind goes when the next one starts."""

import atexit
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_LOCK = ".lock"


def own_folder(root: Path) -> Path:
    """Make and return a folder below `root` that is this process's until it ends; remove those of dead processes.

    Each holds a lock that its process's death frees. Processes that start together wait for each other's clearing.
    """
    root.mkdir(parents=True, exist_ok=True)
    entrance = _locked(root / _LOCK, wait=True)
    try:
        for folder in root.glob(f"*/{_LOCK}"):
            _remove_if_dead(folder.parent)
        own = Path(tempfile.mkdtemp(dir=root, prefix="worker-"))
        _locked(own / _LOCK, wait=False)  # held, without being closed, for as long as we live
    finally:
        os.close(entrance)
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return own


def _remove_if_dead(folder: Path) -> None:
    try:
        held = _locked(folder / _LOCK, wait=False)
    except OSError:  # it lives, or has just gone
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.close(held)


def _locked(file: Path, *, wait: bool) -> int:
    """Return a descriptor that holds the file's lock. Raises OSError where it is held and we don't wait."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
