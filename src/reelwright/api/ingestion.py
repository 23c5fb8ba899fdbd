"""Ingestions: a page, feed, video or text becomes a draft's source, to be looked at before a story is written of it."""

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_202_ACCEPTED
from msgspec import Meta

from reelwright.accounts import Account, Scope
from reelwright.admission import Gate
from reelwright.api.creations import Accepted, BadField, Making, OnceOnly, accepted_headers, key_of, micro_of, plain
from reelwright.api.views import AttributionView, FailureView
from reelwright.generations import Draft, GenerationKind, Ingestion, RunState, SourceForm, Stage
from reelwright.ground import clock
from reelwright.ground.errors import Refusal
from reelwright.ground.ids import DraftId, GenerationId, derived
from reelwright.ground.postgres import Database
from reelwright.journeys import creation, ingesting
from reelwright.journeys.creation import Started
from reelwright.journeys.ordering import Order, Terms, routed_id
from reelwright.providers import checked_url, checked_video

Address = Annotated[str, Meta(min_length=8, max_length=2048)]
_SOURCES = ("url", "feed_url", "youtube_url", "text")


class IngestionRequest(Making, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to ingest (exactly one of url, feed_url, youtube_url and text), and how the draft's reel is to be made."""

    url: Annotated[Address, Meta(description="A public web page with an article.")] | None = None
    feed_url: Annotated[Address, Meta(description="An RSS or Atom feed: an entry's page is ingested.")] | None = None
    entry_id: (
        Annotated[
            str, Meta(min_length=1, max_length=2000, description="Which entry, by its id or link: else the newest.")
        ]
        | None
    ) = None
    youtube_url: Annotated[Address, Meta(description="A YouTube video with captions.")] | None = None
    text: Annotated[str, Meta(min_length=1, max_length=100_000, description="An article's own text.")] | None = None

    def order(self, *, account: Account, key: str, allowlist: frozenset[str], request_id: str | None) -> Order:
        """Return the order this body and key make. Raises BadField, and Refusal for an address that isn't public."""
        generation = routed_id(account.id, ingesting.ROUTE, key)
        return Order(
            id=generation,
            key=key,
            route=ingesting.ROUTE,
            fingerprint=sha256(msgspec.json.encode(self, order="deterministic")).digest(),
            kind=GenerationKind.SCRIPT,
            draft=self._draft(account, generation, allowlist),
            variants=self.variants,
            expected_micro=micro_of(self.expected_price),
            request_id=request_id,
            pause_after=Stage.INGESTION,
        )

    def _draft(self, account: Account, generation: GenerationId, allowlist: frozenset[str]) -> Draft:
        given = [name for name in _SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            wrong = given[1] if given else "url"
            raise BadField("Send exactly one of url, feed_url, youtube_url and text.", field=wrong)
        if self.entry_id is not None and self.feed_url is None:
            raise BadField("entry_id: leave it out, except with feed_url.", field="entry_id")
        url, form = self._address(given[0], allowlist)
        return Draft(
            id=DraftId(derived(generation, "draft")),
            account_id=account.id,
            source_url=url,
            source_text=plain(self.text, field="text"),
            source_form=form,
            source_entry=plain(self.entry_id, field="entry_id"),
            platform=self.platform,
            tone=self.tone,
            language=self.language,
            duration_s=self.duration_s,
            aspect=self.aspect,
            voice=self.voice,
            music=self.music,
            caption_style=self.caption_style,
            brand_kit_id=self.brand_kit_id,
        )

    def _address(self, given: str, allowlist: frozenset[str]) -> tuple[str | None, SourceForm]:
        try:
            if self.url is not None:
                return checked_url(self.url, allowlist), SourceForm.PAGE
            if self.feed_url is not None:
                return checked_url(self.feed_url, allowlist), SourceForm.FEED
            if self.youtube_url is not None:
                return checked_video(self.youtube_url), SourceForm.YOUTUBE
        except Refusal as refused:
            raise BadField(refused.sentence, field=given, code=refused.code) from None
        return None, SourceForm.PAGE


class RequestedView(msgspec.Struct, frozen=True, kw_only=True):
    """What was to be ingested: a `page`, `feed` or `youtube` address, or null with a text or topic."""

    form: SourceForm
    url: str | None
    entry_id: str | None


class SourceView(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `kind`: url, rss, youtube, text, encyclopaedia or none; `excerpt` starts the body."""

    kind: str
    title: str
    summary: str
    excerpt: str
    body_characters: int
    language: str
    attribution: AttributionView | None


class IngestionView(msgspec.Struct, frozen=True, kw_only=True):
    """A draft's last ingestion. `paused_at`: its generation rests behind it, and goes on once it is resumed."""

    draft_id: DraftId
    generation_id: GenerationId
    status: RunState
    requested: RequestedView
    source: SourceView | None
    failure: FailureView | None
    attempts: int
    queued_at: datetime
    finished_at: datetime | None
    paused_at: datetime | None


@post("/ingestions", status_code=HTTP_202_ACCEPTED, summary="Ingest a source", tags=["ingestion"])
async def ingest(
    request: Request[Any, Any, Any],
    data: JSONBody[IngestionRequest],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    terms: NamedDependency[Terms],
    allowlist: NamedDependency[frozenset[str]],
    key: OnceOnly,
) -> Response[Accepted]:
    """Make a draft of a page, a feed's entry, a video's captions or a text, and rest once its source is there.

    It is an order of kind script that pauses after INGESTION: priced, limited and known again by its Idempotency-Key
    like any other. Look at the source, edit the draft, and resume; or cancel, which charges what was fetched.
    """
    chosen: Any = request.scope.get("request_id")
    key = key_of(request, dry_run=False)
    order = data.order(account=account, key=key, allowlist=allowlist, request_id=chosen)
    now = clock.now()
    started = await creation.start(order=order, account=account, db=db, gate=gate, terms=terms, now=now)
    return _accepted(started, now=now)


@get("/drafts/{draft_id:uuid}/ingestion", summary="Read a draft's ingestion", tags=["ingestion"])
async def read_ingestion(
    draft_id: FromPath[DraftId], account: NamedDependency[Account], db: NamedDependency[Database]
) -> IngestionView:
    """Return how the draft's last ingestion went: its source with an excerpt, or why it failed."""
    return _view(draft_id, await ingesting.read(account.id, draft_id, db=db))


@post(
    "/drafts/{draft_id:uuid}/ingestion/retry",
    status_code=HTTP_202_ACCEPTED,
    summary="Ingest again",
    tags=["ingestion"],
    opt={"scope": Scope.GENERATIONS_WRITE},
)
async def retry_ingestion(
    request: Request[Any, Any, Any],
    draft_id: FromPath[DraftId],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    terms: NamedDependency[Terms],
    key: OnceOnly,
) -> Response[Accepted]:
    """Try an ingestion that has failed, or was cancelled, again: a new order, with an Idempotency-Key of its own."""
    chosen: Any = request.scope.get("request_id")
    key = key_of(request, dry_run=False)
    now = clock.now()
    started = await ingesting.retry(
        draft_id, key=key, request_id=chosen, account=account, db=db, gate=gate, terms=terms, now=now
    )
    return _accepted(started, now=now)


def _accepted(started: Started, *, now: datetime) -> Response[Accepted]:
    body = Accepted(
        generation_id=started.generation_id,
        draft_id=started.draft_id,
        status=started.state,
        price=started.price_micro / 1_000_000,
    )
    return Response(body, status_code=HTTP_202_ACCEPTED, headers=accepted_headers(started, now=now))


def _view(draft: DraftId, found: Ingestion) -> IngestionView:
    failure = None
    if found.failure_code is not None:
        failure = FailureView(code=found.failure_code, detail=found.failure_sentence or "")
    return IngestionView(
        draft_id=draft,
        generation_id=found.generation_id,
        status=found.state,
        requested=RequestedView(form=found.source_form, url=found.source_url, entry_id=found.source_entry),
        source=_source(found),
        failure=failure,
        attempts=found.attempt,
        queued_at=found.queued_at,
        finished_at=found.finished_at,
        paused_at=found.paused_at,
    )


def _source(found: Ingestion) -> SourceView | None:
    if found.kind is None:
        return None
    return SourceView(
        kind=found.kind,
        title=found.title or "",
        summary=found.summary or "",
        excerpt=found.excerpt or "",
        body_characters=found.characters or 0,
        language=found.language or "",
        attribution=msgspec.convert(found.attribution, AttributionView | None),
    )
