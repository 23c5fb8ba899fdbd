"""The admission room: the one atomic decision whether a request may start. Enter it by these names only."""

from reelwright.admission.attempts import count_attempt
from reelwright.admission.enforcement import (
    Dispatch,
    acquire_provider_concurrency,
    acquire_user_concurrency,
    check_and_set_regen_cooldown,
    enforce_hourly_burst,
    enforce_monthly_pool,
    enforce_or_raise,
    full_regen_cap,
    get_or_set_idempotency,
    release_concurrency,
)
from reelwright.admission.gate import Gate
from reelwright.admission.model import (
    Admitted,
    Counted,
    Entitlement,
    Facts,
    Held,
    InProgress,
    KeyReused,
    NoPlace,
    NotAdmitted,
    Order,
    Peek,
    Place,
    Replayed,
    Standing,
    Unavailable,
)
from reelwright.admission.places import Places, Taken
from reelwright.admission.policy import Limits, Periods, Policy, until_month_end
from reelwright.admission.scripts import NoScript, Scripts, Transport, Unreachable
from reelwright.admission.tcp import Tcp

__all__ = [
    "Admitted",
    "Counted",
    "Dispatch",
    "Entitlement",
    "Facts",
    "Gate",
    "Held",
    "InProgress",
    "KeyReused",
    "Limits",
    "NoPlace",
    "NoScript",
    "NotAdmitted",
    "Order",
    "Peek",
    "Periods",
    "Place",
    "Places",
    "Policy",
    "Replayed",
    "Scripts",
    "Standing",
    "Taken",
    "Tcp",
    "Transport",
    "Unavailable",
    "Unreachable",
    "acquire_provider_concurrency",
    "acquire_user_concurrency",
    "check_and_set_regen_cooldown",
    "count_attempt",
    "enforce_hourly_burst",
    "enforce_monthly_pool",
    "enforce_or_raise",
    "full_regen_cap",
    "get_or_set_idempotency",
    "release_concurrency",
    "until_month_end",
]
