"""Requests that say one thing only: no unknown or doubled query parameter, no doubled key in a JSON object.

Each is 400. Whoever misspells a parameter learns it at once, and no two parsers on the way can read a request twice
(HTTP parameter pollution).
"""

import functools
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.enums import ParamType
from litestar.handlers.base import BaseRouteHandler

from reelwright.api.bodies import WHOLE
from reelwright.api.creations import BadField
from reelwright.api.methods import options_answered
from reelwright.api.operations import definition_of, parameters_of

_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
"""No route takes a body with these."""


def query_understood(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a query in whose every parameter the route has, and once where it takes one. Raises BadField."""
    taken = _query_of(handler)
    for name, values in connection.query_params.dict().items():
        if name not in taken:
            known = f"use {', '.join(sorted(taken))}" if taken else "there are none here"
            raise BadField(f"{name[:64]}: this parameter is unknown; {known}.", field=name[:64])
        if len(values) > 1 and not taken[name]:
            raise BadField(f"{name}: send it once.", field=name)


@functools.cache
def _query_of(handler: BaseRouteHandler) -> dict[str, bool]:
    """Return the names of a handler's query parameters, and whether they take several values."""
    found: dict[str, bool] = {}
    for name, field in parameters_of(handler).items():
        definition = definition_of(field)
        if definition.param_type is ParamType.QUERY:
            found[definition.name or name] = field.is_non_string_sequence
    return found


async def body_understood(request: Request[Any, Any, Any]) -> Response[None] | None:
    """Let a JSON body in whose objects have each key once: msgspec would take the last one. Raises BadField.

    None at all is refused where one is taken; what isn't JSON, where it is decoded. OPTIONS is answered, as by the
    app's own hook, in whose place this one stands.
    """
    if request.method in _BODILESS:
        return await options_answered(request)
    if "data" in request.route_handler.parsed_fn_signature.parameters and not await request.body():
        raise BadField(WHOLE)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return None
    body = await request.body()
    try:
        _DECODER.decode(body.decode())
    except BadField:
        raise
    except ValueError:
        return None
    return None


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counted = Counter(name for name, _ in pairs)  # in one pass: anybody may send 256 KiB of names
        twice = next(name for name, times in counted.items() if times > 1)[:64]
        raise BadField(f"{twice}: send each key once.", field=twice)
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)  # `json.loads` would make one for each body
