"""How the machine walks, and on what: the same way every time, or as many others as the environment says."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from fakeredis import FakeAsyncRedis, FakeServer
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from redis.asyncio import Redis

from reelwright.admission import rebuilding, scripts
from tests.machine.losses import LossyMachine
from tests.machine.machine import Clock, Server

OTHERS = os.environ.get("REELWRIGHT_MACHINE_EXAMPLES")
WALK = settings(
    max_examples=int(OTHERS or "56"),
    stateful_step_count=45,
    derandomize=OTHERS is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
STRAIGHT = settings(WALK, max_examples=int(OTHERS or "66"), phases=[Phase.generate])
"""Longer, so that rare faults are met. Nobody reads what fails: it is not made smaller."""


def fake() -> Redis:
    """A new server: one accidental global would poison a shared one for every later script."""
    return FakeAsyncRedis(server=FakeServer(server_type="valkey"))


@contextmanager
def serving(connect: Callable[[], Redis]) -> Iterator[Server]:
    """Give a machine its loop and its clock; the gate doubts refusals by that clock, too."""
    clock = Clock()
    with (
        patch.object(rebuilding, "monotonic", clock.seconds),
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as to,
    ):
        yield Server(to, clock, connect)


def walk_on(lua: Path, server: Server) -> None:
    """Walk over scripts of another folder. Raises whatever the machine notices."""
    with patch.object(scripts, "packaged", lambda _folder: lua):
        run_state_machine_as_test(lambda: LossyMachine(server), settings=STRAIGHT)
