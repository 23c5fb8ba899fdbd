"""What the ledger can be asked for, at random, by one of many hands; every answer goes into the hand's own book."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TextIO
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import ledger
from reelwright.ground import clock
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.ids import AccountId, GenerationId
from reelwright.ground.postgres import Database
from reelwright.ledger import Origin
from tests.rooms.generations import made

Act = Callable[[AsyncConnection], Awaitable[Any]]
KINDS = {
    "hold": 30, "capture": 18, "void": 10, "refund": 8, "again": 3,
    "grant": 11, "clawback": 5, "adjust": 7, "expire": 5,
}  # fmt: skip
SPACE, AGAIN, PATIENCE_S = UUID(int=7), 0.25, 30
HOTTEST, HOT_SHARE, SECOND_TRY = 4, 0.7, 0.1
# A generation like the account's first, under another id: what work is doesn't matter to what it costs.
ORDER = text(
    """
    INSERT INTO generations
    SELECT (jsonb_populate_record(g, jsonb_build_object('id', CAST(:id AS text)))).*
      FROM generations g WHERE g.id = :like ON CONFLICT DO NOTHING
    """
)
ONE_OF = text(
    """
    SELECT generation_id, amount_micro, captured_micro, attempt FROM credit_holds
     WHERE account_id = :account AND state = :state ORDER BY random() LIMIT 1
    """
)


@dataclass(frozen=True)
class Purse:
    """An account that hands reach for, and the generation that its others are like."""

    account: AccountId
    like: GenerationId


async def purses(db: Database, count: int) -> list[Purse]:
    """Accounts with a little credit each; the first few are the hot ones."""
    found = []
    for _ in range(count):
        async with db.begin() as tx:
            account = await made.account(tx)
            await ledger.grant(tx, account=account, micro=100, source=str(account))
            found.append(Purse(account, await made.generation(tx, account)))
    return found


@dataclass
class Hand:
    """Does one thing after another. `name` makes what it does its own; `book` is told each answer."""

    db: Database
    purses: Sequence[Purse]
    name: str
    dice: random.Random
    book: TextIO
    number: int = 0

    async def until(self, end: float, most: int) -> None:
        while self.number < most and time.monotonic() < end:
            self.number += 1
            await self.once()

    async def once(self) -> None:
        (kind,) = self.dice.choices([*KINDS], [*KINDS.values()])
        hot = self.dice.random() < HOT_SHARE
        purse = self.dice.choice(self.purses[:HOTTEST] if hot else self.purses[HOTTEST:] or self.purses)
        named = f"{self.name}:{self.number}"
        if kind in {"capture", "void", "refund", "again"}:
            await self.about_work(kind, purse, named)
        elif kind == "hold":
            await self.order(purse, named)
        else:
            await self.about_account(kind, purse, named)

    async def order(self, purse: Purse, named: str) -> None:
        work, micro = GenerationId(uuid5(SPACE, named)), self.dice.randint(1, 60)

        async def act(tx: AsyncConnection) -> None:
            await tx.execute(ORDER, {"id": str(work), "like": purse.like})
            await ledger.hold(tx, account=purse.account, generation=work, micro=micro)

        async def again(tx: AsyncConnection) -> None:
            if (await ledger.void(tx, generation=work, ours=True)).captured_micro:
                raise Refusal("Somebody was quicker: it is paid for.", code="hammer.captured")
            await ledger.hold(tx, account=purse.account, generation=work, micro=micro, attempt=2)

        if await self.asked("hold", act, source=f"hold:{work}:1", micro=micro) and self.dice.random() < SECOND_TRY:
            await self.asked("hold", again, source=f"hold:{work}:2", micro=micro)

    async def about_work(self, kind: str, purse: Purse, named: str) -> None:
        """End, pay back or end again some work of the account, whoever ordered it; another hand may be at it, too."""
        state = {"refund": "captured", "again": self.dice.choice(["captured", "voided"])}.get(kind, "pending")
        try:
            async with self.db.begin() as tx:
                found = (await tx.execute(ONE_OF, {"account": purse.account, "state": state})).one_or_none()
        except Outage:
            return
        if found is None:
            return
        work, amount, ours = found.generation_id, found.amount_micro, self.dice.random() < 0.5
        micro = self.dice.choice([amount, amount + 7, self.dice.randint(0, amount)])
        if kind == "refund":
            micro = self.dice.randint(1, found.captured_micro + 1)
            await self.asked(
                kind,
                lambda tx: ledger.refund(tx, generation=work, micro=micro, reference=named, reason="", ours=ours),
                source=f"refund:{work}:{named}",
                micro=micro,
            )
        elif kind == "void" or (kind == "again" and ours):
            await self.asked(kind, lambda tx: ledger.void(tx, generation=work, ours=ours), settles=work)
        else:
            await self.asked(kind, lambda tx: ledger.capture(tx, generation=work, micro=micro), settles=work)

    async def about_account(self, kind: str, purse: Purse, named: str) -> None:
        account, micro = purse.account, self.dice.randint(1, 90)
        if kind == "grant":
            origin, now = self.dice.choice([*Origin]), clock.now()
            begins = now + timedelta(seconds=0.5) if self.dice.random() < 0.1 else None
            lapses = now + timedelta(seconds=self.dice.uniform(0.6, 3)) if self.dice.random() < 0.5 else None
            act: Act = lambda tx: ledger.grant(  # noqa: E731 - one of four
                tx, account=account, micro=micro, source=named, origin=origin, effective_at=begins, expires_at=lapses
            )
            await self.asked(kind, act, source=f"grant:{named}", micro=micro)
        elif kind == "clawback":
            await self.asked(
                kind,
                lambda tx: ledger.clawback(
                    tx, account=account, micro=micro, reference=named, reason="", granted_by=str(account)
                ),
                source=f"clawback:{account}:{named}",
                micro=micro,
            )
        elif kind == "adjust":
            change, force = self.dice.choice([micro, -micro]), self.dice.random() < 0.5
            await self.asked(
                kind,
                lambda tx: ledger.adjust(
                    tx, account=account, micro=change, reference=named, reason="", actor=account, force=force
                ),
                source=f"adjust:{account}:{named}",
                micro=micro,
            )
        else:
            await self.asked(kind, lambda tx: ledger.expire(tx, account=account))

    async def asked(
        self, kind: str, act: Act, *, source: str = "", micro: int = 0, settles: GenerationId | None = None
    ) -> bool:
        """Ask until there is an answer: after an outage nobody knows what was done. Perhaps ask once more behind it."""
        ends, sure = time.monotonic() + PATIENCE_S, False
        told: dict[str, Any] = {"kind": kind, "source": source, "micro": micro}
        while True:
            try:
                async with self.db.begin() as tx:
                    answer = await act(tx)
            except Refusal as refusal:
                ours = refusal.code.startswith("hammer.")  # perhaps behind a first time that was accepted
                self.tell(told | {"answer": refusal.code} | ({"source": ""} if ours else {}))
                return False
            except Outage as away:
                self.tell({"kind": kind, "answer": away.code})
                if time.monotonic() > ends:
                    raise
                await asyncio.sleep(self.dice.uniform(0, 0.05))
                continue
            if sure or self.dice.random() > AGAIN:
                break
            sure = True
        if settles is not None:
            told |= {"work": str(settles), "captured": answer.captured_micro, "voided": answer.voided_micro}
        self.tell(told | {"answer": "accepted"})
        return True

    def tell(self, said: dict[str, Any]) -> None:
        self.book.write(json.dumps(said) + "\n")
        self.book.flush()
