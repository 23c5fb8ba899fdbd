"""Hands a feed's bytes to a process of its own and takes its entries back, within bounds."""

import asyncio
import sys
from pathlib import Path

import msgspec

from reelwright.ground import log
from reelwright.ground.errors import Refusal
from reelwright.ground.surroundings import surroundings
from reelwright.schedules.topics import Entry

_log = log.logger(__name__)
_MOST_S = 8.0
_READER = Path(__file__).with_name("feed.py")


async def entries_of(raw: bytes, *, most_s: float = _MOST_S) -> list[Entry]:
    """Return a feed's entries, newest first. Raises Refusal (`source.not_a_feed`) for what is none or can't be read."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", _READER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=surroundings(),
    )
    try:
        async with asyncio.timeout(most_s):
            answer, _ = await child.communicate(raw)
    except TimeoutError:
        raise _not_a_feed() from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        _log.warning("feed.unreadable", status=child.returncode)
        raise _not_a_feed()
    found = msgspec.json.decode(answer, type=list[Entry] | None)
    if found is None:
        raise _not_a_feed()
    return found


def _not_a_feed() -> Refusal:
    return Refusal(
        "source: no RSS or Atom feed was found at this address: give the address of the feed itself.",
        field="source",
        code="source.not_a_feed",
    )
