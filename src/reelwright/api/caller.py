"""Who is calling: an API key or a session's cookie becomes an account before a body is read.

A cookie is sent by browsers whoever makes them ask, so with one every change needs the session's own CSRF token, too,
and must come from our own pages. Keys go in the Authorization header and nowhere else.
"""

import functools
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.handlers.base import BaseRouteHandler

from reelwright.accounts import Account, Caller, SessionId, covers
from reelwright.api.scopes import scope_of
from reelwright.ground import clock, log
from reelwright.ground.errors import Kind, Refusal
from reelwright.ground.postgres import Database
from reelwright.ground.sealing import Seal
from reelwright.journeys import identity

Connection = ASGIConnection[Any, Any, Any, Any]
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_log = log.logger("api.caller")

SESSION_COOKIE = "__Host-reelwright"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_KEY_IN_URL = re.compile(rb"rw_(?:live|test)_|(?:^|&)(?:api_key|access_token)=")
_SESSION_LASTS = timedelta(days=7)
_SUBNET = 64
"""Who has an IPv6 address has 2**64 of them: they count as one."""


class NotAuthenticated(Refusal):
    kind = Kind.UNAUTHENTICATED
    code = "auth.required"


class SettingRefused(Refusal):
    code = "settings.refused"


class AdminOnly(Refusal):
    kind = Kind.FORBIDDEN
    code = "auth.admin_only"


class AccountLeaving(Refusal):
    """Its owner has closed it, and asks for more than the way back."""

    kind = Kind.FORBIDDEN
    code = "account.leaving"


class InsufficientScope(Refusal):
    kind = Kind.FORBIDDEN
    code = "auth.insufficient_scope"


class CrossSite(Refusal):
    """Another site's page made a browser send this."""

    kind = Kind.FORBIDDEN
    code = "auth.cross_site"


class CsrfRefused(Refusal):
    kind = Kind.FORBIDDEN
    code = "auth.csrf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """What the door knows about where it stands. `proxies`: who is believed about where a request comes from.

    They say so in `client_header`, where they set one themselves, else in X-Forwarded-For.
    """

    seal: Seal
    production: bool
    origins: frozenset[str]
    proxies: tuple[Any, ...] = ()  # ipaddress's networks: msgspec, which hands this over, knows no union of classes
    client_header: str | None = None

    @classmethod
    def of(
        cls,
        seal: Seal,
        *,
        production: bool,
        base_url: str,
        origins: Iterable[str] = (),
        proxies: Iterable[str] = (),
        client_header: str | None = None,
    ) -> "Entrance":
        """Return it for addresses and origins as an operator writes them. Raises SettingRefused."""
        own = {origin.rstrip("/").lower() for origin in (_origin(base_url), *origins)}
        try:
            networks = tuple(ipaddress.ip_network(proxy, strict=False) for proxy in proxies)
        except ValueError as wrong:
            name = "REELWRIGHT_TRUSTED_PROXIES"
            raise SettingRefused(f"{name} must hold addresses or networks, such as 10.0.0.0/8.", field=name) from wrong
        header = None if client_header is None else client_header.lower()
        return cls(seal=seal, production=production, origins=frozenset(own), proxies=networks, client_header=header)

    def csrf_token(self, session: SessionId, *, now: datetime) -> str:
        """Return what must come in X-CSRF-Token with every change that this session asks for."""
        return self.seal.signed("csrf", session.bytes, until=now + _SESSION_LASTS)


async def known(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let the request through as its account; a public route's as nobody's, unless another site's page has sent it.

    Raises NotAuthenticated, CsrfRefused, CrossSite, AccountLeaving, InsufficientScope, and Outage where PostgreSQL is
    away.
    """
    if handler.opt.get("public"):
        await own_pages_only(connection)
        return
    entrance = entrance_of(connection)
    if _KEY_IN_URL.search(connection.scope["query_string"]):
        raise NotAuthenticated("A key in a URL ends up in logs: revoke it, and send a new one as a Bearer token.")
    given = [value.decode("latin-1") for name, value in connection.scope["headers"] if name == b"authorization"]
    caller = await (_by_key(connection, given, entrance) if given else _by_session(connection, entrance))
    if caller.leaving and not handler.opt.get("leaving"):
        raise AccountLeaving("Your account is being deleted: keep it by POST /v1/account/restore, then ask again.")
    method: str = connection.scope["method"]  # type: ignore[typeddict-item]  # guards see HTTP alone
    wanted = scope_of(connection.scope["path_template"], method, handler.opt)
    if not covers(caller.scopes, wanted):
        raise InsufficientScope(
            f"This API key may not do that: it needs the scope {wanted}.", extra={"scope": wanted.value}
        )
    connection.scope["state"]["caller"] = caller
    connection.scope["state"]["account"] = caller.account


async def _by_key(connection: Connection, given: list[str], entrance: Entrance) -> Caller:
    scheme, _, secret = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not secret.strip():
        raise NotAuthenticated("Send your API key as `Authorization: Bearer rw_…`, once.")
    secret, caller = secret.strip(), None
    if not (entrance.production and secret.startswith("rw_test_")):
        db: Database = connection.app.state.db
        caller = await identity.of_key(secret, db=db)
    if caller is None:
        raise NotAuthenticated("This API key is unknown or revoked: create one and send it as a Bearer token.")
    return caller


