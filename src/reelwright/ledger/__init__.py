"""The ledger room: credits granted, held and taken, and what every step of work used."""

from reelwright.ledger.account import Origin
from reelwright.ledger.corrections import AdjustmentTooLarge, Correction, RefundTooLarge, adjust, clawback, refund
from reelwright.ledger.credits import (
    Balance,
    CreditsInsufficient,
    DebtOpen,
    HoldMissing,
    Settlement,
    balance,
    capture,
    charged,
    has_enough,
    hold,
    void,
)
from reelwright.ledger.lots import Lapsing, expire, grant, granted, lapsed, lapsing, unspent
from reelwright.ledger.transactions import JournalLine, transaction, transactions
from reelwright.ledger.usage import (
    Metered,
    UsageCall,
    calls,
    carry_usage,
    metered,
    track_ai_usage,
    track_compute_usage,
)
from reelwright.ledger.verify import Violation, mismatches, verify

reserve, charge, history = hold, capture, transactions  # the same under the names that are usual elsewhere

__all__ = [
    "AdjustmentTooLarge",
    "Balance",
    "Correction",
    "CreditsInsufficient",
    "DebtOpen",
    "HoldMissing",
    "JournalLine",
    "Lapsing",
    "Metered",
    "Origin",
    "RefundTooLarge",
    "Settlement",
    "UsageCall",
    "Violation",
    "adjust",
    "balance",
    "calls",
    "capture",
    "carry_usage",
    "charge",
    "charged",
    "clawback",
    "expire",
    "grant",
    "granted",
    "has_enough",
    "history",
    "hold",
    "lapsed",
    "lapsing",
    "metered",
    "mismatches",
    "refund",
    "reserve",
    "track_ai_usage",
    "track_compute_usage",
    "transaction",
    "transactions",
    "unspent",
    "verify",
    "void",
]
