"""/v1/schedules: made once, read, changed, paused and deleted by their owner, and what came of each due time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from reelwright.ground.ids import ScheduleId
from reelwright.ground.postgres import Database
from reelwright.schedules import ScheduleRuns, Schedules
from tests.api.conftest import Person

BODY: dict[str, Any] = {
    "name": "Morning facts",
    "cron": "0 9 * * MON-FRI",
    "timezone": "Europe/Berlin",
    "source": {"kind": "template", "template": "Fact of {date}"},
}


async def created(api: httpx.AsyncClient, key: str = "one", **more: Any) -> httpx.Response:
    return await api.post("/v1/schedules", json=BODY | more, headers={"Idempotency-Key": key})


async def test_a_schedule_is_made_once_and_read_as_it_was_meant(api: httpx.AsyncClient) -> None:
    answer = await created(api, make={"duration_s": 20, "tone": "calm"}, budget={"credits_month": 100.5})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["Location"] == f"/v1/schedules/{made['id']}"
    assert made["status"] == "active"
    due_at = datetime.fromisoformat(made["next_due_at"])
    assert datetime.now(UTC) < due_at < datetime.now(UTC) + timedelta(days=4)
    assert due_at.weekday() < 5
    assert made["source"] == BODY["source"]
    assert (made["make"]["duration_s"], made["make"]["tone"], made["make"]["kind"]) == (20, "calm", "video")
    assert made["budget"] == {"runs_month": None, "credits_month": 100.5}
    assert (made["missed"], made["paused"], made["statistics"]["started"]) == ("skip", None, 0)

    again = await created(api, make={"duration_s": 20, "tone": "calm"}, budget={"credits_month": 100.5})
    assert (again.status_code, again.headers["Idempotency-Replayed"], again.json()) == (201, "true", made)
    other = await created(api)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")
    assert (await api.get(f"/v1/schedules/{made['id']}")).json() == made
    assert (await api.get("/v1/schedules")).json() == {"schedules": [made], "next_cursor": None}


async def test_a_schedule_says_how_its_reels_look_and_does_without_a_kit_that_is_deleted(
    api: httpx.AsyncClient, stranger: Person
) -> None:
    colours = {"text_colour": "#FFFFFF", "highlight_colour": "#7CFFCB"}
    kit = (await api.post("/v1/brand-kits", json={"name": "House", "font": "inter", **colours})).json()["id"]
    look = {"caption_style": "pop", "brand_kit_id": kit, "profile": "fast"}
    answer = await created(api, make=look)
    made, path = answer.json(), f"/v1/schedules/{answer.json()['id']}"
    assert {name: made["make"][name] for name in look} == look
    assert (await api.delete(f"/v1/brand-kits/{kit}")).status_code == 204
    bare = await api.get(path)
    assert bare.json()["make"] == made["make"] | {"brand_kit_id": None}
    assert bare.headers["ETag"] != answer.headers["ETag"]
    gone = await api.patch(path, json={"make": look})
    assert (gone.status_code, gone.json()["code"], gone.json()["field"]) == (400, "brand_kit.unknown", "brand_kit_id")
    plain = (await created(api, key="two")).json()["make"]
    assert (plain["caption_style"], plain["brand_kit_id"], plain["profile"]) == ("classic", None, "normal")


async def test_a_small_profile_fits_a_budget_that_a_whole_one_exceeds(api: httpx.AsyncClient) -> None:
    """A run is priced as it will be made; that it was a schedule's costs a little more."""
    small = {"duration_s": 30, "profile": "preview"}
    budget = {"credits_month": (await api.post("/v1/calculate-cost", json=small)).json()["price"] + 1}
    assert (await created(api, budget=budget, make=small)).status_code == 201
    whole = await created(api, key="two", budget=budget, make={"duration_s": 30})
    assert (whole.status_code, whole.json()["code"]) == (400, "schedule.budget_too_small")