async def _by_session(connection: Connection, entrance: Entrance) -> Caller:
    token = cookie_of(connection, SESSION_COOKIE)
    if token is None:
        raise NotAuthenticated("Send your API key as `Authorization: Bearer rw_…`, or log in.")
    db: Database = connection.app.state.db
    caller = await identity.of_session(token, db=db)
    if caller is None or caller.session_id is None:
        raise NotAuthenticated("Your session is over: log in again.")
    if connection.scope["method"] not in _SAFE:  # type: ignore[typeddict-item]  # guards see HTTP alone
        await own_pages_only(connection)
        sent = connection.headers.get("x-csrf-token", "")
        if entrance.seal.opened("csrf", sent, now=clock.now()) != caller.session_id.bytes:
            raise CsrfRefused("Send this session's csrf_token as X-CSRF-Token: log-in and GET /v1/me tell it.")
    return caller


async def own_pages_only(connection: Connection) -> None:
    """Turn away what a browser says another site's page has made it send. Raises CrossSite.

    Programs say nothing of the kind. Our pages are those of our own address and of the origins that are let in.
    """
    origin, site = connection.headers.get("origin"), connection.headers.get("sec-fetch-site")
    if origin is None:
        ours = site in {None, "same-origin", "none"}
    else:
        own = f"//{connection.headers.get('host', '')}".lower()
        ours = origin.lower() in entrance_of(connection).origins or origin.lower().partition(":")[2] == own
    if not ours:
        raise CrossSite("Another site's page sent this: use ours, or an API key.")


async def admin_only(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Let administrators through. It stands behind `known`. Raises AdminOnly, StepUpRequired."""
    caller: Caller = connection.scope["state"]["caller"]
    if caller.account.role != "admin":
        raise AdminOnly("Only administrators may do this: ask one, or use an administrator's API key.")
    identity.sure(caller)


def entrance_of(connection: Connection) -> Entrance:
    """Return what the door knows."""
    return connection.app.state.entrance


def client_address(connection: Connection) -> str:
    """Return where a request comes from, as attempts are counted by: an IPv4 address, or an IPv6 network of 64 bits.

    Behind a trusted proxy that is what its own header says, where it has one and sends it once, or the last address in
    X-Forwarded-For that no trusted proxy has; else the peer.
    """
    entrance = entrance_of(connection)
    peer = _address(connection.client.host if connection.client else "")
    if peer is None:
        return "unknown"
    told = connection.headers.getall(entrance.client_header or "x-forwarded-for", [])
    if not any(peer in network for network in entrance.proxies):
        if entrance.production and peer.is_private and "x-forwarded-for" in connection.headers:
            _warn_of_proxy(str(peer))
    elif entrance.client_header is None:
        peer = _before(peer, ",".join(told).split(","), entrance)
    elif len(told) == 1:
        peer = _address(told[0].strip()) or peer
    return str(peer if peer.version == 4 else ipaddress.ip_network((peer, _SUBNET), strict=False))  # noqa: PLR2004 - IPv4


def _before(peer: _Address, hops: list[str], entrance: Entrance) -> _Address:
    """Return who stood before the last of the trusted proxies."""
    while hops and any(peer in network for network in entrance.proxies):
        before = _address(hops.pop().strip())
        if before is None:
            break
        peer = before
    return peer


@functools.cache
def _warn_of_proxy(peer: str) -> None:
    """Say once of each such proxy that everybody behind it counts as one, and is shut out together."""
    _log.warning("proxy.not_trusted", peer=peer, remedy="Name it in REELWRIGHT_TRUSTED_PROXIES.")


def _address(text: str) -> _Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def cookie_of(connection: Connection, name: str) -> str | None:
    """Return the value of one of our cookies, None where it isn't sent, or more than once.

    Litestar's `cookies` unquotes all that come, by http.cookies: quadratic in Python before 3.11.10 (CVE-2024-7592),
    six seconds for a head of 32 KiB, from anybody. Ours are never quoted.
    """
    wanted = f"{name}=".encode()
    pairs = (pair for header, sent in connection.scope["headers"] if header == b"cookie" for pair in sent.split(b";"))
    found = [pair[len(wanted) :] for each in pairs if (pair := each.strip()).startswith(wanted)]
    return found[0].decode("latin-1") if len(found) == 1 else None


def session_cookie(token: str) -> Cookie:
    """Return what keeps a session's token in its browser; an empty token takes it away."""
    return host_cookie(SESSION_COOKIE, token, lasts=_SESSION_LASTS if token else timedelta(0))


def host_cookie(name: str, value: str, *, lasts: timedelta) -> Cookie:
    """Return a cookie of this host alone, out of scripts' reach: RFC 6265bis, 4.1.3.2."""
    age = int(lasts.total_seconds())
    return Cookie(key=name, value=value, max_age=age, path="/", secure=True, httponly=True, samesite="lax")


async def account_of(request: Request[Any, Any, Any]) -> Account:
    """Return the account that `known` found."""
    return request.scope["state"]["account"]


async def caller_of(request: Request[Any, Any, Any]) -> Caller:
    """Return who calls, as `known` found."""
    return request.scope["state"]["caller"]
