"""What an address can be asked for: OPTIONS says so, and HEAD is answered as GET is, without the body."""

import functools
from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, route
from litestar.enums import HttpMethod
from litestar.routes import HTTPRoute
from litestar.status_codes import HTTP_204_NO_CONTENT
from litestar.types import ASGIApp, Message, Receive, Scope, Send

READ: Sequence[HttpMethod] = (HttpMethod.GET, HttpMethod.HEAD)


async def options_answered(request: Request[Any, Any, Any]) -> Response[None] | None:
    """Answer OPTIONS with all methods of the path: Litestar tells those of its first handler only."""
    if request.method != HttpMethod.OPTIONS:
        return None
    here = (one for one in request.app.routes if one.path_format == request.scope["path_template"])
    methods = {method for one in here if isinstance(one, HTTPRoute) for method in one.methods}
    return Response(None, status_code=HTTP_204_NO_CONTENT, headers={"Allow": ", ".join(sorted(methods))})


def without_body(app: ASGIApp) -> ASGIApp:
    """Return a handler's app that is asked to GET for a HEAD, and whose body stays here."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        async def bare(message: Message) -> None:
            if message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        if scope["type"] != "http" or scope["method"] != HttpMethod.HEAD:
            await app(scope, receive, send)
        else:
            await app({**scope, "method": HttpMethod.GET}, receive, bare)

    return answered


public_read = functools.partial(route, http_method=READ, opt={"public": True}, middleware=[without_body])
"""The handler of what anybody may read, by GET or HEAD."""
