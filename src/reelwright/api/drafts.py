"""GET and PATCH /v1/drafts/{id}."""

from typing import Annotated

import msgspec
from litestar import Response, get, patch
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, UnsetType

from reelwright.accounts import Account
from reelwright.api.creations import BadField, plain
from reelwright.api.versions import IfMatch, etag, expected
from reelwright.api.views import DraftView, draft_view
from reelwright.generations import Aspect, Platform, Stage, Tone
from reelwright.ground.ids import DraftId, VariantId
from reelwright.ground.postgres import Database
from reelwright.journeys import reading
from reelwright.journeys.ordering import Terms


class DraftChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The fields to change; those left out stay."""

    topic: Annotated[str, Meta(min_length=1, max_length=300)] | UnsetType = UNSET
    platform: Platform | UnsetType = UNSET
    tone: Tone | UnsetType = UNSET
    language: Annotated[str, Meta(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] | UnsetType = UNSET
    duration_s: Annotated[int, Meta(ge=10, le=180)] | UnsetType = UNSET
    aspect: Aspect | UnsetType = UNSET
    voice: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_\-]{1,64}$")] | UnsetType = UNSET
    music: Annotated[str, Meta(pattern=r"^(auto|none)$")] | UnsetType = UNSET
    selected_variant: VariantId | UnsetType = UNSET

    def changes(self) -> dict[str, object]:
        """Return what to change by column. Raises BadField."""
        given = {name: getattr(self, name) for name in self.__struct_fields__ if getattr(self, name) is not UNSET}
        if not given:
            raise BadField("Send at least one field to change.")
        if "topic" in given:
            given["topic"] = plain(given["topic"], field="topic")
        return given


@get("/drafts/{draft_id:uuid}", summary="Read a draft", tags=["core"])
async def read_draft(
    draft_id: FromPath[DraftId], account: NamedDependency[Account], db: NamedDependency[Database]
) -> Response[DraftView]:
    """Return a draft with its variants."""
    return _answer(draft_view(*await reading.draft(account.id, draft_id, db=db)))


@patch("/drafts/{draft_id:uuid}", summary="Change a draft", tags=["core"])
async def change_draft(
    draft_id: FromPath[DraftId],
    data: JSONBody[DraftChange],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    terms: NamedDependency[Terms],
    if_match: IfMatch = None,
) -> Response[DraftView]:
    """Change a draft's fields; with `If-Match` only if nobody changed it since."""
    speech = terms.places.get(Stage.TTS_GENERATION)
    version = expected(if_match)
    await reading.change_draft(account.id, draft_id, data.changes(), expected_version=version, db=db, speech=speech)
    return _answer(draft_view(*await reading.draft(account.id, draft_id, db=db)))


def _answer(view: DraftView) -> Response[DraftView]:
    return Response(view, headers=etag(view.version))
