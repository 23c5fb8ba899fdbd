"""/verify and /password-reset: the pages that our letters link to. Plain forms, no script; a look spends no token.

Mail programs and scanners open links by themselves: only the form's own POST does what the letter is for.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from html import escape
from typing import Any, TypeVar

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.handlers.base import BaseRouteHandler

from reelwright.accounts import Passwords
from reelwright.admission import Gate
from reelwright.api.auth import NewPassword, ResetRequest, Verification
from reelwright.api.caller import Entrance, client_address, own_pages_only
from reelwright.api.pages import page
from reelwright.api.problems import STATUS
from reelwright.ground import clock
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.postgres import Database
from reelwright.journeys import registration

_VERIFY, _RESET, _CONFIRM = "/verify", "/password-reset", "/password-reset/confirm"
_FORM_BYTES = 8 * 1024
_FORM = "application/x-www-form-urlencoded"
_LONGEST_TOKEN = 200
_POLICY = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "object-src 'none'"
)
_CHOICE = (
    '<label for="password">New password</label><input id="password" name="password" type="password" '
    'autocomplete="new-password" minlength="8" maxlength="128" required autofocus aria-describedby="rule">'
    '<p class="hint" id="rule">8 to 128 characters. A few words that nobody would put together are best.</p>'
)
_ADDRESS = (
    '<label for="email">Your e-mail address</label>'
    '<input id="email" name="email" type="email" autocomplete="email" maxlength="254" required autofocus>'
)
_Filled = TypeVar("_Filled")
Asked = Request[Any, Any, Any]


async def _from_our_form(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Let in what our own pages' forms send. Raises CrossSite, and 415 for what is no form."""
    await own_pages_only(connection)
    if connection.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise HTTPException(status_code=415, detail=f"Send the form as {_FORM}.")


@get(_VERIFY, include_in_schema=False, sync_to_thread=False, opt={"public": True})
def verify_page(request: Asked) -> Response[str]:
    """Show the button that confirms an address."""
    return _verifying(_token_of(request))


@post(
    _VERIFY,
    include_in_schema=False,
    status_code=200,
    opt={"public": True},
    guards=[_from_our_form],
    request_max_body_size=_FORM_BYTES,
)
async def verify_by_page(
    request: Asked, db: NamedDependency[Database], gate: NamedDependency[Gate], entrance: NamedDependency[Entrance]
) -> Response[str]:
    """Open the account that a letter's token proves, and say so."""
    try:
        filled = await _filled(request, Verification)
        client = client_address(request)
        account = await registration.verify(
            filled.token, client=client, seal=entrance.seal, gate=gate, db=db, now=clock.now()
        )
    except (Refusal, Outage) as wrong:
        again = "<p>Sign up again with the same address, and we send you a new letter.</p>"
        return _refused("Confirm your address", wrong, again)
    done = f"<p><strong>{escape(account.email)}</strong> is confirmed, and your account is open.</p>"
    return _page(
        "Your account is open", f"{done}<p>Log in with the password that you chose. You may close this page.</p>"
    )


@get(_RESET, include_in_schema=False, sync_to_thread=False, opt={"public": True})
def reset_page() -> Response[str]:
    """Show the form that asks for a letter."""
    return _page("Choose a new password", _asking())


@post(
    _RESET,
    include_in_schema=False,
    status_code=202,
    opt={"public": True},
    guards=[_from_our_form],
    request_max_body_size=_FORM_BYTES,
)
async def reset_by_page(request: Asked, db: NamedDependency[Database], gate: NamedDependency[Gate]) -> Response[str]:
    """Send a letter, if anybody is there, and say the same either way."""
    try:
        filled = await _filled(request, ResetRequest)
        client = client_address(request)
        await registration.ask_reset(email=filled.email, client=client, gate=gate, db=db, now=clock.now())
    except (Refusal, Outage) as wrong:
        return _refused("Choose a new password", wrong, _asking())
    sent = f"<p>If <strong>{escape(filled.email.strip())}</strong> has an account, a letter is on its way to it.</p>"
    return _page("Look into your mail", f"{sent}<p>Its link is good for an hour.</p>", status=202)


