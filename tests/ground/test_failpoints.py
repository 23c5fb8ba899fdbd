"""Failpoints do what they are told, at the hit they are told, and a misspelt one is no silent success."""

import asyncio
import subprocess
import sys
from collections.abc import Generator

import pytest

from reelwright.ground import failpoints
from reelwright.ground.errors import Outage


@pytest.fixture(autouse=True)
def disarmed() -> Generator[None]:
    yield
    failpoints.arm("")


async def _hits(name: str, times: int) -> list[bool]:
    """Say of each visit whether it raised."""
    raised: list[bool] = []
    for _ in range(times):
        try:
            await failpoints.reached(name)
            raised.append(False)
        except (Outage, failpoints.FailpointError):
            raised.append(True)
    return raised


async def test_nothing_happens_unless_armed() -> None:
    assert await _hits("sweep.mid_batch", 3) == [False] * 3
    failpoints.arm("sweep.after_select=raise:bug@always")
    assert await _hits("sweep.mid_batch", 3) == [False] * 3


async def test_a_count_means_that_hit_alone() -> None:
    failpoints.arm("sweep.mid_batch=raise:outage@2; cancel.before=raise:bug@always")
    assert await _hits("sweep.mid_batch", 4) == [False, True, False, False]
    assert await _hits("cancel.before", 2) == [True, True]
    with pytest.raises(failpoints.FailpointError):
        await failpoints.reached("cancel.before")


async def test_a_star_stands_for_every_stage_and_its_hits_are_counted_together() -> None:
    failpoints.arm("stage.*.after_claim=raise:bug@2")
    assert await _hits("stage.INGESTION.after_claim", 1) + await _hits("stage.TTS_GENERATION.after_claim", 1) == [
        False,
        True,
    ]


async def test_chance_follows_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that failed can be repeated."""
    drawn: list[list[bool]] = []
    for seed in ("1", "1", "2"):
        monkeypatch.setenv(failpoints.SEED, seed)
        failpoints.arm("gc.after_delete=raise:bug@p0.5")
        drawn.append(await _hits("gc.after_delete", 64))
    assert drawn[0] == drawn[1] != drawn[2]
    assert 10 < sum(drawn[0]) < 54


@pytest.mark.parametrize(
    "spec",
    ["x=kill9@1", "stage.INGESTION=kill9@1", "sweep.mid_batch=kill@1", "sweep.mid_batch=kill9",
     "sweep.mid_batch=kill9@0", "sweep.mid_batch=sleep@1", "sweep.mid_batch=exit:-1@1",
     "sweep.mid_batch=hang@p2", "kill9"],
)  # fmt: skip
async def test_nonsense_is_refused_and_leaves_what_was_armed(spec: str) -> None:
    failpoints.arm("cancel.after=raise:bug@always")
    with pytest.raises(ValueError, match="failpoint"):
        failpoints.arm(spec)
    assert await _hits("cancel.after", 1) == [True]


async def test_sleeping_keeps_one_task_and_hanging_for_ever() -> None:
    loop = asyncio.get_running_loop()
    failpoints.arm("outbox.after_claim=sleep:30@1; outbox.after_publish=hang@1")
    began = loop.time()
    await failpoints.reached("outbox.after_claim")
    assert loop.time() - began >= 0.03
    hanging = asyncio.create_task(failpoints.reached("outbox.after_publish"))
    done, _ = await asyncio.wait({hanging}, timeout=0.05)
    assert not done
    hanging.cancel()


@pytest.mark.parametrize(("action", "code"), [("kill9", -9), ("exit:7", 7)])
def test_a_process_dies_there(action: str, code: int) -> None:
    program = (
        "import asyncio; from reelwright.ground import failpoints\n"
        f"failpoints.arm('render.spawned={action}@1')\n"
        "asyncio.run(failpoints.reached('render.spawned'))"
    )
    died = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert died.returncode == code
    assert b"failpoint.reached" in died.stdout + died.stderr
