"""`reelwright schedules` as people run it: over HTTP, with tables, JSON and exit codes."""

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import rich_click as click
import uvicorn
from sqlalchemy import text

from reelwright import cli
from reelwright.app import create_app
from reelwright.billing import Plan
from reelwright.cli import schedules
from reelwright.dev.endpoints import DATA
from reelwright.generations import CaptionStyle, Profile
from reelwright.ground import clock
from reelwright.ground.ids import ScheduleId
from reelwright.ground.postgres import Database
from reelwright.journeys import brands, onboarding
from reelwright.schedules import ScheduleRuns, Schedules, run_id
from reelwright.settings import Settings
from tests.waiting import wait_until


@dataclass(frozen=True)
class Api:
    base_url: str
    api_key: str


@pytest.fixture
async def api(
    db: Database, redis: object, database_url: str, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    monkeypatch.setattr(logging.getLogger(), "level", logging.ERROR)  # a server of another process, as it were
    settings = Settings(
        environment="test",
        database_url=database_url,
        redis_url=valkey_url,
        storage_url=f"file://{tmp_path}",
        worker_url="http://127.0.0.1:9",
        qstash_url="http://127.0.0.1:9",
        qstash_token="token",
        qstash_current_signing_key="sig_test_current_key_of_32_chars__",
    )
    made = await onboarding.create_user(
        email="me@example.com", plan=Plan.BASIC, role="user", live=False, db=db, now=clock.now()
    )
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_config=None))
    serving = asyncio.create_task(server.serve())
    await wait_until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Api(f"http://127.0.0.1:{port}", made.secret)
    server.should_exit = True
    await serving


@dataclass(frozen=True)
class Ran:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Awaitable[Ran]]


@pytest.fixture
def run(api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    @contextmanager
    def reach(_data: Path) -> Generator[Api]:
        yield api

    commands: dict[str, click.Command] = {"schedules": schedules.group(reach, DATA)}
    monkeypatch.setattr(cli, "command", commands.__getitem__)

    def called(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["reelwright", "schedules", *words])
        try:
            cli.main()
        except SystemExit as left:
            return int(left.code or 0)
        raise AssertionError("main always exits")

    async def ran(*words: str) -> Ran:
        monkeypatch.setenv("COLUMNS", "80")
        code = await asyncio.to_thread(called, *words)
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return ran


DAILY = ("Daily", "--cron", "0 9 * * *")


async def test_a_schedule_lives_from_create_to_delete(run: Run) -> None:
    made = await run("create", *DAILY, "--topic", "Cats", "--topic", "Dogs", "--credits-month", "200", "--json")
    assert made.code == 0, made.err
    assert made.json["source"] == {"kind": "list", "topics": ["Cats", "Dogs"], "repeat": False}
    assert made.json["budget"] == {"runs_month": None, "credits_month": 200.0}
    schedule = made.json["id"]
    listed = await run("list")
    assert schedule in listed.out
    assert "Daily" in listed.out
    assert "0 9 * * * UTC" in listed.out
    assert "You paused it." not in listed.out
    paused = await run("pause", schedule)
    assert paused.out == f"{schedule}: Daily, paused\n"
    assert f"{schedule}: You paused it.\n" in (await run("list")).out
    resumed = await run("resume", schedule)
    assert resumed.out.startswith(f"{schedule}: Daily, active, due next 20")
    assert (await run("runs", schedule)).out == "It hasn't been due yet.\n"
    assert (await run("runs", schedule, "--json")).json == {"runs": [], "next_cursor": None}
    assert (await run("delete", schedule, "--json")).json == {"deleted": schedule}
    assert (await run("list", "--json")).json == {"schedules": []}
    gone = await run("pause", schedule)
    assert (gone.code, gone.err) == (2, "reelwright: There is no such schedule.\n")


async def test_a_schedules_looks_are_chosen_by_the_words_that_orders_know(run: Run, db: Database) -> None:
    assert set(schedules.STYLES) == set(CaptionStyle)
    assert set(schedules.PROFILES) == set(Profile)
    async with db.begin() as tx:
        owner = (await tx.scalars(text("SELECT id FROM users WHERE email = 'me@example.com'"))).one()
    colours = {"text_colour": "#FFFFFF", "highlight_colour": "#7CFFCB", "box_colour": None}
    kit, _ = await brands.add(owner, {"name": "House", "font": "inter", **colours}, request=None, db=db)
    looks = ("--captions", "karaoke", "--brand-kit", str(kit.id), "--profile", "preview")
    made = (await run("create", *DAILY, "--topic", "Cats", *looks, "--json")).json["make"]
    assert (made["caption_style"], made["brand_kit_id"], made["profile"]) == ("karaoke", str(kit.id), "preview")


WRONG = [
    ((*DAILY,), "--topic: Give exactly one of --topic, --template and --feed."),
    ((*DAILY, "--topic", "Cats", "--template", "Fact of {date}"), "Give exactly one of"),
    (("Daily", "--cron", "* * * * *", "--topic", "Cats"), "cron: leave at least 15 minutes between two due times."),
    ((*DAILY, "--template", "{secret}"), "template: the placeholders are {date}"),
    ((*DAILY, "--feed", "http://10.0.0.1/feed"), "This address can't be read"),
]


async def test_what_cant_be_made_is_one_line_and_exit_code_two(run: Run) -> None:
    for words, said in WRONG:
        refused = await run("create", *words)
        assert (refused.code, refused.out) == (2, "")
        assert said in refused.err
        assert refused.err.count("\n") == 1


async def test_runs_are_told_with_their_reels_and_reasons(run: Run, db: Database) -> None:
    schedule = (await run("create", *DAILY, "--template", "Fact of {date}", "--json")).json["id"]
    async with db.begin() as tx:
        found = await Schedules(session=tx).find(ScheduleId(UUID(schedule)))
        assert found is not None
        runs, now = ScheduleRuns(session=tx), datetime(2026, 11, 2, 9, tzinfo=UTC)
        await runs.add(found, now, now=now, give_up_at=now)
        reel = run_id(found.account_id, found.id, now)
        await runs.started(reel, topic="Fact of 2026-11-02", price_micro=12_500_000, now=now)
        await runs.add_missed(found, now + timedelta(days=1), count=1, now=now)
    told = (await run("runs", schedule)).out
    for word in ("2026-11-02 09:00", "started", "12.5", "Fact of 2026-11-02", str(reel), "missed"):
        assert word in told
    assert "Nobody was there" in told


async def test_an_api_that_is_away_is_exit_code_one(run: Run, monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    object.__setattr__(api, "base_url", "http://127.0.0.1:9")
    away = await run("list")
    assert (away.code, away.err) == (1, "reelwright: The API does not answer: try again soon.\n")
