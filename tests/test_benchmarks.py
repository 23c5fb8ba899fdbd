"""The admission benchmark's second table: what it says about being right is measured, and its probes can see."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "admission.py"


def test_our_gate_is_right_and_the_probes_that_say_so_can_see(tmp_path: Path) -> None:
    """One run, for it takes seconds: ours leaves no trace of a refusal, and what the peers leave is found."""
    found = tmp_path / "found.json"
    argv = [sys.executable, str(BENCHMARK), "--correctness", "--json", str(found)]
    run = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr[-4000:]
    proofs = json.loads(found.read_text())["proofs"]
    assert proofs["Gate.admit"] == {
        "admitted": 25,
        "limit": 25,
        "spent_by_refusals": 0,
        "keys_changed": 0,
        "keys_without_expiry": 0,
        "after_script_flush": "goes on",
    }
    # four limits of `limits` pass and are charged before the fifth refuses and is charged, twenty times
    assert proofs["limits"]["spent_by_refusals"] == 100
    assert proofs["limits"]["keys_changed"] == 24  # month, hour, full, concurrent, and a cooldown for each draft
    assert proofs["pyrate-limiter"]["keys_without_expiry"] > 0
    assert proofs["pyrate-limiter"]["after_script_flush"] == "NoScriptError"
