"""How long does a reel take to render, against one hand-written ffmpeg process and against MoviePy, in the same run?

    python benchmarks/render.py            six scenes of five seconds
    python benchmarks/render.py --short    three of them: one chunk more than there are cores, so half idle
    python benchmarks/render.py --rounds 3 --no-moviepy

The fixture (pictures, voice, music, words) is made here, the same every time. "Ours" runs the stages' own code: motion
sources, mix, chunks two at a time, join. Its gate is timed apart, for the peers have none, and so are the interpreter's
start and imports, which a worker pays once. MoviePy renders a slice, and
its figures are scaled to the reel's length.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, cast

from reel_fixture import SCENE_S, SENTENCE, Bench, Fixture, Music

from reelwright.generations import Mixed, Stage
from reelwright.providers.model import Toolset
from reelwright.rendering import lettering
from worker import ffmpeg
from worker.stages import audio_mixing, video_assembly, video_generation

BEGAN = float(os.environ.get("BENCHMARK_BEGAN", "0"))
SLICE_S = 2
XFADES = ("fade", "slideleft", "smoothup", "circleopen", "fadeblack")


def cpu_s() -> float:
    """CPU of this process and of all its ended children."""
    return sum(os.times()[:4])


async def ours(folder: Path, scenes: int) -> dict[str, float]:
    """Run the stages; return what start-up (a worker's first minute, not a reel's) and the gate took of it."""
    costs = {"start_cpu_s": cpu_s(), "start_wall_s": monotonic() - BEGAN}
    reel, places = Fixture.make(folder, scenes), tempfile.mkdtemp(dir=folder)
    tools = cast("Toolset", type("Tools", (), {"music": Music(folder / "music.wav")})())

    def bench(name: str) -> Bench:
        workspace = Path(places) / name
        workspace.mkdir()
        return Bench(workspace, reel.files)

    for i in range(scenes):
        task = reel.task(Stage.VIDEO_GENERATION, scene=i)
        reel.keep(await video_generation.perform(task, tools, bench(f"clip{i}")), task.unit)
    task = reel.task(Stage.AUDIO_MIXING)
    mixed = await audio_mixing.perform(task, tools, bench("mix"))
    reel.keep(mixed, task.unit)
    two = asyncio.Semaphore(2)

    async def chunk(number: int) -> None:
        unit = reel.task(Stage.VIDEO_ASSEMBLY, chunk=number)
        async with two:
            reel.keep(await video_assembly.perform(unit, tools, bench(f"chunk{number}")), unit.unit)

    await asyncio.gather(*(chunk(number) for number in range(cast("Mixed", mixed.outcome).chunks)))
    real = video_assembly._Assembly._judged  # noqa: SLF001 - the gate is timed apart

    async def timed(self: Any, video: Path) -> Any:
        began, used = monotonic(), cpu_s()
        report = await real(self, video)
        costs.update(gate_wall_s=monotonic() - began, gate_cpu_s=cpu_s() - used, passed=report.passed)
        return report

    video_assembly._Assembly._judged = timed  # noqa: SLF001 - the same
    made = await video_assembly.perform(reel.task(Stage.VIDEO_ASSEMBLY), tools, bench("reel"))
    made.artefacts[0].path.replace(folder / "ours.mp4")
    return costs


def groups(scenes: int) -> list[tuple[float, float, list[tuple[float, float, str]]]]:
    """Caption groups of three words with the reel's times in seconds, for the peers."""
    found: list[tuple[float, float, list[tuple[float, float, str]]]] = []
    for i in range(scenes):
        for at in range(0, len(SENTENCE), 3):
            times = [i * SCENE_S + 0.06 + 0.33 * (at + k) for k in range(4)]
            words = [(times[k], times[k + 1], text.upper()) for k, text in enumerate(SENTENCE[at : at + 3])]
            found.append((words[0][0], words[-1][1], words))
    return found