WRONG: list[tuple[dict[str, Any], int, str, str]] = [
    ({"cron": "* * * * *"}, 400, "schedule.timing", "cron"),
    ({"cron": "0 0 30 2 *"}, 400, "schedule.timing", "cron"),
    ({"timezone": "Mars/Olympus"}, 400, "schedule.timing", "timezone"),
    ({"source": {"kind": "template", "template": "{secret}"}}, 400, "schedule.source", "source"),
    ({"source": {"kind": "list", "topics": []}}, 400, "request.invalid", "source.topics"),
    ({"source": {"kind": "list", "topics": ["ok", "\x00"]}}, 400, "request.invalid", "source"),
    ({"source": {"kind": "other"}}, 400, "request.invalid", "source.kind"),
    ({"source": {"kind": "rss", "url": "http://10.0.0.1/feed"}}, 400, "source.not_allowed", "url"),
    ({"source": {"kind": "rss", "url": "file:///etc/passwd"}}, 400, "source.not_allowed", "url"),
    ({"name": "   "}, 400, "request.invalid", "name"),
    ({"make": {"duration_s": 5}}, 400, "request.invalid", "make.duration_s"),
    ({"make": {"profile": "slow"}}, 400, "request.invalid", "make.profile"),
    ({"make": {"caption_style": "comic"}}, 400, "request.invalid", "make.caption_style"),
    ({"make": {"language": "xx"}}, 400, "voice.language_unsupported", "language"),
    ({"make": {"voice": "coral"}}, 400, "voice.unknown", "voice"),
    ({"make": {"variants": 4}}, 403, "plan.required", "variants"),
    ({"budget": {"credits_month": 0.5}}, 400, "schedule.budget_too_small", "budget"),
    ({"budget": {"runs_month": 0}}, 400, "request.invalid", "budget.runs_month"),
    ({"missed": "all"}, 400, "request.invalid", "missed"),
    ({"extra": 1}, 400, "request.invalid", "extra"),
]


@pytest.mark.parametrize(("change", "status", "code", "field"), WRONG, ids=lambda value: str(value)[:40])
async def test_what_cant_run_is_refused_with_its_field(
    api: httpx.AsyncClient, change: dict[str, Any], status: int, code: str, field: str
) -> None:
    answer = await created(api, **change)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (status, code, field)
    assert (await api.get("/v1/schedules")).json()["schedules"] == []


async def test_a_change_to_a_voice_that_speaks_nowhere_here_is_refused(api: httpx.AsyncClient) -> None:
    path = f"/v1/schedules/{(await created(api)).json()['id']}"
    answer = await api.patch(path, json={"make": {"voice": "coral"}})
    assert (answer.status_code, answer.json()["code"]) == (400, "voice.unknown")


async def test_a_post_needs_a_key_and_somebody(api: httpx.AsyncClient) -> None:
    assert (await api.post("/v1/schedules", json=BODY)).json()["field"] == "Idempotency-Key"
    assert (await api.get("/v1/schedules", headers={"Authorization": ""})).status_code == 401


async def test_another_persons_schedule_is_not_there(api: httpx.AsyncClient, stranger: Person) -> None:
    path = f"/v1/schedules/{(await created(api)).json()['id']}"
    for method, where, body in (
        *(("GET", path, None), ("PATCH", path, {"name": "Mine"}), ("DELETE", path, None)),
        *(("POST", f"{path}/pause", None), ("POST", f"{path}/resume", None), ("GET", f"{path}/runs", None)),
    ):
        answer = await api.request(method, where, json=body, headers=stranger.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "schedule.not_found"), where
    assert (await api.get("/v1/schedules", headers=stranger.headers)).json()["schedules"] == []
    assert (await api.get(path)).json()["status"] == "active"


async def test_fields_change_and_the_next_time_with_them(api: httpx.AsyncClient) -> None:
    made = (await created(api)).json()
    path = f"/v1/schedules/{made['id']}"
    renamed = (await api.patch(path, json={"name": "Evening", "budget": {"runs_month": 3}})).json()
    assert (renamed["name"], renamed["next_due_at"]) == ("Evening", made["next_due_at"])
    assert renamed["budget"] == {"runs_month": 3, "credits_month": None}
    moved = (await api.patch(path, json={"timezone": "Asia/Tokyo"})).json()
    assert (moved["cron"], moved["timezone"]) == (made["cron"], "Asia/Tokyo")
    assert datetime.fromisoformat(moved["next_due_at"]).hour == 0
    assert (await api.patch(path, json={})).status_code == 400
    assert (await api.patch(path, json={"cron": "0 0 30 2 *"})).json()["field"] == "cron"
    assert (await api.get(path)).json()["cron"] == made["cron"]


