"""The gate against its oracle, for thousands of steps: on fakeredis and on the real Valkey.

It walks the same way every time. REELWRIGHT_MACHINE_EXAMPLES=2000 walks that many others instead, and then
`--hypothesis-seed=N` chooses which.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from redis.asyncio import Redis

from reelwright.admission import Policy, rebuilding
from reelwright.ground import redis as ground_redis
from tests.machine.losses import LossyMachine
from tests.machine.machine import Clock, Server

EXAMPLES = int(os.environ.get("REELWRIGHT_MACHINE_EXAMPLES", "66"))
STEPS = 45
ANSWERS = {"admitted", "refused", "no place", "busy", "reused", "replay", *Policy}
WALK = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    derandomize="REELWRIGHT_MACHINE_EXAMPLES" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate] if "REELWRIGHT_MUTANT" in os.environ else [Phase.generate, Phase.shrink],
)


def _fake() -> Redis:
    """A new server: one accidental global would poison a shared one for every later script."""
    return FakeAsyncRedis(server=FakeServer(server_type="valkey"))


@pytest.fixture(params=["fakeredis", "valkey"])
def connect(request: pytest.FixtureRequest) -> Callable[[], Redis]:
    if request.param == "fakeredis":
        return _fake
    url = request.getfixturevalue("valkey_url")
    return lambda: ground_redis.connect(url, timeout_ms=20_000)


@pytest.fixture
def server(connect: Callable[[], Redis], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    clock = Clock()
    monkeypatch.setattr(rebuilding, "monotonic", clock.seconds)
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        yield Server(runner, clock, connect)


def test_the_gate_decides_as_its_oracle_does(server: Server) -> None:
    """Verdict, named limits, waits and what is left, at every step at which nothing was lost that they depend on."""
    LossyMachine.steps, LossyMachine.exact = 0, Counter()

    run_state_machine_as_test(lambda: LossyMachine(server), settings=WALK)

    assert LossyMachine.steps >= 2_000
    assert {answer for answer, times in LossyMachine.exact.items() if times >= 10} == ANSWERS