def ass(scenes: int) -> str:
    """The peers' captions: the same words, size, outline and highlight, as events for libass."""

    def clock(s: float) -> str:
        return f"{int(s // 3600)}:{int(s // 60 % 60):02d}:{s % 60:05.2f}"

    fields = (
        "Name, Fontname, Fontsize, PrimaryColour, OutlineColour, BackColour, BorderStyle, Outline, Shadow, Alignment"
    )
    head = [
        "[Script Info]\nScriptType: v4.00+\nPlayResX: 1080\nPlayResY: 1920\n\n[V4+ Styles]",
        f"Format: {fields}, MarginL, MarginR, MarginV, Bold, ScaleX, ScaleY",
        "Style: C,Poppins ExtraBold,92,&H00FFFFFF,&H00120E0E,&H80000000,1,8,3,2,164,164,600,0,100,100\n\n[Events]",
        "Format: Start, End, Style, Text",
    ]
    for _, _, words in groups(scenes):
        for lit, (start, end, _) in enumerate(words):
            text = " ".join(f"{{\\c&H00DDFF&}}{w}{{\\r}}" if k == lit else w for k, (_, _, w) in enumerate(words))
            head.append(f"Dialogue: {clock(start)},{clock(end)},C,{text}")
    return "\n".join(head) + "\n"


def single(folder: Path, scenes: int) -> list[str]:
    """One ffmpeg process as a good hand would write it: zoompan, xfade, libass, sidechain, loudnorm, x264, aac."""
    total, graph, last = scenes * SCENE_S, list[str](), "v0"
    for i in range(scenes):
        n = SCENE_S * 30 + (12 if 0 < i < scenes - 1 else 6)
        zoom = (f"1+.12*on/{n}", f"1.12-.12*on/{n}", "1.12")[i % 3]
        x = f"(iw-iw/zoom)*on/{n}" if i % 3 == 2 else "(iw-iw/zoom)/2"
        pan = f"zoompan=z='{zoom}':x='{x}':y='(ih-ih/zoom)/2':d={n}:s=1080x1920:fps=30"
        graph.append(f"[{i}:v]format=yuv420p,{pan},setsar=1,format=yuv420p[v{i}]")
    for i in range(1, scenes):
        kind, at = XFADES[(i - 1) % 5], SCENE_S * i - 0.2
        graph.append(f"[{last}][v{i}]xfade=transition={kind}:duration=0.4:offset={at}[x{i}]")
        last = f"x{i}"
    graph.append(f"[{last}]ass=f=words.ass:fontsdir={lettering.FONT_FILE.parent}[v]")
    for i in range(scenes):
        graph.append(f"[{scenes + i}:a]adelay={i * SCENE_S * 1000}[n{i}]")
    joined = "".join(f"[n{i}]" for i in range(scenes))
    graph.append(f"{joined}amix=inputs={scenes}:normalize=0,highpass=f=70,{COMPRESS},asplit=2[said][key]")
    graph.append(f"[{2 * scenes}:a]volume=-8dB[bed];[bed][key]{DUCK}[low]")
    graph.append(f"[said]aformat=channel_layouts=stereo[wide];[wide][low]amix=inputs=2:normalize=0,{MASTER}:{total}[a]")
    names = [f"image{i}.png" for i in range(scenes)] + [f"voice{i}.wav" for i in range(scenes)] + ["music.wav"]
    inputs = [part for name in names for part in ("-i", name)]
    encode = f"{X264} -pix_fmt yuv420p -r 30 -c:a aac -b:a 192k -movflags +faststart".split()
    start = [ffmpeg.program(), "-hide_banner", "-nostdin", "-y", "-v", "error"]
    (folder / "words.ass").write_text(ass(scenes))
    return [*start, *inputs, "-filter_complex", ";".join(graph), "-map", "[v]", "-map", "[a]", *encode, "single.mp4"]


