"""How Stripe talks: nested forms in, JSON out, errors in its shape, pages of lists and expanded fields."""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

Json = dict[str, Any]
Includes = Mapping[tuple[str, str], Callable[[Json], list[Json]]]
_DEEPEST = 4  # docs.stripe.com/api/expanding_objects
_PAGE, _LARGEST_PAGE = 10, 100


class Refused(Exception):  # noqa: N818 - as everywhere here
    """A request that Stripe answers with an error: HTTP status, and the fields of its `error`."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **more: object,
    ) -> None:
        super().__init__(message)
        self.status = status
        told = {"type": kind, "message": message, "code": code, "param": param, **more}
        self.body = {"error": {name: value for name, value in told.items() if value is not None}}


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """What a request may say that has no parameters of its own."""


class Route(NamedTuple):
    """One verb on one path (`{}` is an id): `act` gets the book, what was asked as a `wish`, and the ids."""

    verb: str
    path: str
    act: Callable[..., Json]
    wish: type[msgspec.Struct] = Nothing


class Paging(msgspec.Struct, forbid_unknown_fields=True):
    """Which part of a list is wanted."""

    limit: int = _PAGE
    starting_after: str = ""
    ending_before: str = ""


def parsed(form: str) -> Json:
    """Read a form: `items[0][price]=x&expand[]=y` is {"items": [{"price": "x"}], "expand": ["y"]}."""
    tree: Json = {}
    for key, value in parse_qsl(form, keep_blank_values=True):
        first, *inner = key.replace("]", "").split("[")
        place, name = tree, first
        for step in inner:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise Refused(f"Invalid parameter: {key}", param=key)
            name = step or str(len(place))
        place[name] = value
    return {name: _listed(value) for name, value in tree.items()}


def _listed(value: Any) -> Any:
    """Turn what is numbered from 0 into lists."""
    if not isinstance(value, dict):
        return value
    cells = {name: _listed(cell) for name, cell in value.items()}
    numbered = bool(cells) and all(name.isdecimal() for name in cells)
    return [cells[name] for name in sorted(cells, key=int)] if numbered else cells


def wished(wish: type[msgspec.Struct], asked: Json) -> msgspec.Struct:
    """Read parameters as their type. Raises Refused, naming the one that is wrong."""
    known = {field.encode_name for field in msgspec.structs.fields(wish)}
    for name in asked.keys() - known:
        raise Refused(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
    for field in msgspec.structs.fields(wish):
        if field.required and asked.get(field.encode_name, "") == "":
            name = field.encode_name
            raise Refused(f"Missing required param: {name}.", code="parameter_missing", param=name)
    try:
        return msgspec.convert(asked, wish, strict=False)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        param = place.rstrip("`").partition(".")[0].partition("[")[0]
        code = "parameter_unknown" if "unknown field" in reason else "parameter_invalid"
        raise Refused(f"Invalid parameter {param}: {reason}.", code=code, param=param or None) from error


def page(url: str, found: Sequence[Json], wanted: Paging) -> Json:
    """Return one page of what was found, as the newest stands first. Raises Refused."""
    if not 1 <= wanted.limit <= _LARGEST_PAGE:
        raise Refused("This value must be between 1 and 100.", code="parameter_invalid_integer", param="limit")
    ids = [each["id"] for each in found]
    for name in ("starting_after", "ending_before"):
        if (cursor := getattr(wanted, name)) and cursor not in ids:
            raise Refused(f"No such object: '{cursor}'", code="resource_missing", param=name)
    if wanted.ending_before:
        before = found[: ids.index(wanted.ending_before)]
        return listing(url, before[-wanted.limit :], more=len(before) > wanted.limit)
    rest = found[ids.index(wanted.starting_after) + 1 :] if wanted.starting_after else found
    return listing(url, rest[: wanted.limit], more=len(rest) > wanted.limit)


def listing(url: str, data: Sequence[Json], *, more: bool = False) -> Json:
    """Return the envelope that lists come in."""
    return {"object": "list", "url": url, "has_more": more, "data": list(data)}


def expanded(value: Json, paths: Sequence[str], objects: Mapping[str, Json], includes: Includes) -> Json:
    """Return a copy with the objects in place of their ids, and the lists that come on demand only.

    Raises Refused.
    """
    shown = copy.deepcopy(value)
    for path in paths:
        steps = path.split(".")
        if len([step for step in steps if step != "data"]) > _DEEPEST:
            raise Refused(f"You cannot expand more than {_DEEPEST} levels of a property: {path}", param="expand")
        _expand(shown, steps, path, objects, includes)
    return shown


def _expand(value: Any, steps: Sequence[str], path: str, objects: Mapping[str, Json], includes: Includes) -> None:
    if isinstance(value, list):
        for each in value:
            _expand(each, steps, path, objects, includes)
        return
    if not steps or value is None:
        return
    name, rest = steps[0], steps[1:]
    on_demand = includes.get((value.get("object", ""), name)) if isinstance(value, dict) else None
    if on_demand is not None and not isinstance(value.get(name), dict):
        value[name] = listing("/v1/" + name, copy.deepcopy(on_demand(value)))
    elif not isinstance(value, dict) or name not in value:
        raise Refused(f"This property cannot be expanded ({path}).", param="expand")
    elif isinstance(value[name], str):
        if value[name] not in objects:
            raise Refused(f"This property cannot be expanded ({path}).", param="expand")
        value[name] = copy.deepcopy(objects[value[name]])
    _expand(value[name], rest, path, objects, includes)


def written(value: object) -> bytes:
    """Return JSON as Stripe writes it: over many lines, so that only the raw bytes fit a signature."""
    return json.dumps(value, indent=2).encode()
