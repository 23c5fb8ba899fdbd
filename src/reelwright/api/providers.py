"""GET /v1/providers, /models and /status: who does the work, with which models, and how they do."""

from itertools import groupby

import msgspec
from litestar import get
from litestar.di import NamedDependency

from reelwright.ground.postgres import Database
from reelwright.journeys import offering
from reelwright.journeys.ordering import Terms
from reelwright.providers import Craft, Doing


class ProviderView(msgspec.Struct, frozen=True, kw_only=True):
    """One provider; `in_use` where new work calls one of its models."""

    name: str
    title: str
    enabled: bool
    in_use: bool
    crafts: tuple[Craft, ...]


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    """One model and what it does: text, picture, vision, speech, music."""

    provider: str
    model: str
    crafts: tuple[Craft, ...]
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


_WORST = (Doing.OFF, Doing.FAILING, Doing.RESTING)


@get("/providers", summary="List the providers", tags=["providers"])
async def list_providers(db: NamedDependency[Database], terms: NamedDependency[Terms]) -> ProvidersView:
    """Return who can do the work."""
    views: list[ProviderView] = []
    for name, group in groupby(await offering.offered(db=db, terms=terms), key=lambda each: each.offer.provider):
        models = list(group)
        views.append(
            ProviderView(
                name=name,
                title=models[0].offer.title,
                enabled=any(each.offer.enabled for each in models),
                in_use=any(each.in_use for each in models),
                crafts=tuple(sorted({craft for each in models for craft in each.offer.crafts})),
            )
        )
    return ProvidersView(providers=views)


@get("/providers/models", summary="List the providers' models", tags=["providers"])
async def list_models(db: NamedDependency[Database], terms: NamedDependency[Terms]) -> ModelsView:
    """Return every model, by provider and name."""
    return ModelsView(
        models=[
            ModelView(
                provider=each.offer.provider,
                model=each.offer.model,
                crafts=each.offer.crafts,
                enabled=each.offer.enabled,
                in_use=each.in_use,
            )
            for each in await offering.offered(db=db, terms=terms)
        ]
    )


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
