"""One simulated provider for all of these tests: begun once, and anew for each."""

from collections.abc import AsyncIterator

import pytest

from tests.simulators.openai import SimulatedOpenAI, simulated_openai, warmed_up
from tests.simulators.services import SimulatedServices, simulated_services


@pytest.fixture(scope="session")
async def running_openai() -> AsyncIterator[SimulatedOpenAI]:
    async with simulated_openai() as running:
        await warmed_up(running)
        yield running


@pytest.fixture
def server(running_openai: SimulatedOpenAI) -> SimulatedOpenAI:
    running_openai.begin_anew()
    return running_openai


@pytest.fixture(scope="session")
async def running_services(running_openai: SimulatedOpenAI) -> AsyncIterator[SimulatedServices]:
    assert running_openai.base_url  # whose fixture has warmed the SDK up
    async with simulated_services() as running:
        yield running


@pytest.fixture
def services(running_services: SimulatedServices) -> SimulatedServices:
    running_services.begin_anew()
    return running_services
