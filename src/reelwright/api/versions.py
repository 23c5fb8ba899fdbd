"""Versions of what people edit: an ETag on what is read, and `If-Match` on what is changed."""

from typing import Annotated

from litestar.params import HeaderParameter

from reelwright.api.creations import BadField

IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", description='The ETag that you read, such as `"3"`: 412 where it has changed.'),
]
_LONGEST = 9  # an int4's digits, less one


def etag(version: int) -> dict[str, str]:
    """Return the header that names this version."""
    return {"ETag": f'"{version}"'}


def expected(if_match: str | None) -> int | None:
    """Return the version that a change is meant for, None where any will do (no header, or `*`). Raises BadField."""
    if if_match is None or if_match.strip() == "*":
        return None
    version = if_match.strip().removeprefix("W/").strip('"')
    if not (version.isdecimal() and version.isascii() and len(version) <= _LONGEST):
        raise BadField('If-Match: send the ETag that you read, such as "3".', field="If-Match")
    return int(version)
