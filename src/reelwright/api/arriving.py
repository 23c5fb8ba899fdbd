"""What every request passes first: its body is whole; under /v1 it is JSON too and says so, and names its work."""

from typing import Any

import structlog
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.handlers.base import BaseRouteHandler
from litestar.types import Receive

_FILES = ("multipart/form-data", "application/octet-stream", "image/", "audio/", "video/")
_WITH_BODY = {"POST", "PUT", "PATCH"}
BODY_LIMIT = 256 * 1024  # decisions.md 23


class HungUp(Exception):  # noqa: N818 - whoever asked has gone, which is nobody's error
    """The caller went away, or was sent away, before the body was whole."""


def whole_bodies(receive: Receive) -> Receive:
    """Return a `receive` that raises HungUp for a body that ends too soon; Litestar takes that for a crash of ours."""
    whole = False

    async def received() -> Any:
        nonlocal whole
        message = await receive()
        if message["type"] == "http.request":
            whole = not message.get("more_body", False)
        elif not whole:
            raise HungUp
        return message

    return received


def generation_named(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Let all that this request logs name the generation of its path."""
    if (generation := connection.path_params.get("generation_id")) is not None:
        structlog.contextvars.bind_contextvars(generation_id=str(generation))


def json_only(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a body in only as application/json: a cross-site form can send text/plain with cookies. Raises 415.

    A request without body and type passes, as `curl -X POST` sends it; no browser's form can leave its type out. Routes
    that say `takes_files` take files instead, as they are or in a form.
    """
    if connection.scope.get("method") not in _WITH_BODY:
        return
    headers = connection.headers
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if handler.opt.get("takes_files"):
        if not content_type.startswith(_FILES):
            raise HTTPException(
                status_code=415, detail="Send the file as the body, or as a part of multipart/form-data."
            )
        return
    empty = "transfer-encoding" not in headers and headers.get("content-length", "0") == "0"
    if content_type != "application/json" and (content_type or not empty):
        raise HTTPException(status_code=415, detail="Send the body as JSON, with `Content-Type: application/json`.")
