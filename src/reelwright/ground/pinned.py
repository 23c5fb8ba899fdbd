"""Calls an address that somebody gave us: resolved once, every answer checked, connected to one of those alone."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache

import httpx

from reelwright.ground.addresses import Blocked, Target, checked_addresses

_MOST_ADDRESSES = 16

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class NoAnswer(Exception):  # noqa: N818 - what it is, not an error of ours
    """The name could not be looked up just now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a connection, and everything behind it, may take."""

    connect_s: float
    total_s: float


async def lookup(host: str, port: int) -> Sequence[str]:
    """Return every address of a name, as the system's resolver gives them. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def addresses_of(target: Target, *, resolve: Resolve = lookup, within_s: float) -> tuple[str, ...]:
    """Resolve the name, once, and return what may be connected to. Raises Blocked, NoAnswer.

    A name that doesn't exist is answered as a private one is.
    """
    if ":" in target.host or target.host.replace(".", "").isdigit():
        return checked_addresses(target, (target.host,))
    try:
        async with asyncio.timeout(within_s):
            found = await resolve(target.host, target.port)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise NoAnswer from None
        raise Blocked("no such name") from None
    except (OSError, UnicodeError):
        raise NoAnswer from None
    if len(found) > _MOST_ADDRESSES:
        raise Blocked("too many addresses")
    return checked_addresses(target, found)


@asynccontextmanager
async def answered(
    target: Target,
    address: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str],
    content: bytes | None = None,
    patience: Patience,
    tls: ssl.SSLContext | None = None,
) -> AsyncGenerator[httpx.Response]:
    """Connect to the checked address alone, while TLS and Host speak the name; the body is the caller's to read.

    The transport is used bare: a client would follow Location by itself, keep cookies and look for proxies.
    Raises Blocked where the connection ended elsewhere, and httpx.HTTPError.
    """
    wait_s = patience.total_s
    request = httpx.Request(
        method,
        httpx.URL(scheme=target.scheme, host=address, port=target.port, path="/"),
        headers={"Host": target.authority, **headers},
        content=content,
        extensions={
            "sni_hostname": target.host,
            "target": target.path.encode("ascii"),
            "timeout": {"connect": patience.connect_s, "read": wait_s, "write": wait_s, "pool": wait_s},
        },
    )
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)
    async with httpx.AsyncHTTPTransport(verify=tls or _trust(), trust_env=False, limits=limits) as transport:
        response = await transport.handle_async_request(request)
        try:
            _check_peer(response, address)
            yield response
        finally:
            await response.aclose()


@cache
def _trust() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _check_peer(response: httpx.Response, address: str) -> None:
    """Make sure that the connection ended where it was pinned."""
    peer = response.extensions["network_stream"].get_extra_info("server_addr")
    if not peer or str(peer[0]) != address:
        raise Blocked("unpinned")
