"""INGESTION: turns what a draft names (a page, feed, video, text or topic) into the source a story may draw on."""

import time

from reelwright import schedules
from reelwright.generations import Assignment, Attribution, Bench, Draft, Ingested, Made, Source, SourceForm
from reelwright.ground.errors import Outage, Refusal
from reelwright.ground.metering import Action, Use
from reelwright.providers import Toolset, heard, line_of, opening_of, paragraphs_of, speaks, visible, words_in

LAST_ATTEMPT = 3
FEWEST_WORDS = 20
_LONGEST_BODY = 60_000  # characters: a long chapter; more would only be cut later
_LONGEST_TITLE = 120
_HEADING_SHARE = 0.6


async def perform(task: Assignment, tools: Toolset, bench: Bench) -> Made:
    """Ingest the draft's source. One that stays unreachable to the last attempt is refused, so nobody waits for it.

    Raises Refusal (source.*, ingestion.*), Outage.
    """
    began = time.monotonic()
    draft = task.draft
    if draft.source_url:
        source, provider = await _from_web(draft, draft.source_url, tools, attempt=task.attempt), "web"
    elif draft.source_text:
        source, provider = _from_text(draft), "text"
    else:
        source, provider = await _from_topic(draft, tools), "encyclopaedia"
    bench.progress(1.0)
    wall_ms = round((time.monotonic() - began) * 1000)
    use = Use(action=Action.INGESTION, provider=provider, model=source.kind, quantity=1, wall_ms=wall_ms)
    return Made(outcome=Ingested(source=source), uses=(use,))


async def _from_web(draft: Draft, url: str, tools: Toolset, *, attempt: int) -> Source:
    try:
        match draft.source_form:
            case SourceForm.PAGE:
                return await _from_page(url, tools, kind="url")
            case SourceForm.FEED:
                return await _from_page(await _entry(url, draft.source_entry, tools), tools, kind="rss")
            case SourceForm.YOUTUBE:
                return await _from_video(url, draft.language, tools)
    except Outage as outage:
        if attempt < LAST_ATTEMPT:
            raise
        raise Refusal(outage.sentence, field="url", code=outage.code) from outage


async def _entry(feed_url: str, wanted: str | None, tools: Toolset) -> str:
    """Return the address of a feed's wanted entry, else of its newest one. Raises Refusal."""
    entries = await schedules.entries_of(await tools.pages.feed(feed_url))
    for entry in entries:
        if wanted in {None, entry.id, entry.url} and entry.url:
            return entry.url
    raise Refusal(
        "This feed has no such entry with a link (any more): choose another one, or paste its text instead.",
        field="feed_url",
        code="ingestion.no_entry",
    )


async def _from_video(url: str, language: str, tools: Toolset) -> Source:
    said = await tools.pages.transcript(url, language=language)
    credited = f"{said.title} ({said.author})" if said.author else said.title
    return Source(
        kind="youtube",
        title=said.title,
        body=_body(paragraphs_of(said.body)),
        summary=opening_of(said.body),
        language=said.language,
        attribution=Attribution(title=credited, url=said.url, licence=None),
    )


async def _from_page(url: str, tools: Toolset, *, kind: str) -> Source:
    page = await tools.pages.read(url)
    return Source(
        kind=kind,
        title=page.title,
        body=_body(paragraphs_of(page.body)),
        summary=opening_of(page.body),
        language=page.language,
        attribution=Attribution(title=page.title, url=page.url, licence=None),
    )


def _from_text(draft: Draft) -> Source:
    """Take the user's own text. Its first line is the title where it reads like one, else the topic, else its start."""
    text = visible(draft.source_text or "").strip()
    title, told = _headed(text)
    body = _body(paragraphs_of(told))
    if words_in(body) < FEWEST_WORDS:
        raise Refusal(
            f"The text has fewer than {FEWEST_WORDS} words: give a longer text, or a topic instead.",
            field="source_text",
            code="source.empty",
        )
    title = title or line_of(draft.topic or "") or opening_of(body, longest=_LONGEST_TITLE)
    language = draft.language if speaks(body, draft.language) else heard(body) or draft.language
    return Source(kind="text", title=title, body=body, summary=opening_of(body), language=language)


def _headed(text: str) -> tuple[str, str]:
    """Part a heading from what it heads. Lines wrapped by hand are alike in length, a heading is the shorter one."""
    first, _, rest = text.partition("\n")
    title = line_of(first)
    following = rest.lstrip("\n").partition("\n")[0]
    apart = rest.startswith("\n") or len(title) < _HEADING_SHARE * len(following)
    if rest and apart and 0 < len(title) <= _LONGEST_TITLE and title[-1] not in ".!,;:…":
        return title, rest
    return "", text


async def _from_topic(draft: Draft, tools: Toolset) -> Source:
    topic = line_of(draft.topic or "")
    facts = await tools.text.facts(topic, language=draft.language)
    if facts is None:
        return Source(kind="none", title=topic, body="", language=draft.language)
    credit = Attribution(
        title=facts.attribution_title or facts.title, url=facts.attribution_url, licence=facts.attribution_licence
    )
    return Source(
        kind=facts.kind,
        title=facts.title,
        body=facts.body,
        summary=opening_of(facts.body),
        language=facts.language,
        attribution=credit,
    )


def _body(paragraphs: tuple[str, ...]) -> str:
    """Join whole paragraphs up to the longest body; one that is too long by itself is cut."""
    kept: list[str] = []
    left = _LONGEST_BODY
    for paragraph in paragraphs:
        if left <= 0:
            break
        kept.append(paragraph if len(paragraph) <= left else paragraph[:left].rsplit(" ", 1)[0])
        left -= len(paragraph) + 2
    return "\n\n".join(kept)
