"""RateLimit-Policy and RateLimit: structured fields that tell each limit, what is left and when it resets.

Source: draft-ietf-httpapi-ratelimit-headers-10: lists of strings with integer parameters; q quota, w window in seconds,
r remaining, t seconds until more is available, qu the unit where it isn't requests.
"""

import math
from datetime import datetime

from reelwright.admission import Admitted, Periods, Policy, Standing

_SHOWN = (Policy.GENERATIONS_MONTH, Policy.GENERATIONS_HOUR, Policy.FULL_REGENERATIONS_MONTH, Policy.CONCURRENT)


def headers_of(admitted: Admitted, *, now: datetime) -> dict[str, str]:
    """Return both header fields, the limit with the smallest share left first."""
    shown = [standing for standing in admitted.standings if standing.policy in _SHOWN and standing.limit > 0]
    shown.sort(key=lambda standing: standing.remaining / standing.limit)
    return {
        "RateLimit-Policy": ", ".join(_policy(standing, now) for standing in shown),
        "RateLimit": ", ".join(_left(standing, now) for standing in shown),
    }


def _policy(standing: Standing, now: datetime) -> str:
    periods = Periods.at(now)
    if standing.policy is Policy.CONCURRENT:
        return f'"{standing.policy}";q={standing.limit};qu="concurrent-requests"'
    if standing.policy is Policy.GENERATIONS_HOUR:
        window = periods.hour_end - periods.hour_start
    else:
        window = periods.month_end - periods.month_start
    return f'"{standing.policy}";q={standing.limit};w={int(window.total_seconds())}'


def _left(standing: Standing, now: datetime) -> str:
    if standing.policy is Policy.CONCURRENT or standing.frees_at is None:
        return f'"{standing.policy}";r={standing.remaining}'
    return (
        f'"{standing.policy}";r={standing.remaining};t={max(1, math.ceil((standing.frees_at - now).total_seconds()))}'
    )
