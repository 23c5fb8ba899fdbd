"""What an interruption costs, with the real stages, voice and ffmpeg: `python -m tests.interrupted [--seconds 20]`.

A reel is cancelled while its chunks are being encoded and ordered again; another fails at its very end and goes on. It
prints for each what was made, what was kept and what that took; 1 where finished work was done again or was charged
twice, where something went on after the cancel, or where a media process outlived it.
"""

import asyncio
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import text

from reelwright.generations import Assignment, Bench, Draft, GenerationKind, Made, Stage
from reelwright.ground import clock
from reelwright.ground.errors import Refusal
from reelwright.ground.ids import GenerationId
from reelwright.journeys import creation, editing, production, resumption, stopping
from reelwright.journeys.ordering import Order, Terms, order_id
from reelwright.journeys.workroom import Timings, Workroom
from reelwright.providers import Toolset
from tests import redoing
from tests.journeys.conftest import waiting
from tests.waiting import wait_until
from worker.app import STAGES

_CHUNKS = text(
    "SELECT count(*) FROM stage_runs WHERE generation_id = :id AND stage = 'VIDEO_ASSEMBLY' AND chunk IS NOT NULL"
    " AND state = 'succeeded' AND attempt > 0"
)
_RUNS = text(
    "SELECT stage || CASE WHEN chunk IS NULL AND stage = 'VIDEO_ASSEMBLY' THEN ' (join)' ELSE '' END AS name, state,"
    " attempt FROM stage_runs WHERE generation_id = :id"
)
_MONEY = text("SELECT captured_micro FROM credit_holds WHERE generation_id = :id")
_STATE = text("SELECT state FROM generations WHERE id = :id")
_SOON = Timings(heartbeat=timedelta(seconds=1))
_BY_SCENE = ("VISUAL_GENERATION", "VISUAL_VERIFICATION", "VIDEO_GENERATION", "TTS_GENERATION")


class Broken(Refusal):
    code = "stage.refused"


async def broken(task: Assignment, tools: Toolset, bench: Bench) -> Made:
    """Encode chunks as ever, and fail at the join."""
    if task.unit.chunk is None:
        raise Broken("It can't be joined.")
    return await STAGES[Stage.VIDEO_ASSEMBLY](task, tools, bench)


@dataclass(frozen=True)
class Seen:
    """A generation as it stands: what was made, what was kept from others, and what it took."""

    state: str
    made: Counter[str]
    kept: int
    captured_micro: int

    def told(self, what: str, seconds: float) -> None:
        made = ", ".join(f"{count} {name}" for name, count in sorted(self.made.items()))
        spent = self.captured_micro / 1e6
        sys.stdout.write(
            f"{what:<28} {self.state:<10} {seconds:6.1f} s  {spent:6.2f} credits  {self.kept:3} kept  made: {made}\n"
        )
        sys.stdout.flush()


async def seen(room: Workroom, generation: GenerationId) -> Seen:
    async with room.db.begin() as tx:
        runs = (await tx.execute(_RUNS, {"id": generation})).all()
        money = (await tx.execute(_MONEY, {"id": generation})).one_or_none()
        state = await tx.scalar(_STATE, {"id": generation})
    done = [run for run in runs if run.state == "succeeded"]
    made = Counter(run.name for run in done if run.attempt > 0)
    spent = 0 if money is None else money.captured_micro or 0  # none where it was given back, or isn't settled yet
    return Seen(str(state), made, sum(run.attempt == 0 for run in done), spent)


def media_processes() -> int:
    """Count the processes below us: encoders, painters and their launchers."""
    parents = dict[int, int]()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if state != "Z" and b"worker.chunk" in command:
                parents[int(entry.name)] = int(parent)
    return sum(parent == os.getpid() for parent in parents.values())


def check(story: redoing.Redoing, what: str, **holds: bool) -> None:
    story.wrong += [f"{what}: not {name}" for name, held in holds.items() if not held]


async def repainted(story: redoing.Redoing) -> None:
    """Edit the second scene's picture, so that there is something to render."""
    told = await story.variant()
    drawn = re.sub(r"seed: \d+", "seed: 4242", told.scenes[1].image_prompt)
    wish = {"image_prompt": drawn}
    await editing.change_scene(story.account.id, told.id, 1, wish, expected_version={told.version}, db=story.room.db)


