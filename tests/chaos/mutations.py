"""Takes the five guards out, one at a time, and prints which promise broke: `python -m tests.chaos.mutations`.

Each mutant is a copy of the program; the duels of rivals.py that need the guard are fought on it by real processes. The
first line is the program as it is, which must hold them all: else red would say nothing. Words of a mutant's name
choose some. It ends with 1 where a mutant survives, or where the program itself breaks.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("src", "worker", "lua", "migrations", "tests")
PATIENCE_S = 600


@dataclass(frozen=True, slots=True)
class Edit:
    """`old` stands exactly once in the file, so that a guard that has moved is noticed."""

    file: str
    old: str
    new: str = ""

    def make(self, copy: Path) -> None:
        """Change the copy. Raises ValueError where the text is not there once."""
        path = copy / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} has {text.count(self.old)} times: {self.old!r}")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Mutant:
    """What is taken out, and the duels that should notice."""

    name: str
    rivals: tuple[str, ...]
    edits: tuple[Edit, ...] = ()


_RUNS = "src/reelwright/generations/runs.py"
_TABLES = "migrations/versions/0001_first_tables.sql"
_GUARDS = "migrations/versions/0003_transitions_pauses_and_dead_letters.py"
_COMPLETED = "inputs_hash = :made_of, finished_at = clock_timestamp()\n    "
_ANYBODYS = "FROM open WHERE r.id = :run AND r.generation_id = open.id AND :fence > 0 AND r.state IN "
_ENDING = "src/reelwright/journeys/ending.py"
_RECORDING = "src/reelwright/journeys/recording.py"
_CAPTURE = "taken = (await ledger.capture(tx, generation=generation.id, micro=used)).captured_micro"
_AFTER_COMMIT = 'await failpoints.reached(f"stage.{claim.unit.stage}.after_commit")\n'
_SETTLE_LATER = """    if written.generation is not None and written.ended:
        async with room.db.begin() as tx:
            used = await ledger.metered(tx, generation=claim.generation_id)
            await ledger.capture(tx, generation=claim.generation_id, micro=used)
"""
_STILL = """AND r.fence = :fence AND r.state = :state
      AND (r.state = 'running' AND r.lease_until < clock_timestamp() OR r.state = 'queued' AND {_SILENT})"""
_UNGUARDED = """AND :fence >= 0 AND :state <> '' AND CAST(:resend_after AS interval) IS NOT NULL
      AND r.state IN ('queued', 'running')"""
_PUBLISH = "await self._settle(rows, await self._publish(rows))\n        except"
_MARK_FIRST = 'await self._settle(rows, ["marked"] * len(rows))\n            await self._publish(rows)\n        except'

MUTANTS = (
    Mutant("nothing", ("late-winner", "second-debit", "hasty-sweep", "settled-late", "marked-early")),
    Mutant(
        "no fence in complete",
        ("late-winner",),
        (Edit(_RUNS, _COMPLETED + "{_MINE}", _COMPLETED + _ANYBODYS + "('running')"),),
    ),
    Mutant("unguarded sweep", ("hasty-sweep",), (Edit(_RUNS, _STILL, _UNGUARDED),)),
    Mutant(
        "no unique debit, nor what stands before it",  # alone it is never asked: fence and trigger refuse first
        ("second-debit",),
        (
            Edit(
                "migrations/versions/0001_first_tables.sql",
                "CREATE UNIQUE INDEX uq_usage_ledger_success",
                "CREATE INDEX uq_usage_ledger_success",
            ),
            Edit("migrations/versions/0003_transitions_pauses_and_dead_letters.py", '    _trigger("stage_runs"),\n'),
            Edit(_RUNS, _COMPLETED + "{_MINE}", _COMPLETED + _ANYBODYS + "('running', 'succeeded')"),
        ),
    ),
    Mutant(
        "settle outside the transaction",
        ("settled-late",),
        (
            Edit(_ENDING, _CAPTURE, "_ = used"),
            Edit(_RECORDING, _AFTER_COMMIT, _AFTER_COMMIT + _SETTLE_LATER),
        ),
    ),
    Mutant("mark before publish", ("marked-early",), (Edit("src/reelwright/outbox/relay.py", _PUBLISH, _MARK_FIRST),)),
)


def told(mutant: Mutant) -> dict[str, str]:
    """Return what each duel of a mutant said: "held", or what was broken. Raises RuntimeError where one didn't play."""
    with tempfile.TemporaryDirectory(prefix="reelwright-mutant-") as temporary:
        copy = Path(temporary)
        for part in PARTS:
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        for edit in mutant.edits:
            edit.make(copy)
        run = subprocess.run(
            [sys.executable, "-m", "tests.chaos.rivals", *mutant.rivals],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": os.pathsep.join((str(copy / "src"), str(copy)))},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    said = dict(line.split(": ", 1) for line in run.stdout.splitlines() if line.split(": ", 1)[0] in mutant.rivals)
    if said.keys() != set(mutant.rivals):
        raise RuntimeError(run.stdout[-2_000:] + run.stderr[-4_000:])
    return said


def main(words: Sequence[str]) -> int:
    """Judge the chosen mutants and print a table."""
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)]
    wrong = 0
    print("| taken out | duel | said |\n|---|---|---|", flush=True)  # noqa: T201 - its output
    for mutant in chosen:
        said = told(mutant)
        red = any(outcome != "held" for outcome in said.values())
        wrong += red != bool(mutant.edits)
        for rival, outcome in said.items():
            print(f"| {mutant.name} | {rival} | {outcome} |", flush=True)  # noqa: T201 - its output
    print(f"{len(chosen) - wrong} of {len(chosen)} as they must be.")  # noqa: T201 - its output
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
