"""Runs a stack of real servers and stand-in programs until it is told to stop: `supervise.py FOLDER [PORT]`."""

import contextlib
import os
import sys
import threading
from pathlib import Path

import msgspec

from reelwright.dev import running
from reelwright.dev.stack import Stack

STANDIN = (sys.executable, str(Path(__file__).with_name("standin.py")))


def prepare(database_url: str) -> dict[str, str]:
    assert database_url.startswith("postgresql://")
    return {"api_key": "key", "admin_api_key": "admin-key"}


def stack(folder: Path, *, port: int | None = None, workers: int = 1, **environment: str) -> Stack:
    return Stack(
        folder,
        port=port,
        worker_processes=workers,
        prepare=prepare,
        environment={**os.environ, **environment},
        programs={"api": STANDIN, "worker": STANDIN},
    )


if __name__ == "__main__":
    port = int(sys.argv[2]) if len(sys.argv) > 2 else None
    with running._told_to_stop(), stack(Path(sys.argv[1]), port=port) as up:
        sys.stdout.write(msgspec.json.encode(up.endpoints).decode() + "\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
