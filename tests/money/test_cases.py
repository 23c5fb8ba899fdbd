"""Every case of Stripe and of usage has its test, or says why not; each test that bears a number is in the table."""

import ast
import re
from functools import cache
from pathlib import Path

from tests.money.cases import CASES, WAIVED

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = {*(f"W{number}" for number in range(1, 33)), *(f"U{number}" for number in range(1, 15))}
_NUMBERED = re.compile(r"(?<=_)([wu])0?(\d{1,2})(?=_)")


@cache
def named_in(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds) and node.name.startswith("test_"))


def test_every_case_is_shown_by_tests_that_exist_or_waived_with_a_reason() -> None:
    assert {*CASES} | {*WAIVED} == NUMBERS
    assert not {*CASES} & {*WAIVED}
    assert all(CASES.values())
    assert all(WAIVED.values())
    named = [(case, *test.split("::")) for case, tests in CASES.items() for test in tests]
    assert [f"{case}: {file}::{test}" for case, file, test in named if test not in named_in(ROOT / file)] == []


def test_every_test_that_bears_a_number_is_in_the_table() -> None:
    """So that one that is renamed or added is found by who looks for its case."""
    missing = list[str]()
    files = [path for folder in ("journeys", "rooms") for path in (ROOT / "tests" / folder).rglob("test_*.py")]
    for file in files:
        for test in named_in(file):
            numbers = {f"{kind.upper()}{number}" for kind, number in _NUMBERED.findall(test)}
            known = {case for case in numbers if f"{file.relative_to(ROOT)}::{test}" in CASES.get(case, ())}
            missing += [f"{case}: {file.name}::{test}" for case in numbers - known]
    assert missing == []