X264 = "-c:v libx264 -preset veryfast -crf 23"
COMPRESS = "acompressor=threshold=-24dB:ratio=2.5:attack=8:release=120:makeup=4"
DUCK = "sidechaincompress=threshold=0.02:ratio=8:attack=15:release=350"
MASTER = "loudnorm=I=-14:TP=-1.5:LRA=11,alimiter=limit=0.89:level=0,aresample=48000,apad,atrim=0"
MOVIEPY = """\
import json, sys
from moviepy import AudioFileClip, CompositeVideoClip, ImageClip, TextClip
spec = json.loads(sys.argv[1])
length = spec["slice_s"]
still = ImageClip("image0.png").with_duration(length).resized(lambda t: (1 + 0.12 * t / spec["scene_s"]) * 1080 / 1242)
layers = [still.with_position("center")]
for start, end, text in spec["captions"]:
    line = TextClip(font=spec["font"], text=text, font_size=92, color="white", stroke_color="black", stroke_width=8,
                    method="caption", size=(752, 300))
    layers.append(line.with_start(start).with_end(min(end, length)).with_position(("center", 1150)))
reel = CompositeVideoClip(layers, size=(1080, 1920)).with_duration(length)
reel = reel.with_audio(AudioFileClip("voice0.wav").subclipped(0, length))
reel.write_videofile("moviepy.mp4", fps=30, codec="libx264", audio_codec="aac", preset="veryfast", threads=2,
                     ffmpeg_params=["-crf", "23", "-pix_fmt", "yuv420p"], logger=None)
"""


def moviepy(folder: Path) -> list[str]:
    captions = [(a, b, " ".join(w for _, _, w in words)) for a, b, words in groups(1) if a < SLICE_S]
    spec = {"slice_s": SLICE_S, "scene_s": SCENE_S, "font": str(lettering.FONT_FILE), "captions": captions}
    (folder / "peer.py").write_text(MOVIEPY)
    return [*ISOLATED, "python", "peer.py", json.dumps(spec)]


ISOLATED = ["uv", "run", "--no-project", "--isolated", "--with", "moviepy==2.2.1"]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--no-moviepy", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="leave the fixture and the videos in this folder")
    parser.add_argument("--ours", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        print(json.dumps(asyncio.run(ours(Path.cwd(), options.ours))))
        return
    scenes = 3 if options.short else 6
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        Fixture.make(folder, scenes)
        compare(folder, scenes, rounds=options.rounds, with_moviepy=not options.no_moviepy)


def own_costs(folder: Path, scenes: int) -> dict[str, Cost]:
    whole = measured([sys.executable, str(Path(__file__).resolve()), "--ours", str(scenes)], folder)
    told = json.loads(whole.output)
    assert told["passed"], "our reel failed its gate"
    warm = Cost(whole.wall_s - told["start_wall_s"], whole.cpu_s - told["start_cpu_s"], whole.peak_mb)
    render = Cost(warm.wall_s - told["gate_wall_s"], warm.cpu_s - told["gate_cpu_s"], whole.peak_mb)
    return {"ours": render, "and its gate": warm, "and Python's start": whole}


def compare(folder: Path, scenes: int, *, rounds: int, with_moviepy: bool) -> None:
    """Run the arms in turns, so that what else the machine does falls on all of them, and print each one's median."""
    runs: dict[str, list[Cost]] = {}
    if with_moviepy:
        subprocess.run([*ISOLATED, "python", "-c", "import moviepy"], cwd=folder, check=True)
    for _ in range(rounds):
        found = own_costs(folder, scenes) | {"one ffmpeg process": measured(single(folder, scenes), folder)}
        if with_moviepy:
            found["MoviePy, scaled"] = measured(moviepy(folder), folder).scaled(scenes * SCENE_S / SLICE_S)
        for name, cost in found.items():
            runs.setdefault(name, []).append(cost)
    rows = {
        name: Cost(
            *(
                statistics.median(values)
                for values in zip(*((c.wall_s, c.cpu_s, c.peak_mb) for c in costs), strict=True)
            )
        )
        for name, costs in runs.items()
    }
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, medians of {rounds}"
    print(f"{scenes * SCENE_S} s of 1080x1920 at 30 fps, x264 veryfast crf 23; {load}")
    print(f"MoviePy: a slice of {SLICE_S} s, scaled\n")
    print(f"{'':22}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'wall':>9}{'CPU':>9}   ratios: ours to it")
    for name, cost in rows.items():
        ratios = f"{rows['ours'].wall_s / cost.wall_s:9.3f}{rows['ours'].cpu_s / cost.cpu_s:9.3f}"
        print(f"{name:22}{cost.wall_s:9.1f}{cost.cpu_s:9.1f}{cost.peak_mb:9.0f}{ratios}")


if __name__ == "__main__":
    main()
