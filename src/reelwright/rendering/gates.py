"""What each check of the release gate means to a person: its number, its name, and what to do where it fails.

A finished reel's 25 qualities, and the checks that hold them (others: by whom instead):

 1 container      streams, faststart, edit_lists         14 caption times  caption_sync_ms, caption_overlaps,
 2 video codec    video_codec, progressive,                                words_on_speech, caption_words
                  key_frames_s, open_groups              15 reading        caption_reading
 3 geometry       size, square_pixels, full_frame        16 safe area      caption_boxes
 4 frame rate     frame_rate, constant_frame_rate        17 black, frozen  black_s, first_frame, frozen
 5 bit rate       audio_codec, bit_rate_mbit_s, size_mb  18 smooth motion  not judged here: tests of its path
 6 colour         colour                                 19 variety        not judged here: VISUAL_VERIFICATION
 7 duration       duration_s, frames, decodes,           20 glyphs         caption_letters
                  platform_length_s,                     21 generations    not judged here: by construction, manifest
                  audio_video_length_ms                  22 fidelity       not judged here: benchmarks/render.py
 8 loudness       loudness_lufs                          23 thumbnails     not judged here: their own stage's tests
 9 true peak      true_peak_dbtp                         24 the same again not judged here: worker.reproduction
10 range          loudness_range_lu                      25 disclosure     not judged here: set when published
11 voice on music not judged here: tests of the mix
12 narration      speech_in_each_scene
13 sync           speech_sync_ms, audio_video_start_ms
"""

from dataclasses import dataclass

from reelwright.rendering.gate import Check


@dataclass(frozen=True, slots=True)
class Gate:
    """A check by its number from 1. `needs` names what must be told for it to be judged, if anything."""

    number: int
    name: str
    says: str
    remedy: str
    needs: str = ""


_PLAN, _CAPTIONS, _VOICES = "--plan", "--captions or --plan", "the narrations, which only its maker has"
_TOLD: tuple[tuple[str, str, str, str], ...] = (
    (
        "streams",
        "one picture, one sound, nothing else",
        "keep one video and one audio stream: -map 0:v:0 -map 0:a:0",
        "",
    ),
    ("size", "width and height in pixels", "scale and crop it to 1080x1920, 1080x1080 or 1920x1080", ""),
    ("square_pixels", "pixels are square", "set the sample aspect ratio to 1:1: -vf setsar=1", ""),
    ("video_codec", "H.264 High, yuv420p", "encode it with libx264 -profile:v high -pix_fmt yuv420p", ""),
    ("colour", "tagged BT.709, limited range", "tag primaries, transfer, matrix bt709 and range tv when encoding", ""),
    ("audio_codec", "AAC, 48 kHz, stereo", "encode the sound with -c:a aac -ar 48000 -ac 2", ""),
    ("faststart", "the index stands in front", "write it again with -c copy -movflags +faststart", ""),
    ("frame_rate", "30 frames a second", "make the picture at 30 frames a second: -r 30", ""),
    ("constant_frame_rate", "every frame lasts as long, in ms", "encode with a constant frame rate: -fps_mode cfr", ""),
    ("frames", "as many frames as planned", "render it again: frames were lost or doubled", _PLAN),
    ("duration_s", "within 10 % of the length ordered", "shorten or lengthen the script", "--duration or --plan"),
    ("audio_video_length_ms", "sound and picture end together", "pad or trim the sound to the picture's length", ""),
    ("audio_video_start_ms", "sound and picture begin together", "remove the offset between the streams", ""),
    ("loudness_lufs", "integrated loudness", "change the gain so that it is -14 LUFS", ""),
    ("true_peak_dbtp", "true peak", "put a limiter at -2 dBFS before the encoder", ""),
    ("black_s", "longest black span in seconds", "remove the black frames, or shorten the fade", ""),
    ("frozen", "seconds at which the picture stops", "give the scene motion, or replace the stuck clip", ""),
    ("full_frame", "share of width and height in use", "crop the bars away and scale the picture to the frame", ""),
    ("speech_in_each_scene", "each narration is heard", "mix the missing narration in again", _VOICES),
    ("speech_sync_ms", "how late each narration is", "put the narration at its scene's start", _VOICES),
    ("caption_boxes", "captions inside the safe area", "move captions away from the app's own buttons", _PLAN),
    ("caption_overlaps", "captions shown over each other", "end each caption before the next one begins", _CAPTIONS),
    ("words_on_speech", "share of captions on speech", "take times from the voice, not from a guess", _CAPTIONS),
    ("caption_sync_ms", "how far captions are off the speech", "shift the captions by this much", _CAPTIONS),
    ("caption_letters", "share of words the font can draw", "choose a font that has these letters", _CAPTIONS),
    ("loudness_range_lu", "loudness range", "compress the sound: quiet parts are lost on a phone", ""),
    ("progressive", "no interlaced frames", "deinterlace it: -vf bwdif", ""),
    ("key_frames_s", "longest way between key frames", "encode with a key frame every 2 s: -g 60", ""),
    ("size_mb", "size in megabytes", "encode it at a lower bit rate", ""),
    ("platform_length_s", "length the app takes", "cut it to the app's limits", "--platform"),
    ("decodes", "every frame can be decoded", "fetch or render it again: the file is damaged", ""),
    (
        "caption_reading",
        "lines, letters a line, letters a second, seconds",
        "cut the captions into shorter ones",
        _CAPTIONS,
    ),
    ("caption_words", "captions that show other words", "write picture and subtitles from the words spoken", _VOICES),
    (
        "edit_lists",
        "tracks that are shown by an edit list",
        "write it again with -c copy -use_editlist 0 -movflags +faststart+negative_cts_offsets",
        "",
    ),
    ("open_groups", "key frames at which decoding can't begin", "encode it with a closed GOP: -flags +cgop", ""),
    ("bit_rate_mbit_s", "bit rate", "encode it at a lower bit rate: apps take 25 Mbit/s at most", ""),
    ("first_frame", "what is seen before it plays", "begin with a picture: cut the black away", ""),
)
GATES = {told[0]: Gate(number, *told) for number, told in enumerate(_TOLD, start=1)}


