"""The gate against its oracle, for thousands of steps: on the real Valkey, and on fakeredis too in a long run.

It walks the same way every time. REELWRIGHT_MACHINE_EXAMPLES=2000 walks that many others instead, and then
`--hypothesis-seed=N` chooses which.
"""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis.stateful import run_state_machine_as_test

from reelwright.admission import Policy
from reelwright.ground.packaged import packaged
from tests.machine.losses import LossyMachine
from tests.machine.machine import Server
from tests.machine.mutants import MUTANTS, Mutant
from tests.machine.walking import WALK, fake, serving, walk_on

ANSWERS = {"admitted", "refused", "no place", "busy", "reused", "replay", *Policy}
QUICKLY_NOTICED = {"no lease is weighed", "one less than the limit", "the leases never end"}


def test_the_gate_decides_as_its_oracle_does(server: Server) -> None:
    """Verdict, named limits, waits and what is left, at every step at which nothing was lost that they depend on."""
    LossyMachine.steps, LossyMachine.exact = 0, Counter()

    run_state_machine_as_test(lambda: LossyMachine(server), settings=WALK)

    assert LossyMachine.steps >= 2_000
    assert {answer for answer, times in LossyMachine.exact.items() if times >= 5} == ANSWERS


@pytest.mark.parametrize("mutant", [mutant for mutant in MUTANTS if mutant.name in QUICKLY_NOTICED], ids=str)
def test_it_notices_a_broken_script(mutant: Mutant, folder: Path) -> None:
    """Three of many: `python -m tests.machine.mutations` judges them all."""
    shutil.copytree(packaged("lua"), folder / "lua")
    mutant.put_into(folder / "lua")

    with serving(fake) as server, pytest.raises(AssertionError):
        walk_on(folder / "lua", server)


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_every_fault_still_applies(mutant: Mutant, folder: Path) -> None:
    """A script that changes takes its faults along, or they would judge nothing."""
    shutil.copytree(packaged("lua"), folder / "lua")
    mutant.put_into(folder / "lua")
    path = Path("admission") / f"{mutant.script}.lua"
    assert (folder / "lua" / path).read_text() != (packaged("lua") / path).read_text()
