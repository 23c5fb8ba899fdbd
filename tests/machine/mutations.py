"""Breaks the scripts on purpose and prints who noticed each fault: `python -m tests.machine.mutations`.

Words of a fault's name choose some of them: `python -m tests.machine.mutations refund lane`. Each fault is put into a
copy of `lua/`; the machine walks over it, and the room's own tests run on it (`--machine`: only where the machine saw
nothing). It ends with 1 where a fault was noticed by nobody.
"""

import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from reelwright.ground import log
from reelwright.ground.packaged import packaged
from tests.machine.mutants import MUTANTS, Mutant
from tests.machine.walking import fake, serving, walk_on

ROOT = Path(__file__).resolve().parents[2]
QUIETLY = ["-n", "0", "-x", "-q", "--no-header", "-p", "no:cacheprovider", "--show-capture=no", "--tb=no"]
PATIENCE_S = 300


def seen_by_the_machine(lua: Path) -> str:
    """Return the rule at which the machine noticed a fault; "" where it didn't."""
    try:
        with serving(fake) as server:
            walk_on(lua, server)
    except Exception as noticed:  # noqa: BLE001 - an answer that is wrong, or none at all
        rules = re.findall(r"state\.(\w+)\(", "\n".join(getattr(noticed, "__notes__", [])))
        told = [rule for rule in rules if rule not in {"teardown", "all_is_well"}]
        return told[-1] if told else type(noticed).__name__
    return ""


def seen_by_the_room(lua: Path) -> str:
    """Return the first of the room's tests that failed on these scripts; "" where all were green."""
    command = [sys.executable, "-m", "pytest", *QUIETLY, "-p", "tests.machine.mutated", "-k", "fakeredis"]
    env = os.environ | {"REELWRIGHT_MUTANT": str(lua)}
    run = subprocess.run(
        [*command, "tests/rooms/admission"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    failed = re.search(r"^(?:FAILED|ERROR) \S+?::(\w+)", run.stdout, re.MULTILINE)
    if run.returncode == 0:
        return ""
    if failed is None:
        raise RuntimeError(run.stdout[-4_000:] + run.stderr[-4_000:])
    return failed[1]


def judge(mutant: Mutant, *, room_too: bool) -> tuple[str, str]:
    """Return what the machine and what the room's tests noticed of a fault."""
    with tempfile.TemporaryDirectory(prefix="reelwright-mutant-") as temporary:
        lua = Path(temporary) / "lua"
        shutil.copytree(packaged("lua"), lua)
        mutant.put_into(lua)
        rule = seen_by_the_machine(lua)
        return rule, seen_by_the_room(lua) if room_too or not rule else ""


def main(words: list[str]) -> int:
    """Judge the chosen faults and print a table; return 1 where one was not noticed."""
    log.configure(as_json=True)
    logging.disable()
    room_too, words = "--machine" not in words, [word for word in words if word != "--machine"]
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)]
    missed = 0
    print("| fault | script | the machine, at | the room's test |\n|---|---|---|---|")  # noqa: T201 - its output
    for mutant in chosen:
        rule, test = judge(mutant, room_too=room_too)
        missed += not (rule or test)
        print(f"| {mutant} | {mutant.script} | {rule or '-'} | {test or '-'} |", flush=True)  # noqa: T201 - its output
    print(f"{len(chosen) - missed} of {len(chosen)} were noticed.")  # noqa: T201 - its output
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
