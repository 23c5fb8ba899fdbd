"""Sees every connection this process tries to open, before the kernel sends its first packet."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_watching: list[list[str]] = []


def _saw(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect" and _watching and isinstance(args[1], tuple):
        for seen in _watching:
            seen.append(f"{args[1][0]}:{args[1][1]}")


sys.addaudithook(_saw)


@contextmanager
def connections() -> Iterator[list[str]]:
    """Collect `address:port` of every attempted connection inside the block."""
    seen: list[str] = []
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)
