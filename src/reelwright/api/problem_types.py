"""The registry of public codes: what each means, what to do, and which status it is answered with."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files

import msgspec

PATH = "/problems"
_TITLES: Mapping[int, str] = {
    400: "The request can't be understood",
    401: "Who is asking?",
    402: "Not enough credits",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Too slow",
    409: "In conflict with the present state",
    412: "Changed in the meantime",
    413: "Too large",
    415: "Unsupported content type",
    416: "No such range",
    422: "This Idempotency-Key belongs to another request",
    429: "A limit is reached",
    431: "Too large a head",
    500: "Something broke on our side",
    503: "Not available right now",
}


class ProblemType(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a code means. `status` 0: it is only told of work, as a generation's failure."""

    happened: str
    remedy: str
    status: int = 0


TYPES: Mapping[str, ProblemType] = msgspec.convert(
    tomllib.loads((files("reelwright.api") / "problem_types.toml").read_text(encoding="utf-8")), dict[str, ProblemType]
)


def title_of(status: int) -> str:
    """Return what every problem of this status is titled."""
    return _TITLES.get(status, "The request was refused")


def uri_of(code: str) -> str:
    """Return a code's `type`: a path (RFC 9457, 3.1.1), so that its page is found at whatever address serves us."""
    return f"{PATH}/{code}"
