"""Access to a YouTube channel that lasts: an OAuth 2 refresh token, and the short tokens that it is exchanged for.

By RFC 6749, section 6, and developers.google.com/identity/protocols/oauth2/web-server#offline.
"""

import time
from collections.abc import Generator
from datetime import timedelta
from typing import Annotated

import httpx
import msgspec
from msgspec import Meta

from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.log import logger

_log = logger(__name__)
_SPARE_S = 60  # a token is renewed so long before it lapses
_OURS = {"invalid_client": "CLIENT_ID", "unauthorized_client": "CLIENT_ID"}


class UploadRefused(Refusal):
    """YouTube doesn't take it, or not with this token."""

    code = "publication.refused"


class _Token(msgspec.Struct, frozen=True):
    access_token: Annotated[str, Meta(min_length=1, pattern=r"^[\x21-\x7e]+$")]
    expires_in: Annotated[float, Meta(ge=0)] = 0


class _Wrong(msgspec.Struct, frozen=True):
    error: str = ""


class Grant(httpx.Auth):
    """Signs requests with a token that is fetched when it is first needed, before it lapses, and once after a 401."""

    requires_response_body = True

    def __init__(self, *, client_id: str, client_secret: str, refresh_token: str, url: str) -> None:
        self._form = {
            "grant_type": "refresh_token",
            "client_id": client_id,
            "client_secret": client_secret,
            "refresh_token": refresh_token,
        }
        self._url = url
        self._token, self._until = "", 0.0

    def __repr__(self) -> str:
        return f"Grant(url={self._url!r})"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Send a request with a token that holds. Raises UploadRefused, Outage where there is none to be had."""
        fresh = not self._token or time.monotonic() >= self._until
        if fresh:
            self._take((yield self._asked()))
        request.headers["Authorization"] = f"Bearer {self._token}"
        answer = yield request
        if answer.status_code == httpx.codes.UNAUTHORIZED.value and not fresh:  # it was taken back before its time
            self._take((yield self._asked()))
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _asked(self) -> httpx.Request:
        return httpx.Request("POST", self._url, data=self._form, headers={"Accept": "application/json"})

    def _take(self, answer: httpx.Response) -> None:
        self._token = ""
        if answer.status_code != httpx.codes.OK.value:
            raise _failure(answer)
        try:
            given = msgspec.json.decode(answer.content, type=_Token)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Outage("Google's answer can't be used.", code="publication.unavailable", wait=timedelta(0)) from None
        self._token, self._until = given.access_token, time.monotonic() + given.expires_in - _SPARE_S


def _failure(answer: httpx.Response) -> Refusal | Outage:
    """Return what a refused exchange means for the operator."""
    try:
        wrong = msgspec.json.decode(answer.content[:10_000], type=_Wrong).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        wrong = ""
    _log.warning("publication.no_token", status=answer.status_code, known=wrong in {*_OURS, "invalid_grant"})
    if answer.status_code in {400, 401, 403}:
        setting = f"REELWRIGHT_YOUTUBE_{_OURS.get(wrong, 'REFRESH_TOKEN')}"
        return UploadRefused(
            "Google doesn't exchange our refresh token: it was taken back, has lapsed or is another client's. Get a new"
            " one with the scope youtube.upload.",
            field=setting,
        )
    return Outage("Google gives no token just now.", code="publication.unavailable", wait=timedelta(0))
