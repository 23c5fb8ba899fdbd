"""Opaque cursors: where a page ended, of use to the account that it was told, in that list, filtered in that way."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Request
from litestar.di import NamedDependency

from reelwright.api.creations import BadField
from reelwright.ground.errors import Refusal
from reelwright.ground.sealing import Seal

PURPOSE = "cursor"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT, _ID = 8, 16  # bytes
_NOT_FILTERS = frozenset({"cursor", "limit"})


class Cursors:
    """Those of one list, as one account asks for it. They are signed, and can be read: they say nothing secret."""

    __slots__ = ("_of", "_seal")

    def __init__(self, seal: Seal, of: bytes) -> None:
        self._seal, self._of = seal, of

    def after(self, at: datetime, last: UUID) -> str:
        """Return the cursor behind a thing made at an instant: 54 characters that are safe in a URL."""
        instant = (at - _EPOCH) // timedelta(microseconds=1)
        return self.behind(instant.to_bytes(_INSTANT, "big", signed=True) + last.bytes)

    def opened(self, cursor: str) -> tuple[datetime, UUID]:
        """Return what `after` put in. Raises BadField for a cursor that isn't one of these."""
        place = self.place(cursor)
        at = _EPOCH + timedelta(microseconds=int.from_bytes(place[:_INSTANT], "big", signed=True))
        return at, UUID(bytes=place[_INSTANT:])

    def behind(self, place: bytes) -> str:
        """Return the cursor behind a place in a list of another order."""
        return self._seal.marked(PURPOSE, place, about=self._of)

    def place(self, cursor: str, *, refused: type[Refusal] = BadField) -> bytes:
        """Return what `behind` put in. Raises what is to be raised for a cursor that isn't one of these."""
        place = self._seal.unmarked(PURPOSE, cursor, about=self._of)
        if place is None:
            raise refused(
                "cursor: send the next_cursor of the page before with the same filters, or leave it out.",
                field="cursor",
            )
        return place


async def cursors_of(request: Request[Any, Any, Any], seal: NamedDependency[Seal]) -> Cursors:
    """Return the cursors of the list that is asked for: by account, route, what its path names, and its filters."""
    scope = request.scope
    named = sorted((name, str(value)) for name, value in request.path_params.items())
    query = request.query_params.dict()
    filters = sorted((name, value) for name in query.keys() - _NOT_FILTERS for value in query[name])
    listed = "\n".join((scope["path_template"], urlencode(named), urlencode(filters, errors="surrogatepass")))
    return Cursors(seal, scope["state"]["account"].id.bytes + listed.encode())
