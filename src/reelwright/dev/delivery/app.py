"""The wire: QStash's HTTP for an engine. Paths are read raw, since destinations stand in them, slashes and all."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec
from aiohttp import web
from multidict import MultiMapping

from reelwright.dev.delivery.engine import Engine
from reelwright.dev.delivery.faults import Faults
from reelwright.dev.delivery.message import Message, Refused

Kept = TypeVar("Kept")
_Query = MultiMapping[str]
_BODY_CAP_BYTES = 10 * 1024 * 1024
_ONCE = {"delay", "not-before", "deduplication-id", "content-based-deduplication"}
_NOT_FILTERS = {"cursor", "count", "fromDate", "toDate"}


class _Item(msgspec.Struct):
    """One of a batch."""

    destination: str
    headers: dict[str, str] | None = None
    body: str | None = None


class DeliveryApp:
    """Answers for an engine; rotated keys are kept in `state`."""

    def __init__(self, engine: Engine, *, state: Path) -> None:
        self._engine = engine
        self._state = state

    def served(self) -> web.Application:
        """Return the app to be served."""
        app = web.Application(client_max_size=_BODY_CAP_BYTES)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        path, _, query = request.raw_path.partition("?")
        if path == "/health/ready":
            return web.json_response({"status": "ready"})
        told = {name.lower(): text for name, text in (*request.query.items(), *request.headers.items())}
        token = told.get("authorization", "").removeprefix("Bearer ") or told.get("qstash_token", "")
        if not secrets.compare_digest(token.encode(), self._engine.credentials.token.encode()):
            raise Refused(401, "unauthorized: invalid token")
        body, what = await request.read(), path.removeprefix("/v2/").split("/")
        try:
            match request.method, *what:
                case "POST", ("publish" | "schedules") as verb, scheme, *_ if ":" in unquote(scheme):
                    made = _message(_destination(path.removeprefix(f"/v2/{verb}/"), query), body, told)
                    found = self._publish(made) if verb == "publish" else {"scheduleId": self._engine.schedule(made)}
                case _:
                    found = self._manage(request.method, what, body, request.query)
        except (msgspec.MsgspecError, ValueError) as error:
            raise Refused(400, str(error)) from error
        return web.json_response(found, status=202 if "deduplicated" in found else 200)

    def _publish(self, message: Message) -> Mapping[str, object]:
        message_id, repeated = self._engine.publish(message)
        return {"messageId": message_id} | ({"deduplicated": True} if repeated else {})

    def _publish_item(self, item: _Item) -> Mapping[str, object]:
        try:
            return self._publish(_message(item.destination, (item.body or "").encode(), item.headers or {}))
        except Refused as refused:
            return msgspec.json.decode(refused.text or "{}")

    def _manage(self, verb: str, what: list[str], body: bytes, query: _Query) -> Any:  # noqa: C901, PLR0911, PLR0912 - the list of all there is
        engine = self._engine
        match verb, *what:
            case "POST", "batch":
                return [self._publish_item(item) for item in msgspec.json.decode(body, type=list[_Item])]
            case "GET", "messages", name:
                return _found(engine.messages, name).public()
            case "DELETE", "messages", name:
                return {"cancelled": int(engine.end(_found(engine.messages, name), "cancelled"))}
            case "DELETE", "messages":
                wanted = set(_named(body, "messageIds") if body else engine.messages) & engine.messages.keys()
                return {"cancelled": sum(engine.end(engine.messages[name], "cancelled") for name in wanted)}
            case "GET", "schedules":
                return [schedule.public() for schedule in engine.schedules.values()]
            case "GET", "schedules", name:
                return _found(engine.schedules, name).public()
            case "DELETE", "schedules", name:
                del engine.schedules[_found(engine.schedules, name).id]
            case "PATCH" | "POST", "schedules", name, "pause" | "resume" as wish:
                _found(engine.schedules, name).paused = wish == "pause"
            case "GET", "dlq":
                return self._dead_letters(query)
            case "GET", "dlq", name:
                return _found(engine.dead, name)[1]
            case "DELETE", "dlq", *names:
                return {"deleted": sum(bool(engine.dead.pop(n, None)) for n in names or _named(body, "dlqIds"))}
            case "POST", "dlq", "retry", name:
                return self._revive(name)
            case "POST", "dlq", "retry":
                return {"responses": [self._revive(name) for name in query.getall("dlqIds", [])]}
            case ("GET", "keys") | ("POST", "keys", "rotate"):
                if verb == "POST":
                    engine.credentials.rotate(self._state)
                return {"current": engine.credentials.current, "next": engine.credentials.next}
            case "GET" | "PUT", "local", "faults":
                if verb == "PUT":
                    engine.set_faults(msgspec.json.decode(body, type=Faults))
                return msgspec.to_builtins(engine.faults)
            case _:
                raise Refused(404, f"{verb} /v2/{'/'.join(what)} is not known here")
        return {}

    def _revive(self, dead_id: str) -> Mapping[str, object]:
        message, _ = _found(self._engine.dead, dead_id)
        again = self._publish(message.anew(without=_ONCE))
        del self._engine.dead[dead_id]
        return again

    def _dead_letters(self, query: _Query) -> Mapping[str, object]:
        """Return one page: those after the cursor (the number of the last one seen) that match every filter."""
        since, until = int(query.get("fromDate", 0)), int(query.get("toDate", 2**63))
        after, most = int(query.get("cursor", 0)), min(100, int(query.get("count", 100)))
        wanted = {name: text for name, text in query.items() if name not in _NOT_FILTERS}
        found = [
            (number, dead)
            for name, (_, dead) in self._engine.dead.items()
            if (number := int(name.rpartition("-")[2])) > after
            and since <= dead["createdAt"] <= until
            and all(str(dead.get(filtered)) == text for filtered, text in wanted.items())
        ]
        more = {"cursor": str(found[most - 1][0])} if len(found) > most else {}
        return {"messages": [dead for _, dead in found[:most]]} | more


def _found(kept: Mapping[str, Kept], name: str) -> Kept:
    if name not in kept:
        raise Refused(404, f"{name} not found")
    return kept[name]


def _named(body: bytes, field: str) -> list[str]:
    return msgspec.json.decode(body, type=dict[str, list[str]]).get(field, [])


def _message(url: str, body: bytes, headers: Mapping[str, str]) -> Message:
    """Read a publish request. Raises Refused."""
    if not url.startswith(("http://", "https://")):
        raise Refused(400, "invalid destination url: endpoint has invalid scheme, add http:// or https://")
    lower = {name.lower(): text for name, text in headers.items()}
    options = {name: text for name, text in lower.items() if name.startswith(("upstash-", "content-type"))}
    return Message(url=url, body=body, options=options)


def _destination(rest: str, query: str) -> str:
    """Return the URL behind a verb's path, with what of the query isn't meant for us."""
    url = unquote(rest) if rest.lower().startswith(("http%3a", "https%3a")) else rest
    theirs = [part for part in query.split("&") if part and not part.lower().startswith(("qstash_token=", "upstash-"))]
    return "?".join([url, "&".join(theirs)] if theirs else [url])
