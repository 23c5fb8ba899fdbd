"""How long does a reel take to render, against x264 alone, one ffmpeg process and MoviePy, in the same run?

    python benchmarks/render.py            six scenes of five seconds
    python benchmarks/render.py --short    three of them: one chunk more than there are cores, so half idle
    python benchmarks/render.py --rounds 3 --no-moviepy
    python benchmarks/render.py --profile fast     ours, and x264 with our settings, in that one
    python benchmarks/render.py --memory   the peak of 30, 60 and 180 seconds, and nothing else

The fixture (pictures, voice, music, words) is made here, the same every time. "Ours" runs the stages' own code: motion
sources, mix, chunks two at a time, join. What follows the join (loudness, gate, sheet, thumbnails) is timed apart, for
the peers have none of it, and so are the interpreter's start and imports, which a worker pays once. x264 alone encodes
our own frames, painted before. MoviePy, fetched by `uv`, renders a slice, and its figures are scaled to the reel's
length. VMAF compares every fifth delivered frame with the painted one. Alone on two cores it takes some five minutes.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import cast

import msgspec
import render_peers as peers
from reel_fixture import SCENE_S, Bench, Fixture, Music

from reelwright import rendering
from reelwright.generations import ArtefactKind, Assignment, Mixed, Stage
from reelwright.providers.model import Toolset
from worker import confinement, ffmpeg
from worker.stages import audio_mixing, video_assembly, video_generation

BEGAN = float(os.environ.get("BENCHMARK_BEGAN", "0"))
os.environ[confinement.MARK] = "1"  # of processes that are shut in, nobody outside learns how much CPU they used
MOST_CPU, MOST_WALL, LEAST_SPEED, MOST_MB, LEAST_VMAF, FLAT = 1.25, 0.8, 10, 900, 93, 1.1


def cpu_s() -> float:
    """CPU of this process and of all its ended children."""
    return sum(os.times()[:4])


@dataclass(frozen=True)
class Reel:
    """What is rendered: so many scenes, in one of our profiles."""

    scenes: int
    profile: str = "normal"


@dataclass
class Line:
    """One reel going through the stages, two runs at a time."""

    folder: Path
    reel: Fixture
    tools: Toolset
    two: asyncio.Semaphore

    @classmethod
    def of(cls, folder: Path, reel: Reel) -> "Line":
        tools = cast("Toolset", type("Tools", (), {"music": Music(folder / "music.wav")})())
        made = Fixture.make(folder, reel.scenes, reel.profile)
        return cls(Path(tempfile.mkdtemp(dir=folder)), made, tools, asyncio.Semaphore(2))

    def bench(self, name: str) -> Bench:
        workspace = self.folder / name
        workspace.mkdir()
        return Bench(workspace, self.reel.files)

    async def clip(self, scene: int) -> None:
        task = self.reel.task(Stage.VIDEO_GENERATION, scene=scene)
        async with self.two:
            self.reel.keep(await video_generation.perform(task, self.tools, self.bench(f"clip{scene}")), task.unit)

    async def chunk(self, number: int) -> None:
        task = self.reel.task(Stage.VIDEO_ASSEMBLY, chunk=number)
        async with self.two:
            self.reel.keep(await video_assembly.perform(task, self.tools, self.bench(f"chunk{number}")), task.unit)

    async def planned(self) -> int:
        """Make all that comes before the chunks; return how many there are."""
        await asyncio.gather(*(self.clip(scene) for scene in range(self.reel.scenes)))
        task: Assignment = self.reel.task(Stage.AUDIO_MIXING)
        mixed = await audio_mixing.perform(task, self.tools, self.bench("mix"))
        self.reel.keep(mixed, task.unit)
        return cast("Mixed", mixed.outcome).chunks


@dataclass
class Joining(Bench):
    """Notes when the first progress is told: the file is joined, and its gate begins."""

    joined: list[tuple[float, float]] = field(default_factory=list)

    def progress(self, done: float) -> None:  # noqa: ARG002 - a bench's face
        self.joined.append((monotonic(), cpu_s()))


async def ours(folder: Path, reel: Reel) -> dict[str, float]:
    """Run the stages; return what start-up (a worker's first minute, not a reel's) and the gate took of it."""
    costs = {"start_cpu_s": cpu_s(), "start_wall_s": monotonic() - BEGAN}
    line = Line.of(folder, reel)
    chunks = await line.planned()
    await asyncio.gather(*(line.chunk(number) for number in range(chunks)))
    bench = Joining(**vars(line.bench("reel")))
    made = await video_assembly.perform(line.reel.task(Stage.VIDEO_ASSEMBLY), line.tools, bench)
    began, used = bench.joined[0]
    costs.update(gate_wall_s=monotonic() - began, gate_cpu_s=cpu_s() - used)
    files = {file.kind: file for file in made.artefacts}
    costs["passed"] = bool(files[ArtefactKind.GATE_REPORT].meta["passed"])
    files[ArtefactKind.VIDEO].path.replace(folder / "ours.mp4")
    return costs


async def paint(folder: Path, reel: Reel) -> dict[str, int]:
    """Write every frame of the reel as it goes into the encoder; return how many."""
    line = Line.of(folder, reel)
    await line.planned()
    files = {(a.kind, a.scene): line.reel.files[a.id] for a in line.reel.artefacts}
    plan = files[ArtefactKind.TIMELINE, None].read_bytes()
    timeline = msgspec.json.decode(plan, type=rendering.Timeline)
    painter = rendering.Painter(timeline, {scene: files[ArtefactKind.CLIP, scene] for scene in range(reel.scenes)})
    with (folder / peers.FRAMES).open("wb") as out:
        for frame in painter.frames(0, timeline.frames):
            out.writelines(plane.tobytes() for plane in (frame.y, frame.u, frame.v))
    return {"frames": timeline.frames}


@dataclass(frozen=True)
class Cost:
    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str = ""

    def scaled(self, by: float) -> "Cost":
        return Cost(self.wall_s * by, self.cpu_s * by, self.peak_mb)


def measured(argv: list[str], folder: Path) -> Cost:
    """Run a program; its peak memory is the greatest sum of proportional set sizes in its session, seen every 0.1 s."""
    began = monotonic()
    environment = os.environ | {"IMAGEIO_FFMPEG_EXE": ffmpeg.program(), "BENCHMARK_BEGAN": str(began)}
    child = subprocess.Popen(argv, cwd=folder, env=environment, stdout=subprocess.PIPE, start_new_session=True)
    over, peak = threading.Event(), [0.0]

    def watch() -> None:
        while not over.wait(0.1):
            peak[0] = max(peak[0], family_mb(child.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert child.stdout is not None
    output = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    wall_s = monotonic() - began
    over.set()
    watcher.join()
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, argv[0]
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, peak[0], output)


def family_mb(root: int) -> float:
    """Proportional memory of a process and everything below it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    family, todo = {root}, [root]
    while todo:
        parent = todo.pop()
        below = [pid for pid, above in parents.items() if above == parent and pid not in family]
        family.update(below)
        todo += below
    return sum(pss_mb(pid) for pid in family)


