"""The API's operations as the contract tells of them: each method of each path, what it takes and what it gives."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from litestar import Litestar, Response
from litestar.enums import HttpMethod, ParamType
from litestar.handlers import HTTPRouteHandler
from litestar.handlers.base import BaseRouteHandler
from litestar.params import ParameterKwarg
from litestar.routes import HTTPRoute
from litestar.types.empty import Empty
from litestar.typing import FieldDefinition


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, and the handler behind it."""

    method: str
    path: str
    handler: HTTPRouteHandler

    @property
    def name(self) -> str:
        """Return what it is called everywhere: its function, told apart where that serves several paths or methods."""
        name = self.handler.fn.__name__
        if len(self.handler.paths) > 1:
            name += "_" + re.split(r"[./]", self.path)[-1]
        return f"{name}_head" if self.method == HttpMethod.HEAD else name

    @property
    def guards(self) -> set[str]:
        """Return the names of what stands before it."""
        before = (*self.handler.resolve_middleware(), *self.handler.resolve_guards())
        return {getattr(guard, "__name__", "") for guard in before}

    @property
    def signed_in(self) -> bool:
        """Return whether only known accounts get there."""
        return "let_in" in self.guards and not self.handler.opt.get("public")

    @property
    def parameters(self) -> dict[str, FieldDefinition]:
        """Return what it takes from path, query and headers, by the argument's name."""
        return parameters_of(self.handler)

    @property
    def body(self) -> FieldDefinition | None:
        """Return what it takes as body, None where it takes none."""
        return self.handler.parsed_fn_signature.parameters.get("data")

    @property
    def answer(self) -> Any:
        """Return the type of what it answers, None for nothing and Empty for what isn't JSON."""
        returned = self.handler.parsed_return_field
        kind = returned.annotation
        if returned.is_subclass_of(Response):
            kind = returned.inner_types[0].annotation if returned.inner_types else Empty
        if kind is None or kind is NoneType:
            return None
        if kind in {Any, Empty, bytes, str}:
            return Empty
        others = {spec.data_container for spec in (self.handler.responses or {}).values()}
        left = [each for each in get_args(kind) if each not in others] if get_origin(kind) in {Union, UnionType} else []
        return Union[tuple(left)] if left else kind  # noqa: UP007 - of a tuple there is no other way

    @property
    def headers(self) -> set[str]:
        """Return the names of the headers that it takes."""
        found = (definition_of(field) for field in self.parameters.values())
        return {one.name for one in found if one.param_type is ParamType.HEADER and one.name}


def operations(app: Litestar) -> Iterator[Operation]:
    """Yield what the contract tells of, by path and method."""
    for route in sorted((one for one in app.routes if isinstance(one, HTTPRoute)), key=lambda one: one.path_format):
        for method, (handler, _) in sorted(route.route_handler_map.items()):
            if method != HttpMethod.OPTIONS and handler.resolve_include_in_schema():
                yield Operation(method, route.path_format, handler)


def parameters_of(handler: BaseRouteHandler) -> dict[str, FieldDefinition]:
    """Return what a handler takes from path, query and headers, by the argument's name."""
    found = handler.parsed_fn_signature.parameters.items()
    given = handler.resolve_dependencies()
    return {
        name: field for name, field in found if name not in given and isinstance(field.kwarg_definition, ParameterKwarg)
    }


def definition_of(field: FieldDefinition) -> ParameterKwarg:
    """Return what was said of a parameter. Raises TypeError for another argument."""
    found = field.kwarg_definition
    if not isinstance(found, ParameterKwarg):
        raise TypeError(field)
    return found
