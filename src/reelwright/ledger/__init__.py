"""The ledger room: credits held and taken, and what every step of work used."""

from reelwright.ledger.credits import (
    Balance,
    CreditsInsufficient,
    HoldMissing,
    JournalLine,
    Origin,
    Settlement,
    balance,
    capture,
    charged,
    grant,
    history,
    hold,
    mismatches,
    void,
)
from reelwright.ledger.usage import Metered, append_usage, metered

__all__ = [
    "Balance",
    "CreditsInsufficient",
    "HoldMissing",
    "JournalLine",
    "Metered",
    "Origin",
    "Settlement",
    "append_usage",
    "balance",
    "capture",
    "charged",
    "grant",
    "history",
    "hold",
    "metered",
    "mismatches",
    "void",
]
