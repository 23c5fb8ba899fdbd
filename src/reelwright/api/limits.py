"""GET /v1/limits, and the header fields that tell the same beside an order: RateLimit-Policy and RateLimit.

Source: draft-ietf-httpapi-ratelimit-headers-10: lists of strings with integer parameters; q quota, w window in seconds,
r remaining, t seconds until more is available, qu the unit where it isn't requests.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
from litestar import get
from litestar.di import NamedDependency

from reelwright.accounts import Account
from reelwright.admission import Admitted, Gate, NotAdmitted, Periods, Policy, Standing
from reelwright.billing import PLANS, Plan, effective_plan
from reelwright.ground import clock
from reelwright.ground.postgres import Database
from reelwright.journeys import standing as journey

_QUOTAS = (Policy.GENERATIONS_MONTH, Policy.GENERATIONS_HOUR, Policy.FULL_REGENERATIONS_MONTH, Policy.CONCURRENT)
_UNKNOWN = timedelta(minutes=1)
"""When more is promised where nobody knows when a place frees: admission's own word for a usual run."""
_MOMENT = timedelta(milliseconds=1)


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """One limit. `limit` and `remaining` null: no cap. `resets_at` null: nothing to wait for, or nobody knows."""

    policy: Policy
    limit: int | None
    used: int
    remaining: int | None
    resets_at: datetime | None


class LimitsView(msgspec.Struct, frozen=True, kw_only=True):
    """Where the account stood at `as_of`; `binding` names what refuses something now, `degraded` a slower source."""

    as_of: datetime
    plan: Plan
    effective_plan: Plan
    boost_until: datetime | None
    regeneration_cooldown_s: int
    policies: list[PolicyView]
    binding: list[Policy]
    degraded: bool


@get("/limits", summary="Read your limits", tags=["core"])
async def read_limits(
    account: NamedDependency[Account], db: NamedDependency[Database], gate: NamedDependency[Gate]
) -> LimitsView:
    """Return every limit: what is used, what is left, when it resets, and which binds now. Nothing is counted."""
    seen = await journey.of(account, db=db, gate=gate, now=clock.now())
    return LimitsView(
        as_of=seen.at,
        plan=seen.plan,
        effective_plan=seen.effective_plan,
        boost_until=seen.boost_until,
        regeneration_cooldown_s=math.ceil(seen.cooldown.total_seconds()),
        policies=[
            PolicyView(
                policy=row.policy, limit=row.limit, used=row.used, remaining=row.remaining, resets_at=row.frees_at
            )
            for row in seen.standings
        ],
        binding=seen.binding,
        degraded=seen.degraded,
    )


def headers_of(admitted: Admitted, *, now: datetime | None = None) -> dict[str, str]:
    """Return both fields for an order that was let in, the limit with the smallest share left first.

    `t` counts from the instant of admission, or from `now`.
    """
    shown = [row for row in admitted.standings if row.policy in _QUOTAS and row.limit]
    return _fields(sorted(shown, key=_share_left), at=now or admitted.at, cooldown=timedelta(0))


def headers_of_refusal(refusal: NotAdmitted, account: Account) -> dict[str, str]:
    """Return both fields for an order that was not, what it has to wait for first, and a Retry-After no sooner."""
    violated = {row.policy for row in refusal.violations}
    rest = [row for row in refusal.standings if row.policy in _QUOTAS and row.limit and row.policy not in violated]
    first = sorted(
        (row for row in refusal.violations if row.policy is not Policy.PROVIDER_PLACE),
        key=lambda row: _seconds_left(row, refusal.now),
        reverse=True,
    )
    plan = effective_plan(account.plan, account.boost_until, refusal.now)
    fields = _fields([*first, *sorted(rest, key=_share_left)], at=refusal.now, cooldown=PLANS[plan].cooldown)
    waits = [_seconds_left(row, refusal.now) for row in refusal.violations]
    return fields | {"Retry-After": str(max(waits, default=1))}


def _fields(shown: Sequence[Standing], *, at: datetime, cooldown: timedelta) -> dict[str, str]:
    if not shown:
        return {}  # an empty list is told by leaving the field out (RFC 9651, 3.1)
    return {
        "RateLimit-Policy": ", ".join(_item(row, _quota(row, at, cooldown)) for row in shown),
        "RateLimit": ", ".join(_item(row, _left(row, at)) for row in shown),
    }


def _item(row: Standing, parameters: Iterable[tuple[str, object]]) -> str:
    return f'"{row.policy}"' + "".join(f";{name}={value}" for name, value in parameters)


def _quota(row: Standing, at: datetime, cooldown: timedelta) -> list[tuple[str, object]]:
    """Return q with the length of the row's own period, which ends where the row frees; months differ."""
    quota: list[tuple[str, object]] = [("q", row.limit)]
    if row.policy is Policy.CONCURRENT:
        return [*quota, ("qu", '"concurrent-requests"')]
    if row.policy is Policy.COOLDOWN:  # it may have begun under a plan with a longer one
        return [*quota, ("w", max(math.ceil(cooldown.total_seconds()), _seconds_left(row, at)))]
    periods = Periods.at(row.frees_at - _MOMENT if row.frees_at else at)
    hourly = row.policy is Policy.GENERATIONS_HOUR
    window = periods.hour_end - periods.hour_start if hourly else periods.month_end - periods.month_start
    return [*quota, ("w", int(window.total_seconds()))]


def _left(row: Standing, at: datetime) -> list[tuple[str, object]]:
    """Return r, and t where time gives back: a place comes back when work ends, which is told once there is none."""
    remaining = row.remaining or 0
    if row.policy is Policy.CONCURRENT and remaining > 0:
        return [("r", remaining)]
    return [("r", remaining), ("t", _seconds_left(row, at))]


def _seconds_left(row: Standing, at: datetime) -> int:
    """Return whole seconds until the row frees, rounded up, at least 1."""
    return max(1, math.ceil(((row.frees_at or at + _UNKNOWN) - at).total_seconds()))


def _share_left(row: Standing) -> float:
    return (row.remaining or 0) / (row.limit or 1)
