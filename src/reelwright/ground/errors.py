"""Every failure is one of three families, and this is the whole tree.

    Refusal   anticipated: the person did something, or can do something about it. Never retried by us.
    Outage    something we depend on is away or broken: the same request may succeed later.
    anything else is a bug: it is logged with its traceback and never shown.

Rooms raise them with a public code (`room.what_happened`) and one sentence a person can act on. Doors alone turn a
`Kind` into a status code or an exit code.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What a refusal is about. Each door keeps its own table from kind to status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    UNPAID = "unpaid"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    CHANGED = "changed"
    STALE = "stale"
    LIMITED = "limited"


class Refusal(Exception):  # noqa: N818 - "refusal" is the family's name everywhere in the product
    """An anticipated no. `field` names the part of the input to mend; `extra` holds public facts for a machine."""

    kind: Kind = Kind.INVALID
    code: str = "request.refused"

    def __init__(
        self,
        sentence: str,
        *,
        field: str | None = None,
        code: str | None = None,
        kind: Kind | None = None,
        wait: timedelta | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field
        self.wait = wait
        self.extra = dict(extra or {})
        self.code = code or type(self).code
        self.kind = kind or type(self).kind


class NotFound(Refusal):
    """No such thing, or not yours: the two are never told apart."""

    kind = Kind.NOT_FOUND
    code = "request.not_found"


class Outage(Exception):  # noqa: N818 - the second family's name
    """A dependency failed us. `wait` is how long the caller should leave before asking again."""

    code: str = "service.unavailable"

    def __init__(self, sentence: str, *, code: str | None = None, wait: timedelta = timedelta(seconds=5)) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.wait = wait
        self.code = code or type(self).code
