"""The wire: QStash's HTTP for an engine. Paths are read raw, since destinations stand in them, slashes and all."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from reelwright.dev.delivery.engine import Engine, Faults
from reelwright.dev.delivery.message import Message, Refused

Kept = TypeVar("Kept")
_BODY_CAP_BYTES = 10 * 1024 * 1024


class DeliveryApp:
    """Answers for an engine; rotated keys are kept in `state`."""

    def __init__(self, engine: Engine, *, state: Path) -> None:
        self._engine, self._state = engine, state

    def served(self) -> web.Application:
        """Return the app to be served."""
        app = web.Application(client_max_size=_BODY_CAP_BYTES)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.raw_path.partition("?")[0]
        if path == "/health/ready":
            return web.json_response({"status": "ready"})
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(token.encode(), self._engine.credentials.token.encode()):
            raise Refused(401, "unauthorized: invalid token")
        body, what = await request.read(), path.removeprefix("/v2/").split("/")
        url = request.raw_path.removeprefix(f"/v2/{what[0]}/")
        try:
            match request.method, *what:
                case "POST", "publish", *_:
                    found = self._publish(_message(url, body, request.headers))
                case "POST", "schedules", scheme, *_ if scheme.endswith(":"):
                    found = {"scheduleId": self._engine.schedule(_message(url, body, request.headers))}
                case _:
                    found = self._manage(request.method, what, body)
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
            raise Refused(400, str(error)) from error
        return web.json_response(found, status=202 if "deduplicated" in found else 200)

    def _publish(self, message: Message) -> Mapping[str, object]:
        message_id, repeated = self._engine.publish(message)
        return {"messageId": message_id} | ({"deduplicated": True} if repeated else {})

    def _publish_item(self, item: Mapping[str, Any]) -> Mapping[str, object]:
        try:
            return self._publish(_message(item["destination"], (item["body"] or "").encode(), item["headers"] or {}))
        except Refused as refused:
            return msgspec.json.decode(refused.text or "{}")

    def _manage(self, verb: str, what: list[str], body: bytes) -> Any:  # noqa: C901, PLR0911 - the list of all there is
        engine = self._engine
        match verb, *what:
            case "POST", "batch":
                return [self._publish_item(item) for item in msgspec.json.decode(body)]
            case "GET", "messages", name:
                return _found(engine.messages, name).public()
            case "DELETE", "messages", name:
                return {"cancelled": int(engine.end(_found(engine.messages, name), "cancelled"))}
            case "DELETE", "messages":
                return {"cancelled": sum(engine.end(message, "cancelled") for message in [*engine.messages.values()])}
            case "GET", "schedules":
                return [schedule.public() for schedule in engine.schedules.values()]
            case "DELETE", "schedules", name:
                return {"deleted": engine.schedules.pop(_found(engine.schedules, name).id).id}
            case "GET", "dlq":
                return {"messages": [dead for _, dead in engine.dead.values()]}
            case "POST", "dlq", "retry", name:
                return self._revive(name)
            case ("GET", "keys") | ("POST", "keys", "rotate"):
                if verb == "POST":
                    engine.credentials.rotate(self._state)
                return {"current": engine.credentials.current, "next": engine.credentials.next}
            case "PUT", "local", "faults":
                engine.set_faults(msgspec.json.decode(body, type=Faults))
                return msgspec.to_builtins(engine.faults)
            case _:
                raise Refused(404, f"{verb} /v2/{'/'.join(what)} is not known here")

    def _revive(self, dead_id: str) -> Mapping[str, object]:
        message, _ = _found(self._engine.dead, dead_id)
        again = self._publish(message.anew("delay", "deduplication-id"))
        del self._engine.dead[dead_id]
        return again


def _found(kept: Mapping[str, Kept], name: str) -> Kept:
    if name not in kept:
        raise Refused(404, f"{name} not found")
    return kept[name]


def _message(url: str, body: bytes, headers: Mapping[str, str]) -> Message:
    """Read a publish request. Raises Refused."""
    if not url.startswith(("http://", "https://")):
        raise Refused(400, "invalid destination url: endpoint has invalid scheme, add http:// or https://")
    lower = {name.lower(): text for name, text in headers.items()}
    options = {name: text for name, text in lower.items() if name.startswith(("upstash-", "content-type"))}
    return Message(url=url, body=body, options=options)
