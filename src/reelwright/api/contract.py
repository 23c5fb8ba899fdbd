"""The contract: an OpenAPI 3.1 document made from the routes themselves, so that it can't tell of others."""

import inspect
from collections.abc import Iterator, Mapping
from operator import itemgetter
from types import NoneType
from typing import Annotated, Any, Union, get_args

from litestar import Litestar
from litestar.enums import HttpMethod, RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from litestar.params import BodyKwarg
from litestar.types.empty import Empty
from litestar.typing import FieldDefinition
from msgspec import Meta

from reelwright import __version__
from reelwright.api import answers, contract_events, contract_schemas
from reelwright.api.contract_schemas import PLACE, Schema
from reelwright.api.contract_text import ABOUT, ANSWERS, CONDITIONS, EXAMPLES, HEADERS, SECURITY, TAGS, UPLOAD
from reelwright.api.operations import Operation, definition_of, operations
from reelwright.api.problem_types import TYPES, title_of, uri_of
from reelwright.api.scopes import scope_of

JSON, PROBLEM_JSON = "application/json", "application/problem+json"
_CONSTRAINTS = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern", "description", "title")


def document(app: Litestar) -> Schema:
    """Return the OpenAPI document of an app, in JSON's own types."""
    told = list(operations(app))
    asked = [_kind(one.body) for one in told if one.body is not None]
    answered = [one.answer for one in told if one.answer is not Empty]
    others = [spec.data_container for one in told for spec in (one.handler.responses or {}).values()]
    taken = [_constrained(field) for one in told for field in one.parameters.values()]
    kinds = [*asked, *answered, *others, *taken]
    inline, named = contract_schemas.described(kinds, sent=[*asked, *taken])
    schemas = dict(zip(map(repr, kinds), inline, strict=True))
    paths: Schema = {}
    for one in told:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schemas)
    refusals = {_named(*each): _refusal(*each) for one in told for each in _by_status(one)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Reelwright",
            "version": __version__,
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "Where this document came from."}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "webhooks": contract_events.described(),
        "components": {"schemas": named, "responses": refusals, "securitySchemes": SECURITY, "headers": HEADERS},
    }


def _operation(one: Operation, schemas: Mapping[str, Schema]) -> Schema:
    handler = one.handler
    told: Schema = {
        "operationId": one.name,
        "tags": list(handler.tags or ["operations"]),
        "summary": handler.summary or one.name.replace("_", " ").capitalize(),
        "description": inspect.cleandoc(handler.fn.__doc__ or ""),
        "security": _security(one),
        "responses": _responses(one, schemas),
    }
    parameters = [_parameter(name, field, schemas) for name, field in one.parameters.items()]
    if (file := answers.file(one)) and file.ranged:
        parameters += [{"name": name, "in": "header", **told} for name, told in CONDITIONS.items()]
    if parameters:
        told["parameters"] = parameters
    if one.body is not None:
        definition = one.body.kwarg_definition
        media = definition.media_type if isinstance(definition, BodyKwarg) else RequestEncodingType.JSON
        content: Schema = {"schema": schemas[repr(_kind(one.body))]}
        if one.name in EXAMPLES:
            content["examples"] = {name: {"value": value} for name, value in EXAMPLES[one.name].items()}
        told["requestBody"] = {"required": one.body.is_required, "content": {RequestEncodingType(media).value: content}}
    elif one.handler.opt.get("takes_files"):
        told["requestBody"] = UPLOAD
    return told


def _security(one: Operation) -> list[Schema]:
    """Return who is let in: a key with the scope that the route asks for, or a session."""
    if not one.signed_in:
        return []
    session: Schema = {"session": []} if one.method in {"GET", "HEAD"} else {"session": [], "csrf": []}
    return [{"key": [scope_of(one.path, one.method, one.handler.opt).value]}, session]


def _parameter(name: str, field: FieldDefinition, schemas: Mapping[str, Schema]) -> Schema:
    definition = definition_of(field)
    schema = dict(schemas[repr(_constrained(field))])
    described = schema.pop("description", None) or definition.description
    if field.has_default and field.default is not None and "$ref" not in schema:
        schema["default"] = field.default
    place = definition.param_type.value
    public = definition.name or name
    told: Schema = {"name": public, "in": place, "required": place == "path" or field.is_required, "schema": schema}
    described = described or answers.PARAMETERS.get(public) or answers.PARAMETERS.get(f"{place}:*")
    return told | ({"description": described} if described else {})


