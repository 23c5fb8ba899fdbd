"""What each check of the release gate means to a person: its gate's number, its name, and what to do where it fails.

The gates are the 25 qualities of a finished reel; each is held by one check or more.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec


class Check(msgspec.Struct, frozen=True):
    """One measure of a file. `passed` is None where it could not be judged: nobody told what was ordered.

    `gate` is the number, 1 to 25, of the quality that it holds.
    """

    name: str
    passed: bool | None
    value: object
    limit: object
    gate: int = 0


class Report(msgspec.Struct, frozen=True):
    """All checks, by their gates; it passed when none failed."""

    passed: bool
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """A check by its gate's number. `needs` names what must be told for it to be judged, if anything."""

    number: int
    name: str
    says: str
    remedy: str
    needs: str = ""


_PLAN, _CAPTIONS, _VOICES = "--plan", "--captions or --plan", "the narrations, which only its maker has"
_MAKER = "the files it was made from, which only its maker has"
_TOLD: tuple[tuple[int, str, str, str, str], ...] = (
    (
        1,
        "streams",
        "one picture, one sound, nothing else",
        "keep one video and one audio stream: -map 0:v:0 -map 0:a:0",
        "",
    ),
    (1, "faststart", "the index stands in front", "write it again with -c copy -movflags +faststart", ""),
    (
        1,
        "edit_lists",
        "tracks that are shown by an edit list",
        "write it again with -c copy -use_editlist 0 -movflags +faststart+negative_cts_offsets",
        "",
    ),
    (2, "video_codec", "H.264 High, yuv420p", "encode it with libx264 -profile:v high -pix_fmt yuv420p", ""),
    (2, "progressive", "no interlaced frames", "deinterlace it: -vf bwdif", ""),
    (2, "key_frames_s", "longest way between key frames", "encode with a key frame every 2 s: -g 60", ""),
    (2, "open_groups", "key frames at which decoding can't begin", "encode it with a closed GOP: -flags +cgop", ""),
    (3, "size", "width and height in pixels", "scale and crop it to 1080x1920, 1080x1080 or 1920x1080", ""),
    (3, "square_pixels", "pixels are square", "set the sample aspect ratio to 1:1: -vf setsar=1", ""),
    (3, "full_frame", "share of width and height in use", "crop the bars away and scale the picture to the frame", ""),
    (4, "frame_rate", "30 frames a second", "make the picture at 30 frames a second: -r 30", ""),
    (
        4,
        "constant_frame_rate",
        "every frame lasts as long, in ms",
        "encode with a constant frame rate: -fps_mode cfr",
        "",
    ),
    (
        5,
        "audio_codec",
        "AAC-LC, 48 kHz, stereo",
        "encode the sound with -c:a aac -profile:a aac_low -ar 48000 -ac 2",
        "",
    ),
    (5, "audio_kbit_s", "the sound's bit rate at its densest", "encode the sound with -b:a 192k", ""),
    (5, "bit_rate_mbit_s", "bit rate", "encode it at a lower bit rate: apps take 25 Mbit/s at most", ""),
    (5, "size_mb", "size in megabytes", "encode it at a lower bit rate", ""),
    (
        6,
        "colour",
        "tagged BT.709, limited range",
        "tag primaries, transfer, matrix bt709 and range tv when encoding",
        "",
    ),
    (7, "duration_s", "within 10 % of the length ordered", "shorten or lengthen the script", "--duration or --plan"),
    (7, "frames", "as many frames as planned", "render it again: frames were lost or doubled", _PLAN),
    (7, "decodes", "every frame can be decoded", "fetch or render it again: the file is damaged", ""),
    (7, "platform_length_s", "length the app takes", "cut it to the app's limits", "--platform"),
    (7, "audio_video_length_ms", "sound and picture end together", "pad or trim the sound to the picture's length", ""),
    (8, "loudness_lufs", "integrated loudness", "change the gain so that it is -14 LUFS", ""),
    (9, "true_peak_dbtp", "true peak", "put a limiter at -2 dBFS before the encoder", ""),
    (10, "loudness_range_lu", "loudness range", "compress the sound: quiet parts are lost on a phone", ""),
    (
        11,
        "voice_over_music_db",
        "how far music lies below each voice",
        "turn the music down while someone speaks",
        _VOICES,
    ),
    (12, "speech_in_each_scene", "each narration is heard", "mix the missing narration in again", _VOICES),
    (13, "speech_sync_ms", "how late each narration is", "put the narration at its scene's start", _VOICES),
    (
        13,
        "cut_to_voice_frames",
        "frames from each cut to its voice",
        "move the cut to where its voice begins",
        _VOICES,
    ),
    (13, "audio_video_start_ms", "sound and picture begin together", "remove the offset between the streams", ""),
    (14, "caption_sync_ms", "how far captions are off the speech", "shift the captions by this much", _CAPTIONS),
    (
        14,
        "caption_overlaps",
        "captions shown over each other",
        "end each caption before the next one begins",
        _CAPTIONS,
    ),
    (14, "words_on_speech", "share of captions on speech", "take times from the voice, not from a guess", _CAPTIONS),
    (
        14,
        "caption_words",
        "captions that show other words",
        "write picture and subtitles from the words spoken",
        _VOICES,
    ),
    (
        15,
        "caption_reading",
        "lines, letters a line, letters a second, seconds",
        "cut the captions into shorter ones",
        _CAPTIONS,
    ),
    (
        15,
        "caption_stays",
        "shortest subtitle, least between two, shortest page",
        "join what is shown too shortly to what is beside it, and leave two frames between subtitles",
        _CAPTIONS,
    ),
    (16, "caption_boxes", "captions inside the safe area", "move captions away from the app's own buttons", _PLAN),
    (17, "black_s", "longest black span in seconds", "remove the black frames, or shorten the fade", ""),
    (17, "first_frame", "what is seen before it plays", "begin with a picture: cut the black away", ""),
    (17, "frozen", "seconds at which the picture stops", "give the scene motion, or replace the stuck clip", ""),
    (18, "motion", "jerks, steps back, and speed of the zoom", "ease the camera, or give a slower move", _PLAN),
    (19, "scenes_alike", "scenes that look like another", "give each scene a picture of its own", _PLAN),
    (20, "caption_letters", "letters that no font draws", "write these words in other letters", _CAPTIONS),
    (
        21,
        "lossy_generations",
        "how often it was encoded with a loss",
        "join the chunks without encoding them again, and mix without a loss",
        _MAKER,
    ),
    (
        22,
        "fidelity",
        "likeness to what was painted, worst chunk, quantiser",
        "encode it with a lower crf or qp",
        _MAKER,
    ),
    (22, "mb_a_minute", "megabytes a minute", "encode it with a higher crf or qp", _MAKER),
    (23, "thumbnails", "pictures to choose the reel by", "take them anew: JPEG, of its size, 2 MB at most", _MAKER),
    (
        24,
        "reproducible",
        "the packets, and what is not as its manifest says",
        "name each file that went in by its SHA-256",
        _MAKER,
    ),
    (
        25,
        "disclosure",
        "a mark that it is made by AI",
        "write the mark: an XMP packet with Iptc4xmpExt:DigitalSourceType",
        _MAKER,
    ),
)
GATES = {told[1]: Gate(*told) for told in _TOLD}


