"""One fleet for all cases of a process, a new one after each that broke it, and the table at the end of the run."""

import contextlib
from collections.abc import AsyncGenerator

import pytest

from tests.chaos import cases
from tests.chaos.fleet import Fleet, sailing
from tests.chaos.nursery import Nursery, nursing


class Harbour:
    """Gives out the fleet, and a new one where the last was spoiled."""

    def __init__(self) -> None:
        self._fleet: Fleet | None = None
        self._nursery: Nursery | None = None
        self._fleet_over, self._all_over = contextlib.AsyncExitStack(), contextlib.ExitStack()

    async def fleet(self) -> Fleet:
        """Return a fleet that works."""
        if self._nursery is None:
            self._nursery = self._all_over.enter_context(nursing())
        if self._fleet is None or self._fleet.spoiled:
            await self._fleet_over.aclose()
            self._fleet = await self._fleet_over.enter_async_context(sailing(self._nursery))
        return self._fleet

    async def close(self) -> None:
        """End the servers, if there are any."""
        await self._fleet_over.aclose()
        self._all_over.close()


@pytest.fixture(scope="session")
async def harbour() -> AsyncGenerator[Harbour]:
    made = Harbour()
    yield made
    await made.close()


def elsewhere(number: str) -> str:
    """Return what there is to say of a fault that this run doesn't make."""
    if number in cases.WAIVED:
        return f"waived: {cases.WAIVED[number]}"
    return f"shown by {cases.SHOWN[number]}" if number in cases.SHOWN else "not run"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print every number: held, broken, not drawn into this run, or waived with its reason."""
    told: dict[str, str] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "fault" and getattr(report, "when", "") == "call":
                    number, outcome, seconds = str(value).split()
                    told[number] = f"{outcome:<8} {seconds:>5} s"
    if not told:
        return
    terminalreporter.section(f"faults (CHAOS_SEED={cases.SEED}{', CHAOS=all' if cases.EVERYTHING else ''})")
    for number, fault in cases.FAULTS.items():
        if number in told or cases.EVERYTHING:
            outcome = told.get(number) or elsewhere(number)
            terminalreporter.write_line(f"{number}  {fault:<70}  {outcome}")
    left = len(cases.CASES) - len(told)
    terminalreporter.write_line(
        f"{len(told)} played, {left} not drawn, {len(cases.SHOWN)} elsewhere, {len(cases.WAIVED)} waived"
    )