async def ordered(story: redoing.Redoing) -> GenerationId:
    """Order the draft's render, and deliver nothing."""
    key = uuid4().hex
    generation = order_id(story.account.id, GenerationKind.RENDER, key)
    assert story.draft is not None
    draft = Draft(id=story.draft, account_id=story.account.id)  # its id alone counts: it exists
    order = Order(id=generation, key=key, fingerprint=b"f" * 32, kind=GenerationKind.RENDER, draft=draft, existing=True)
    room = story.room
    terms = Terms(places=dict(room.places))
    await creation.start(order=order, account=story.account, db=room.db, gate=room.gate, terms=terms, now=clock.now())
    return generation


async def delivered(room: Workroom) -> None:
    """Deliver what is promised, two at a time, until nothing is."""
    busy = asyncio.Semaphore(2)

    async def deliver(message: object) -> None:
        async with busy:
            await production.perform(message, room=room)  # type: ignore[arg-type]

    while messages := await waiting(room.db):
        await asyncio.gather(*map(deliver, messages))


async def timed(what: str, story: redoing.Redoing, work: Callable[[], Awaitable[GenerationId]]) -> Seen:
    began = time.monotonic()
    found = await seen(story.room, await work())
    found.told(what, time.monotonic() - began)
    return found


async def cancelled(story: redoing.Redoing) -> Seen:
    """Order, cancel once a chunk is encoded while another is under way, and see how long anything goes on."""
    room = replace(story.room, timings=_SOON)
    generation = await ordered(story)
    going = asyncio.create_task(delivered(room))

    async def encoding() -> bool:
        async with room.db.begin() as tx:
            return bool(await tx.scalar(_CHUNKS, {"id": generation})) and media_processes() > 0

    await wait_until(encoding, timeout=600)
    began = time.monotonic()
    await stopping.cancel(story.account.id, generation, db=room.db, gate=room.gate)
    at_once = await seen(room, generation)
    await going
    found = await seen(room, generation)
    found.told("cancelled, until all is still", time.monotonic() - began)
    check(story, "the cancel", state=found.state == "cancelled", nothing_made_after_it=found.made == at_once.made)
    check(story, "the cancel", no_process_left=media_processes() == 0, charged_once=found.captured_micro > 0)
    return found


async def interrupted(story: redoing.Redoing) -> None:
    """Cancel, order again, fail, go on; note what was wrong."""
    await story.order(GenerationKind.SCRIPT)
    scenes = len((await story.variant()).scenes)
    stopped = await cancelled(story)

    async def again() -> GenerationId:
        generation = await ordered(story)
        await delivered(story.room)
        return generation

    whole = await timed("ordered again", story, again)
    twice = whole.made + stopped.made
    chunks = max(1, round(story.seconds / 5))
    once = Counter(dict.fromkeys(_BY_SCENE, scenes)) + Counter({"AUDIO_MIXING": 1, "VIDEO_ASSEMBLY (join)": 1})
    others = Counter({name: count for name, count in twice.items() if name != "VIDEO_ASSEMBLY"})
    check(story, "ordered again", state=whole.state == "succeeded", finished_work_kept=others == once)
    check(story, "ordered again", chunks_made_once=abs(twice["VIDEO_ASSEMBLY"] - chunks) <= 1, kept=whole.kept > 0)

    if story.wrong:
        return

    await repainted(story)
    failing = replace(story.room, stages={**STAGES, Stage.VIDEO_ASSEMBLY: broken})
    generation = await ordered(story)
    await delivered(failing)
    failed = await seen(story.room, generation)
    check(story, "failed at the join", state=failed.state == "failed", charged_nothing=failed.captured_micro == 0)

    async def on() -> GenerationId:
        wish = resumption.Wish(generation=generation, key=uuid4().hex)
        room = story.room
        terms = Terms(places=dict(room.places))
        gone_on = await resumption.resume(
            wish, account=story.account, db=room.db, gate=room.gate, terms=terms, now=clock.now()
        )
        await delivered(room)
        assert isinstance(gone_on, creation.Started)
        return gone_on.generation_id

    resumed = await timed("failed at the join, resumed", story, on)
    check(
        story,
        "resumed",
        state=resumed.state == "succeeded",
        only_joined=dict(resumed.made) == {"VIDEO_ASSEMBLY (join)": 1},
    )


if __name__ == "__main__":
    sys.exit(redoing.main(interrupted, about=__doc__))
