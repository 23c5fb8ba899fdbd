"""Read what belongs to an account: a generation with its stages, its events, its files, its draft."""

from dataclasses import dataclass
from datetime import datetime

from reelwright import ledger
from reelwright.generations import (
    Artefact,
    ArtefactKind,
    Artefacts,
    Draft,
    Drafts,
    Event,
    Generation,
    Generations,
    GenerationState,
    Listed,
    Run,
    Runs,
    Variant,
    Variants,
    listed,
    showing,
    shown,
)
from reelwright.ground.errors import NotFound
from reelwright.ground.ids import AccountId, DraftId, GenerationId, VariantId
from reelwright.ground.postgres import Database

_SHOWN = showing(ledger.CHARGED)
MOST_VARIANTS = 25
"""How many of a draft's variants are told with it."""
GONE = "There is no such generation."


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A generation as its owner sees it, with the variants that it wrote, or the one that it renders or changes.

    Its runs come without their results.
    """

    generation: Generation
    runs: list[Run]
    variants: list[Variant]
    artefacts: list[Artefact]
    charged_micro: int


async def generation(account: AccountId, wanted: GenerationId, *, db: Database) -> Shown:
    """Return a generation with all that is known of it. Raises NotFound, Outage."""
    async with db.single() as tx:
        found = await shown(tx, _SHOWN, account, wanted)
    if found is None:
        raise NotFound(GONE)
    one, runs, variants, artefacts, charged_micro = found
    return Shown(generation=one, runs=runs, variants=variants, artefacts=artefacts, charged_micro=charged_micro or 0)


async def generations(
    account: AccountId,
    *,
    state: GenerationState | None,
    before: tuple[datetime, GenerationId] | None,
    limit: int,
    db: Database,
) -> list[Listed]:
    """Return an account's generations, newest first, from behind the one made then with that id. Raises Outage."""
    async with db.single() as tx:
        return await listed(tx, account, limit, state=state, before=before)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What happened since: events in order, the runs' progress now, and whether anything can still happen."""

    events: list[Event]
    runs: list[Run]
    live: bool


async def news(account: AccountId, wanted: GenerationId, *, after: int, db: Database) -> News:
    """Return a generation's events after a sequence number. Raises NotFound, Outage."""
    async with db.single() as tx:
        found = await Generations(session=tx).get(account, wanted)
        if found is None:
            raise NotFound(GONE)
        return News(
            events=await Generations(session=tx).events_after(wanted, after, limit=200),
            runs=await Runs(session=tx).of(wanted),
            live=found.live,
        )


async def file(account: AccountId, wanted: GenerationId, kind: ArtefactKind, *, db: Database) -> Artefact:
    """Return one of a generation's finished files. Raises NotFound, Outage."""
    async with db.begin() as tx:
        found = await Artefacts(session=tx).get(account, wanted, kind)
    if found is None:
        raise NotFound("This generation has no such file (yet): look at its status first.", code="file.not_ready")
    return found


async def draft(account: AccountId, wanted: DraftId, *, db: Database) -> tuple[Draft, list[Variant]]:
    """Return a draft with its newest variants and the selected one. Raises NotFound, Outage."""
    async with db.begin() as tx:
        found = await Drafts(session=tx).get(account, wanted)
        if found is None:
            raise NotFound("There is no such draft.")
        shown = Variants(session=tx).page(wanted, limit=MOST_VARIANTS, selected=found.selected_variant)
        return found, await shown


async def variants(
    account: AccountId, wanted: DraftId, *, after: VariantId | None, limit: int, db: Database
) -> list[Variant]:
    """Return a page of a draft's variants, the newest writing first. Raises NotFound, Outage."""
    async with db.begin() as tx:
        if await Drafts(session=tx).get(account, wanted) is None:
            raise NotFound("There is no such draft.")
        return await Variants(session=tx).page(wanted, after=after, limit=limit)
