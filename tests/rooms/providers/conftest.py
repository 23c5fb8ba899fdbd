"""One simulated provider for all of these tests: begun once, and anew for each."""

from collections.abc import AsyncIterator
from importlib import import_module

import pytest

from tests.simulators.openai import SimulatedOpenAI, simulated_openai


@pytest.fixture(scope="session")
async def running_openai() -> AsyncIterator[SimulatedOpenAI]:
    import_module("openai.resources")  # a second's work: a deadline that a test sets is about the server alone
    async with simulated_openai() as running:
        yield running


@pytest.fixture
def server(running_openai: SimulatedOpenAI) -> SimulatedOpenAI:
    running_openai.begin_anew()
    return running_openai
