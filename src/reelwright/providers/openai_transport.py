"""The wire under the official SDK: no more bytes than agreed, nothing packed, and whether a request went out at all."""

from collections.abc import AsyncIterator
from functools import cache
from ssl import SSLContext
from typing import Any

import httpx

_GOES_OUT = "send_request_headers.started"  # httpcore's trace event, behind its protocol's name


class BrokenAnswer(httpx.TransportError):
    """The answer breaks our bounds: asking again would only pay again."""


class CappedTransport(httpx.AsyncBaseTransport):
    """Hands over no more bytes than agreed, and nothing packed: inflation would defeat the cap.

    One connection, for one request: a provider whose address moves is found by the next call. `sent` says whether any
    byte of the request went out, so that a failure before can be told from a lost reply.
    """

    def __init__(self, *, longest: int, connect_s: float) -> None:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(verify=_trust(), trust_env=False, limits=limits)
        self._longest = longest
        self._connect_s = connect_s
        self.sent = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["timeout"] = {**request.extensions.get("timeout", {}), "connect": self._connect_s}
        request.extensions["trace"] = self._watch
        response = await self._inner.handle_async_request(request)
        declared = response.headers.get("content-length", "0")
        packed = response.headers.get("content-encoding", "identity").lower() != "identity"
        if packed or not declared.isdigit() or int(declared) > self._longest:
            await response.aclose()
            raise BrokenAnswer("too long, or packed")
        body = _CappedBody(response, self._longest)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=body, extensions=response.extensions
        )

    async def _watch(self, event: str, _info: Any) -> None:
        self.sent = self.sent or event.endswith(_GOES_OUT)

    async def aclose(self) -> None:
        await self._inner.aclose()


class _CappedBody(httpx.AsyncByteStream):
    def __init__(self, response: httpx.Response, longest: int) -> None:
        self._response = response
        self._longest = longest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for chunk in self._response.aiter_raw():
            seen += len(chunk)
            if seen > self._longest:
                raise BrokenAnswer("too long")
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


@cache
def _trust() -> SSLContext:
    return httpx.create_ssl_context(trust_env=False)
