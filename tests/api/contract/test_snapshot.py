"""The contract changes only on purpose: what it says is kept beside the tests."""

import difflib
import json

from tests.api.snapshot import FILE, present, written


def test_the_contract_is_what_was_agreed() -> None:
    agreed, now = FILE.read_text(encoding="utf-8").splitlines(), written(present()).splitlines()
    changed = list(difflib.unified_diff(agreed, now, "agreed", "now", lineterm="", n=6))
    assert not changed, "\n".join(
        ["The contract has changed. If it was meant: python -m tests.api.snapshot", *changed[:120]]
    )


def test_the_snapshot_is_an_openapi_document() -> None:
    agreed = json.loads(FILE.read_text(encoding="utf-8"))
    assert agreed["openapi"] == "3.1.0"
    assert len(agreed["paths"]) > 60