def pss_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def again(mode: str, reel: Reel) -> list[str]:
    chosen = ["--only", mode, "--scenes", str(reel.scenes), "--profile", reel.profile]
    return [sys.executable, str(Path(__file__).resolve()), *chosen]


def own_costs(folder: Path, reel: Reel) -> dict[str, Cost]:
    whole = measured(again("ours", reel), folder)
    told = json.loads(whole.output)
    assert told["passed"], "our reel failed its gate"
    warm = Cost(whole.wall_s - told["start_wall_s"], whole.cpu_s - told["start_cpu_s"], whole.peak_mb)
    render = Cost(warm.wall_s - told["gate_wall_s"], warm.cpu_s - told["gate_cpu_s"], whole.peak_mb)
    return {"ours": render, "and its gate": warm, "and Python's start": whole}


def compared(folder: Path, reel: Reel, *, rounds: int, with_moviepy: bool) -> dict[str, Cost]:
    """Run the arms in turns, so that what else the machine does falls on all of them; return each one's median."""
    runs: dict[str, list[Cost]] = {}
    if with_moviepy:
        subprocess.run([*peers.ISOLATED, "python", "-c", "import moviepy"], cwd=folder, check=True)
    for _ in range(rounds):
        found = own_costs(folder, reel)
        found["x264 alone"] = measured(peers.x264(None), folder)
        found["x264, our settings"] = measured(peers.x264(reel.profile), folder)
        found["one ffmpeg process"] = measured(peers.single(folder, reel.scenes), folder)
        if with_moviepy:
            found["MoviePy, scaled"] = measured(peers.moviepy(folder), folder).scaled(
                reel.scenes * SCENE_S / peers.SLICE_S
            )
        for name, cost in found.items():
            runs.setdefault(name, []).append(cost)
    return {
        name: Cost(
            *(
                statistics.median(values)
                for values in zip(*((c.wall_s, c.cpu_s, c.peak_mb) for c in costs), strict=True)
            )
        )
        for name, costs in runs.items()
    }


