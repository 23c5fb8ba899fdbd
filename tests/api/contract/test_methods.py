"""OPTIONS tells every method that an address has, and HEAD tells of what GET would bring."""

import re
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from reelwright.ground.postgres import Database
from tests.api.callers import Callers
from tests.api.conftest import Person
from tests.api.reels import MEDIA_TYPES, a_finished_reel

ANY = {"uuid": str(UUID(int=1)), "int": "1", "str": "x"}


def methods_in(allow: str) -> set[str]:
    return set(allow.split(", "))


async def test_options_tells_every_method_and_a_refusal_the_same(
    app: Litestar, anyone: httpx.AsyncClient, callers: Callers
) -> None:
    """The first handler's were told alone: /v1/drafts could not be read, if one believed it."""
    asked = 0
    for route in (one for one in app.routes if isinstance(one, HTTPRoute) and one.path_format != "/metrics"):
        path = re.sub(r"{\w+:(\w+)}", lambda found: ANY[found[1]], route.path)
        answer = await anyone.options(path, headers=callers.admin)
        assert methods_in(answer.headers["Allow"]) == route.methods, path
        refused = await anyone.request("TRACE", path, headers=callers.admin)
        assert (refused.status_code, methods_in(refused.headers["Allow"])) == (405, route.methods), path
        asked += 1
    assert asked > 100
    assert methods_in((await anyone.options("/v1/drafts", headers=callers.user)).headers["Allow"]) >= {"GET", "POST"}


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/schema", "/schema/openapi.json", "/problems"])
async def test_what_anybody_may_read_has_a_head(anyone: httpx.AsyncClient, path: str) -> None:
    """Watchers ask so, to spare themselves the body."""
    whole, head = await anyone.get(path), await anyone.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == whole.headers[name], path


async def test_every_file_of_a_reel_has_a_head(
    app: Litestar, api: httpx.AsyncClient, user: Person, db: Database, tmp_path: Path
) -> None:
    reel = await a_finished_reel(db, app.state.storage, tmp_path, user.account_id, kinds=tuple(MEDIA_TYPES))
    for name in (
        *("video", "thumbnail", "thumbnail/wide", "thumbnails/1", "captions.srt", "captions.vtt"),
        *("inspection.png", "manifest.json"),
    ):
        path = f"/v1/generations/{reel['generation_id']}/{name}"
        whole, head = await api.get(path), await api.head(path)
        assert (whole.status_code, head.status_code, head.content) == (200, 200, b""), (name, head.text)
        for header in ("ETag", "Content-Length", "Accept-Ranges"):
            assert head.headers[header] == whole.headers[header], name
