"""RateLimit-Policy, RateLimit and Retry-After: parsed as RFC 9651 says, and true for whatever stands."""

import calendar
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from litestar import Litestar

from reelwright.accounts import Account
from reelwright.admission import Admitted, Limits, NotAdmitted, Periods, Policy, Standing
from reelwright.api.limits import headers_of, headers_of_refusal
from reelwright.app import create_app
from reelwright.billing import PLANS, Plan
from reelwright.ground.ids import AccountId
from reelwright.ground.postgres import Database
from reelwright.settings import Settings
from tests.api.conftest import living, person

LIMITS = Limits(generations_month=7, generations_hour=5, full_regenerations_month=3, concurrent=4, cooldown_ms=30_000)
_INTEGER = re.compile(r"-?[0-9]{1,15}(?![0-9.])")
_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
_COMMA = re.compile(r"[ \t]*,[ \t]*")


def parsed(field: str) -> list[tuple[str, dict[str, Any]]]:
    """Parse a List of Strings with parameters (RFC 9651, 4.2.1): every member with its parameters, or ValueError."""
    members, at = [], 0
    while True:
        name, at = _bare(field, at)
        parameters: dict[str, Any] = {}
        while at < len(field) and field[at] == ";":
            at = at + 1 + len(field[at + 1 :]) - len(field[at + 1 :].lstrip(" "))
            key, at = _found(_KEY, field, at)
            parameters[key], at = _bare(field, at + 1) if field[at : at + 1] == "=" else (True, at)
        assert isinstance(name, str)
        members.append((name, parameters))
        if at == len(field):
            return members
        _, at = _found(_COMMA, field, at)


def _bare(field: str, at: int) -> tuple[Any, int]:
    if field[at : at + 1] == '"':
        text, at = _found(_STRING, field, at)
        return re.sub(r"\\(.)", r"\1", text[1:-1]), at
    digits, at = _found(_INTEGER, field, at)
    return int(digits), at


def _found(pattern: re.Pattern[str], field: str, at: int) -> tuple[str, int]:
    match = pattern.match(field, at)
    if match is None:
        raise ValueError(f"not what RFC 9651 wants at {at}: {field!r}")
    return match[0], match.end()


@pytest.mark.parametrize(
    "field", ["", "a b", '"a";q=1.5', '"a";Q=1', '"a",', '"a" "b"', '"ä"', '"a";q=1234567890123456']
)
def test_the_parser_can_say_no(field: str) -> None:
    with pytest.raises(ValueError, match="RFC 9651"):
        parsed(field)


def test_the_parser_reads_what_there_is_to_read() -> None:
    assert parsed('"a";q=1; w=20;on , "b\\"";qu="x"') == [("a", {"q": 1, "w": 20, "on": True}), ('b"', {"qu": "x"})]


def an_account(plan: Plan = Plan.BASIC) -> Account:
    return Account(
        id=AccountId(uuid4()),
        email="a@example.com",
        role="user",
        plan=plan.value,
        plan_version=1,
        boost_until=None,
        demo=False,
    )


def admitted(at: datetime, standings: Sequence[Standing]) -> Admitted:
    return Admitted(at=at, lease_until=at, boosted=False, limits=LIMITS, weighed=lambda: standings)


def row(policy: Policy, limit: int | None, used: int, frees_at: datetime | None) -> Standing:
    return Standing(policy=policy, limit=limit, used=used, frees_at=frees_at)


INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2032, 12, 31), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
COUNTS = st.integers(0, 1000)


@st.composite
def standings(draw: st.DrawFn, at: datetime) -> list[Standing]:
    """Rows of every policy, as admission makes them: also with more used than allowed, no cap, nothing allowed."""
    periods = Periods.at(at)
    soon = st.none() | st.integers(1, 60_000).map(lambda ms: at + timedelta(milliseconds=ms))
    return [
        row(Policy.COOLDOWN, 1, 1, at + timedelta(milliseconds=draw(st.integers(1, 30_000)))),
        row(Policy.GENERATIONS_MONTH, draw(COUNTS), draw(COUNTS), periods.month_end),
        row(Policy.GENERATIONS_HOUR, draw(COUNTS), draw(COUNTS), periods.hour_end),
        row(Policy.FULL_REGENERATIONS_MONTH, draw(st.none() | COUNTS), draw(COUNTS), periods.month_end),
        row(Policy.CONCURRENT, draw(COUNTS), draw(COUNTS), draw(soon)),
        row(Policy.PROVIDER_PLACE, draw(COUNTS), draw(COUNTS), draw(soon)),
    ]


