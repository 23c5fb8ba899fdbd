"""Captions of videos: found as the site offers them, and every video without any refused with what to do instead."""

from collections.abc import AsyncIterator

import pytest

from reelwright.ground.errors import Outage, Refusal
from reelwright.providers import Transcript, checked_video
from reelwright.providers.web import PageFetcher
from tests.simulators.canary import connections
from tests.simulators.pages import Pages, answer, redirect, serving
from tests.simulators.videos import VIDEO, a_track, captions, shown, watch_page

URL = f"https://www.youtube.com/watch?v={VIDEO}"
WAYS = (
    f"https://youtu.be/{VIDEO}?t=10",
    f"https://youtube.com/watch?app=desktop&v={VIDEO}&list=PL1",
    f"http://m.youtube.com/watch?v={VIDEO}",
    f"https://www.youtube.com/shorts/{VIDEO}?feature=share",
    f"https://www.youtube.com/live/{VIDEO}/",
    f"https://www.youtube-nocookie.com/embed/{VIDEO}",
)
NONE = (
    "https://www.youtube.com/",
    "https://www.youtube.com/@channel",
    "https://www.youtube.com/watch?v=short",
    f"https://www.youtube.com/watch?v={VIDEO}x",
    f"https://evil.example/watch?v={VIDEO}",
    f"https://youtube.com.evil.example/watch?v={VIDEO}",
    "https://youtu.be/../../etc/pass",
)


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    async with serving() as server:
        yield server


async def read(pages: Pages, *, language: str = "en", url: str = URL) -> Transcript:
    site = f"http://127.0.0.1:{pages.port}"
    fetcher = PageFetcher(frozenset({f"127.0.0.1:{pages.port}"}), video_site=site)
    return await fetcher.transcript(url, language=language)


@pytest.mark.parametrize("url", WAYS)
def test_a_video_has_one_address(url: str) -> None:
    assert checked_video(url) == URL


@pytest.mark.parametrize("url", NONE)
def test_what_is_no_video_is_refused(url: str) -> None:
    with pytest.raises(Refusal) as refused:
        checked_video(url)
    assert (refused.value.code, refused.value.field) == ("ingestion.not_youtube", "youtube_url")


async def test_what_is_said_comes_through_without_the_sounds(pages: Pages) -> None:
    shown(pages)
    said = await read(pages, url=WAYS[0])
    assert said.body == (
        "The octopus has three hearts, and each of them does a different job. Two small hearts push blood through the"
        " gills, where it takes up oxygen from the sea. A larger heart sends it on."
    )
    assert (said.title, said.author, said.language, said.url) == ("Three hearts", "Sea Notes", "en", URL)
    asked = [request.split(" ")[1] for request in pages.requests]
    assert asked == [
        f"/watch?v={VIDEO}&hl=en",
        f"/api/timedtext?v={VIDEO}&expire=1&sparams=v&lang=en&fmt=json3",
    ]
    assert "cookie" not in "".join(pages.requests).lower()


@pytest.mark.parametrize(
    ("language", "taken"), [("de", "de"), ("de-AT", "de"), ("en", "en"), ("fr", "en"), ("ja", "ja")]
)
async def test_the_drafts_language_comes_first_and_people_before_machines(
    language: str, taken: str, pages: Pages
) -> None:
    tracks = [a_track("ja", generated=True), a_track("en", generated=True), a_track("de"), a_track("en")]
    shown(pages, *tracks)
    assert (await read(pages, language=language)).language == taken
    assert f"lang={taken}&" in pages.requests[1]


async def test_a_long_talk_has_paragraphs(pages: Pages) -> None:
    shown(pages)
    pages.routes["/api/timedtext"] = captions([f"Sentence number {n} says a little more." for n in range(40)])
    parts = (await read(pages)).body.split("\n\n")
    assert len(parts) == 3
    assert all(part.endswith(".") and len(part) < 700 for part in parts)


