"""The wire: a raw ASGI app, since destinations stand in the path with slashes that routers would mend."""

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, quote, unquote

from reelwright.dev.delivery.engine import Engine
from reelwright.dev.delivery.message import Message, Refused

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Reply = tuple[int, object]

_BODY_CAP_BYTES = 10 * 1024 * 1024


class DeliveryApp:
    """Speaks QStash's HTTP for an engine; rotated keys are kept in `state`."""

    def __init__(self, engine: Engine, *, state: Path) -> None:
        self._engine = engine
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; errors as `{"error": sentence}`."""
        if scope["type"] != "http":
            return
        try:
            status, answer = await self._answer(scope, receive)
        except Refused as refused:
            status, answer = refused.status, {"error": refused.sentence}
        content = json.dumps(answer).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        path = cast("bytes", scope["raw_path"]).split(b"?")[0].decode("ascii")
        query = cast("bytes", scope["query_string"]).decode("ascii")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if path == "/health/ready":
            return 200, {"status": "ready"}
        asked = dict(parse_qsl(query))
        shown = headers.pop("authorization", "").removeprefix("Bearer ") or asked.get("qstash_token", "")
        if not secrets.compare_digest(shown.encode(), self._engine.credentials.token.encode()):
            raise Refused(401, "unauthorized: invalid token")
        headers |= {name: value for name, value in asked.items() if name.startswith("upstash-")}
        body = await _body(receive)
        verb = str(scope["method"])
        publish = "/v2/publish/"
        if verb == "POST" and path.startswith(publish):
            return self._publish(_destination(path.removeprefix(publish), query), body=body, headers=headers)
        return self._manage(verb, path, body)

    def _manage(self, verb: str, path: str, body: bytes) -> Reply:
        match verb, path.strip("/").split("/")[1:]:
            case "POST", ["batch"]:
                return 200, [self._publish_item(item) for item in _json_list(body)]
            case "GET", ["messages", message_id]:
                return 200, self._engine.find(message_id).public()
            case "DELETE", ["messages", message_id]:
                self._engine.cancel(message_id)
                return 200, {"cancelled": 1}
            case "DELETE", ["messages"]:
                return 200, {"cancelled": self._cancel_many(body)}
            case "GET", ["keys"]:
                return 200, self._keys()
            case "POST", ["keys", "rotate"]:
                self._engine.credentials = self._engine.credentials.rotated()
                self._engine.credentials.keep_in(self._state)
                return 200, self._keys()
            case _:
                raise Refused(404, f"{verb} {path} is not known here")

    def _publish(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Reply:
        message_id, repeated = self._engine.publish(Message.read(url=url, body=body, headers=headers))
        return (202, {"messageId": message_id, "deduplicated": True}) if repeated else (201, {"messageId": message_id})

    def _publish_item(self, item: Any) -> object:
        try:
            headers = {str(name).lower(): str(value) for name, value in (item.get("headers") or {}).items()}
            body = str(item.get("body") or "").encode()
            return self._publish(_checked(str(item["destination"])), body=body, headers=headers)[1]
        except Refused as refused:
            return {"error": refused.sentence}
        except (AttributeError, KeyError, TypeError) as error:
            raise Refused(400, "each item of a batch needs a destination, and may have headers and a body") from error

    def _cancel_many(self, body: bytes) -> int:
        if not body:
            return sum(self._engine.cancel(message_id) for message_id in self._engine.pending())
        try:
            wanted = [str(message_id) for message_id in json.loads(body)["messageIds"]]
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(400, "the body must be an object with messageIds") from error
        known = set(self._engine.pending())
        return sum(self._engine.cancel(message_id) for message_id in wanted if message_id in known)

    def _keys(self) -> dict[str, str]:
        return {"current": self._engine.credentials.current, "next": self._engine.credentials.next}


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
        if len(body) > _BODY_CAP_BYTES:
            raise Refused(413, "the body is larger than 10 MB")
    return body


def _destination(rest: str, query: str) -> str:
    if rest.lower().startswith(("http%3a", "https%3a")):
        rest = unquote(rest)
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if not _ours(name)]
    if len(kept) != len(parse_qsl(query, keep_blank_values=True)):
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in kept)
    return _checked(f"{rest}?{query}" if query else rest)


def _ours(name: str) -> bool:
    return name == "qstash_token" or name.startswith("upstash-")


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise Refused(400, "invalid destination url: endpoint has invalid scheme, add http:// or https://")
    return url


def _json_list(body: bytes) -> list[Any]:
    try:
        items = json.loads(body)
    except ValueError as error:
        raise Refused(400, "the body is not JSON") from error
    if not isinstance(items, list):
        raise Refused(400, "the body must be a list")
    return cast("list[Any]", items)
