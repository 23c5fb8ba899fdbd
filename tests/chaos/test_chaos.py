"""Every fault of the table, played on real processes; afterwards everything recovers and every invariant holds."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos import (
    cases,
    committing,
    deliveries,
    entitled,
    flooding,
    forgetting,
    kills,
    leaving,
    limiting,
    providing,
    publishing,
    rendering,
    storing,
    sweeping,
)
from tests.chaos.conftest import Harbour

MODULES = (
    committing,
    deliveries,
    entitled,
    flooding,
    forgetting,
    kills,
    leaving,
    limiting,
    providing,
    publishing,
    rendering,
    storing,
    sweeping,
)
"""Importing them enters their cases in the table."""


@pytest.mark.parametrize("numbers", cases.chosen(), ids="-".join)
async def test_a_fault_breaks_no_promise(
    numbers: tuple[str, ...], harbour: Harbour, record_property: Callable[[str, object], None]
) -> None:
    for number in numbers:
        fleet = await harbour.fleet()
        began = time.monotonic()
        fleet.spoiled = True
        try:
            await cases.CASES[number].play(fleet)
            await fleet.recover()
            assert await fleet.faults() == [], f"{number}: {cases.FAULTS[number]}"
            fleet.spoiled = False
        finally:
            took = round(time.monotonic() - began, 1)
            record_property("fault", f"{number} {'broken' if fleet.spoiled else 'held'} {took}")


def test_every_number_is_tested_or_waived() -> None:
    """A fault that nobody makes must be a decision, and a test that makes it elsewhere must be there."""
    assert (
        set(cases.CASES) | set(cases.SHOWN) | set(cases.WAIVED)
        == set(cases.FAULTS)
        == {f"F{n:02}" for n in range(1, 81)}
    )
    assert not set(cases.WAIVED) & (set(cases.CASES) | set(cases.SHOWN)), "tested, so no longer waived"
    assert all(cases.WAIVED.values())
    for file, _, name in (shown.partition("::") for shown in cases.SHOWN.values()):
        assert f"def {name}(" in Path(file).read_text(encoding="utf-8"), f"{name} is not in {file}"