def reported(checks: Iterable[Check]) -> Report:
    """Return the report of all checks: each with the number of its gate, in the order of GATES."""
    found = {check.name: check for check in checks}
    every = tuple(msgspec.structs.replace(found[name], gate=gate.number) for name, gate in GATES.items())
    return Report(all(check.passed is not False for check in every), every)


def verdict(report: Report) -> str:
    """Say how many gates hold or failed, and how many checks that were."""
    failed = {check.gate for check in report.checks if check.passed is False}
    judged = {check.gate for check in report.checks if check.passed is not None}
    checks = f"{sum(check.passed is not None for check in report.checks)} checks"
    idle = sum(check.passed is None for check in report.checks)
    said = f"{len(failed)} of {len(judged)} gates failed" if failed else f"all {len(judged)} gates hold"
    return f"{said} · {checks}" + (f" · {idle} not judged" if idle else "")


_WORDS: dict[str, str] = {
    "streams": "{} video, {} sound, {} other",
    "size": "{}×{}",
    "video_codec": "{} {} {}",
    "colour": "bt709 {}, limited {}",
    "audio_codec": "{} {} {} Hz, {} channels",
    "full_frame": "{} × {}",
    "decodes": "{} frames, {} damaged",
    "caption_reading": "{} lines, {} letters, {}/s, {} s",
    "caption_stays": "{} s, {} ms, {} s",
    "motion": "{} px, {} back, {} %/s",
    "lossy_generations": "video {}, sound {}",
    "fidelity": "SSIM {}, {}, quantiser {}",
    "caption_sync_ms": "{} ms for 19 in 20, {} ms at worst",
}
_PARTS: dict[str, str] = {
    "thumbnails": "{files}, {mb} MB, wrong: {wrong}",
    "reproducible": "{packets:.12}, unlike: {unlike}",
}
_UNITS = {
    "_mbit_s": " Mbit/s",
    "_kbit_s": " kbit/s",
    "_ms": " ms",
    "_s": " s",
    "_lufs": " LUFS",
    "_dbtp": " dBTP",
    "_lu": " LU",
    "_mb": " MB",
    "_db": " dB",
    "mb_a_minute": " MB",
    "rate": " fps",
}
_AT_LEAST = {"full_frame", "speech_in_each_scene", "words_on_speech", "voice_over_music_db", "caption_stays"}
_WITHIN = {"speech_sync_ms", "cut_to_voice_frames", "caption_sync_ms"}
_AT_MOST = {
    *("constant_frame_rate", "audio_video_length_ms", "audio_video_start_ms", "true_peak_dbtp", "black_s"),
    *("loudness_range_lu", "key_frames_s", "size_mb", "caption_reading", "bit_rate_mbit_s", "motion", "mb_a_minute"),
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
    if name in {"duration_s", "loudness_lufs", "platform_length_s", "audio_kbit_s"} and isinstance(limit, list):
        low, high = (_plain(one) for one in limit)  # type: ignore[reportUnknownVariableType] - JSON
        return f"{low} to {high}{_unit(name)}"
    if name == "caption_boxes":
        return f"within {_plain(limit)}"
    if name == "thumbnails" and isinstance(limit, dict):
        return "JPEG of {size}, one of {wide}, ≤ {mb} MB".format_map({part: _plain(one) for part, one in limit.items()})  # type: ignore[reportUnknownVariableType] - JSON
    sign = "≥ " if name in _AT_LEAST else "≤ " if name in _AT_MOST else "± " if name in _WITHIN else ""
    return sign + (f"{_plain(limit)}{_unit(name)}" if name == "full_frame" else _said(name, limit))


def _said(name: str, value: object) -> str:
    if name in _WORDS and isinstance(value, list | tuple):
        return _WORDS[name].format(*(_plain(one) for one in value))  # type: ignore[reportUnknownVariableType] - JSON
    if name in _PARTS and isinstance(value, dict):
        return _PARTS[name].format_map({part: _plain(one) for part, one in value.items()})  # type: ignore[reportUnknownVariableType] - JSON
    unit = _unit(name) if isinstance(value, int | float) and not isinstance(value, bool) else ""
    return _plain(value) + unit


def _unit(name: str) -> str:
    return next(
        (unit for ending, unit in _UNITS.items() if name.endswith(ending) and name != "constant_frame_rate"), ""
    )


def _plain(value: object) -> str:
    match value:
        case None:
            return "-"
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
