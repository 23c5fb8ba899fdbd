"""One simulated provider for all of these tests: begun once, and anew for each."""

from collections.abc import AsyncIterator

import pytest

from tests.simulators.openai import SimulatedOpenAI, simulated_openai, warmed_up


@pytest.fixture(scope="session")
async def running_openai() -> AsyncIterator[SimulatedOpenAI]:
    async with simulated_openai() as running:
        await warmed_up(running)
        yield running


@pytest.fixture
def server(running_openai: SimulatedOpenAI) -> SimulatedOpenAI:
    running_openai.begin_anew()
    return running_openai
