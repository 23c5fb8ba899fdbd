"""What people wrote, and what opens doors, reaches no log line, however it gets there."""

import io
import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import httpx
import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from reelwright.ground import log
from reelwright.ground.errors import Outage
from reelwright.ground.postgres import Database

CANARY = "canary-7f3a"
SECRETS = {
    "API key": f"rw_live_{CANARY}",
    "test key": f"rw_test_{CANARY}",
    "provider's key": f"sk-proj-{CANARY}",
    "webhook secret": f"whsec_{CANARY}",
    "signing key": f"sig_{CANARY}",
    "bearer": f"Authorization: Bearer {CANARY}",
    "database": f"postgresql://me:{CANARY}@db:5432/x",
    "redis": f"rediss://:{CANARY}@cache:6379",
    "JWT": f"eyJhbGciOi.{CANARY}",
    "query": f"GET https://example.com/page?token={CANARY}&x=1",
}
NAMES = ("prompt", "image_prompt", "body", "text", "source_text", "api_key", "key", "access_token", "secret", "caption")


@contextmanager
def lines(*, level: str = "INFO") -> Generator[list[dict[str, Any]]]:
    """Give what is logged inside, as production writes it; the tests' own configuration comes back afterwards."""
    told: list[dict[str, Any]] = []
    with texts(level=level) as said:
        yield told
    told += [json.loads(line) for line in said.getvalue().splitlines()]


@contextmanager
def texts(*, level: str = "INFO", as_json: bool = True) -> Generator[io.StringIO]:
    """Give what is written inside."""
    said, root = io.StringIO(), logging.getLogger()
    handlers, before = root.handlers[:], root.level
    with patch("sys.stderr", said):
        log.configure(level=level, as_json=as_json)
    try:
        yield said
    finally:
        root.handlers[:] = handlers
        root.setLevel(before)


def written(told: list[dict[str, Any]]) -> str:
    assert told, "nothing was logged"
    return json.dumps(told)


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_what_looks_like_a_secret_is_hidden_wherever_it_stands(secret: str) -> None:
    with lines() as told:
        log.logger("test").info("it failed: " + secret, detail=secret, deep={"inner": [secret]}, pair=(secret, 1))
        logging.getLogger("some.library").warning("it failed: %s", secret)
    assert CANARY not in written(told)
    assert len(told) == 2


@pytest.mark.parametrize("name", NAMES)
def test_what_is_named_like_a_text_or_a_secret_is_hidden(name: str) -> None:
    with lines() as told:
        log.logger("test").info("drawn", **{name: CANARY}, deep={name: CANARY, "scenes": [{name: CANARY}]})
    assert CANARY not in written(told)


def test_what_an_operator_needs_is_there() -> None:
    """Ids, codes, durations and counts stay, also beside hidden things and under names that only count."""
    with lines() as told, structlog.contextvars.bound_contextvars(request_id="r-1", generation_id="g-1"):
        log.logger("test").info(
            "stage.completed",
            stage="TTS_GENERATION",
            took_ms=12.5,
            prompt_tokens=70,
            ended=False,
            code="worker.disk_full",
        )
    (line,) = told
    wanted = {"event": "stage.completed", "request_id": "r-1", "generation_id": "g-1", "level": "info"}
    wanted |= {
        "stage": "TTS_GENERATION",
        "took_ms": 12.5,
        "prompt_tokens": 70,
        "ended": False,
        "code": "worker.disk_full",
    }
    assert {name: line.get(name) for name in wanted} == wanted


def test_a_traceback_names_places_and_classes_and_quotes_nobody() -> None:
    """A bug must be found by its log alone, and its exceptions quote what they were given."""

    def inner() -> None:
        raise ValueError(f"could not read {CANARY}")

    def several() -> None:
        raise ExceptionGroup(CANARY, [httpx.ConnectError(CANARY), TypeError("f() takes no arguments")])

    with lines() as told:
        try:
            try:
                inner()
            except ValueError as error:
                raise Outage(f"The page {CANARY} did not answer.", code="source.unreachable") from error
        except Outage:
            log.logger("test").exception("stage.bug")
        try:
            _ = {}[CANARY]
        except KeyError as error:
            log.logger("test").error("api.bug", exc_info=error)
        try:
            several()
        except ExceptionGroup:
            logging.getLogger("a.library").exception("Exception in ASGI application")
    assert CANARY not in written(told)
    chain, key, group = (line["exception"] for line in told)
    assert chain.index("builtins.ValueError") < chain.index("Outage code=source.unreachable")
    assert "in inner" in chain
    assert "test_log.py" in key
    assert "httpx.ConnectError" in group
    assert "f() takes no arguments" in group


async def test_a_row_that_the_database_refuses_is_not_quoted(db: Database) -> None:
    """Statements come with their parameters, and details with whole rows: people's words."""
    with lines() as told:
        try:
            async with db.begin() as tx:
                await tx.execute(
                    text("INSERT INTO drafts (id, account_id, topic) VALUES (gen_random_uuid(), NULL, :topic)"),
                    {"topic": CANARY},
                )
        except IntegrityError:
            log.logger("test").exception("stage.bug")
    assert CANARY not in written(told)
    assert "sqlstate=23502" in told[0]["exception"]


def test_endless_values_are_cut() -> None:
    with lines() as told:
        log.logger("test").info("said", detail="x" * 100_000)
    assert len(told[0]["detail"]) == 1000


ODD = ("a\nb", "a\u2028b", "a\x85b", "\x1b[2J", "half \ud83d", "Grüße, 東京", 2**70, float("inf"))


@pytest.mark.parametrize("odd", ODD, ids=ascii)
@pytest.mark.parametrize("as_json", [True, False])
def test_nothing_that_is_said_ends_a_line_or_moves_a_cursor(odd: object, *, as_json: bool) -> None:
    """Who can end a line writes the next one, and who can send an escape rewrites what an operator has read."""
    with texts(as_json=as_json) as written:
        log.logger("test").info("said", detail=odd, code="here")
        logging.getLogger("some.library").warning("it said %s", odd)
    told = written.getvalue().removesuffix("\n").split("\n")
    assert [line.splitlines() for line in told] == [[line] for line in told]
    assert len(told) == 2
    assert all("said" in line and line.isprintable() for line in told)
    assert "here" in told[0]


def test_what_is_not_ascii_is_read_as_it_was_said() -> None:
    with lines() as told:
        log.logger("test").info("said", detail="Grüße, 東京 \u2028", number=2**70)
    assert (told[0]["detail"], told[0]["number"]) == ("Grüße, 東京 \u2028", 2**70)


def test_plain_lines_tell_what_happened_and_where() -> None:
    with texts(as_json=False) as written:
        try:
            _ = {}[CANARY]
        except KeyError:
            log.logger("test").exception("stage.bug", took_ms=12.5)
    first, *rest = written.getvalue().splitlines()
    assert first.endswith("error stage.bug took_ms=12.5")
    assert "builtins.KeyError" in rest[-1]
    assert CANARY not in written.getvalue()
