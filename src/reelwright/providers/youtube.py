"""Reads what is said in a YouTube video: the captions that its own watch page offers to everybody, and no others.

The page holds a player response (`ytInitialPlayerResponse`): whether the video may be watched, its details, and its
caption tracks; a track's address answers with JSON where `fmt=json3` is asked for. No account, no key, no app's name
is used: a video that wants any of these is refused with what to do instead.
"""

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import ada_url
import msgspec

from reelwright.ground.cleaning import line_of, words_in
from reelwright.ground.errors import Refusal
from reelwright.ground.log import logger
from reelwright.providers.guard import inspected
from reelwright.providers.model import Transcript

_log = logger(__name__)
SITE = "https://www.youtube.com"
FEWEST_WORDS = 20
_HOSTS = frozenset(
    {"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "www.youtube-nocookie.com", "youtu.be"}
)
_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_IN_PATH = re.compile(r"/(?:shorts|embed|live|v)/([A-Za-z0-9_-]{11})(?:/|$)")
_RESPONSE = re.compile(r"ytInitialPlayerResponse\s*=\s*(?=\{)")
_SOUNDS = re.compile(
    r"\[[^\[\]]{0,60}\]|\([^()]{0,40}(?:music|applause|laughter)[^()]{0,40}\)|[♪♫]+|>>+", re.IGNORECASE
)
_SENTENCE_END = ".!?…。！？"
_PARAGRAPH = 500  # characters, to the next end of a sentence or pause
_PAUSE_MS = 2000
_PASTE = "paste what is said in it as text instead."


class _Segment(msgspec.Struct, frozen=True):
    utf8: str = ""


class _Event(msgspec.Struct, frozen=True, rename="camel"):
    """One line on the screen. Lines that only begin a window, or that break one, have no words of their own."""

    t_start_ms: int = 0
    d_duration_ms: int = 0
    segs: tuple[_Segment, ...] = ()


class _Timed(msgspec.Struct, frozen=True):
    events: tuple[_Event, ...] = ()


class _Status(msgspec.Struct, frozen=True):
    status: str = ""


class _Details(msgspec.Struct, frozen=True, rename="camel"):
    title: str = ""
    author: str = ""


class Track(msgspec.Struct, frozen=True, rename="camel"):
    """One language's captions. `kind` is `asr` where a machine wrote them down."""

    base_url: str
    language_code: str = ""
    kind: str = ""


class _List(msgspec.Struct, frozen=True, rename="camel"):
    caption_tracks: tuple[Track, ...] = ()


class _Captions(msgspec.Struct, frozen=True, rename="camel"):
    player_captions_tracklist_renderer: _List = _List()


class _Player(msgspec.Struct, frozen=True, rename="camel"):
    playability_status: _Status = _Status()
    video_details: _Details = _Details()
    captions: _Captions = _Captions()


def checked_video(url: str) -> str:
    """Return a video's one address. Raises Refusal (`ingestion.not_youtube`, and `source.not_allowed` as for pages)."""
    video = video_of(url)
    if video is None:
        raise Refusal(
            "youtube_url: give a video's own address, such as https://www.youtube.com/watch?v=… or https://youtu.be/….",
            field="youtube_url",
            code="ingestion.not_youtube",
        )
    return f"{SITE}/watch?v={video}"


def video_of(url: str) -> str | None:
    """Return a video's id from any of the ways to write its address, or None. Raises Refusal for no public address."""
    target = inspected(url)
    if target.host not in _HOSTS:
        return None
    path, _, query = target.path.partition("?")
    if target.host == "youtu.be":
        found = path.strip("/")
    elif path.rstrip("/") == "/watch":
        found = next(iter(parse_qs(query).get("v", [])), "")
    else:
        inside = _IN_PATH.match(path)
        found = inside[1] if inside else ""
    return found if _ID.fullmatch(found) else None


def offered(html: str, final: str, *, language: str) -> tuple[str, str, Track]:
    """Return a watch page's title, its channel, and the captions to take: `language`'s own before all others.

    Raises Refusal (`ingestion.consent_wall`, `video_not_found`, `video_closed`, `no_transcript`).
    """
    if (urlsplit(final).hostname or "").startswith("consent."):
        raise _refused(
            f"YouTube asks for a person's consent before it shows this video: {_PASTE}", code="ingestion.consent_wall"
        )
    player = _player(html)
    _check_playable(player.playability_status.status)
    tracks = player.captions.player_captions_tracklist_renderer.caption_tracks
    if not tracks:
        raise no_transcript()
    details = player.video_details
    return line_of(details.title), line_of(details.author), _best(tracks, language)


def captions_url(track: Track, page: str) -> str:
    """Return where a track's lines are as JSON: at the site of the page, whatever the page says."""
    try:
        there = urlsplit(ada_url.join_url(page, track.base_url))
    except ValueError:
        raise no_transcript() from None
    home = urlsplit(page)
    query = "&".join(part for part in there.query.split("&") if part and not part.startswith("fmt="))
    return urlunsplit((home.scheme, home.netloc, there.path, f"{query}&fmt=json3", ""))


def transcript(raw: bytes, *, url: str, title: str, author: str, track: Track) -> Transcript:
    """Return what is said, in paragraphs. Raises Refusal (`ingestion.no_transcript`) for nothing, or nothing much."""
    try:
        timed = msgspec.json.decode(raw, type=_Timed)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise no_transcript() from None
    body = "\n\n".join(_paragraphs(timed.events))
    if words_in(body) < FEWEST_WORDS:
        raise no_transcript()
    return Transcript(
        url=url, title=title or url, author=author, body=body, language=track.language_code[:2].lower() or "en"
    )


def no_transcript() -> Refusal:
    """Return the refusal for a video without captions that everybody may have."""
    return _refused(
        f"This video offers no captions: choose one that has some, or {_PASTE}", code="ingestion.no_transcript"
    )


def _player(html: str) -> _Player:
    """Return the page's player response. Raises Refusal where there is none to be read."""
    found = _RESPONSE.search(html)
    if found is None:
        raise _refused(f"YouTube doesn't show this video to programs: {_PASTE}", code="ingestion.video_closed")
    try:
        known: Any = json.JSONDecoder().raw_decode(html, found.end())[0]
        return msgspec.convert(known, _Player)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors too
        raise _refused(f"YouTube's page of this video can't be read: {_PASTE}", code="ingestion.video_closed") from None


def _check_playable(status: str) -> None:
    if status in {"OK", ""}:
        return
    _log.info("video_not_playable", status=status[:40])
    if status == "ERROR":
        raise _refused("There is no such video (any more): check its address.", code="ingestion.video_not_found")
    raise _refused(
        "This video isn't open to everybody: it is private, for adults, for members, or has yet to begin:"
        f" choose another one, or {_PASTE}",
        code="ingestion.video_closed",
    )


def _best(tracks: Sequence[Track], language: str) -> Track:
    """Prefer the wanted language, then English; and of one language what people wrote to what a machine heard."""

    def rank(track: Track) -> tuple[bool, bool, bool]:
        said = track.language_code[:2].lower()
        return said != language[:2], said != "en", track.kind == "asr"

    return min(tracks, key=rank)


def _paragraphs(events: Sequence[_Event]) -> list[str]:
    """Join lines into paragraphs: a pause parts them, or a sentence's end once one is long enough."""
    made, line, ended_ms = list[str](), "", 0
    for event in events:
        words = line_of(_SOUNDS.sub(" ", "".join(segment.utf8 for segment in event.segs)))
        if not words:
            continue
        apart = event.t_start_ms - ended_ms > _PAUSE_MS or line.endswith(tuple(_SENTENCE_END))
        if line and apart and len(line) >= _PARAGRAPH:
            made.append(line)
            line = ""
        line = f"{line} {words}" if line else words
        ended_ms = event.t_start_ms + event.d_duration_ms
    return [*made, line] if line else made


def _refused(sentence: str, *, code: str) -> Refusal:
    return Refusal(sentence, field="youtube_url", code=code)
