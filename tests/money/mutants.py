"""Ledgers with one thing left out. A hammer that is green with one of them is worth nothing.

python -m tests.money.hammer --mutant NAME     for each name: exit code 1
"""

import importlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_DEFINITION = text("SELECT pg_get_functiondef(CAST(:name AS regproc))")


@dataclass(frozen=True, slots=True)
class Mutant:
    """What is replaced by what, in a statement of a module, or in a function of the database that has no module.

    `undefended` takes away what else would refuse what it does, so that the books have to show it.
    """

    named: str
    changes: tuple[tuple[str, str], ...]
    module: str = ""
    undefended: tuple[str, ...] = ()

    async def said(self, tx: AsyncConnection) -> str:
        """Return what it would change, as it is."""
        if not self.module:
            return str(await tx.scalar(_DEFINITION, {"name": self.named}))
        return str(self._statement.text)

    async def take_effect(self, tx: AsyncConnection) -> None:
        """Change this process's ledger, or the database's. Raises AssertionError where that has changed since."""
        said = await self.said(tx)
        for old, new in self.changes:
            assert said.count(old) == 1, (self.named, old, said.count(old))
            said = said.replace(old, new)
        if self.module:
            setattr(importlib.import_module(self.module), self.named, type(self._statement)(said))
        else:
            await tx.exec_driver_sql(said)
        for statement in self.undefended:
            await tx.exec_driver_sql(statement)

    @property
    def _statement(self) -> Any:
        return getattr(importlib.import_module(self.module), self.named)


_NO_SOURCES = ("DROP INDEX uq_credit_journal_source",)
MUTANTS: dict[str, Mutant] = {
    "oversells": Mutant(
        "credits_hold",
        (("AND available_micro >= micro ", ""), ("EXIT WHEN missing = 0;", "missing := 0; EXIT;")),
        undefended=(
            "ALTER TABLE credit_balances DROP CONSTRAINT ck_credit_balances_available_micro",
            "ALTER TABLE credit_lots DROP CONSTRAINT ck_credit_lots_remaining_micro",
        ),
    ),
    "burns dear first": Mutant("credits_hold", (("ORDER BY priority,", "ORDER BY priority DESC,"),)),
    "uses what has lapsed": Mutant(
        "credits_hold", (("AND (expires_at IS NULL OR expires_at > statement_timestamp())", ""),)
    ),
    "holds twice": Mutant("credits_hold", (("IF FOUND THEN", "IF true THEN"),), undefended=_NO_SOURCES),
    "keeps what it could not hold": Mutant(
        "credits_hold", (("available_micro + micro, held_micro =", "available_micro, held_micro ="),)
    ),
    "settles twice": Mutant(
        "credits_settle",
        (
            (
                " AND state = 'pending'",
                " AND h.attempt = (SELECT max(o.attempt) FROM credit_holds o WHERE o.generation_id = for_generation)",
            ),
        ),
        undefended=(*_NO_SOURCES, "ALTER TABLE credit_balances DROP CONSTRAINT ck_credit_balances_held_micro"),
    ),
    "frees other lots": Mutant(
        "credits_settle",
        (("IN 1 .. cardinality(hold.lot_ids)", "IN REVERSE cardinality(hold.lot_ids) .. 1"),),
    ),
    "frees too little": Mutant("credits_settle", (("remaining_micro + part - spent", "remaining_micro"),)),
    "refunds for ever": Mutant("_REFUNDED", (("refunded_micro + :micro", "0"),), "reelwright.ledger.corrections"),
    "corrects twice": Mutant(
        "_DONE", (("count(*) > 0", "count(*) > 99"),), "reelwright.ledger.corrections", undefended=_NO_SOURCES
    ),
    "forgets to lock": Mutant(
        "_LOCK",
        (("FOR NO KEY UPDATE", ""),),
        "reelwright.ledger.account",
        undefended=("DROP INDEX uq_credit_journal_seq",),
    ),
}
"""By name. A module's lasts as long as the process, a function's as long as the database: give it one of its own."""
