"""The admission room: the one atomic decision whether a request may start. Enter it by these names only."""

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
    "until_month_end",
]
