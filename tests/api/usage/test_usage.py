"""/v1/usage: what I used, day by day and by action, where it leads, and as a file."""

import csv
import io
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from reelwright.api.usage import safe_cell
from reelwright.ground import clock
from reelwright.ground.postgres import Database
from reelwright.journeys import usage as journey
from tests.api.conftest import Person
from tests.api.usage.conftest import worked


async def read(api: httpx.AsyncClient, path: str, **params: object) -> Any:
    answer = await api.get(f"/v1/usage/{path}", params={key.rstrip("_"): str(value) for key, value in params.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_every_day_is_told_those_without_usage_too(
    api: httpx.AsyncClient, user: Person, stranger: Person, db: Database
) -> None:
    await worked(api, user, db, times=2)
    await worked(api, stranger, db)
    today = clock.now().date()
    told = await read(api, "daily", from_=today - timedelta(days=2))
    assert (told["from"], told["to"]) == (str(today - timedelta(days=2)), str(today))
    assert [(day["day"], day["calls"], day["credits"]) for day in told["days"]] == [
        (str(today - timedelta(days=2)), 0, 0),
        (str(today - timedelta(days=1)), 0, 0),
        (str(today), 4, 10),
    ]
    last = told["days"][-1]
    assert (last["failed_calls"], last["prompt_tokens"], last["completion_tokens"], last["seconds"]) == (2, 400, 80, 6)
    assert told["as_of"] is not None
    assert "cost" not in str(told), "what it costs us is ours"


async def test_the_default_is_this_month_and_before_the_first_roll_up_nothing_is_known(
    api: httpx.AsyncClient,
) -> None:
    told = await read(api, "daily")
    assert told["from"] == str(clock.now().date().replace(day=1))
    assert len(told["days"]) == clock.now().day
    assert told["as_of"] is None


async def test_by_action_shows_quantities_and_credits(api: httpx.AsyncClient, user: Person, db: Database) -> None:
    await worked(api, user, db)
    (line,) = (await read(api, "by-action"))["actions"]
    assert (line["action"], line["calls"], line["failed_calls"], line["quantity"], line["credits"]) == (
        "story",
        2,
        1,
        4,
        5,
    )


@pytest.mark.parametrize(
    "params",
    [
        {"from": "2026-02-30"},
        {"from": "yesterday"},
        {"from": "2026-01-01T00:00"},
        {"from": "2026-02-02", "to": "2026-02-01"},
        {"from": "2024-01-01", "to": "2026-01-01"},
    ],
)
@pytest.mark.parametrize("path", ["daily", "by-action", "export.csv"])
async def test_a_range_that_is_none_names_its_field(api: httpx.AsyncClient, path: str, params: dict[str, str]) -> None:
    answer = await api.get(f"/v1/usage/{path}", params=params)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "request.invalid", "from")


async def test_days_to_come_are_no_range(api: httpx.AsyncClient) -> None:
    days = {"from": "9999-12-01", "to": "9999-12-31"}
    answer = await api.get("/v1/usage/export.csv", params=days)
    assert (answer.status_code, answer.json()["field"]) == (400, "to")
    tomorrow = str(clock.now().date() + timedelta(days=1))
    assert (await read(api, "daily", to=tomorrow))["to"] == tomorrow


async def test_a_year_is_a_range(api: httpx.AsyncClient) -> None:
    assert len((await read(api, "daily", from_="2024-01-01", to="2024-12-31"))["days"]) == 366


async def test_the_projection_of_somebody_new_is_none(api: httpx.AsyncClient, user: Person, db: Database) -> None:
    await worked(api, user, db)
    told = await read(api, "projection")
    assert (told["used"], told["enough_data"], told["projected"], told["exhausted_at"]) == (5, False, None, None)


async def test_the_projection_goes_on_at_the_rate_of_the_weeks_before(
    api: httpx.AsyncClient, user: Person, db: Database
) -> None:
    """Every day of the last four weeks cost 2,000 credits: 7,495 that are left last not four days."""
    async with db.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO usage_daily (account_id, day, action, provider, model, plan, outcome, credits_micro)"
                " SELECT :id, current_date - n, 'story', 'p', 'm', 'pro', 'succeeded', 2000000000"
                " FROM generate_series(1, 28) AS n"
            ),
            {"id": user.account_id},
        )
    await worked(api, user, db)
    told, now = await read(api, "projection"), clock.now()
    assert told["enough_data"]
    assert told["used"] == (now.day - 1) * 2_000 + 5
    assert told["used"] <= told["low"] <= told["projected"] <= told["high"]
    whole = 2_000 * ((journey.billing.calendar_period(now).end - now) / timedelta(days=1)) + told["used"]
    assert told["projected"] == pytest.approx(whole, rel=0.06)
    left = journey.billing.calendar_period(now).end - now
    assert (told["exhausted_at"] is not None) == (left > timedelta(days=3.9))


async def test_the_file_has_every_call_and_no_formula(
    api: httpx.AsyncClient, user: Person, stranger: Person, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journey, "_PAGE", 2)
    work = await worked(api, user, db, model='=HYPERLINK("http://x","y")', times=2)
    await worked(api, stranger, db)
    answer = await api.get("/v1/usage/export.csv")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert answer.headers["content-disposition"].startswith('attachment; filename="usage-')
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["outcome"], row["credits"]) for row in rows] == [("failed", "0.000000"), ("succeeded", "5.000000")] * 2
    assert rows[-1]["generation_id"] == work
    assert {row["model"] for row in rows} == {'\'=HYPERLINK("http://x","y")'}
    assert "cost" not in answer.text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_cell_never_begins_as_a_formula_does(start: str) -> None:
    assert safe_cell(f"{start}1+1") == f"'{start}1+1"


def test_plain_cells_stay_as_they_are() -> None:
    assert [safe_cell(value) for value in (None, 0, "a=b", date(2026, 1, 2))] == ["", "0", "a=b", "2026-01-02"]
