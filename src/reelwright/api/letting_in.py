"""The one guard of /v1: what comes in is JSON, from somebody known, asks plainly, and names its work.

One and not four: Litestar copies the route's handler for each guard of each request. The copies were also what
`query_understood` remembered parameters by, so that it never found them again.
"""

from litestar.handlers.base import BaseRouteHandler

from reelwright.api.arriving import generation_named, json_only
from reelwright.api.caller import Connection, known
from reelwright.api.unambiguous import query_understood


async def let_in(connection: Connection, _copy: BaseRouteHandler) -> None:
    """Let a request in, or raise why not: 415, 401, 403, 400, and Outage where PostgreSQL is away."""
    handler: BaseRouteHandler = connection.scope["route_handler"]
    json_only(connection, handler)
    await known(connection, handler)
    if connection.scope["query_string"]:
        query_understood(connection, handler)
    generation_named(connection)
