"""A stand-in for YouTube's watch pages and captions, in the shapes that the site answers, served by `pages`."""

import json
from collections.abc import Sequence

from tests.simulators.pages import Pages, answer

VIDEO = "oct0pus-3_h"
SAID = (
    "The octopus has three hearts, and each of them does a different job.",
    "[Music] Two small hearts push blood through the gills,",
    "where it takes up oxygen from the sea. &gt;&gt; A larger heart sends it on.",
)


def a_track(language: str, *, generated: bool = False, url: str | None = None) -> dict[str, object]:
    """Return one caption track as a player response lists it."""
    base = url or f"/api/timedtext?v={VIDEO}&expire=1&sparams=v&lang={language}&fmt=srv3"
    track: dict[str, object] = {"baseUrl": base, "name": {"simpleText": language}, "languageCode": language}
    return track | ({"kind": "asr"} if generated else {})


def watch_page(*tracks: dict[str, object], status: str = "OK", title: str = "Three hearts", more: str = "") -> bytes:
    """Return a watch page with its player response in a script, and braces and quotes in what stands around it."""
    player: dict[str, object] = {
        "responseContext": {"a": "};</script>"},
        "playabilityStatus": {"status": status, "reason": "Sign in"},
        "videoDetails": {"videoId": VIDEO, "title": title, "author": "Sea Notes", "lengthSeconds": "61"},
    }
    if tracks:
        player["captions"] = {"playerCaptionsTracklistRenderer": {"captionTracks": list(tracks), "audioTracks": []}}
    written = json.dumps(player).replace("</", "<\\/")
    return answer(
        f"<!DOCTYPE html><html lang='en'><head><title>x</title>{more}</head><body>"
        f"<script nonce='n'>var ytInitialPlayerResponse = {written};var meta = {{}};</script></body></html>".encode()
    )


def captions(lines: Sequence[str] = SAID, *, every_ms: int = 2000) -> bytes:
    """Return lines as `fmt=json3` answers them: windows without words between, a line in several segments."""
    events: list[dict[str, object]] = [{"tStartMs": 0, "dDurationMs": 60_000, "id": 1, "wpWinPosId": 1}]
    for number, line in enumerate(lines):
        words = [{"utf8": word + " ", "acAsrConf": 0} for word in line.replace("&gt;", ">").split()]
        events.append({"tStartMs": number * every_ms, "dDurationMs": every_ms, "wWinId": 1, "segs": words})
        events.append({"tStartMs": number * every_ms, "aAppend": 1, "segs": [{"utf8": "\n"}]})
    body = json.dumps({"wireMagic": "pb3", "pens": [{}], "events": events}).encode()
    return answer(body, headers={"Content-Type": "application/json; charset=UTF-8"})


def shown(pages: Pages, *tracks: dict[str, object]) -> None:
    """Let the server show the video, with one English track unless others are given."""
    pages.routes["/watch"] = watch_page(*(tracks or (a_track("en"),)))
    pages.routes["/api/timedtext"] = captions()
