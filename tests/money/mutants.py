"""Ledgers with one thing left out. A hammer that is green with one of them is worth nothing.

python -m tests.money.hammer --mutant NAME     for each name: exit code 1
"""

import importlib

from sqlalchemy import text

MUTANTS: dict[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    "oversells": (
        "reelwright.ledger.credits",
        "_HOLD",
        (("AND available_micro >= :micro ", ""), ("AND found.micro = :micro", "AND found.micro > 0")),
    ),
    "burns dear first": ("reelwright.ledger.credits", "_HOLD", (("ORDER BY priority,", "ORDER BY priority DESC,"),)),
    "uses what has lapsed": (
        "reelwright.ledger.credits",
        "_HOLD",
        (("AND (l.expires_at IS NULL OR l.expires_at > statement_timestamp())", ""),),
    ),
    "settles twice": ("reelwright.ledger.credits", "_SETTLE", ((" AND state = 'pending'", ""),)),
    "frees other lots": (
        "reelwright.ledger.credits",
        "_SETTLE",
        (("ORDER BY pin.place ", "ORDER BY pin.place DESC "),),
    ),
    "frees too little": ("reelwright.ledger.credits", "_SETTLE", (("+ s.micro - s.spent", "+ 0"),)),
    "refunds for ever": ("reelwright.ledger.corrections", "_REFUNDED", (("refunded_micro + :micro", "0"),)),
    "corrects twice": ("reelwright.ledger.corrections", "_DONE", (("count(*) > 0", "count(*) > 99"),)),
    "forgets to lock": ("reelwright.ledger.account", "_LOCK", (("FOR NO KEY UPDATE", ""),)),
}
"""By name: the module, its statement, and what is replaced in it by what."""


def mutate(name: str) -> None:
    """Change this process's ledger. Raises KeyError, and AssertionError where the statement has changed since."""
    module, statement, changes = MUTANTS[name]
    owner = importlib.import_module(module)
    said = str(getattr(owner, statement).text)
    for old, new in changes:
        assert said.count(old) == 1, (name, old, said.count(old))
        said = said.replace(old, new)
    setattr(owner, statement, text(said))
