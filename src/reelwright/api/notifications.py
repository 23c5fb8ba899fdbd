"""/v1/notification-preferences: which kinds of notices go out by e-mail, and which by webhook."""

from collections.abc import Mapping

import msgspec
from litestar import Response, get, patch
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import UNSET, UnsetType

from reelwright.accounts import Account
from reelwright.api.creations import BadField
from reelwright.api.versions import IfMatch, etag, expected
from reelwright.ground.postgres import Database
from reelwright.journeys import webhooks
from reelwright.notices import CHOOSABLE, Kind, Wanted, preferences_version


class PreferenceView(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind goes out; `event` is the type that its webhooks have."""

    kind: Kind
    event: str
    mail: bool
    webhook: bool


class PreferencesView(msgspec.Struct, frozen=True, kw_only=True):
    preferences: list[PreferenceView]


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a kind shall go out; what is left out stays."""

    mail: bool | UnsetType = UNSET
    webhook: bool | UnsetType = UNSET

    def given(self) -> dict[str, bool]:
        """Return what was said."""
        return {name: said for name, said in (("mail", self.mail), ("webhook", self.webhook)) if said is not UNSET}


class PreferencesChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The kinds to change, by name."""

    preferences: dict[str, Choice]

    def chosen(self) -> dict[Kind, dict[str, bool]]:
        """Return it by kind. Raises BadField."""
        known = {kind.value: kind for kind in CHOOSABLE}
        for name, choice in self.preferences.items():
            if name not in known or not choice.given():
                raise BadField(
                    f"preferences: give mail or webhook for some of {', '.join(known)}.", field="preferences"
                )
        if not self.preferences:
            raise BadField("preferences: send at least one kind to change.", field="preferences")
        return {known[name]: choice.given() for name, choice in self.preferences.items()}


@get("/notification-preferences", summary="Read your notification preferences", tags=["account"])
async def read_preferences(
    account: NamedDependency[Account], db: NamedDependency[Database]
) -> Response[PreferencesView]:
    """Return each kind of notice, and how it goes out to you."""
    return _answer(await webhooks.preferences(account.id, db=db))


@patch("/notification-preferences", summary="Change your notification preferences", tags=["account"])
async def change_preferences(
    data: JSONBody[PreferencesChange],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    if_match: IfMatch = None,
) -> Response[PreferencesView]:
    """Switch kinds on and off, by e-mail and by webhook. It counts for what is told from now on."""
    chosen = await webhooks.choose(account.id, data.chosen(), expected_version=expected(if_match), db=db)
    return _answer(chosen)


def _answer(found: Mapping[Kind, Wanted]) -> Response[PreferencesView]:
    view = PreferencesView(
        preferences=[
            PreferenceView(kind=kind, event=kind.event, mail=wanted.mail, webhook=wanted.webhook)
            for kind, wanted in found.items()
        ]
    )
    return Response(view, headers=etag(preferences_version(found)))
