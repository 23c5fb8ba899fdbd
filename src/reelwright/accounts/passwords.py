"""Passwords: which are good enough, and argon2id in threads of which few run at once, so that no flood stops the rest.

Parameters: OWASP's minimum for argon2id, 19 MiB, two passes, one lane. Rules: NIST SP 800-63B-4, 3.1.1.2: length and a
blocklist, no composition, Unicode in NFC.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from reelwright.ground.errors import Outage, Refusal

SHORTEST, LONGEST, LONGEST_BYTES = 8, 128, 1024
_PASSES = 2
_AT_ONCE, _WAITING = 2, 16
_SOON = timedelta(seconds=2)
_OWN_NAME = "reelwright"

Made = TypeVar("Made")


class PasswordRefused(Refusal):
    code = "accounts.password_refused"


class Passwords:
    """The one way to passwords. Made once a process; `memory_kib` is what one hash takes."""

    def __init__(self, *, memory_kib: int) -> None:
        self._hasher = PasswordHasher(time_cost=_PASSES, memory_cost=memory_kib, parallelism=1, type=Type.ID)
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._present = 0
        self._nobodys: str | None = None

    async def hashed(self, password: str, *, email: str, field: str = "password") -> str:
        """Return what is kept of a new password. Raises PasswordRefused, and Outage where too many wait."""
        bounded(password, field=field)
        return await self._threaded(lambda: self._hasher.hash(_checked(password, email, field)))

    async def is_right(self, known: str | None, password: str) -> bool:
        """Say whether this is the password; where none is known it takes as long to say no.

        Raises PasswordRefused for what can be nobody's, and Outage where too many wait.
        """
        bounded(password, field="password")
        return await self._threaded(lambda: self._matches(known, unicodedata.normalize("NFC", password)))

    async def rehashed(self, known: str, password: str) -> str | None:
        """Return the right password under today's parameters; None where it is kept so. Raises Outage."""
        if not self._hasher.check_needs_rehash(known):
            return None
        return await self._threaded(lambda: self._hasher.hash(unicodedata.normalize("NFC", password)))

    def _matches(self, known: str | None, password: str) -> bool:
        if known is None:  # as much work, for a password that nobody has
            self._nobodys = self._nobodys or self._hasher.hash(secrets.token_hex())
        try:
            return self._hasher.verify(known if known is not None else self._nobodys or "", password)
        except (VerificationError, InvalidHashError):
            return False

    async def _threaded(self, do: Callable[[], Made]) -> Made:
        """Do it in a thread once there is a place. Raises Outage where too many wait already."""
        if self._present >= _AT_ONCE + _WAITING:
            raise Outage("Too many are signing in at this moment: try again soon.", code="auth.busy", wait=_SOON)
        self._present += 1
        try:
            async with self._places:
                return await asyncio.to_thread(do)
        finally:
            self._present -= 1


def bounded(password: str, *, field: str) -> None:
    """Refuse what is too long to be worked on, and what no database holds. Raises PasswordRefused."""
    try:
        size = len(password.encode())
    except UnicodeEncodeError as broken:
        raise PasswordRefused(f"{field}: this is no text.", field=field) from broken
    if size > LONGEST_BYTES or "\x00" in password:
        raise PasswordRefused(f"{field}: use at most {LONGEST} characters, and no NUL.", field=field)


def _checked(password: str, email: str, field: str) -> str:
    """Return a new password in NFC. Raises PasswordRefused."""
    kept = unicodedata.normalize("NFC", password)
    if not SHORTEST <= len(kept) <= LONGEST:
        raise PasswordRefused(f"{field}: use {SHORTEST} to {LONGEST} characters.", field=field)
    plain = kept.casefold().strip()
    own = {email.casefold(), email.partition("@")[0].casefold(), _OWN_NAME}
    if plain in own or plain.strip("0123456789!. ") in own | {""} or len(set(plain)) == 1:
        raise PasswordRefused(f"{field}: choose one that isn't your address, our name or only digits.", field=field)
    if plain in _common():
        raise PasswordRefused(f"{field}: this one is among the first that anybody tries; choose another.", field=field)
    return kept


@cache
def _common() -> frozenset[str]:
    """Return the 30,000 most common passwords."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - 100 ms, which few processes need

    return frozenset(FREQUENCY_LISTS["passwords"])
