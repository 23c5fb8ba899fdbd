"""POST /v1/create: an order in, 202 out; with `?dry_run=true` the answer it would get."""

import re
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
from litestar import Request, Response, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.params import FromQuery, HeaderParameter, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED
from msgspec import Meta

from reelwright.accounts import Account
from reelwright.admission import Gate
from reelwright.api.limits import headers_of
from reelwright.api.previews import FORESEEN, PreviewView, preview_view
from reelwright.generations import (
    Aspect,
    CaptionStyle,
    Draft,
    GenerationKind,
    GenerationState,
    Platform,
    Profile,
    Stage,
    Tone,
)
from reelwright.ground import clock
from reelwright.ground.errors import Refusal
from reelwright.ground.ids import DraftId, GenerationId, VariantId, derived
from reelwright.ground.postgres import Database
from reelwright.journeys import creation, previewing
from reelwright.journeys.creation import Started
from reelwright.journeys.ordering import Order, Terms, order_id
from reelwright.journeys.previewing import Preview
from reelwright.providers import checked_url

_KEY = re.compile(r'"?[\x21\x23-\x7e]{1,200}"?')
_TEXT_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_UNSEEN = re.compile("[\u200b\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
"""They turn a text round, or hide one in it; joiners and marks that scripts are spelled with stay."""


class BadField(Refusal):
    code = "request.invalid"


_TOLD = "any new text. A repeat with the same body does nothing again, and its answer is marked."
OnceOnly = Annotated[str, HeaderParameter(name="Idempotency-Key", description=f"Needed: {_TOLD}")]
"""The header of what is done once for a key, and keeps for itself what was asked by which."""
OnceOrDry = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", description=f"Needed unless dry_run: {_TOLD}")
]
NO_KEY = "Send an Idempotency-Key header: any new text of 1 to 200 characters."

PauseAfter = Annotated[
    Stage | None,
    Meta(description="Pause when this stage is done, so that you may look and edit; POST …/resume goes on."),
]


Encoding = Annotated[
    Profile,
    Meta(description="fast: sooner, in a file twice as large; preview: 360 pixels, for a look, at a lower price."),
]
Worn = Annotated[UUID, Meta(description="A brand kit of yours: GET /v1/brand-kits.")]


