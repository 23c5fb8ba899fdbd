"""Runs the Lua scripts of this room: one round trip each, and an Outage for whatever Redis does wrong."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha1
from time import monotonic
from typing import Any, Final, Protocol

from reelwright.admission.model import Unavailable
from reelwright.ground.log import logger
from reelwright.ground.packaged import packaged

_log = logger(__name__)
PATIENCE: Final = timedelta(milliseconds=250)
"""How long one call may take, connecting and a reload of the script included: decisions.md 12."""
_CODE: Final = re.compile(r"[A-Z]{3,}(?= )(?: max [a-z ]{1,40} exceeded| Dynamic keys are not allowed)?")
"""The start of an error that never holds a key or an argument: its code, and the two that an operator must know."""


class NoScript(Exception):  # noqa: N818 - an answer, not an error: the server wants the script's text
    """The server doesn't know this digest (any more)."""


class Unreachable(Exception):  # noqa: N818 - a finding; `Unavailable` is the error that callers see
    """No usable answer came. `detail` may be logged: it holds no key, argument or token."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class Transport(Protocol):
    """One way to reach a Redis-protocol server. It never retries, and a cancelled call disturbs no other."""

    first_line: str
    """Put before every script, with its line end; "" where the server wants none."""
    in_order: bool
    """Whether what is asked first is done first, though nobody waits for its answer."""

    async def call(self, words: Sequence[str], within_s: float | None = None) -> Any:
        """Send one command and return its reply: text, integers, None, or a list of these.

        It comes within so many seconds, connecting included, or not at all. Raises NoScript, Unreachable, TimeoutError.
        """
        ...

    async def close(self) -> None:
        """Give every connection back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One run of a script."""

    name: str
    keys: Sequence[str]
    args: Sequence[str]


class Scripts:
    """Every script of `lua/admission`, by its file's name."""

    def __init__(self, transport: Transport, *, patience: timedelta = PATIENCE) -> None:
        self._call, self._in_order = transport.call, transport.in_order
        self._loaded = set[str]()
        self._patience_s = patience.total_seconds()
        self._texts = {
            path.stem: transport.first_line + path.read_text() for path in (packaged("lua") / "admission").glob("*.lua")
        }
        self._digests = {
            name: sha1(text.encode()).hexdigest()  # noqa: S324 - Redis names scripts by SHA-1
            for name, text in self._texts.items()
        }

    async def run(self, name: str, *, keys: Sequence[str], args: Sequence[str]) -> list[str]:
        """Run a script and return its reply as text. EVAL where the server has forgotten it. Raises Unavailable."""
        began = monotonic()
        try:
            try:
                words = ("EVALSHA", self._digests[name], str(len(keys)), *keys, *args)
                reply = await self._call(words, self._patience_s)
            except NoScript:
                words = ("EVAL", self._texts[name], str(len(keys)), *keys, *args)
                reply = await self._call(words, self._patience_s - (monotonic() - began))
        except (Unreachable, NoScript, TimeoutError) as error:
            raise _unavailable(error, doing=name) from error
        self._loaded.add(name)
        return _texts(reply)

    async def run_after(self, first: Sequence[Call], last: Call) -> list[str]:
        """Run the first ones, in any order, then the last and return its reply. Raises Unavailable.

        One round trip where the way keeps the order and the server was told the first ones' texts. Where it has
        forgotten one since, that comes late, and the last has said what it found without it.
        """
        asked = [self.run(call.name, keys=call.keys, args=call.args) for call in first]
        if not self._in_order or not all(call.name in self._loaded for call in first):
            await asyncio.gather(*asked)
            return await self.run(last.name, keys=last.keys, args=last.args)
        asked.append(self.run(last.name, keys=last.keys, args=last.args))
        *_, reply = await asyncio.gather(*asked, return_exceptions=True)
        if isinstance(reply, BaseException):
            raise reply
        return reply

    async def command(self, *words: str) -> list[str]:
        """Run one plain command and return its reply, missing values as "". Raises Unavailable."""
        try:
            reply: Any = await self._call(words, self._patience_s)
        except (Unreachable, NoScript, TimeoutError) as error:
            raise _unavailable(error, doing=words[0]) from error
        return _texts(reply if isinstance(reply, list) else [reply])


def refused(words: str) -> NoScript | Unreachable:
    """Name a server's error reply by its code alone: the rest of it may hold what was sent."""
    code = _CODE.match(words)
    if code and code[0] == "NOSCRIPT":
        return NoScript()
    return Unreachable(code[0] if code else "an error without a code")


def _texts(cells: list[Any]) -> list[str]:
    return [cell if type(cell) is str else "" if cell is None else str(cell) for cell in cells]


def _unavailable(error: Exception, *, doing: str) -> Unavailable:
    detail = error.detail if isinstance(error, Unreachable) else ""
    _log.error("admission.unavailable", doing=doing, error=type(error).__name__, detail=detail)
    return Unavailable("Admission is not available just now: try again soon.", wait=timedelta(seconds=2))
