"""What render.py compares us with: x264 alone, one ffmpeg process by a good hand, and MoviePy."""

import json
from pathlib import Path

from reel_fixture import SCENE_S, SENTENCE

from reelwright.rendering import graph, lettering
from worker import ffmpeg

SLICE_S = 2
FRAMES = "frames.yuv"
XFADES = ("fade", "slideleft", "smoothup", "circleopen", "fadeblack")


def x264(profile: str | None) -> list[str]:
    """Encode the reel's own frames, painted before: the picture alone, on as many threads as x264 likes.

    With one of our profiles' settings, or as `-preset veryfast -crf 23` comes.
    """
    settings = graph.PROFILES[profile] if profile else {"preset": "veryfast", "crf": 23}
    options = [part for name, value in settings.items() for part in (f"-{name}", str(value))]
    return [*START, *RAW.split(), "-c:v", "libx264", "-profile:v", "high", "-g", "60", *options, f"x264_{profile}.mp4"]


def vmaf(video: str, frames: int) -> list[str]:
    """Compare a video with the painted frames, every fifth of them; the score lands on standard error."""
    even = "setpts=N/30/TB,settb=1/30"
    score = f"[0:v]trim=end_frame={frames},{even}[a];[1:v]{even}[b];[a][b]libvmaf=n_threads=2:n_subsample=5"
    loud = ["info" if part == "error" else part for part in START]
    return [*loud, "-i", video, *RAW.split(), "-lavfi", score, "-f", "null", "-"]


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
    (folder / "words.ass").write_text(ass(scenes))
    return [*START, *inputs, "-filter_complex", ";".join(graph), "-map", "[v]", "-map", "[a]", *encode, "single.mp4"]


START = [ffmpeg.program(), "-hide_banner", "-nostdin", "-y", "-v", "error"]
RAW = f"-f rawvideo -pix_fmt yuv420p -s 1080x1920 -framerate 30 -color_range tv -colorspace bt709 -i {FRAMES}"
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
