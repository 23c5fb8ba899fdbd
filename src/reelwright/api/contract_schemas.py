"""Names and schemas of the contract's types: msgspec's own, so that what is described is what is checked."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

PLACE = "#/components/schemas/"
_REFERENCE = re.compile(re.escape(PLACE) + r"([A-Za-z0-9_.\-]+)")

Schema = dict[str, Any]

PROBLEM: Schema = {
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457). Some codes add facts of their own, as their pages say.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "The page that explains the code."},
        "title": {"type": "string", "description": "What the status means."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What happened and what to do, for people."},
        "instance": {"type": "string", "description": "The path that was asked."},
        "code": {"type": "string", "pattern": r"^[a-z_]+\.[a-z_]+$", "description": "What happened, for programs."},
        "request_id": {"type": ["string", "null"], "description": "Quote it when you ask us about this answer."},
        "field": {"type": "string", "description": "The part of the request to mend, where there is one."},
    },
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
}


def described(types: Iterable[Any], *, sent: Iterable[Any]) -> tuple[list[Schema], dict[str, Schema]]:
    """Return each type's schema, and by name the ones that they refer to.

    What is only answered has all of its fields always, so all are required there; `sent` are the types of bodies.
    """
    wanted, bodies = list(types), list(sent)
    template = PLACE + "{name}"
    inline, named = msgspec.json.schema_components(wanted, ref_template=template, schema_hook=_unusual)
    _, asked = msgspec.json.schema_components(bodies, ref_template=template, schema_hook=_unusual)
    public = _public_names(named)
    for name, schema in named.items():
        schema["title"] = public[name]
        if name not in asked and "properties" in schema:
            schema["required"] = list(schema["properties"])
            schema.pop("additionalProperties", None)
    components = {public[name]: _renamed(schema, public) for name, schema in sorted(named.items())}
    return [_renamed(schema, public) for schema in inline], components | {"Problem": PROBLEM}


def _unusual(_kind: type) -> Schema:
    """Describe what isn't JSON: a part of a form that is a file."""
    return {"type": "string", "format": "binary"}


def _public_names(named: Iterable[str]) -> dict[str, str]:
    """Return what each class is called in the contract: its name, which need not say that it is a view.

    Two of one name are told apart by their module.
    """
    found: dict[str, str] = {}
    for name in named:
        module, _, own = name.rpartition(".")
        room = module.rpartition(".")[2].removeprefix("_")
        found[name] = _bare(own) if not module else "".join(part.title() for part in room.split("_")) + _bare(own)
    taken = [public for public in found.values() if list(found.values()).count(public) > 1]
    return {name: name.rpartition(".")[2] if public in taken else public for name, public in found.items()}


def _bare(name: str) -> str:
    return name.removesuffix("View") or name


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    if isinstance(value, str) and (found := _REFERENCE.fullmatch(value)):
        return PLACE + names[found[1]]
    return value