def told(
    headers: Mapping[str, str], at: datetime
) -> tuple[list[str], dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Return the policies in their order, and both fields by policy, after checking what always holds."""
    quotas, left = parsed(headers["RateLimit-Policy"]), parsed(headers["RateLimit"])
    names = [name for name, _ in quotas]
    assert names == [name for name, _ in left]
    assert len(set(names)) == len(names)
    assert Policy.PROVIDER_PLACE not in names
    for name, quota in quotas:
        assert quota["q"] >= 0
        days = calendar.monthrange((at).year, at.month)[1]
        if name in {"generations_month", "full_regenerations_month"}:
            assert quota["w"] == days * 86_400
        if name == "generations_hour":
            assert quota["w"] == 3600
        assert (quota.get("qu"), "w" in quota) == (
            ("concurrent-requests", False) if name == "concurrent" else (None, True)
        )
    for _, parameters in left:
        assert parameters["r"] >= 0
        assert parameters["r"] > 0 or parameters["t"] >= 1
        assert parameters.get("t", 1) >= 1
    return names, dict(quotas), dict(left)


@given(data=st.data(), at=INSTANTS)
def test_e69_what_is_told_of_an_admission_is_true(data: st.DataObject, at: datetime) -> None:
    rows = data.draw(standings(at))
    shown = {r.policy.value: r for r in rows if r.limit and r.policy not in {Policy.COOLDOWN, Policy.PROVIDER_PLACE}}
    headers = headers_of(admitted(at, rows))
    if not shown:
        assert headers == {}
        return
    names, quotas, left = told(headers, at)
    assert set(names) == set(shown)
    shares = [left[name]["r"] / quotas[name]["q"] for name in names]
    assert shares == sorted(shares)
    for name in names:
        assert (quotas[name]["q"], left[name]["r"]) == (shown[name].limit, shown[name].remaining)
        if "t" in left[name] and shown[name].frees_at:
            wait = (shown[name].frees_at - at).total_seconds()
            assert wait <= left[name]["t"] < wait + 1


@given(data=st.data(), at=INSTANTS, plan=st.sampled_from(Plan))
def test_e69_what_is_told_of_a_refusal_is_true(data: st.DataObject, at: datetime, plan: Plan) -> None:
    rows = data.draw(standings(at))
    can_bind = [r for r in rows if r.limit is not None and (r.policy is not Policy.CONCURRENT or not r.remaining)]
    violations = data.draw(st.lists(st.sampled_from(can_bind), min_size=1, unique_by=lambda r: r.policy))
    assume({r.policy for r in violations} != {Policy.PROVIDER_PLACE})
    refusal = NotAdmitted(violations, now=at, standings=rows)

    headers = headers_of_refusal(refusal, an_account(plan))

    names, quotas, left = told(headers, at)
    violated = [r.policy.value for r in violations if r.policy is not Policy.PROVIDER_PLACE]
    assert set(names[: len(violated)]) == set(violated)
    waits = [left[name]["t"] for name in names[: len(violated)]]
    assert waits == sorted(waits, reverse=True)
    retry = int(headers["Retry-After"])
    assert retry >= max([*waits, 1])
    assert retry >= refusal.wait.total_seconds()
    assert ("cooldown" in names) == ("cooldown" in violated)
    if "cooldown" in violated:
        window = max(PLANS[plan].cooldown.total_seconds(), left["cooldown"]["t"])
        assert (quotas["cooldown"], left["cooldown"]["r"]) == ({"q": 1, "w": window}, 0)
    assert refusal.extra["binding"] in {r.policy.value for r in violations}


@pytest.mark.parametrize(
    ("year", "month", "days"), [(2027, 2, 28), (2028, 2, 29), (2026, 11, 30), (2026, 12, 31), (2027, 1, 31)]
)
@pytest.mark.parametrize("edge", ["first", "last"])
def test_e13_the_month_is_as_long_as_it_is(year: int, month: int, days: int, edge: str) -> None:
    first = datetime(year, month, 1, tzinfo=UTC)
    at = first if edge == "first" else first + timedelta(days=days) - timedelta(milliseconds=1)
    end = first + timedelta(days=days)
    rows = [row(Policy.GENERATIONS_MONTH, 60, 1, end), row(Policy.FULL_REGENERATIONS_MONTH, 30, 30, end)]
    headers = headers_of(admitted(at, rows))
    left = days * 86_400 if edge == "first" else 1
    assert parsed(headers["RateLimit-Policy"]) == [
        ("full_regenerations_month", {"q": 30, "w": days * 86_400}),
        ("generations_month", {"q": 60, "w": days * 86_400}),
    ]
    assert parsed(headers["RateLimit"]) == [
        ("full_regenerations_month", {"r": 0, "t": left}),
        ("generations_month", {"r": 59, "t": left}),
    ]


def test_a_cooldown_of_a_longer_plan_is_no_longer_than_its_window() -> None:
    """It was set under Basic's 30 seconds, and the account is on Pro by now, whose cooldown is 5."""
    at = datetime(2026, 12, 1, tzinfo=UTC)
    cooling = row(Policy.COOLDOWN, 1, 1, at + timedelta(seconds=20.2))
    headers = headers_of_refusal(NotAdmitted([cooling], now=at), an_account(Plan.PRO))
    assert headers == {
        "RateLimit-Policy": '"cooldown";q=1;w=21',
        "RateLimit": '"cooldown";r=0;t=21',
        "Retry-After": "21",
    }


async def test_a_refused_order_tells_every_limit_and_which_binds(api: httpx.AsyncClient) -> None:
    for key in ("a", "b"):
        answer = await api.post("/v1/create", json={"topic": "Cats"}, headers={"Idempotency-Key": key})
        assert answer.status_code == 202
    refused = await api.post("/v1/create", json={"topic": "Cats"}, headers={"Idempotency-Key": "c"})

    assert refused.status_code == 429
    names, quotas, left = told(refused.headers, datetime.now(UTC))
    assert names[0] == "concurrent"
    assert set(names) == {"concurrent", "generations_month", "generations_hour", "full_regenerations_month"}
    assert (quotas["concurrent"]["q"], left["concurrent"]["r"], left["generations_month"]["r"]) == (2, 0, 298)
    assert int(refused.headers["Retry-After"]) >= left["concurrent"]["t"]
    body = refused.json()
    assert body["binding"] == "concurrent"
    (violated,) = body["violations"]
    assert (violated["policy"], violated["limit"], violated["used"]) == ("concurrent", 2, 2)
    assert datetime.fromisoformat(violated["frees_at"]) > datetime.now(UTC)


async def test_a_cooling_draft_tells_its_cooldown_among_the_limits(app: Litestar, db: Database, redis: object) -> None:
    """On Standard a third reel at once meets two limits; what frees last binds, and Retry-After waits for both."""
    somebody = await person(db, "cooling@example.com", Plan.STANDARD)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=somebody.headers) as client:
        made = await client.post("/v1/create", json={"topic": "Cats"}, headers={"Idempotency-Key": "a"})
        order = {"draft_id": made.json()["draft_id"], "part": "full"}
        first = await client.post("/v1/regenerate", json=order, headers={"Idempotency-Key": "b"})
        second = await client.post("/v1/regenerate", json=order, headers={"Idempotency-Key": "c"})
    assert (made.status_code, first.status_code, second.status_code) == (202, 202, 429), second.text
    assert "cooldown" not in told(first.headers, datetime.now(UTC))[0]
    names, quotas, left = told(second.headers, datetime.now(UTC))
    assert sorted(names[:2]) == ["concurrent", "cooldown"]
    assert (quotas["cooldown"], left["cooldown"]["r"]) == ({"q": 1, "w": 15}, 0)
    assert 1 <= left["cooldown"]["t"] <= 15
    assert int(second.headers["Retry-After"]) == left["concurrent"]["t"] > left["cooldown"]["t"]
    assert [violated["policy"] for violated in second.json()["violations"]] == ["cooldown", "concurrent"]
    assert second.json()["binding"] == "concurrent"


async def test_without_redis_no_limit_is_told(settings: Settings, db: Database) -> None:
    """Nobody knows them then: Retry-After alone."""
    broken = create_app(msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:9/0"))
    somebody = await person(db, "redis@example.com")
    async with living(broken):
        transport = httpx.ASGITransport(app=broken, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=somebody.headers) as client:
            answer = await client.post("/v1/create", json={"topic": "Cats"}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.headers["Retry-After"].isdecimal()) == (503, True)
    assert not [name for name in answer.headers if name.startswith("ratelimit")]
