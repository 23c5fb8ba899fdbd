"""What is done to the good reel, its plan or its subtitles, and exactly which gates then fail, and in whose verdict."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import msgspec

from reelwright import rendering
from reelwright.rendering import making

H264 = "-c:v libx264 -preset ultrafast -x264-params cabac=1:8x8dct=1 -profile:v high -pix_fmt yuv420p -g 60"
TAGS = "-color_range tv -colorspace bt709 -color_primaries bt709 -color_trc bt709"
AAC = "-c:a aac -b:a 192k -ar 48000"
COPY, FAST = "-c copy", "-movflags +faststart"
PICTURE, SOUND = f"-c:a copy {H264} {TAGS} {FAST}", f"-c:v copy {AAC} {FAST}"
CAPTIONED = r"drawbox=x=58:y=427:w=245:h=66:c=white:t=fill:enable='lt(mod(t\,0.3)\,0.15)'"  # where the plan draws them
Plan = Callable[[rendering.Timeline], rendering.Timeline]


@dataclass(frozen=True)
class Spoiling:
    """What fails, and why: ffmpeg's words on the good file, or another plan, other subtitles, bytes cut off or added.

    `made` changes what is kept of its making, `path` how the camera eases a move; `unjoined` draws short clauses alone.
    `before` are words before the picture is read a second time. `breaks` fail in both verdicts, `worker` only in that
    of the worker, who knows the narrations, and `inspect` only in that of `reelwright inspect`, who listens for them.
    """

    breaks: frozenset[str]
    worker: frozenset[str] = frozenset()
    inspect: frozenset[str] = frozenset()
    options: str = ""
    before: str = ""
    plan: Plan = field(default=lambda timeline: timeline)
    subtitles: Callable[[str], str] = field(default=lambda text: text)
    made: Callable[[making.Making], making.Making] = field(default=lambda made: made)
    path: Callable[[float], float] | None = None
    unjoined: bool = False
    damaged: bool = False
    cut: float = 1.0
    grown_to: int | None = None


def _words(*texts: str, at_ms: int | None = None) -> Plan:
    """Say other words, at the same times or from a time on."""

    def changed(timeline: rendering.Timeline) -> rendering.Timeline:
        words = [
            rendering.Word(texts[i % len(texts)] or w.text, w.start_ms, w.end_ms, w.scene)
            if at_ms is None
            else rendering.Word(w.text, at_ms + 10 * i, at_ms + 10 * i + 10, w.scene)
            for i, w in enumerate(timeline.words)
        ]
        return msgspec.structs.replace(timeline, words=tuple(words))

    return changed


def _later(ms: int, *scenes: int) -> Plan:
    """Show the words of some scenes, or of all, later than they are said, or earlier."""

    def moved(word: rendering.Word) -> rendering.Word:
        by_ms = ms if word.scene in scenes or not scenes else 0
        return rendering.Word(word.text, word.start_ms + by_ms, word.end_ms + by_ms, word.scene)

    return lambda timeline: msgspec.structs.replace(timeline, words=tuple(map(moved, timeline.words)))


def _cut_later(frames: int) -> Plan:
    """Move the cut, and no voice with it."""

    def moved(timeline: rendering.Timeline) -> rendering.Timeline:
        one, two = timeline.shots
        later = msgspec.structs.replace(two, start=two.start + frames)
        return msgspec.structs.replace(timeline, shots=(msgspec.structs.replace(one, end=one.end + frames), later))

    return moved


def _shifted(ms: int) -> Callable[[str], str]:
    """Show every subtitle later than it is said, or earlier."""

    def moved(found: re.Match[str]) -> str:
        second, thousandth = map(int, found.groups())
        at_ms = max(0, second * 1000 + thousandth + ms)
        return f"00:00:{at_ms // 1000:02d},{at_ms % 1000:03d}"

    return lambda text: re.sub(r"00:00:(\d\d),(\d{3})", moved, text)


def _much(text: str) -> str:
    return text.replace("word0 word1 word2 word3", "one line\nand another\nand a third that nobody can read in time", 1)


def _replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


def _an_hour(timeline: rendering.Timeline) -> rendering.Timeline:
    return msgspec.structs.replace(timeline, target_frames=108_000)


def _tiny(timeline: rendering.Timeline) -> rendering.Timeline:
    return msgspec.structs.replace(_words("W" * 24)(timeline), width=64, height=114)


def _chunks(**changes: object) -> Callable[[making.Making], making.Making]:
    return lambda made: replace(made, chunks=tuple(msgspec.structs.replace(c, **changes) for c in made.chunks))


def _stills(**changes: object) -> Callable[[making.Making], making.Making]:
    return lambda made: replace(made, stills=tuple(replace(still, **changes) for still in made.stills))  # type: ignore[arg-type]


def spoil(*breaks: str, worker: str = "", inspect: str = "", **how: object) -> Spoiling:
    """Say which gates fail: in both verdicts, and, apart from each other by blanks, in one of them alone."""
    return Spoiling(frozenset(breaks), frozenset(worker.split()), frozenset(inspect.split()), **how)  # type: ignore[arg-type]


SPOILED: dict[str, Spoiling] = {
    "a second sound": spoil("streams", options=f"-map 0 -map 0:a {COPY} {FAST}"),
    "half the size": spoil("size", worker="thumbnails", options=f"-vf scale=180:320 {PICTURE}"),
    "wide pixels": spoil("square_pixels", options=f"-vf setsar=4/3 {PICTURE}"),
    "another codec": spoil(
        "video_codec",
        options=f"-c:a copy -c:v libx264 -preset ultrafast -profile:v main -pix_fmt yuv420p -g 60 {TAGS} {FAST}",
    ),
    "colours of another standard": spoil(
        "colour", options=f"{COPY} -bsf:v h264_metadata=matrix_coefficients=5:colour_primaries=5 {FAST}"
    ),
    "mono": spoil("audio_codec", options=f"-ac 1 {SOUND}"),
    "thin sound": spoil("audio_kbit_s", options=f"-c:v copy {AAC.replace('192k', '80k')} {FAST}"),
    "a cut three frames behind its voice": spoil(worker="cut_to_voice_frames", plan=_cut_later(3)),
    "the index at the end": spoil("faststart", options=COPY),
    "25 frames a second": spoil("frame_rate", "frames", options=f"-vf fps=25 {PICTURE} -g 50"),
    "a jumping clock": spoil(
        "constant_frame_rate",
        options=rf"-vf setpts=PTS+gt(N\,60)*lt(N\,64)*0.012/TB -fps_mode passthrough -enc_time_base 1:90000 {PICTURE}",
    ),
    "three frames too few": spoil(
        "frames", options=f"-vf trim=end_frame=117 -af atrim=end=3.9 {AAC} {H264} {TAGS} {FAST}"
    ),
    "an hour was ordered": spoil("duration_s", plan=_an_hour),
    "sound that ends before the picture": spoil("audio_video_length_ms", options=f"-af atrim=end=3.9 {SOUND}"),
    "a picture that begins late": spoil("audio_video_start_ms", before="-itsoffset 0.1"),
    "too quiet": spoil("loudness_lufs", options=f"-af volume=-4dB {SOUND}"),
    "clipped": spoil("true_peak_dbtp", "loudness_lufs", options=f"-af volume=16dB {SOUND}"),
    "a black half second": spoil(
        "black_s", options=rf"-vf drawbox=t=fill:c=black:enable='between(t\,1\,1.5)' {PICTURE}"
    ),
    "one black frame at the start": spoil(
        "first_frame", options=rf"-vf drawbox=t=fill:c=black:enable='lt(t\,0.02)' {PICTURE}"
    ),
    "five black frames": spoil(
        "black_s", options=rf"-vf drawbox=t=fill:c=black:enable='between(t\,1\,1.15)' {PICTURE}"
    ),
    "a frozen clip": spoil("frozen", options=f"-vf loop=loop=45:size=1:start=62,trim=end=4,fps=30 {PICTURE}"),
    "a clip that stops under captions that go on": spoil(
        "frozen", options=f"-vf loop=loop=120:size=1:start=62,trim=end=4,fps=30,{CAPTIONED} {PICTURE}"
    ),
    "a camera that pauses under captions that go on": spoil(
        *("frozen", "scenes_alike"), options=f"-vf loop=loop=45:size=1:start=40,trim=end=4,fps=30,{CAPTIONED} {PICTURE}"
    ),
    "black under captions that go on": spoil(
        "black_s", options=rf"-vf drawbox=t=fill:c=black:enable='between(t\,1\,1.5)',{CAPTIONED} {PICTURE}"
    ),
    "bars above and below": spoil("full_frame", options=f"-vf scale=360:560,pad=360:640:0:40,setsar=1 {PICTURE}"),
    "bars in one scene": spoil(
        "full_frame", options=rf"-vf drawbox=y=0:h=30:t=fill:c=black:enable='gte(t\,2)' {PICTURE}"
    ),
    "a scene without its voice": spoil(
        worker="speech_in_each_scene",
        inspect="words_on_speech",
        options=rf"-af volume=0:enable='between(t\,2\,4)' {SOUND}",
    ),
    "late sound": spoil(
        "caption_sync_ms",
        worker="speech_sync_ms cut_to_voice_frames",
        options=f"-af adelay=180:all=1,atrim=end=4 {SOUND}",
    ),
    "a caption under the buttons": spoil(
        "caption_boxes", "size", "caption_reading", worker="caption_words", plan=_tiny
    ),
    "words that nobody says": spoil(worker="caption_words", plan=_words("other", "words")),
    "captions over each other": spoil("caption_overlaps", "caption_stays", subtitles=_replaced("01,770", "02,900")),
    "words where nobody speaks": spoil(
        *("words_on_speech", "caption_sync_ms", "caption_reading", "caption_stays"), plan=_words(at_ms=1780)
    ),
    **{f"words {ms} ms late": spoil("caption_sync_ms", plan=_later(ms)) for ms in (110, 150, 200)},
    **{f"a scene's words {ms} ms early": spoil(worker="caption_sync_ms", plan=_later(-ms, 1)) for ms in (150, 400)},
    "late captions": spoil("caption_sync_ms", subtitles=_shifted(200)),
    "early captions": spoil(worker="caption_sync_ms", subtitles=_shifted(-300)),
    "letters that the font lacks": spoil("caption_letters", worker="caption_words", plan=_words("ⵜⵉⴼⵉⵏⴰⵖ")),
    "one word of many in letters that the font lacks": spoil(
        "caption_letters", worker="caption_words", plan=_words("", "", "", "wordⵣ", "", "", "", "")
    ),
    "whispers and shouts": spoil(
        *("loudness_range_lu", "frames", "duration_s"),
        options=f"-vf loop=loop=3:size=120,setpts=N/30/TB -af aloop=loop=3:size=192000,"
        rf"volume=-15dB:enable='gte(t\,8)' {AAC} {H264} {TAGS} {FAST}",
    ),
    "interlaced": spoil("progressive", options=f"-vf setfield=tff -flags +ildct+ilme {PICTURE}"),
    "one key frame in all": spoil("key_frames_s", options=PICTURE.replace("-g 60", "-g 600 -sc_threshold 0")),
    "too large": spoil("size_mb", "bit_rate_mbit_s", worker="mb_a_minute", grown_to=301_000_000),
    "too short for the app": spoil(
        *("platform_length_s", "frames", "duration_s", "caption_overlaps"),
        worker="speech_in_each_scene lossy_generations",
        options=f"-t 2.5 {COPY} {FAST}",
    ),
    "damaged in the middle": spoil("decodes", worker="lossy_generations", damaged=True),
    "cut off": spoil("decodes", "frames", worker="lossy_generations", cut=0.96),
    "an edit list": spoil(options=f"{COPY} {FAST}"),
    "open groups": spoil("open_groups", options=PICTURE.replace("8x8dct=1", "8x8dct=1:open-gop=1:bframes=2")),
    "too many bits": spoil("bit_rate_mbit_s", worker="mb_a_minute", grown_to=14_000_000),
    "music as loud as the voice": spoil(
        worker="voice_over_music_db",
        options=rf"-af aeval=0.8*val(0)+0.12*sin(2000*t)|0.8*val(1)+0.12*sin(2000*t):c=same {SOUND}",
    ),
    "a camera that jerks": spoil("motion", path=lambda p: round(p * 20) / 20),
    "a camera that steps back": spoil("motion", path=lambda p: p + 0.001 * math.sin(100 * p)),
    "a camera that rushes in": spoil("motion", path=lambda p: min(1.0, 2 * p)),
    "one picture in two scenes": spoil("scenes_alike", options=f"-vf negate=enable='gte(n\\,60)' {PICTURE}"),
    "encoded a second time": spoil(options=f"-c:a copy {H264} {TAGS} {FAST}"),
    "chunks from a lossy source": spoil(worker="lossy_generations", made=_chunks(painted=False)),
    "a mix in AAC": spoil(worker="lossy_generations", made=lambda made: replace(made, mix_codec="aac")),
    "a picture unlike the painted one": spoil(worker="fidelity", made=_chunks(ssim=0.89)),
    "a coarse picture": spoil(worker="fidelity", made=_chunks(quantiser=31.0)),
    "a wasteful file": spoil(worker="mb_a_minute", made=_chunks(quantiser=12.0), grown_to=1_000_000),
    "no wide thumbnail": spoil(worker="thumbnails", made=lambda made: replace(made, stills=made.stills[:1])),
    "no thumbnail": spoil(worker="thumbnails", made=lambda made: replace(made, stills=())),
    **{
        f"a thumbnail with another {what}": spoil(worker="thumbnails", made=_stills(**{what: value}))
        for what, value in (("form", "PNG"), ("width", 1280), ("size_bytes", 2_000_001), ("at_ms", 60_000))
    },
    "another mix than the manifest's": spoil(worker="reproducible", made=lambda made: replace(made, unlike=("mix",))),
    "no word of AI": spoil("disclosure", options=f"{COPY} {FAST} -map_metadata -1"),
    "a subtitle that is gone at once": spoil(
        "caption_stays", "caption_reading", subtitles=_replaced("01,770", "00,800")
    ),
    "two subtitles with nothing between them": spoil("caption_stays", subtitles=_replaced("01,770", "02,000")),
    "clauses that flash by": spoil(
        "caption_stays", worker="caption_words", plan=_words("yes,", "no,", "why,", "so."), unjoined=True
    ),
    "captions that nobody can read": spoil("caption_reading", worker="caption_words", subtitles=_much),
}
FIRST = (
    "bars in one scene",
    "a black half second",
    "colours of another standard",
    "late captions",
    "the index at the end",
    "a camera that pauses under captions that go on",
    "words 110 ms late",
    "early captions",
    "damaged in the middle",
    "music as loud as the voice",
    "one picture in two scenes",
    "no word of AI",
)
