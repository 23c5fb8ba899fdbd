"""The ledger against its oracle, with every invariant after every step.

It walks the same way every time. REELWRIGHT_LEDGER_EXAMPLES=500 walks that many others instead, and then
`--hypothesis-seed=N` chooses which.
"""

import asyncio
from collections import Counter

from hypothesis.stateful import run_state_machine_as_test

from reelwright.ground.postgres import Database
from tests.rooms.conftest import walk
from tests.rooms.ledger.machine import Machine

WALK = walk("REELWRIGHT_LEDGER_EXAMPLES", 12)
THINGS = {
    "grant", "wait", "expire", "hold", "capture", "void", "refund", "clawback", "adjust",
    "credits.insufficient", "credits.debt", "credits.refund_too_large", "credits.adjustment_too_large",
}  # fmt: skip


def test_the_ledger_does_as_its_oracle_does(near: Database, runner: asyncio.Runner) -> None:
    Machine.steps, Machine.seen = 0, Counter()

    run_state_machine_as_test(lambda: Machine(runner, near), settings=WALK)

    assert Machine.steps >= 300
    assert set(Machine.seen) >= THINGS
