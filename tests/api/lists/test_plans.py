"""A page costs what stands on it, however long its list: seen in the plans of the very statements that routes send."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from asyncpg.prepared_stmt import PreparedStatement
from litestar import Litestar

from reelwright.api.operations import operations
from reelwright.ground.postgres import Database
from tests.api.callers import Callers
from tests.api.lists.filling import MINE, ROWS
from tests.api.snapshot import present

Sent = tuple[str, tuple[Any, ...], Sequence[Any]]

LISTS = 22
"""Fewer would mean that a list has lost its pages, or that this looks in the wrong place."""
LIMIT, FAR = 5, 100
FEW = 40
"""So many rows of a table a page may read: its own, and some beside them."""
NARROWED: Mapping[str, Sequence[Mapping[str, str]]] = {
    "/v1/admin/dead-letters": [{"open": "false"}],
    "/v1/admin/stripe-events": [{"status": "failed"}, {"status": "done"}],
    "/v1/admin/usage": [{"group_by": "plan", "from": "2026-01-01", "to": "2026-02-01"}],
    "/v1/admin/users": [{"q": "needle"}, {"q": "cat"}, {"plan": "pro"}, {"q": "NEEDLE", "plan": "pro"}],
    "/v1/drafts": [{"q": "needle"}, {"platform": "shorts"}],
    "/v1/generations": [{"status": one} for one in ("queued", "running", "succeeded", "failed", "cancelled")],
    "/v1/library/assets": [
        {"q": "cats"},
        {"kind": "video"},
        {"status": "archived"},
        {"platform": "reels"},
        {"tags": "x"},
    ],
    "/v1/media": [{"kind": "audio"}],
    "/v1/music": [{"mood": "calm"}, {"genre": "ambient"}, {"bpm_min": "10"}, {"bpm_max": "300"}, {"q": "mine"}],
}
"""What a list can be narrowed down by; of what is rare, one has to look for longest."""
OWN = "An account's own ones, one by one: an index would cost each order, which is what has to be quick"
NEWEST = "The newest ones first, where what is frequent stands; behind them, by the index of the words"
MORE: Mapping[str, tuple[int, str]] = {
    "/v1/admin/usage": (ROWS + 1, "What all have used on the days that are asked for is added up"),
    "/v1/admin/users?q": (500, NEWEST),
    "/v1/drafts?platform": (MINE + 2, OWN),
    "/v1/drafts?q": (MINE + 2, OWN),
    "/v1/generations?status=cancelled": (MINE + 1, OWN),
    "/v1/library/assets?": (500, NEWEST),
    "/v1/stage-runs?": (ROWS // 20 + 1, "The runs of one generation, whose number its scenes bound"),
}
"""What a page may read beyond that, and why; by how the request begins."""


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Sent]:
    """What is sent to PostgreSQL, with its values and their types, in its order."""
    seen: list[Sent] = []
    fetch = PreparedStatement.fetch

    async def noted(self: PreparedStatement, *values: Any, **more: Any) -> Any:
        seen.append((self.get_query(), values, self.get_parameters()))
        return await fetch(self, *values, **more)

    monkeypatch.setattr(PreparedStatement, "fetch", noted)
    return seen


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


async def read_by(db: Database, statement: Sent) -> dict[str, float]:
    """Execute a statement by the plan that requests get, whatever its values; return the rows that each node read.

    What filters have left out counts. A small table is read whole, as cheaply as by an index: here none is small.
    """
    query, values, types = statement
    async with db.begin() as tx:
        driver = tx.info["line"].driver
        await driver.execute("SET LOCAL enable_seqscan = off")
        spelled = ", ".join(f"quote_nullable(CAST(${n} AS {one.name}))" for n, one in enumerate(types, 1))
        literals = ", ".join(await driver.fetchrow(f"SELECT {spelled}", *values)) if values else ""
        await driver.execute(f"PREPARE looked_at AS {query}")
        told = await driver.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) EXECUTE looked_at{literals and f'({literals})'}"
        )
        await driver.execute("DEALLOCATE looked_at")
    read: dict[str, float] = {}
    for node in nodes((json.loads(told) if isinstance(told, str) else told)[0]["Plan"]):
        rows = node["Actual Rows"] + sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
        name = node.get("Index Name", node.get("Relation Name", node["Node Type"]))
        read[name] = max(read.get(name, 0), rows * node["Actual Loops"])
    return read


async def pages(client: httpx.AsyncClient, request: str, who: Mapping[str, str], sent: list[Sent]) -> list[Sent]:
    """Ask for a first page and for one far behind it, and return what that sent."""
    first = await client.get(f"{request}&limit={FAR}", headers=who)
    assert first.status_code == 200, (request, first.text)
    cursor = first.json()["next_cursor"]
    sent.clear()
    for behind in ("", f"&cursor={cursor}") if cursor else ("",):
        page = await client.get(f"{request}&limit={LIMIT}{behind}", headers=who)
        assert page.status_code == 200, (request, page.text)
    return [one for one in sent if not one[0].lstrip().startswith(("INSERT", "UPDATE"))]


async def test_each_page_reads_little_more_than_what_stands_on_it(
    app: Litestar, client: httpx.AsyncClient, callers: Callers, ids: dict[str, str], db: Database, sent: list[Sent]
) -> None:
    """Each list, whole and narrowed down, its first page and one far behind: by its index, however long it is."""
    document, slow, asked = present(), {}, 0
    for one in operations(app):
        if "cursor" not in one.parameters:
            continue
        asked += 1
        told = {each["name"] for each in document["paths"][one.path]["get"]["parameters"] if each["in"] == "query"}
        known = {name for narrowed in NARROWED.get(one.path, ()) for name in narrowed}
        assert told - {"cursor", "limit", "generation_id"} == known, one.path
        who = callers.admin if "/admin/" in one.path else callers.user
        beside = {"generation_id": ids["generation_id"]} if "generation_id" in told else {}
        for narrowed in ({}, *NARROWED.get(one.path, ())):
            request = f"{one.path.format(**ids)}?{urlencode({**beside, **narrowed})}"
            few = next((more for begins, (more, _) in MORE.items() if request.startswith(begins)), FEW)
            for statement in await pages(client, request, who, sent):
                read = await read_by(db, statement)
                if max(read.values()) > few:
                    slow[request] = read, statement[0]
    assert asked >= LISTS
    assert slow == {}


async def test_pages_follow_each_other_without_gap_or_repeat(
    app: Litestar, client: httpx.AsyncClient, callers: Callers, ids: dict[str, str]
) -> None:
    for one in operations(app):
        if "cursor" not in one.parameters:
            continue
        who = callers.admin if "/admin/" in one.path else callers.user
        asked = {"generation_id": ids["generation_id"]} if "generation_id" in one.parameters else {}
        path = one.path.format(**ids)
        whole = items((await client.get(path, params={**asked, "limit": 7}, headers=who)).json())
        found, cursor = [], {}
        while len(found) < len(whole):
            page = (await client.get(path, params={**asked, "limit": 2, **cursor}, headers=who)).json()
            assert len(items(page)) == 2, path
            found += items(page)
            cursor = {"cursor": page["next_cursor"]}
        assert (len(whole), found[:7]) == (7, whole), path


def items(page: Mapping[str, Any]) -> list[Any]:
    [found] = [value for value in page.values() if isinstance(value, list)]
    return found
