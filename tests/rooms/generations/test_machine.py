"""Runs and generations against their model, compared after every step.

It walks the same way every time. REELWRIGHT_RUNS_EXAMPLES=500 walks that many others instead, and then
`--hypothesis-seed=N` chooses which.
"""

import asyncio
from collections import Counter

from hypothesis.stateful import run_state_machine_as_test

from reelwright.ground.postgres import Database
from tests.rooms.conftest import walk
from tests.rooms.generations.machine import LIVES, Machine

WALK = walk("REELWRIGHT_RUNS_EXAMPLES", 11)
BOTH = ("claimed", "complete", "fail", "retry_later", "give_back", "stale", "rescue", "give up", "pause", "cancel")
THINGS = {f"{thing}: {answer}" for thing in BOTH for answer in (True, False)}
THINGS |= {f"heartbeat: {pulse}" for pulse in ("ok", "late", "ended", "lost")} | {"proceeded: True"}


def test_runs_do_as_their_model_does(near: Database, runner: asyncio.Runner) -> None:
    Machine.steps, Machine.seen = 0, Counter()

    for life in LIVES:  # each for certain, and then as chance has it
        walk = Machine(runner, near)
        walk.a_life(life)
        walk.the_rows_are_as_foretold()
        walk.teardown()
    run_state_machine_as_test(lambda: Machine(runner, near), settings=WALK)

    assert Machine.steps >= 300
    assert THINGS - set(Machine.seen) == set()
