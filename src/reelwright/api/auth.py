"""/v1/auth: sign up, log in and out, and new passwords. What nobody needs an account for is public, and counted.

No answer says who has an account. These are for browsers and programs alike: the session's token is in a cookie that
scripts can't read, its CSRF token in the answer.
"""

from datetime import timedelta
from hashlib import sha256
from secrets import token_bytes
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED, HTTP_204_NO_CONTENT
from msgspec import Meta

from reelwright.accounts import Caller, Passwords
from reelwright.admission import Gate
from reelwright.api.caller import SESSION_COOKIE, Entrance, client_address, cookie_of, host_cookie, session_cookie
from reelwright.api.idempotency import Unkept
from reelwright.api.me import AccountView, account_view
from reelwright.ground import clock
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.journeys import registration, sessions
from reelwright.journeys.sessions import LoggedIn

DEVICE_COOKIE = "__Host-reelwright-device"
_DEVICE_LASTS = timedelta(days=180)
_NAME_BYTES = 16

Email = Annotated[str, Meta(min_length=3, max_length=254, description="Your e-mail address.")]
Password = Annotated[str, Meta(min_length=1, max_length=1024, description="8 to 128 characters; any will do.")]
Token = Annotated[str, Meta(min_length=1, max_length=200, description="The token in our letter.")]


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An address and its password."""

    email: Email
    password: Password


class Verification(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What our letter to a new address carries."""

    token: Token


class ResetRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose password is forgotten."""

    email: Email


class NewPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What our letter about a forgotten password carries, and the new one."""

    token: Token
    password: Password


class StepUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The password, once more."""

    password: Password


class LetterView(msgspec.Struct, frozen=True, kw_only=True):
    """Where a letter goes, if anybody there has asked for it."""

    email: str


class VerifiedView(msgspec.Struct, frozen=True, kw_only=True):
    """The account that is open now: log in to it."""

    account_id: AccountId
    email: str


class SessionStartView(msgspec.Struct, frozen=True, kw_only=True):
    """Who logged in. `csrf_token` goes into X-CSRF-Token with every POST, PUT, PATCH and DELETE by cookie."""

    account: AccountView
    csrf_token: str


@post("/auth/register", status_code=HTTP_202_ACCEPTED, summary="Sign up", tags=["account"], opt={"public": True})
async def register(
    request: Request[Any, Any, Any],
    data: JSONBody[Credentials],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    passwords: NamedDependency[Passwords],
    key: Unkept = None,  # noqa: ARG001 - for OpenAPI
) -> LetterView:
    """Send a letter to the address whose token opens the account; one that has an account is told so there."""
    await registration.register(
        email=data.email,
        password=data.password,
        client=client_address(request),
        passwords=passwords,
        gate=gate,
        db=db,
        now=clock.now(),
    )
    return LetterView(email=data.email.strip())


@post("/auth/verify", status_code=HTTP_200_OK, summary="Confirm your address", tags=["account"], opt={"public": True})
async def verify_address(
    request: Request[Any, Any, Any],
    data: JSONBody[Verification],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    entrance: NamedDependency[Entrance],
    key: Unkept = None,  # noqa: ARG001 - for OpenAPI
) -> VerifiedView:
    """Open the account, with this month's free credits. Its password is the one that this letter's sign-up chose."""
    account = await registration.verify(
        data.token, client=client_address(request), seal=entrance.seal, gate=gate, db=db, now=clock.now()
    )
    return VerifiedView(account_id=account.id, email=account.email)


@post("/auth/login", status_code=HTTP_200_OK, summary="Log in", tags=["account"], opt={"public": True})
async def log_in(
    request: Request[Any, Any, Any],
    data: JSONBody[Credentials],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    passwords: NamedDependency[Passwords],
    entrance: NamedDependency[Entrance],
    key: Unkept = None,  # noqa: ARG001 - for OpenAPI
) -> Response[SessionStartView]:
    """Begin a session of at most seven days, which twelve hours of silence end. Its token comes as a cookie."""
    now = clock.now()
    device = _device(request, entrance, data.email)
    begun = await sessions.log_in(
        email=data.email,
        password=data.password,
        client=client_address(request),
        device=None if device is None else device.hex(),
        agent=_program(request.headers.get("user-agent", "")),
        brought=cookie_of(request, SESSION_COOKIE),
        passwords=passwords,
        gate=gate,
        db=db,
        now=now,
    )
    name = device or _named(data.email) + token_bytes(_NAME_BYTES)
    remembered = entrance.seal.signed("device", name, until=now + _DEVICE_LASTS)
    answer = _begun(begun, entrance)
    answer.set_cookie(host_cookie(DEVICE_COOKIE, remembered, lasts=_DEVICE_LASTS))
    return answer


@post("/auth/logout", status_code=HTTP_204_NO_CONTENT, summary="Log out", tags=["account"], opt={"leaving": True})
async def log_out(
    caller: NamedDependency[Caller],
    db: NamedDependency[Database],
    key: Unkept = None,  # noqa: ARG001 - for OpenAPI
) -> Response[None]:
    """End this session."""
    await sessions.log_out(caller, db=db)
    return Response(None, status_code=HTTP_204_NO_CONTENT, cookies=[session_cookie("")])


@post("/auth/step-up", status_code=HTTP_200_OK, summary="Give your password again", tags=["account"])
async def step_up(
    data: JSONBody[StepUp],
    caller: NamedDependency[Caller],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    passwords: NamedDependency[Passwords],
    entrance: NamedDependency[Entrance],
    key: Unkept = None,  # noqa: ARG001 - for OpenAPI
) -> Response[SessionStartView]:
    """Let this session do for ten minutes what asks for it, such as administration. Its cookie is a new one."""
    begun = await sessions.step_up(caller, data.password, passwords=passwords, gate=gate, db=db, now=clock.now())
    return _begun(begun, entrance)


@post(
    "/auth/password-reset",
    status_code=HTTP_202_ACCEPTED,
    summary="Ask for a new password",
    tags=["account"],
    opt={"public": True},
)
async def ask_password_reset(
    request: Request[Any, Any, Any],
    data: JSONBody[ResetRequest],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    key: Unkept = None,  # noqa: ARG001 - for OpenAPI
) -> LetterView:
    """Send a letter to the address, if it has an account, with a token that is good for an hour."""
    await registration.ask_reset(email=data.email, client=client_address(request), gate=gate, db=db, now=clock.now())
    return LetterView(email=data.email.strip())


@post(
    "/auth/password-reset/confirm",
    status_code=HTTP_204_NO_CONTENT,
    summary="Choose a new password",
    tags=["account"],
    opt={"public": True},
)
async def confirm_password_reset(
    request: Request[Any, Any, Any],
    data: JSONBody[NewPassword],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    passwords: NamedDependency[Passwords],
    entrance: NamedDependency[Entrance],
    key: Unkept = None,  # noqa: ARG001 - for OpenAPI
) -> None:
    """Give the account this password. Every session ends, and so does every other token in our letters."""
    await registration.reset(
        data.token,
        data.password,
        client=client_address(request),
        passwords=passwords,
        seal=entrance.seal,
        gate=gate,
        db=db,
        now=clock.now(),
    )


def _begun(begun: LoggedIn, entrance: Entrance) -> Response[SessionStartView]:
    now = clock.now()
    body = SessionStartView(
        account=account_view(begun.account, now=now), csrf_token=entrance.csrf_token(begun.session_id, now=now)
    )
    return Response(body, status_code=HTTP_200_OK, cookies=[session_cookie(begun.token)])


def _device(request: Request[Any, Any, Any], entrance: Entrance, email: str) -> bytes | None:
    """Return by which name this browser is known to have logged in to this very account before, if it is."""
    kept = cookie_of(request, DEVICE_COOKIE)
    known = None if kept is None else entrance.seal.opened("device", kept, now=clock.now())
    return known if known is not None and known[:_NAME_BYTES] == _named(email) else None


def _named(email: str) -> bytes:
    return sha256(email.strip().lower().encode(errors="replace")).digest()[:_NAME_BYTES]


_PROGRAMS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrom", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (
    *(("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad")),
    *(("Mac OS", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux")),
)


def _program(user_agent: str) -> str:
    """Return by what a session's owner knows it: a browser's family and its system, never the whole text."""
    program = next((name for part, name in _PROGRAMS if part in user_agent), "another program")
    system = next((name for part, name in _SYSTEMS if part in user_agent), None)
    return program if system is None else f"{program} on {system}"
