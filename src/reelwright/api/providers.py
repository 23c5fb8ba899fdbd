"""/v1/providers: who does the work, with which models, and how they do; and for administrators, on or off."""

from itertools import groupby
from typing import Annotated, Literal

import msgspec
from litestar import Response, get, patch
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from litestar.status_codes import HTTP_200_OK

from reelwright.accounts import Account
from reelwright.api.caller import admin_only
from reelwright.api.versions import IfMatch, etag, expected
from reelwright.ground.postgres import Database
from reelwright.journeys import offering
from reelwright.journeys.offering import Offered
from reelwright.journeys.ordering import Terms
from reelwright.providers import Craft, Doing


class ProviderView(msgspec.Struct, frozen=True, kw_only=True):
    """One provider; `in_use` where new work calls one of its models."""

    name: str
    title: str
    enabled: bool
    in_use: bool
    crafts: tuple[Craft, ...]


class SizeView(msgspec.Struct, frozen=True, kw_only=True):
    """In pixels."""

    width: int
    height: int


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    """One model and what it does: text, picture, vision, speech, music; null is what isn't its craft, or has no bound.

    `structured`: it holds its answers to a schema by itself. `sizes` are those of its pictures. `word_times`: exact, or
    estimated from the sound. `most_characters`: of a text that it speaks at once.
    """

    provider: str
    model: str
    crafts: tuple[Craft, ...]
    structured: bool | None
    sizes: tuple[SizeView, ...] | None
    word_times: Literal["exact", "estimated"] | None
    most_characters: int | None
    enabled: bool
    in_use: bool


class ModelStatusView(msgspec.Struct, frozen=True, kw_only=True):
    """How a model does: ok · failing (half of its last calls) · resting (asked again soon) · off."""

    provider: str
    model: str
    status: Doing
    in_use: bool


class ProvidersView(msgspec.Struct, frozen=True, kw_only=True):
    providers: list[ProviderView]


class ModelsView(msgspec.Struct, frozen=True, kw_only=True):
    models: list[ModelView]


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is the worst of the models in use."""

    status: Doing
    models: list[ModelStatusView]


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether it gets new calls."""

    enabled: bool


_Name = Annotated[str, PathParameter(max_length=100)]
_WORST = (Doing.OFF, Doing.FAILING, Doing.RESTING)


@get("/providers", summary="List the providers", tags=["providers"])
async def list_providers(db: NamedDependency[Database], terms: NamedDependency[Terms]) -> ProvidersView:
    """Return who can do the work."""
    found = await offering.offered(db=db, terms=terms)
    return ProvidersView(
        providers=[_provider(list(g)) for _, g in groupby(found, key=lambda each: each.offer.provider)]
    )


@get("/providers/models", summary="List the providers' models", tags=["providers"])
async def list_models(db: NamedDependency[Database], terms: NamedDependency[Terms]) -> ModelsView:
    """Return every model, by provider and name."""
    return ModelsView(models=[_model(each) for each in await offering.offered(db=db, terms=terms)])


@get("/providers/status", summary="Ask how the providers do", tags=["providers"])
async def provider_status(db: NamedDependency[Database], terms: NamedDependency[Terms]) -> StatusView:
    """Return how each model does. A failing one delays work; nothing is charged for what it could not do."""
    found = await offering.offered(db=db, terms=terms)
    used = {each.doing for each in found if each.in_use}
    return StatusView(
        status=next((worse for worse in _WORST if worse in used), Doing.OK),
        models=[
            ModelStatusView(provider=each.offer.provider, model=each.offer.model, status=each.doing, in_use=each.in_use)
            for each in found
        ],
    )


@patch("/admin/providers/{provider:str}", guards=[admin_only], summary="Switch a provider on or off", tags=["admin"])
async def switch_provider(
    provider: _Name,
    data: JSONBody[Switch],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    terms: NamedDependency[Terms],
    if_match: IfMatch = None,
) -> Response[ProviderView]:
    """Give it no new calls, or let it have them again. Its ETag is `"1"` while it is enabled, `"0"` while it isn't.

    Accepted work that needs it waits, and goes on by itself; new work is refused with 503.
    """
    version = expected(if_match)
    found = await offering.switch(
        provider, None, on=data.enabled, by=account, db=db, terms=terms, expected_version=version
    )
    return Response(_provider(found), status_code=HTTP_200_OK, headers=_version(found))


@patch(
    "/admin/providers/{provider:str}/models/{model:str}",
    guards=[admin_only],
    summary="Switch a provider's model on or off",
    tags=["admin"],
)
async def switch_model(
    provider: _Name,
    model: _Name,
    data: JSONBody[Switch],
    account: NamedDependency[Account],
    db: NamedDependency[Database],
    terms: NamedDependency[Terms],
    if_match: IfMatch = None,
) -> Response[ModelView]:
    """Give one model no new calls, or let it have them again. Its ETag is as a provider's."""
    version = expected(if_match)
    found = await offering.switch(
        provider, model, on=data.enabled, by=account, db=db, terms=terms, expected_version=version
    )
    its = [each for each in found if each.offer.model == model]
    return Response(_model(its[0]), status_code=HTTP_200_OK, headers=_version(its))


def _version(models: list[Offered]) -> dict[str, str]:
    return etag(offering.version_of(each.offer for each in models))


def _provider(models: list[Offered]) -> ProviderView:
    return ProviderView(
        name=models[0].offer.provider,
        title=models[0].offer.title,
        enabled=any(each.offer.enabled for each in models),
        in_use=any(each.in_use for each in models),
        crafts=tuple(sorted({craft for each in models for craft in each.offer.crafts})),
    )


def _model(each: Offered) -> ModelView:
    crafts, known = each.offer.crafts, each.offer.known
    speaks = Craft.SPEECH in crafts
    sizes = tuple(SizeView(width=width, height=height) for width, height in known.sizes)
    return ModelView(
        provider=each.offer.provider,
        model=each.offer.model,
        crafts=crafts,
        structured=known.structured if Craft.TEXT in crafts else None,
        sizes=(sizes or None) if Craft.PICTURE in crafts else None,
        word_times=("exact" if known.exact_times else "estimated") if speaks else None,
        most_characters=(known.most_characters or None) if speaks else None,
        enabled=each.offer.enabled,
        in_use=each.in_use,
    )
