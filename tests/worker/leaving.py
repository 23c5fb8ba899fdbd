"""A worker as production starts it, whose stages hang with a child process, or wait for a file: for the stop's test.

python -m tests.worker.leaving --port N
"""

import os
import sys
from pathlib import Path
from typing import Any

from reelwright.generations import Assignment, Bench, Ingested, Made, Source, Stage
from worker import app, ffmpeg

FOLDER = "REELWRIGHT_LEAVING"


async def _perform(task: Assignment, _tools: Any, bench: Bench) -> Made:
    """Say that it has begun; then run a child for ever, where the topic says so, or until told to go on."""
    folder = Path(os.environ[FOLDER])
    (folder / f"{task.generation_id}.begun").touch()
    told = folder / f"{task.generation_id}.go"
    wait = "import os, sys, time\nopen(sys.argv[1] + '.child', 'w').write(str(os.getpid()))\n"
    wait += "while not os.path.exists(sys.argv[1] + '.go'): time.sleep(0.01)"
    await ffmpeg.run([sys.executable, "-c", wait, str(told.with_suffix(""))], cwd=bench.workspace)
    return Made(outcome=Ingested(source=Source(kind="text", title="Cats", body="Cats purr.")))


if __name__ == "__main__":
    app.STAGES.update(dict.fromkeys(Stage, _perform))
    app.main()
