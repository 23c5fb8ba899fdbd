"""The environment of processes that open what strangers sent: no key and no token is in it."""

import os

_KEPT = ("PATH", "HOME", "LANG", "PYTHONPATH", "REELWRIGHT_FFMPEG", "SYSTEMROOT", "TMPDIR")


def surroundings() -> dict[str, str]:
    """Return the little of our environment that such a process needs."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {"LC_ALL": "C.UTF-8"}
