"""What msgspec says of a value that doesn't fit, as a sentence that names the field and what to send instead."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import inspect

WORDS: Mapping[str, str] = {
    r"^[a-z]{2}(-[A-Z]{2})?$": "send two small letters and, if you wish, a country's two capitals, such as en or pt-BR",
    r"^[A-Za-z0-9_\-]{1,64}$": "use 1 to 64 of A to Z, a to z, 0 to 9, - and _",
    r"^[a-z][a-z0-9_]{0,31}$": "use 1 to 32 of a to z, 0 to 9 and _, a letter first",
    r"^[a-z][a-z \-]{1,39}$": "use 2 to 40 small letters, spaces and hyphens, a letter first",
    r"^#[0-9A-Fa-f]{6}$": "send a colour as #RRGGBB, such as #FFCC00",
}
"""What a pattern asks for. Those that only list words tell themselves."""
_LISTING = re.compile(r"\^\(([^()\\]+\|[^()\\]+)\)\$")
_KEY = "key"
_STEP = re.compile(r"[^.\[\]`$]+|\[[^\]]*\]")


def misfit(message: str, kind: Any, field: str | None = None) -> tuple[str, str | None]:
    """Return the sentence and the field, which the message names itself unless it is a parameter, of that type."""
    text, _, place = message.partition(" - at `")
    name, _, within = place.removesuffix("`").partition("` in `")
    path = (within or name).removeprefix("$").removeprefix(".")
    field = field or path or None
    text = _instead(text, kind, [*_STEP.findall(path), *([_KEY] if within else [])]) or text.rstrip(".")
    return (f"{field}: {text}." if field else f"{text}."), field or _quoted(text)


def _instead(text: str, kind: Any, steps: Sequence[str]) -> str | None:
    """Return what to send, where msgspec doesn't tell or tells it in signs."""
    if text.startswith("Invalid ") and " value " in text:
        found = list(dict.fromkeys(value for each in _at(inspect.type_info(kind), steps) for value in _values(each)))
        return _one_of(found) if found else None
    if " matching regex " in text:
        return next((wanted_by(one) for one in _patterns(kind, steps) if repr(one) in text), None)
    return None


def wanted_by(pattern: str) -> str | None:
    """Return in words what a pattern asks for, None where nobody has said it."""
    if listed := _LISTING.fullmatch(pattern):
        return _one_of(listed[1].split("|"))
    return WORDS.get(pattern)


def _one_of(values: Sequence[str]) -> str:
    *others, last = values
    return f"use {', '.join(others)} or {last}" if others else f"use {last}"


def _at(info: inspect.Type, steps: Sequence[str]) -> Iterator[inspect.Type]:
    """Yield every type that may stand at a path."""
    if isinstance(info, inspect.Metadata):
        yield from _at(info.type, steps)
    elif isinstance(info, inspect.UnionType):
        for each in info.types:
            yield from _at(each, steps)
    elif not steps:
        yield info
    else:
        for each in _inside(info, steps[0]):
            yield from _at(each, steps[1:])


def _inside(info: inspect.Type, step: str) -> Iterator[inspect.Type]:
    match info:
        case inspect.StructType():
            if info.tag_field == step:
                yield inspect.LiteralType((info.tag,))
            yield from (one.type for one in info.fields if one.encode_name == step)
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.FrozenSetType():
            yield info.item_type
        case inspect.DictType():
            yield info.key_type if step == _KEY else info.value_type
        case _:
            return


def _values(info: inspect.Type) -> Iterator[str]:
    if isinstance(info, inspect.EnumType):
        yield from (str(one.value) for one in info.cls)
    elif isinstance(info, inspect.LiteralType):
        yield from map(str, info.values)


def _patterns(kind: Any, steps: Sequence[str]) -> Iterator[str]:
    for info in _at(inspect.type_info(kind), steps):
        if isinstance(info, inspect.StrType) and info.pattern:
            yield info.pattern


def _quoted(text: str) -> str | None:
    """Return the field that stands in backticks, as in: Object contains unknown field `x`."""
    parts = text.split("`")
    return parts[1] if "field" in parts[0] and len(parts) > 2 else None  # noqa: PLR2004 - one quotation
