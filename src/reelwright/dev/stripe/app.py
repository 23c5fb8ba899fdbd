"""The wire: Stripe's HTTP for a book, which the official SDK drives by its base address alone."""

import asyncio
import contextlib
import hmac
import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import BasicAuth, web

from reelwright.dev import child
from reelwright.dev.stripe import catalogue, checkout, controls, invoices, pages, payments, schedules, subscriptions
from reelwright.dev.stripe.book import API_VERSION, Book, new_id
from reelwright.dev.stripe.resources import LISTS, found, includes, inner_list
from reelwright.dev.stripe.webhooks import Faults, Webhooks
from reelwright.dev.stripe.wire import Json, Paging, Refused, Route, expanded, page, parsed, wished, written
from reelwright.ground import tasks

_ACTS = {
    (route.verb, route.path): route
    for family in (catalogue, checkout, invoices, payments, schedules, subscriptions)
    for route in family.ROUTES
}
_CONTROLS = {(route.verb, route.path): route for route in controls.ROUTES}
_MOST_KEYS, _LONGEST_KEY = 10_000, 255
_OK, _CARD_ERROR = 200, 402
_LOOK_S = 1.0
_HTML = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-store"}


class StripeApp:
    """Answers for a book to whoever has the key. With `state`, a file, the book outlives the process."""

    def __init__(self, book: Book, webhooks: Webhooks, *, key: str, state: Path | None = None) -> None:
        self.book = book
        self.webhooks = webhooks
        self._key = key
        self._state = state
        self._answers: dict[str, tuple[bytes, int, bytes]] = {}  # by idempotency key: what was asked, status, answer
        self._on_sale = False
        self._changed = False

    def served(self) -> web.Application:
        """Return the app to be served."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        app.cleanup_ctx.append(lambda _: self._living())
        return app

    async def _living(self) -> AsyncGenerator[None]:
        """Send webhooks and let time do its work, until the server ends."""
        if self._state and self._state.exists():
            self.book.load(self._state.read_bytes())
        async with self.webhooks.sending():
            clock = asyncio.create_task(self._tick())
            try:
                yield
            finally:
                await tasks.end(clock)
                self._keep()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            controls.catch_up(self.book)
            self._keep()

    def _keep(self) -> None:
        if self._state and self._changed:
            child.write_private(self._state, self.book.dump().decode())
            self._changed = False

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        area, _, path = request.path.removeprefix("/").partition("/")
        if request.path == "/health/ready":
            return web.json_response({"status": "ready"})
        form = await request.text()
        self._changed |= request.method != "GET"
        if area in {"v1", "_sim"}:
            return self._for_programs(request, area, path, form)
        self.sell()
        try:
            shown = pages.answer(self.book, request.method, f"{area}/{path}", parsed(form))
        except Refused as refused:
            shown = pages.refusal(refused)
        return web.Response(
            text=shown.html,
            status=shown.status,
            content_type="text/html",
            headers={**_HTML, **({"Location": shown.location} if shown.location else {})},
        )

    def _for_programs(self, request: web.Request, area: str, path: str, form: str) -> web.StreamResponse:
        request_id, key = new_id("req"), request.headers.get("Idempotency-Key", "")
        headers = {"Request-Id": request_id, "Stripe-Version": request.headers.get("Stripe-Version", API_VERSION)}
        self.book.cause = {"id": request_id, "idempotency_key": key or None}
        replayed = False
        try:
            self._check(request, key)
            if area == "_sim":
                status, answer = _OK, written(self._control(request.method, path, form))
            else:
                status, answer, replayed = self._once(request, key, path, form)
        except Refused as refused:
            status, answer = refused.status, written(refused.body)
        finally:
            self.book.cause = {"id": None, "idempotency_key": None}
        if key:
            headers |= {"Idempotency-Key": key} | ({"Idempotent-Replayed": "true"} if replayed else {})
        if area == "v1" and (lost := self.webhooks.faults.lose_replies) and request.transport is not None:
            self.webhooks.set_faults(msgspec.structs.replace(self.webhooks.faults, lose_replies=lost - 1))
            request.transport.abort()
        return web.Response(body=answer, status=status, content_type="application/json", headers=headers)

    def _check(self, request: web.Request, key: str) -> None:
        said = request.headers.get("Authorization", "")
        given = said.removeprefix("Bearer ")
        if said.startswith("Basic "):
            with contextlib.suppress(ValueError):
                given = BasicAuth.decode(said).login
        if not said:
            raise Refused("You did not provide an API key.", status=401)
        if not hmac.compare_digest(given.encode(), self._key.encode()):
            raise Refused(f"Invalid API Key provided: {given[:7]}***", status=401)
        version = request.headers.get("Stripe-Version", API_VERSION)
        if version != API_VERSION:
            raise Refused(f"The simulator speaks {API_VERSION}, not {version}: use the SDK that is pinned to it.")
        if len(key) > _LONGEST_KEY:
            raise Refused(f"Idempotency keys have at most {_LONGEST_KEY} characters.", code="idempotency_key_too_long")

    def _once(self, request: web.Request, key: str, path: str, form: str) -> tuple[int, bytes, bool]:
        """Do a request, or answer a repeat as the first time (docs.stripe.com/api/idempotent_requests)."""
        faults = self.webhooks.faults
        if faults.answers:
            status, *rest = faults.answers
            self.webhooks.set_faults(msgspec.structs.replace(faults, answers=tuple(rest)))
            raise Refused("This went wrong on purpose.", status=status, kind="api_error")
        asked = f"{request.method} {path} {form}".encode()
        kept = self._answers.get(key) if request.method == "POST" else None
        if kept is not None:
            if kept[0] != asked:
                raise Refused(
                    "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                    f"Try using a key other than '{key}' if you meant to execute a different request.",
                    kind="idempotency_error",
                )
            return kept[1], kept[2], True
        controls.catch_up(self.book)
        self.sell()
        try:
            said = parsed(request.query_string if request.method in {"GET", "DELETE"} else form)
            status, answer = _OK, written(self._done(request.method, path, said))
        except Refused as refused:
            if refused.status != _CARD_ERROR:  # what was never begun may be asked again
                raise
            status, answer = refused.status, written(refused.body)
        if key and request.method == "POST":
            self._answers[key] = (asked, status, answer)
            if len(self._answers) > _MOST_KEYS:
                del self._answers[next(iter(self._answers))]
        return status, answer, False

    def sell(self) -> None:
        """Put Reelwright's price page on sale, once; what it takes to read it is loaded for the first request."""
        if not self._on_sale:
            catalogue.seed(self.book)
            self._on_sale = True

    def _done(self, verb: str, path: str, said: Json) -> Json:
        expand = said.pop("expand", [])
        if not isinstance(expand, list):
            raise Refused("Invalid array", param="expand")
        answer = self._read(path, said) if verb == "GET" else self._acted(_ACTS, verb, path, said)
        return expanded(answer, expand, self.book.objects, includes(self.book))

    def _acted(self, routes: Mapping[tuple[str, str], Route], verb: str, path: str, said: Json) -> Json:
        pattern, names = _pattern(path, self.book)
        route = routes.get((verb, pattern))
        if route is None:
            raise Refused(f"Unrecognized request URL ({verb}: /{path}), or not simulated.", status=404)
        return route.act(self.book, wished(route.wish, said), *names)

    def _read(self, path: str, said: Json) -> Json:
        pattern, names = _pattern(path, self.book)
        paged = {name: said.pop(name) for name in ("limit", "starting_after", "ending_before") if name in said}
        if pattern in LISTS:
            wanted = wished(Paging, paged)
            return page(f"/v1/{path}", found(self.book, pattern, said), wanted)  # type: ignore[arg-type]  # it is one
        if names and (rows := inner_list(self.book, pattern, names[0])) is not None:
            return page(f"/v1/{path}", rows, wished(Paging, paged))  # type: ignore[arg-type]  # the same
        if pattern.endswith("/{}") and pattern.removesuffix("/{}") in LISTS:
            return self.book.get(LISTS[pattern.removesuffix("/{}")][0], names[0])
        raise Refused(f"Unrecognized request URL (GET: /{path}), or not simulated.", status=404)

    def _control(self, verb: str, path: str, body: str) -> Json:
        try:
            said: Any = json.loads(body or "{}")
        except ValueError as error:
            raise Refused(f"Not JSON: {error}") from error
        match path.split("/"):
            case ["faults"]:
                if verb in {"PUT", "POST"}:
                    self.webhooks.set_faults(wished(Faults, said))  # type: ignore[arg-type]  # it is one
                return msgspec.to_builtins(self.webhooks.faults)
            case ["status"]:
                return {"idle": self.webhooks.idle, "objects": len(self.book.objects), "now": self.book.now()}
            case ["events", name, "resend"]:
                event = self.book.get("event", name) | said
                self.webhooks.resend(event)
                return event
            case _:
                self.sell()
                return self._acted(_CONTROLS, verb, path, said)


def _pattern(path: str, book: Book) -> tuple[str, list[str]]:
    """Return a path with `{}` for each id in it, and these: the words of a path are those that routes are made of."""
    names, words = list[str](), list[str]()
    for word in path.strip("/").split("/"):
        is_name = word not in _WORDS or word in book.objects
        names += [word] * is_name
        words.append("{}" if is_name else word)
    return "/".join(words), names


_WORDS = {
    word
    for path in (*LISTS, *(path for _, path in (*_ACTS, *_CONTROLS)), "line_items", "lines")
    for word in path.split("/")
} - {"{}"}
