"""Named places in the code where a test may make this process die, fail or wait; without a setting they do nothing.

`REELWRIGHT_FAILPOINTS="stage.TTS_GENERATION.after_claim=kill9@1; outbox.after_publish=raise:outage@p0.1"` is name,
action and when, twice. A name may hold `*`. Production refuses the setting.
"""

import asyncio
import os
import re
import signal
import time
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from random import Random

from reelwright.ground.errors import Outage

NAMES = (
    "api.create.before_tx",
    "api.create.after_tx",
    "outbox.after_claim",
    "outbox.after_publish",
    "stage.*.after_claim",
    "stage.*.before_provider",
    "stage.*.after_provider",
    "stage.*.after_put",
    "stage.*.in_complete_tx",
    "stage.*.after_commit",
    "sweep.after_select",
    "sweep.mid_batch",
    "cancel.before",
    "cancel.after",
    "gc.after_delete",
    "render.spawned",
    "schedule.after_due",
    "schedule.after_claim",
    "schedule.in_start_tx",
)
"""Every name there is. A misspelt one would never be reached, and its test would be green for nothing."""

SEED = "REELWRIGHT_FAILPOINTS_SEED"
_ACTION = re.compile(r"kill9|hang|raise:outage|raise:bug|(?:sleep|block):\d+|exit:\d{1,3}")
_WHEN = re.compile(r"always|[1-9]\d*|p(?:0?\.\d+|1(?:\.0+)?)")


class FailpointError(RuntimeError):
    """The bug that `raise:bug` stands for."""


@dataclass(slots=True)
class _Point:
    name: str
    action: str
    when: str
    dice: Random
    hits: int = field(default=0)

    def fires(self) -> bool:
        self.hits += 1
        if self.when.startswith("p"):
            return self.dice.random() < float(self.when[1:])
        return self.when == "always" or self.hits == int(self.when)


_armed: list[_Point] = []


def arm(spec: str) -> None:
    """Replace what is armed by `name=action@when;…`; an empty text disarms everything.

    Actions: `kill9`, `exit:<code>`, `hang` (this task, for ever), `sleep:<ms>` (this task), `block:<ms>` (the whole
    event loop), `raise:outage`, `raise:bug`. When: a count n (the n-th hit only), `always`, or `p0.1`: a chance, drawn
    from REELWRIGHT_FAILPOINTS_SEED and the name. Raises ValueError.
    """
    points = [_point(part.strip()) for part in spec.split(";") if part.strip()]
    _armed[:] = points


def _point(part: str) -> _Point:
    name, _, rest = part.partition("=")
    action, _, when = rest.partition("@")
    if not any(fnmatchcase(name, known) or fnmatchcase(known, name) for known in NAMES):
        raise ValueError(f"there is no failpoint {name!r}: see reelwright.ground.failpoints.NAMES")
    if not _ACTION.fullmatch(action) or not _WHEN.fullmatch(when):
        raise ValueError(f"write a failpoint as name=action@when, such as sweep.mid_batch=kill9@1, not {part!r}")
    dice = Random(f"{os.environ.get(SEED, '0')}:{name}")  # noqa: S311 - chance for tests, nothing secret
    return _Point(name, action, when, dice)


async def reached(name: str) -> None:
    """Do what is armed for this name, if anything. Raises Outage, FailpointError."""
    if not _armed:
        return
    for point in _armed:
        if fnmatchcase(name, point.name) and point.fires():
            from reelwright.ground import log  # noqa: PLC0415 - a third of what a chunk process loads, which never logs

            log.logger(__name__).warning("failpoint.reached", failpoint=name, action=point.action)
            await _do(point.action, name)


async def _do(action: str, name: str) -> None:
    kind, _, amount = action.partition(":")
    if kind == "kill9":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "exit":
        os._exit(int(amount))
    elif kind == "hang":
        await asyncio.Event().wait()
    elif kind == "sleep":
        await asyncio.sleep(int(amount) / 1000)
    elif kind == "block":
        time.sleep(int(amount) / 1000)  # noqa: ASYNC251 - a stalled event loop is the fault that is asked for
    elif amount == "outage":
        raise Outage(f"The failpoint {name} says so.", code="failpoint.outage", wait=timedelta(milliseconds=100))
    else:
        raise FailpointError(name)