@get(_CONFIRM, include_in_schema=False, sync_to_thread=False, opt={"public": True})
def new_password_page(request: Asked) -> Response[str]:
    """Show the form that takes a new password."""
    return _choosing(_token_of(request))


@post(
    _CONFIRM,
    include_in_schema=False,
    status_code=200,
    opt={"public": True},
    guards=[_from_our_form],
    request_max_body_size=_FORM_BYTES,
)
async def new_password_by_page(
    request: Asked,
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    passwords: NamedDependency[Passwords],
    entrance: NamedDependency[Entrance],
) -> Response[str]:
    """Give the account its new password, and say that every session has ended."""
    token = ""
    try:
        filled = await _filled(request, NewPassword)
        token = filled.token
        await registration.reset(
            token,
            filled.password,
            client=client_address(request),
            passwords=passwords,
            seal=entrance.seal,
            gate=gate,
            db=db,
            now=clock.now(),
        )
    except registration.TokenInvalid as wrong:
        return _refused("Choose a new password", wrong, f'<p><a href="{_RESET}">Ask for a new letter</a></p>')
    except (Refusal, Outage) as wrong:
        return _refused("Choose a new password", wrong, _form(_CONFIRM, token, _CHOICE, "Set this password"))
    ended = "<p>Your password is changed. Wherever you were logged in, you are logged out now.</p>"
    return _page("Your password is changed", f"{ended}<p>Log in with the new one. You may close this page.</p>")


async def _filled(request: Asked, form: type[_Filled]) -> _Filled:
    """Return what was filled in, each field once. Raises Refusal."""
    sent = await request.form()
    try:
        return msgspec.convert({name: str(value) for name, value in sent.multi_items()}, form)
    except msgspec.ValidationError as wrong:
        raise Refusal("Something is missing or too long: fill in the form again.", code="request.invalid") from wrong


def _token_of(request: Asked) -> str | None:
    token = request.query_params.get("token", "")
    return token if token and len(token) <= _LONGEST_TOKEN else None


def _verifying(token: str | None) -> Response[str]:
    if token is None:
        return _cut_short("Confirm your address")
    said = "<p>One click, and your account is open.</p>"
    return _page("Confirm your address", said + _form(_VERIFY, token, "", "Confirm my address"))


def _choosing(token: str | None) -> Response[str]:
    if token is None:
        return _cut_short("Choose a new password")
    return _page("Choose a new password", _form(_CONFIRM, token, _CHOICE, "Set this password"))


def _asking() -> str:
    said = "<p>We send you a letter with a link to choose a new one.</p>"
    return said + _form(_RESET, None, _ADDRESS, "Send me a letter")


def _cut_short(title: str) -> Response[str]:
    return _page(title, "<p>This link isn't whole: copy all of it from our letter.</p>", status=400)


def _form(action: str, token: str | None, fields: str, button: str) -> str:
    kept = "" if token is None else f'<input type="hidden" name="token" value="{escape(token)}">'
    return f'<form method="post" action="{action}">{kept}{fields}<button>{escape(button)}</button></form>'


def _refused(title: str, wrong: Refusal | Outage, rest: str) -> Response[str]:
    """Say what is wrong, with the status that the API gives it, and how to go on."""
    status = STATUS[wrong.kind] if isinstance(wrong, Refusal) else 503
    headers = {} if wrong.wait is None else {"Retry-After": _seconds(wrong.wait)}
    said = f'<p class="wrong" role="alert">{escape(wrong.sentence)}</p>'
    return _page(title, said + rest, status=status, headers=headers)


def _seconds(wait: timedelta) -> str:
    return str(max(1, math.ceil(wait.total_seconds())))


def _page(title: str, body: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[str]:
    card = f'<main class="card"><p class="brand">Reelwright</p><h1>{escape(title)}</h1>{body}</main>'
    kept = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", **(headers or {})}
    text = page(f"{title} - Reelwright", card, style="pages.css")
    return Response(text, media_type=MediaType.HTML, status_code=status, headers=kept)


letter_pages: Sequence[BaseRouteHandler] = (
    *(verify_page, verify_by_page, reset_page, reset_by_page),
    *(new_password_page, new_password_by_page),
)
