"""Versions of what people fetch and edit: an ETag on what is read, and conditions on it (RFC 9110, 13.1)."""

import re
from typing import Annotated

from litestar.params import HeaderParameter

from reelwright.api.creations import BadField
from reelwright.ground.versions import Versions

IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", description='The ETag that you read, such as `"3"`: 412 where it has changed.'),
]
_NUMBER = re.compile(r'"(0|[1-9][0-9]{0,8})"')  # an int4's digits, less one
_TAG = r'(W/)?("[!#-~\x80-\xff]*")'
_TAGS = re.compile(rf"[ \t,]*(?:{_TAG}[ \t]*(?:,[ \t,]*|\Z))+")


def etag(version: int) -> dict[str, str]:
    """Return the header that names this version."""
    return {"ETag": f'"{version}"'}


def named(condition: str, *, weak: bool) -> frozenset[str] | None:
    """Return the tags, in their quotes, that a condition names; None for `*`, which names all.

    Weak comparison takes weak ones as well, as `If-None-Match` does; strong comparison, `If-Match`'s, matches none of
    them (8.8.3.2). Raises ValueError.
    """
    if condition.strip() == "*":
        return None
    if not _TAGS.fullmatch(condition):
        raise ValueError(condition)
    return frozenset(tag for is_weak, tag in re.findall(_TAG, condition) if weak or not is_weak)


def expected(if_match: str | None) -> Versions:
    """Return the versions that a change is meant for, None where any will do (no header, or `*`). Raises BadField."""
    try:
        tags = None if if_match is None else named(if_match, weak=False)
    except ValueError as wrong:
        raise BadField('If-Match: send the ETag that you read, such as "3".', field="If-Match") from wrong
    return None if tags is None else {int(ours[1]) for tag in tags if (ours := _NUMBER.fullmatch(tag))}


def is_had(if_none_match: str | None, tag: str) -> bool:
    """Whether who asks has what this tag names. A condition that can't be read is none."""
    try:
        tags = frozenset[str]() if if_none_match is None else named(if_none_match, weak=True)
    except ValueError:
        return False
    return tags is None or tag in tags
