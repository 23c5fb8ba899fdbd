"""Names and schemas of the contract's types: msgspec's own, so that what is described is what is checked."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

PLACE = "#/components/schemas/"
_REFERENCE = re.compile(re.escape(PLACE) + r"([A-Za-z0-9_.\-]+)")

Schema = dict[str, Any]


def _of(kind: str, description: str) -> Schema:
    return {"type": kind, "description": description}


_CREDITS = "In credits: "
FACTS: Mapping[str, Schema] = {
    "violations": {
        "type": "array",
        "items": {"$ref": PLACE + "Violation"},
        "description": "Every limit that binds (`admission.limited`).",
    },
    "binding": _of("string", "Which of them frees last."),
    "limit": _of("integer", "How many there may be at once."),
    "scope": _of("string", "What the API key would have to be allowed."),
    "version": _of("integer", "What stands there now: its ETag is this in quotes."),
    "required": _of("number", _CREDITS + "what the order needs."),
    "available": _of("number", _CREDITS + "what there is."),
    "debt": _of("number", _CREDITS + "what is to be paid first."),
    "price": _of("number", _CREDITS + "what it costs now."),
    "refundable": _of("number", _CREDITS + "what can still be given back."),
    "generation_id": _of("string", "The generation that is in the way, or that has gone on instead."),
    "url": _of("string", "Where that generation is."),
    "generation_status": _of("string", "The state of the generation that was named, or is in the way."),
    "state": _of("string", "How the generation has ended."),
    "ingestion_status": _of("string", "The state of the draft's ingestion."),
    "missing": _of("string", "The stage to start first."),
    "brand_kit_id": _of("string", "The brand kit whose logo it is."),
    "colours": {"type": "array", "items": {"type": "string"}, "description": "The two that are too much alike."},
    "ratio": _of("number", "Their contrast, to 1."),
    "used_bytes": _of("integer", "What your uploads take."),
    "limit_bytes": _of("integer", "What they may take."),
}
"""What some refusals tell programs besides: by the name that it has in the document."""

PROBLEM: Schema = {
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457). What isn't required comes with some codes only.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "The page that explains the code."},
        "title": {"type": "string", "description": "What the status means."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What happened and what to do, for people."},
        "instance": {"type": "string", "description": "The path that was asked; empty if none could be read."},
        "code": {"type": "string", "pattern": r"^[a-z_]+\.[a-z_]+$", "description": "What happened, for programs."},
        "request_id": {"type": ["string", "null"], "description": "Quote it when you ask us about this answer."},
        "field": {"type": "string", "description": "The part of the request to mend, where there is one."},
        **FACTS,
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