_WORDS: dict[str, str] = {
    "streams": "{} video, {} sound, {} other",
    "size": "{}×{}",
    "video_codec": "{} {} {}",
    "colour": "bt709 {}, limited {}",
    "audio_codec": "{} {} Hz, {} channels",
    "full_frame": "{} × {}",
    "decodes": "{} frames, {} damaged",
    "caption_reading": "{} lines, {} letters, {}/s, {} s",
    "caption_sync_ms": "{} ms for 19 in 20, {} ms at worst",
}
_UNITS = {
    "_mbit_s": " Mbit/s",
    "_ms": " ms",
    "_s": " s",
    "_lufs": " LUFS",
    "_dbtp": " dBTP",
    "_lu": " LU",
    "_mb": " MB",
    "rate": " fps",
}
_AT_LEAST = {"full_frame", "speech_in_each_scene", "words_on_speech", "caption_letters"}
_WITHIN = {"speech_sync_ms", "caption_sync_ms"}
_AT_MOST = {
    *("constant_frame_rate", "audio_video_length_ms", "audio_video_start_ms", "true_peak_dbtp", "black_s"),
    *("loudness_range_lu", "key_frames_s", "size_mb", "caption_reading", "bit_rate_mbit_s"),
}


def measured(check: Check) -> str:
    """Return what was measured, for a person."""
    if check.passed is None:
        return "not judged"
    if check.name == "frozen":
        return f"at {_plain(check.value)} s" if check.value else "nowhere"
    return _said(check.name, check.value)


def wanted(check: Check) -> str:
    """Return what is wanted, for a person; empty where nobody told."""
    name, limit = check.name, check.limit
    if limit is None:
        return ""
    if isinstance(limit, list) and limit and isinstance(limit[0], list):
        return " or ".join(_said(name, one) for one in limit)  # type: ignore[reportUnknownVariableType] - JSON
    if name in {"duration_s", "loudness_lufs", "platform_length_s"} and isinstance(limit, list):
        low, high = (_plain(one) for one in limit)  # type: ignore[reportUnknownVariableType] - JSON
        return f"{low} to {high}{_unit(name)}"
    if name == "caption_boxes":
        return f"within {_plain(limit)}"
    sign = "≥ " if name in _AT_LEAST else "≤ " if name in _AT_MOST else "± " if name in _WITHIN else ""
    return sign + (f"{_plain(limit)}{_unit(name)}" if name == "full_frame" else _said(name, limit))


def _said(name: str, value: object) -> str:
    if name in _WORDS and isinstance(value, list | tuple):
        return _WORDS[name].format(*(_plain(one) for one in value))  # type: ignore[reportUnknownVariableType] - JSON
    unit = _unit(name) if isinstance(value, int | float) and not isinstance(value, bool) else ""
    return _plain(value) + unit


def _unit(name: str) -> str:
    return next(
        (unit for ending, unit in _UNITS.items() if name.endswith(ending) and name != "constant_frame_rate"), ""
    )


def _plain(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case list() | tuple():
            return " ".join(_plain(one) for one in value) or "none"  # type: ignore[reportUnknownVariableType] - JSON
        case dict():
            return ", ".join(f"{name}: {_plain(one)}" for name, one in value.items())  # type: ignore[reportUnknownVariableType] - JSON
        case _:
            return str(value)


def sentence(check: Check) -> str:
    """Say what failed, by how much, and what to do."""
    gate, limit = GATES[check.name], wanted(check)
    held = f", wanted {limit}" if limit else ""
    return f"{gate.number} {gate.name}: {measured(check)}{held}. To mend it, {gate.remedy}."