def _responses(one: Operation, schemas: Mapping[str, Schema]) -> Schema:
    told = {str(status): response for status, response in sorted(_successes(one, schemas), key=itemgetter(0))}
    for status, found in _by_status(one):
        told.setdefault(str(status), {"$ref": f"#/components/responses/{_named(status, found)}"})
    return told


def _by_status(one: Operation) -> list[tuple[int, list[str]]]:
    """Return the statuses of an operation's refusals, with their codes."""
    found: dict[int, list[str]] = {}
    for code in sorted(answers.codes(one)):
        found.setdefault(TYPES[code].status, []).append(code)
    return sorted(found.items())


def _named(status: int, codes: list[str]) -> str:
    """Return what such a refusal is called: operations that refuse alike share it."""
    return "-".join((str(status), *codes))


def _refusal(status: int, codes: list[str]) -> Schema:
    listed = "\n".join(f"- [`{code}`]({uri_of(code)}): {TYPES[code].happened}" for code in codes)
    return {
        "description": f"{title_of(status)}\n\n{listed}",
        "headers": _headers("X-Request-Id", *answers.REFUSAL_HEADERS.get(status, ())),
        "content": {PROBLEM_JSON: {"schema": {"$ref": PLACE + "Problem"}}},
        "x-codes": codes,
    }


def _successes(one: Operation, schemas: Mapping[str, Schema]) -> Iterator[tuple[int, Schema]]:
    handler, name = one.handler, one.handler.fn.__name__
    if file := answers.file(one):
        yield from _files(one, file, _of_success(one, handler.status_code))
        return
    answer: Schema = {"description": _first(handler), "headers": _of_success(one, handler.status_code)}
    if one.answer is not None and one.method != HttpMethod.HEAD:
        shown = {"example": ANSWERS[one.name]} if one.name in ANSWERS else {}
        answer["content"] = {JSON: {"schema": schemas[repr(one.answer)]} | shown}
    yield handler.status_code, answer
    for status, description in answers.ALSO.get(name, {}).items():
        yield status, answer | {"description": description, "headers": _of_success(one, status)}
    for status, spec in (handler.responses or {}).items():
        content = {JSON: {"schema": schemas[repr(spec.data_container)]}}
        yield status, {"description": spec.description, "headers": _headers("X-Request-Id"), "content": content}


def _files(one: Operation, file: answers.File, headers: Schema) -> Iterator[tuple[int, Schema]]:
    """Yield what a file is answered with: whole, in part, or not again."""
    schema: Schema = {"type": "string"} if file.text else {"type": "string", "format": "binary"}
    whole, part = ({"type": "object"}, {}) if file.media == JSON else (schema, schema)  # half an object is nothing
    content, parts = ({"content": {file.media: {"schema": each}}} for each in (whole, part))
    if one.method == HttpMethod.HEAD:
        content, parts = {}, {}
    if file.ranged:
        headers = headers | _headers("ETag", "Accept-Ranges")
        partial = headers | _headers("Content-Range")
        yield 206, {"description": "The bytes that `Range` asks for.", "headers": partial} | parts
        yield 304, {"description": "It is what `If-None-Match` names.", "headers": headers}
    yield 200, {"description": _first(one.handler), "headers": headers} | content


def _of_success(one: Operation, status: int) -> Schema:
    return _headers("X-Request-Id", *answers.headers(one, status))


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _first(handler: HTTPRouteHandler) -> str:
    return inspect.cleandoc(handler.fn.__doc__ or "Done.").partition("\n")[0]


def _kind(field: FieldDefinition) -> Any:
    return field.annotation


def _constrained(field: FieldDefinition) -> Any:
    """Return a parameter's type with its bounds; what may be left out is never null."""
    definition = definition_of(field)
    kind = field.annotation
    if field.is_optional:
        kind = Union[tuple(each for each in get_args(kind) if each is not NoneType)]  # noqa: UP007 - of a tuple there is no other way
    bounds = {name: value for name in _CONSTRAINTS if (value := getattr(definition, name, None)) is not None}
    return Annotated[kind, Meta(**bounds)] if bounds else kind
