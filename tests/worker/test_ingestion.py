"""The first stage: a page, a text or a topic becomes a source that names where it comes from."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from reelwright.generations import (
    Artefact,
    Assignment,
    Attribution,
    Draft,
    GenerationKind,
    Ingested,
    Made,
    Source,
    SourceForm,
    Stage,
    Unit,
)
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.ids import AccountId, DraftId, GenerationId
from reelwright.ground.metering import Action
from reelwright.providers import Facts, PageFetcher, Toolset
from tests.feeds import an_entry, rss
from tests.simulators.canary import connections
from tests.simulators.pages import PARAGRAPHS, Pages, answer, article, serving
from tests.simulators.videos import VIDEO, shown
from worker.stages import ingestion

DRAFT = Draft(id=DraftId(UUID(int=1)), account_id=AccountId(UUID(int=2)))
BODY = "An octopus has three hearts and its blood is blue. " * 4


class Table:
    """A bench without files, since this stage makes none."""

    workspace = Path("/nonexistent")

    def __init__(self) -> None:
        self.done = 0.0

    async def fetch(self, artefact: Artefact) -> Path:
        raise AssertionError(artefact)

    def progress(self, done: float) -> None:
        self.done = done


class Encyclopaedia:
    def __init__(self, facts: Facts | None) -> None:
        self.known = facts
        self.asked: list[tuple[str, str]] = []

    async def facts(self, topic: str, *, language: str) -> Facts | None:
        self.asked.append((topic, language))
        return self.known


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    async with serving() as server:
        yield server


def tools(*, pages: Pages | None = None, text: Any = None) -> Toolset:
    allowed = frozenset({f"127.0.0.1:{pages.port}"}) if pages else frozenset[str]()
    unused = cast("Any", None)
    return Toolset(text=text, picture=unused, vision=unused, speech=unused, music=unused, pages=PageFetcher(allowed))


async def ingest(draft: Draft, toolset: Toolset, *, attempt: int = 1) -> tuple[Source, Made]:
    task = Assignment(
        generation_id=GenerationId(UUID(int=3)),
        account_id=draft.account_id,
        kind=GenerationKind.VIDEO,
        unit=Unit(stage=Stage.INGESTION),
        attempt=attempt,
        draft=draft,
    )
    table = Table()
    made = await ingestion.perform(task, toolset, table)
    assert isinstance(made.outcome, Ingested)
    assert table.done == 1.0
    return made.outcome.source, made


async def test_a_page_becomes_a_source_that_names_it(pages: Pages) -> None:
    pages.routes["/a"] = answer(article())
    source, made = await ingest(replace(DRAFT, source_url=pages.url("/a")), tools(pages=pages))

    assert (source.kind, source.title, source.language) == ("url", "Three hearts", "en")
    assert source.body == "\n\n".join(PARAGRAPHS)
    assert source.summary.startswith("The octopus has three hearts")
    assert source.attribution == Attribution(title="Three hearts", url=pages.url("/a"), licence=None)
    assert [(use.action, use.provider, use.quantity) for use in made.uses] == [(Action.INGESTION, "web", 1)]
    assert made.artefacts == ()


async def test_a_private_address_is_refused_at_the_first_attempt() -> None:
    with pytest.raises(Refusal) as refusal:
        await ingest(replace(DRAFT, source_url="http://10.0.0.1/"), tools())
    assert (refusal.value.code, refusal.value.field) == ("source.not_allowed", "url")


async def test_an_unreachable_page_is_tried_again_and_then_refused(pages: Pages) -> None:
    pages.routes["/a"] = answer(b"", status="503 Service Unavailable")
    draft = replace(DRAFT, source_url=pages.url("/a"))
    for attempt in (1, 2):
        with pytest.raises(Outage):
            await ingest(draft, tools(pages=pages), attempt=attempt)
    for attempt in (3, 4):
        with pytest.raises(Refusal) as refusal:
            await ingest(draft, tools(pages=pages), attempt=attempt)
        assert (refusal.value.code, refusal.value.field) == ("source.unreachable", "url")


HEADED = {
    "blank line": ("Why hearts?\n\n" + BODY, "Why hearts?"),
    "one line": ("Three hearts\r\n" + BODY, "Three hearts"),
    "wrapped by hand": (BODY[:52].strip() + "\n" + BODY[51:100].strip() + "\n" + BODY, "A topic"),
    "a sentence first": ("This is so.\n\n" + BODY, "A topic"),
    "no heading": (BODY, "A topic"),
}


@pytest.mark.parametrize("case", HEADED)
async def test_a_heading_is_the_title_and_is_not_narrated(case: str) -> None:
    text, title = HEADED[case]
    source, _ = await ingest(replace(DRAFT, source_text=text, topic="A topic"), tools())
    assert (source.kind, source.title) == ("text", title)
    assert not source.body.startswith(title)
    assert source.body.endswith("its blood is blue.")


async def test_what_nobody_sees_is_taken_out_of_a_text() -> None:
    hidden = "\x00\x1b[31m\u200b\ufeff\u202e\U000e0041\ud800"
    source, _ = await ingest(replace(DRAFT, source_text=BODY + hidden + "\r\n\r\n\r\nThe  end\tis here."), tools())
    assert source.body == BODY.strip() + " [31m\n\nThe end is here."
    assert source.title == BODY[:101].strip()
    assert source.attribution is None


async def test_a_text_is_in_its_own_language_whatever_the_reel_is_ordered_in() -> None:
    """A model is told what it translates from, and whoever can't translate knows that it can't."""
    asked = {language: replace(DRAFT, source_text=BODY, language=language) for language in ("en", "de", "ja", "en-GB")}
    found = {language: (await ingest(draft, tools()))[0].language for language, draft in asked.items()}
    assert found == {"en": "en", "de": "en", "ja": "en", "en-GB": "en-GB"}


@pytest.mark.parametrize("text", ["\x00", " \n\n ", "Too short to tell a story.", "\u200b" * 500])
async def test_an_empty_text_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        await ingest(replace(DRAFT, source_text=text), tools())
    assert (refusal.value.code, refusal.value.field) == ("source.empty", "source_text")


async def test_a_long_text_is_cut_between_words() -> None:
    source, _ = await ingest(replace(DRAFT, source_text="octopus " * 20_000, topic="Octopus"), tools())
    assert len(source.body) <= 60_000
    assert source.body.endswith("octopus")


async def test_a_topic_gets_facts_with_their_licence() -> None:
    known = Facts(
        kind="encyclopaedia",
        title="Octopus",
        body=BODY.strip(),
        attribution_title="Octopus",
        attribution_url="https://en.wikipedia.org/wiki/Octopus",
        attribution_licence="CC BY-SA 4.0",
    )
    shelf = Encyclopaedia(known)
    source, _ = await ingest(replace(DRAFT, topic=" Why octopuses?\u200b "), tools(text=shelf))
    assert shelf.asked == [("Why octopuses?", "en")]
    assert (source.kind, source.title, source.body) == ("encyclopaedia", "Octopus", BODY.strip())
    assert source.attribution == Attribution(
        title="Octopus", url="https://en.wikipedia.org/wiki/Octopus", licence="CC BY-SA 4.0"
    )


async def test_a_topic_that_nothing_is_known_about_gets_no_facts() -> None:
    source, made = await ingest(replace(DRAFT, topic="My team's Tuesday"), tools(text=Encyclopaedia(None)))
    assert source == Source(kind="none", title="My team's Tuesday", body="")
    assert made.uses[0].quantity == 1


async def test_a_feeds_newest_entry_or_the_one_that_is_named(pages: Pages) -> None:
    pages.routes["/a"], pages.routes["/b"] = answer(article()), answer(article(title="Older"))
    newer = an_entry("new", "Three hearts", link=pages.url("/a"), published="Sat, 21 Nov 2026 10:00:00 GMT")
    older = an_entry("old", "Older", link=pages.url("/b"), published="Fri, 20 Nov 2026 10:00:00 GMT")
    pages.routes["/feed"] = answer(rss(older, newer), headers={"Content-Type": "application/rss+xml"})
    draft = replace(DRAFT, source_url=pages.url("/feed"), source_form=SourceForm.FEED)

    source, made = await ingest(draft, tools(pages=pages))
    assert (source.kind, source.title, made.uses[0].model) == ("rss", "Three hearts", "rss")
    assert source.attribution == Attribution(title="Three hearts", url=pages.url("/a"), licence=None)
    source, _ = await ingest(replace(draft, source_entry="old"), tools(pages=pages))
    assert source.title == "Older"
    with pytest.raises(Refusal) as refusal:
        await ingest(replace(draft, source_entry="gone"), tools(pages=pages))
    assert refusal.value.code == "ingestion.no_entry"


FEEDS = {
    "no feed": (article(), "source.not_a_feed"),
    "empty": (rss(), "ingestion.no_entry"),
    "without links": (rss(an_entry("a", "A", link="")), "ingestion.no_entry"),
    "inward link": (rss(an_entry("a", "A", link="http://169.254.169.254/latest/")), "source.not_allowed"),
    "doctype bomb": (
        (
            b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><channel><item>'
            b"<title>&x;</title><link>http://10.0.0.1/</link></item></channel></rss>"
        ),
        "source.not_allowed",
    ),
}


@pytest.mark.parametrize("case", FEEDS)
async def test_a_feed_that_leads_nowhere_is_refused(case: str, pages: Pages) -> None:
    body, code = FEEDS[case]
    pages.routes["/feed"] = answer(body, headers={"Content-Type": "application/xml"})
    draft = replace(DRAFT, source_url=pages.url("/feed"), source_form=SourceForm.FEED)
    with connections() as seen, pytest.raises(Refusal) as refusal:
        await ingest(draft, tools(pages=pages))
    assert refusal.value.code == code
    assert set(seen) == {f"127.0.0.1:{pages.port}"}


async def test_a_videos_captions_are_a_source(pages: Pages) -> None:
    shown(pages)
    site = f"http://127.0.0.1:{pages.port}"
    reading = PageFetcher(frozenset({f"127.0.0.1:{pages.port}"}), video_site=site)
    url = f"https://www.youtube.com/watch?v={VIDEO}"
    draft = replace(DRAFT, source_url=url, source_form=SourceForm.YOUTUBE)
    source, _ = await ingest(draft, replace(tools(), pages=reading))
    assert (source.kind, source.title, source.language) == ("youtube", "Three hearts", "en")
    assert source.attribution == Attribution(title="Three hearts (Sea Notes)", url=url, licence=None)
    pages.routes["/watch"] = answer(b"", status="503 Service Unavailable")
    with pytest.raises(Outage):
        await ingest(draft, replace(tools(), pages=reading))
    with pytest.raises(Refusal) as refusal:
        await ingest(draft, replace(tools(), pages=reading), attempt=3)
    assert refusal.value.code == "source.unreachable"