CLOSED = {
    "for adults": (watch_page(status="LOGIN_REQUIRED"), "ingestion.video_closed"),
    "members only": (watch_page(status="UNPLAYABLE"), "ingestion.video_closed"),
    "not begun": (watch_page(status="LIVE_STREAM_OFFLINE"), "ingestion.video_closed"),
    "gone": (watch_page(status="ERROR"), "ingestion.video_not_found"),
    "without captions": (watch_page(), "ingestion.no_transcript"),
    "without a player": (
        answer(b"<html><body>ytInitialPlayerResponse = null;</body></html>"),
        "ingestion.video_closed",
    ),
    "broken": (answer(b'<html><script>ytInitialPlayerResponse = {"a": </script>'), "ingestion.video_closed"),
    "of another shape": (
        answer(b'<html><script>ytInitialPlayerResponse = {"captions": [1]};</script>'),
        "ingestion.video_closed",
    ),
    "nested without end": (
        answer(b"<html><script>ytInitialPlayerResponse = " + b'{"a":' * 100_000 + b"</script>"),
        "ingestion.video_closed",
    ),
    "no page": (answer(b"", status="404 Not Found"), "source.not_found"),
    "no HTML": (answer(b"{}", headers={"Content-Type": "application/json"}), "source.not_html"),
}


@pytest.mark.parametrize("case", CLOSED)
async def test_a_video_that_is_closed_says_so(case: str, pages: Pages) -> None:
    pages.routes["/watch"], code = CLOSED[case]
    with pytest.raises(Refusal) as refused:
        await read(pages)
    assert refused.value.code == code
    assert len(pages.requests) == 1


NO_LINES = {
    "nothing": answer(b"", headers={"Content-Type": "text/html; charset=UTF-8"}),
    "no words": captions(["[Music]", "♪", "(applause)"]),
    "too few": captions(["Hello there."]),
    "XML": answer(b"<transcript/>"),
    "other JSON": answer(b'{"events": {"a": 1}}'),
    "nested": answer(b'{"events":' + b"[" * 200_000),
}


@pytest.mark.parametrize("case", NO_LINES)
async def test_a_track_without_lines_is_no_transcript(case: str, pages: Pages) -> None:
    """Among them the empty answer that the site gives to those it takes for programs."""
    shown(pages)
    pages.routes["/api/timedtext"] = NO_LINES[case]
    with pytest.raises(Refusal) as refused:
        await read(pages)
    assert (refused.value.code, refused.value.field) == ("ingestion.no_transcript", "youtube_url")


async def test_consent_isnt_given_for_anybody(pages: Pages) -> None:
    """A page that sends its reader away is followed through the guard, and a wall is a wall."""
    async with serving(host="127.0.0.3") as wall:
        pages.routes["/watch"] = redirect(f"http://consent.youtube.com:{wall.port}/m?continue=x")
        wall.routes["/m"] = answer(b"<html><body><form action='https://consent.youtube.com/s'></form></body></html>")

        async def resolve(_host: str, _port: int) -> list[str]:
            return ["127.0.0.3"]

        allowed = frozenset({f"127.0.0.1:{pages.port}", f"consent.youtube.com:{wall.port}"})
        fetcher = PageFetcher(allowed, resolve=resolve, video_site=f"http://127.0.0.1:{pages.port}")
        with pytest.raises(Refusal) as refused:
            await fetcher.transcript(URL, language="en")
    assert refused.value.code == "ingestion.consent_wall"


@pytest.mark.parametrize(
    "base", ["http://169.254.169.254/latest/", "//10.0.0.1/x", "file:///etc/passwd", "http://[::1"]
)
async def test_a_page_that_lies_about_its_captions_leads_nowhere(base: str, pages: Pages) -> None:
    shown(pages, a_track("en", url=base))
    with connections() as seen, pytest.raises(Refusal):
        await read(pages)
    assert set(seen) == {f"127.0.0.1:{pages.port}"}


async def test_a_site_that_is_away_is_an_outage(pages: Pages) -> None:
    pages.routes["/watch"] = answer(b"", status="429 Too Many Requests", headers={"Retry-After": "30"})
    with pytest.raises(Outage) as away:
        await read(pages)
    assert (away.value.code, away.value.wait.total_seconds()) == ("source.unreachable", 30)
