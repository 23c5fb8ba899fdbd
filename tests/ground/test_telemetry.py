"""The loop's lag is measured, and metrics carry no ids."""

import asyncio
import time

from prometheus_client import REGISTRY

from reelwright.ground import tasks, telemetry
from tests.waiting import wait_until


async def test_a_blocked_loop_is_seen() -> None:
    """The one metric that tells a frozen worker from a slow one."""
    measuring = asyncio.create_task(telemetry.keep_measuring_lag())
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 - the fault itself
    await wait_until(lambda: (REGISTRY.get_sample_value("reelwright_loop_lag_seconds") or 0) >= 0.15)
    await tasks.end(measuring)


def test_labels_are_few_words_of_our_own() -> None:
    """An id or a text as a label makes a new series each time: a leak, and a full Prometheus."""
    allowed = {
        "stage", "outcome", "kind", "state", "code", "policy", "provider", "model", "what", "invariant", "counter",
        "source", "family", "reason", "type",
    }  # fmt: skip
    ours = [metric for name, metric in vars(telemetry).items() if name.isupper() and not name.startswith("_")]
    assert len(ours) > 15
    assert {label for metric in ours for label in metric._labelnames} <= allowed
