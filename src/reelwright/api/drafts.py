"""GET and PATCH /v1/drafts/{id}."""

from typing import Annotated

import msgspec
from litestar import get, patch
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody
from msgspec import UNSET, Meta, UnsetType

from reelwright.accounts import Account
from reelwright.api.creations import BadField, plain
from reelwright.api.views import DraftView, draft_view
from reelwright.generations import Aspect, Platform, Tone
from reelwright.ground.ids import DraftId, VariantId
from reelwright.ground.postgres import Database
from reelwright.journeys import reading


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
) -> DraftView:
    """Return a draft with its variants."""
    return draft_view(*await reading.draft(account.id, draft_id, db=db))


@patch("/drafts/{draft_id:uuid}", summary="Change a draft", tags=["core"])
async def change_draft(
    draft_id: FromPath[DraftId],
    data: JSONBody[DraftChange],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    if_match: Annotated[str | None, HeaderParameter(name="If-Match")] = None,
) -> DraftView:
    """Change a draft's fields; with `If-Match: "<version>"` only if nobody changed it since."""
    version = (if_match or "").strip('"')
    if if_match is not None and not (version.isdecimal() and len(version) < 10):  # noqa: PLR2004 - an int4's digits
        raise BadField('If-Match: send the version you read, such as "3".', field="If-Match")
    await reading.change_draft(
        account.id, draft_id, data.changes(), expected_version=int(version) if version else None, db=db
    )
    return draft_view(*await reading.draft(account.id, draft_id, db=db))
