"""What pretending stages do with a real ffmpeg, a real folder and real storage, where the draft's topic asks for it.

`media STAGE` makes a short video, `full STAGE` finds no room on the disk and `starved STAGE` too little memory (both in
their first attempt alone), `fetch STAGE` reads every file that it is given.
"""

from collections.abc import Sequence
from pathlib import Path

from reelwright import rendering
from reelwright.generations import Assignment, Bench
from worker import ffmpeg

_FRAMES, _RATE = 15, 5
"""In real time (-re), so that whoever looks for it finds it at work."""
_STARVED = 'ulimit -v 40000; exec "$@"'


async def played(task: Assignment, bench: Bench) -> None:
    """Do what the topic says of this stage. Raises Outage, as the stages' own work would."""
    topic, stage, first = task.draft.topic or "", task.unit.stage, task.attempt == 1
    if f"fetch {stage}" in topic:
        for artefact in task.artefacts:
            await bench.fetch(artefact)
    if f"media {stage}" in topic or (f"starved {stage}" in topic and not first):
        await _make(bench.workspace / "short.mp4")
    elif f"starved {stage}" in topic:
        await _make(bench.workspace / "short.mp4", through=("/bin/sh", "-c", _STARVED, "starved"))
    if f"full {stage}" in topic:
        argv = ["/bin/sh", "-c", "head -c 9 /dev/zero > " + ("/dev/full" if first else "some")]
        await ffmpeg.run(argv, cwd=bench.workspace)


async def _make(out: Path, *, through: Sequence[str] = ()) -> None:
    picture = f"testsrc2=size=160x120:rate={_RATE}:duration={_FRAMES / _RATE}"
    argv = [*through, ffmpeg.program(), "-v", "error", "-y", "-xerror", "-re", "-f", "lavfi", "-i", picture]

    def check(made: Path) -> None:
        if rendering.probe(made).frames != _FRAMES:
            raise ValueError("frames are missing")

    await ffmpeg.produce(lambda part: [*argv, "-c:v", "libx264", str(part)], out, check=check)