def table(rows: dict[str, Cost]) -> None:
    print(f"{'':22}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'wall':>9}{'CPU':>9}   ratios: ours to it")
    for name, cost in rows.items():
        ratios = f"{rows['ours'].wall_s / cost.wall_s:9.3f}{rows['ours'].cpu_s / cost.cpu_s:9.3f}"
        print(f"{name:22}{cost.wall_s:9.1f}{cost.cpu_s:9.1f}{cost.peak_mb:9.0f}{ratios}")


def target(what: str, value: float, sign: str, wanted: float) -> None:
    met = value >= wanted if sign == ">=" else value <= wanted
    print(f"{what:46}{value:9.2f}   {sign} {wanted:<7g}{'met' if met else 'MISSED'}")


def quality(folder: Path, frames: int) -> float:
    """Return our file's VMAF (0.6.1, the pooled mean) against the frames that went into it."""
    compared = subprocess.run(
        peers.vmaf("ours.mp4", frames), cwd=folder, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    return float(re.findall(rb"VMAF score: ([\d.]+)", compared.stderr)[-1])


def compare(folder: Path, reel: Reel, *, rounds: int, with_moviepy: bool) -> None:
    painted = measured(again("paint", reel), folder)
    rows = compared(folder, reel, rounds=rounds, with_moviepy=with_moviepy)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, medians of {rounds}"
    size = f"{reel.scenes * SCENE_S} s of 1080x1920 at 30 fps"
    print(f"{size}, ours in the {reel.profile} profile; the peers: x264 veryfast crf 23; {load}")
    print(f"MoviePy: a slice of {peers.SLICE_S} s, scaled\n")
    table(rows)
    ours = rows["ours"]
    print()
    target("CPU, to x264 alone", ours.cpu_s / rows["x264 alone"].cpu_s, "<=", MOST_CPU)
    target("CPU, to x264 alone with our settings", ours.cpu_s / rows["x264, our settings"].cpu_s, "<=", MOST_CPU)
    target("wall, to one ffmpeg process", ours.wall_s / rows["one ffmpeg process"].wall_s, "<=", MOST_WALL)
    if with_moviepy:
        target("times as fast as MoviePy", rows["MoviePy, scaled"].wall_s / ours.wall_s, ">=", LEAST_SPEED)
    target("VMAF against the painted frames", quality(folder, json.loads(painted.output)["frames"]), ">=", LEAST_VMAF)


def remember(folder: Path, profile: str) -> None:
    """Print the peak memory of reels of 30, 60 and 180 seconds."""
    peaks = {scenes * SCENE_S: own_costs(folder, Reel(scenes, profile))["ours"].peak_mb for scenes in (6, 12, 36)}
    target("peak MB of a 60 s reel", peaks[60], "<=", MOST_MB)
    target("peak of 180 s, to that of 30 s", peaks[180] / peaks[30], "<=", FLAT)
    print(" ".join(f"{seconds} s: {peak:.0f} MB" for seconds, peak in peaks.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--no-moviepy", action="store_true")
    parser.add_argument("--profile", choices=["normal", "fast"], default="normal")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="leave the fixture and the videos in this folder")
    parser.add_argument("--only", choices=["ours", "paint"], help=argparse.SUPPRESS)
    parser.add_argument("--scenes", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        work = ours if options.only == "ours" else paint
        print(json.dumps(asyncio.run(work(Path.cwd(), Reel(options.scenes, options.profile)))))
        return
    scenes = 3 if options.short else 6
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        Fixture.make(folder, scenes)
        if options.memory:
            remember(folder, options.profile)
        else:
            compare(folder, Reel(scenes, options.profile), rounds=options.rounds, with_moviepy=not options.no_moviepy)


if __name__ == "__main__":
    main()
