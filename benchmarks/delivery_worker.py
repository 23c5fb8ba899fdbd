"""A real worker whose stages do nothing: `delivery_worker.py --port N`, settings from the environment.

DELIVERY_STAGE_S lets each stage last that long, so that a worker can be killed within one.
"""

import asyncio
import os

from reelwright import serving
from reelwright.generations import Assignment, Bench, Ingested, Made, Planned, Source, Stage, Written
from reelwright.providers import Toolset
from worker.app import create_app

LASTS_S = float(os.environ.get("DELIVERY_STAGE_S", "0"))
OUTCOMES = {
    Stage.INGESTION: Ingested(source=Source(kind="none", title="", body="")),
    Stage.STORY_WRITING: Written(stories=()),
    Stage.SCENE_GENERATION: Planned(scenes=()),
}


async def nothing(task: Assignment, _tools: Toolset, _bench: Bench) -> Made:
    await asyncio.sleep(LASTS_S)
    return Made(outcome=OUTCOMES[task.unit.stage])


if __name__ == "__main__":
    serving.command(
        lambda settings, stopping: create_app(settings, stopping=stopping, stages=dict.fromkeys(OUTCOMES, nothing)),
        prog="delivery_worker.py",
        about="Take signed deliveries and do nothing.",
        port=8001,
    )