async def test_a_change_to_what_somebody_else_has_changed_is_refused(api: httpx.AsyncClient) -> None:
    """Whoever read a schedule changes that schedule or none; what runs do to it meanwhile is no change."""
    made = await created(api)
    path = f"/v1/schedules/{made.json()['id']}"
    assert made.headers["ETag"] == (await api.get(path)).headers["ETag"] == '"1"'
    first = await api.patch(path, json={"name": "First"}, headers={"If-Match": '"1"'})
    assert (first.status_code, first.headers["ETag"]) == (200, '"2"')
    late = await api.patch(path, json={"name": "Late"}, headers={"If-Match": '"1"'})
    assert (late.status_code, late.json()["code"], late.json()["version"]) == (412, "schedule.changed", 2)
    assert (await api.patch(path, json={"name": "x"}, headers={"If-Match": "two"})).json()["field"] == "If-Match"
    await api.post(f"{path}/pause")
    for any_version in ({"If-Match": '"2"'}, {"If-Match": "*"}, {}):
        assert (await api.patch(path, json={"name": "Last"}, headers=any_version)).status_code == 200
    read = await api.get(path)
    assert (read.json()["name"], read.headers["ETag"]) == ("Last", '"5"')


async def test_pausing_and_resuming_answer_the_same_again(api: httpx.AsyncClient) -> None:
    path = f"/v1/schedules/{(await created(api)).json()['id']}"
    for _ in range(2):
        paused = (await api.post(f"{path}/pause")).json()
        assert (paused["status"], paused["next_due_at"]) == ("paused", None)
        assert paused["paused"] == {"code": "schedule.paused_by_owner", "detail": "You paused it."}
    for _ in range(2):
        resumed = (await api.post(f"{path}/resume")).json()
        assert (resumed["status"], resumed["paused"]) == ("active", None)
        assert resumed["next_due_at"] is not None


async def test_a_deleted_schedule_is_gone_for_its_key_too(api: httpx.AsyncClient) -> None:
    path = f"/v1/schedules/{(await created(api)).json()['id']}"
    assert (await api.delete(path)).status_code == 204
    assert (await api.delete(path)).status_code == 404
    assert (await created(api)).status_code == 404
    assert (await api.get("/v1/schedules")).json()["schedules"] == []
    assert (await created(api, "another")).status_code == 201


async def test_fifty_are_the_most(api: httpx.AsyncClient) -> None:
    for n in range(50):
        assert (await created(api, f"k{n}")).status_code == 201
    refused = await created(api, "k50")
    assert (refused.status_code, refused.json()["code"]) == (409, "schedule.too_many")


async def test_runs_come_in_pages_from_the_latest_due_time(
    api: httpx.AsyncClient, db: Database, stranger: Person
) -> None:
    made = ScheduleId((await created(api)).json()["id"])
    now = datetime(2026, 11, 2, 8, tzinfo=UTC)
    async with db.begin() as tx:
        found = await Schedules(session=tx).find(made)
        assert found is not None
        for day in range(5):
            at = now + timedelta(days=day)
            await ScheduleRuns(session=tx).add_missed(found, at, count=day + 1, now=at)
    path = f"/v1/schedules/{made}/runs"
    first = (await api.get(path, params={"limit": 3})).json()
    assert [run["missed"] for run in first["runs"]] == [5, 4, 3]
    newest = first["runs"][0]
    assert (newest["status"], newest["code"], newest["generation_id"]) == ("missed", "schedule.missed", None)
    rest = (await api.get(path, params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert ([run["missed"] for run in rest["runs"]], rest["next_cursor"]) == ([2, 1], None)
    for wrong in ("x", first["next_cursor"][:-1]):
        assert (await api.get(path, params={"cursor": wrong})).json()["field"] == "cursor"
