"""The admission room: the one atomic decision whether a request may start. Enter it by these names only."""

from reelwright.admission.gate import Gate
from reelwright.admission.model import (
    Admitted,
    Facts,
    InProgress,
    KeyReused,
    NoPlace,
    NotAdmitted,
    Order,
    Place,
    Replayed,
    Standing,
    Unavailable,
)
from reelwright.admission.policy import Limits, Periods, Policy, until_month_end

__all__ = [
    "Admitted",
    "Facts",
    "Gate",
    "InProgress",
    "KeyReused",
    "Limits",
    "NoPlace",
    "NotAdmitted",
    "Order",
    "Periods",
    "Place",
    "Policy",
    "Replayed",
    "Standing",
    "Unavailable",
    "until_month_end",
]
