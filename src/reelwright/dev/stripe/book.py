"""All that the simulated Stripe account holds: objects by id, in memory, and the events that tell of them.

One thread works on it and no handler waits between reading and writing: the event loop is its one lock.
"""

import copy
import secrets
import string
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import msgspec

from reelwright.dev.stripe.wire import Json, Refused

API_VERSION = "2026-10-28.endive"
_KEPT = ("objects", "hidden", "pending", "failing", "ahead_s")
_SYMBOLS = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """Return a fresh id such as `cus_…`."""
    return f"{prefix}_{''.join(secrets.choice(_SYMBOLS) for _ in range(24))}"


class Book:
    """The account's state. `base_url` is where its pages are; `tell` is called with each new event."""

    def __init__(self, *, base_url: str = "") -> None:
        self.base_url = base_url
        self.objects: dict[str, Json] = {}
        self.hidden: dict[str, Json] = {}  # what checkout sessions and trials know and don't show
        self.pending: dict[str, list[Json]] = {}  # prorations that a subscription's next invoice takes up
        self.failing: dict[str, list[str]] = {}  # how a customer's next payments fail
        self.ahead_s = 0.0  # how far the simulated clock is before the real one
        self.cause: Json = {"id": None, "idempotency_key": None}  # the request that is being answered
        self.tell: Callable[[Json], None] = lambda _: None
        self._instant: int | None = None

    def now(self) -> int:
        """Return the simulated time, Unix seconds."""
        return self._instant if self._instant is not None else int(time.time() + self.ahead_s)

    @contextmanager
    def at(self, instant: int) -> Generator[None]:
        """Let it be another time inside the block."""
        before, self._instant = self._instant, instant
        try:
            yield
        finally:
            self._instant = before

    def add(self, prefix: str, kind: str, **fields: Any) -> Json:
        """Make and keep an object."""
        made: Json = {"id": new_id(prefix), "object": kind, "created": self.now(), "livemode": False, "metadata": {}}
        made |= fields
        self.objects[made["id"]] = made
        return made

    def get(self, kind: str, name: str, *, param: str = "id") -> Json:
        """Return an object. Raises Refused (404) where there is none of that kind and id."""
        found = self.objects.get(name)
        if found is None or found["object"] != kind:
            what = kind.rpartition(".")[2]
            raise Refused(f"No such {what}: '{name}'", status=404, code="resource_missing", param=param)
        return found

    def all(self, kind: str, **where: Any) -> list[Json]:
        """Return the objects of a kind with these values, the newest first."""
        found = [
            each
            for each in self.objects.values()
            if each["object"] == kind and all(each.get(name) == value for name, value in where.items())
        ]
        return found[::-1]

    def customer(self, name: str, *, param: str = "customer") -> Json:
        """Return a customer that isn't deleted. Raises Refused."""
        found = self.get("customer", name, param=param)
        if found.get("deleted"):
            raise Refused(f"No such customer: '{name}'", code="resource_missing", param=param)
        return found

    def change(self, thing: Json, event: str | None, **fields: Any) -> None:
        """Change an object's fields and, where one did change, tell of it by an event of this type."""
        before = {name: copy.deepcopy(thing.get(name)) for name, value in fields.items() if thing.get(name) != value}
        thing.update(fields)
        if event and before:
            self.emit(event, thing, previous=before)

    def emit(self, kind: str, thing: Json, *, previous: Json | None = None) -> Json:
        """Tell of an object as it is now."""
        data: Json = {"object": copy.deepcopy(thing)} | ({"previous_attributes": previous} if previous else {})
        event = self.add(
            "evt",
            "event",
            api_version=API_VERSION,
            data=data,
            pending_webhooks=1,
            request=dict(self.cause),
            type=kind,
        )
        del event["metadata"]
        self.tell(event)
        return event

    def dump(self) -> bytes:
        """Return all of it as JSON."""
        return msgspec.json.encode({name: getattr(self, name) for name in _KEPT})

    def load(self, dumped: bytes) -> None:
        """Be what was dumped."""
        for name, value in msgspec.json.decode(dumped, type=dict[str, Any]).items():
            setattr(self, name, value)

    def next_failure(self, customer: str | None) -> str | None:
        """Take and return how this customer's next payment fails, or None where it succeeds."""
        waiting = self.failing.get(customer or "", [])
        return waiting.pop(0) if waiting else None


def merged(before: Json, wanted: dict[str, str] | str | None) -> Json:
    """Return metadata after an update: "" for all unsets all, for one key that key."""
    if wanted is None:
        return before
    if isinstance(wanted, str):
        return {}
    return {name: value for name, value in {**before, **wanted}.items() if value}