class Making(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a draft is made into a reel."""

    platform: Platform = Platform.TIKTOK
    tone: Tone = Tone.CURIOUS
    language: Annotated[str, Meta(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"
    duration_s: Annotated[int, Meta(ge=10, le=180, description="Target length in seconds.")] = 30
    aspect: Aspect = Aspect.PORTRAIT
    voice: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9_\-]{1,64}$", description="default, a built-in voice's name, or a voice's id.")
    ] = "default"
    music: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9_\-]{1,64}$", description="auto (by tone), none, a mood, or a track's id.")
    ] = "auto"
    caption_style: CaptionStyle = CaptionStyle.CLASSIC
    brand_kit_id: Worn | None = None
    variants: Annotated[int, Meta(ge=1, le=5)] = 1
    expected_price: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None


class CreateRequest(Making, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the reel is about (exactly one of topic, url, text, or an existing draft_id), and how it is made."""

    topic: Annotated[str, Meta(min_length=1, max_length=300, description="What the reel is about.")] | None = None
    url: Annotated[str, Meta(min_length=8, max_length=2048, description="A public web page.")] | None = None
    text: Annotated[str, Meta(min_length=1, max_length=100_000, description="An article's own text.")] | None = None
    draft_id: DraftId | None = None
    variant_id: VariantId | None = None
    kind: GenerationKind = GenerationKind.VIDEO
    profile: Encoding = Profile.NORMAL
    pause_after: PauseAfter = None

    def order(self, *, account: Account, key: str, allowlist: frozenset[str], request_id: str | None) -> Order:
        """Return the order this body and key make. Raises BadField, naming the field and what to do."""
        if self.kind not in {GenerationKind.SCRIPT, GenerationKind.VIDEO, GenerationKind.RENDER}:
            raise BadField("kind: use script, video or render here.", field="kind")
        generation = order_id(account.id, self.kind, key)
        return Order(
            id=generation,
            key=key,
            fingerprint=sha256(msgspec.json.encode(self, order="deterministic")).digest(),
            kind=self.kind,
            draft=self._draft(account, generation, allowlist),
            existing=self.draft_id is not None,
            variants=self.variants,
            variant=self.variant_id,
            expected_micro=micro_of(self.expected_price),
            request_id=request_id,
            pause_after=self.pause_after,
            profile=self.profile,
        )

    def _draft(self, account: Account, generation: GenerationId, allowlist: frozenset[str]) -> Draft:
        given = [name for name in ("topic", "url", "text", "draft_id") if getattr(self, name) is not None]
        if len(given) != 1:
            wrong = given[1] if given else "topic"
            raise BadField("Send exactly one of topic, url, text and draft_id.", field=wrong)
        if self.kind is GenerationKind.RENDER and self.draft_id is None:
            raise BadField("kind render needs the draft_id of a draft with a script.", field="draft_id")
        return Draft(
            id=self.draft_id or DraftId(derived(generation, "draft")),
            account_id=account.id,
            topic=plain(self.topic, field="topic"),
            source_url=None if self.url is None else checked_url(self.url, allowlist),
            source_text=plain(self.text, field="text"),
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


def plain(text: str | None, *, field: str) -> str | None:
    """Return the text trimmed, without what nobody sees.

    Raises BadField for NUL and other control characters, lone surrogates and emptiness.
    """
    if text is None:
        return None
    if _TEXT_CONTROL.search(text):
        raise BadField(f"{field}: remove the control characters.", field=field)
    kept = _UNSEEN.sub("", text).strip()
    if not any(letter.isalnum() for letter in kept):
        raise BadField(f"{field}: write at least one word.", field=field)
    return kept


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The order was taken. `status` is its status now, `price` the most it can cost, in credits."""

    generation_id: GenerationId
    draft_id: DraftId
    status: GenerationState
    price: float


def micro_of(price: float | None) -> int | None:
    """Return a price in credits as micro-credits."""
    return None if price is None else round(price * 1_000_000)


def key_of(request: ASGIConnection[Any, Any, Any, Any], *, dry_run: bool) -> str:
    """Return the Idempotency-Key without its quotes; a dry run is given a key that nobody has. Raises BadField."""
    if dry_run:
        return uuid4().hex
    sent = request.headers.getall("Idempotency-Key", [])
    if not sent:
        raise BadField(NO_KEY, field="Idempotency-Key")
    if len(sent) > 1 or not _KEY.fullmatch(sent[0]):
        raise BadField("Idempotency-Key: use 1 to 200 visible ASCII characters, once.", field="Idempotency-Key")
    return sent[0].strip('"')


def accepted_headers(started: Started, *, now: datetime) -> dict[str, str]:
    """Return where to look, and the limits as they stand now or the mark of a repeat."""
    told = headers_of(started.admitted, now=now) if started.admitted else {"Idempotency-Replayed": "true"}
    return {"Location": f"/v1/generations/{started.generation_id}", **told}


def accepted(started: Started, *, now: datetime) -> Response[Accepted | PreviewView]:
    """Return 202 with where to look, and with the limits as they stand now or the mark of a repeat."""
    body = Accepted(
        generation_id=started.generation_id,
        draft_id=started.draft_id,
        status=started.state,
        price=started.price_micro / 1_000_000,
    )
    return Response(body, status_code=HTTP_202_ACCEPTED, headers=accepted_headers(started, now=now))


def foreseen(preview: Preview) -> Response[Accepted | PreviewView]:
    """Return 200 with what the order would meet."""
    return Response(preview_view(preview), status_code=HTTP_200_OK)


@post(
    "/create",
    status_code=HTTP_202_ACCEPTED,
    summary="Start a reel",
    tags=["core"],
    responses={HTTP_200_OK: FORESEEN},
)
async def create(
    request: Request[Any, Any, Any],
    data: JSONBody[CreateRequest],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    gate: NamedDependency[Gate],
    terms: NamedDependency[Terms],
    allowlist: NamedDependency[frozenset[str]],
    *,
    dry_run: FromQuery[bool] = False,
    key: OnceOrDry = None,
) -> Response[Accepted | PreviewView]:
    """Start a reel and return at once; its stages run behind QStash. A dry run writes nothing and needs no key."""
    chosen: Any = request.scope.get("request_id")
    key = key_of(request, dry_run=dry_run)
    order = data.order(account=account, key=key, allowlist=allowlist, request_id=chosen)
    now = clock.now()
    if dry_run:
        return foreseen(await previewing.preview(order=order, account=account, db=db, gate=gate, terms=terms, now=now))
    return accepted(await creation.start(order=order, account=account, db=db, gate=gate, terms=terms, now=now), now=now)
