"""Opaque cursors: where a page of an account's things ended, of use to that account alone."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from uuid import UUID

from reelwright.api.creations import BadField
from reelwright.ground.ids import AccountId, derived

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT, _ID, _SEAL = 8, 16, 8  # bytes


def after(account: AccountId, at: datetime, last: UUID) -> str:
    """Return the cursor behind a thing made at an instant: 43 characters that are safe in a URL."""
    place = ((at - _EPOCH) // timedelta(microseconds=1)).to_bytes(_INSTANT, "big", signed=True) + last.bytes
    return urlsafe_b64encode(place + _seal(account, place)).decode().rstrip("=")


def opened(account: AccountId, cursor: str) -> tuple[datetime, UUID]:
    """Return what `after` put in. Raises BadField for another account's cursor, or for what never was one."""
    try:
        known = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        place, seal = known[: _INSTANT + _ID], known[_INSTANT + _ID :]
        at = _EPOCH + timedelta(microseconds=int.from_bytes(place[:_INSTANT], "big", signed=True))
        last = UUID(bytes=place[_INSTANT:])
    except (ValueError, OverflowError) as never:
        raise _unknown() from never
    if seal != _seal(account, place):
        raise _unknown()
    return at, last


def _unknown() -> BadField:
    return BadField("cursor: send the next_cursor of the page before, or leave it out.", field="cursor")


def _seal(account: AccountId, place: bytes) -> bytes:
    return derived("cursor", account, place.hex()).bytes[:_SEAL]
