"""What died of our own failure: list it, show it with all that is known, and set it going again; for operators."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright import outbox
from reelwright.accounts import Accounts
from reelwright.generations import DeadLetter, DeadLetters, Generation, Generations, Run, Runs, Stage
from reelwright.ground import log
from reelwright.ground.errors import Kind, NotFound, Outage, Refusal
from reelwright.ground.ids import AccountId, DeadLetterId, GenerationId, StageRunId, derived
from reelwright.ground.postgres import Database
from reelwright.journeys import creation, resumption
from reelwright.journeys.auditing import audited
from reelwright.journeys.ending import GateFailed
from reelwright.journeys.facts import LIMITS
from reelwright.journeys.lastword import Moment
from reelwright.journeys.ordering import Order, Terms, prepare
from reelwright.outbox import Parked

_log = log.logger("journeys.dead_letters")
PACE = timedelta(seconds=1)
"""Between two of many: what killed them all at once must not be done to the whole machine again."""
PARKED = "outbox.parked"
_BATCH = 100
_LONGEST_NUMBER = 18  # a bigint's digits, safely
_GONE = "There is no such dead letter: list them first."


class RedrivenAlready(Refusal):
    """Somebody has set it going again before; `extra` says as which generation."""

    kind = Kind.CONFLICT
    code = "dead_letter.redriven_already"


class OwnerGone(Refusal):
    kind = Kind.CONFLICT
    code = "dead_letter.owner_gone"


class CursorUnknown(Refusal):
    code = "dead_letter.cursor_unknown"


class EntryKind(StrEnum):
    """What died: a generation, or the delivery of a message."""

    GENERATION = "generation"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A generation that died, or a message that the queue would not take; a message goes when it is sent anew.

    `stage`, `scene` and `chunk` name the run that was given up, `attempts` how often it was tried. `successor` is the
    generation that goes on from it; `redriven_by` None beside it: somebody at the machine itself.
    """

    id: str
    kind: EntryKind
    generation_id: GenerationId
    run_id: StageRunId | None
    stage: Stage | None = None
    scene: int | None = None
    chunk: int | None = None
    reason: str
    code: str
    attempts: int
    at: datetime
    open: bool = True
    redriven_at: datetime | None = None
    redriven_by: AccountId | None = None
    successor: GenerationId | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, and the cursor behind them; None at the end."""

    entries: list[Entry]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One entry with its generation and that one's runs, and what to do next."""

    dead_letter: Entry
    generation: Generation
    runs: list[Run]
    next_step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """What was set going again: the new generation, or the same one where its message is sent anew.

    `repeated`: the same call had done it before.
    """

    entry: str
    generation_id: GenerationId
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """One of many that could not be set going again, and why."""

    entry: str
    why: Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who acts: an administrator's account, or None for somebody at the machine itself."""

    account: AccountId | None = None
    request_id: str | None = None


async def page(limit: int, *, after: str | None = None, open_only: bool = True, db: Database) -> Page:
    """Return dead generations, newest first, then parked messages, from behind a cursor. Raises CursorUnknown, Outage.

    Without `open_only`, those that were redriven are there too.
    """
    behind = _named(after) if after else None
    if after and behind is None:
        raise CursorUnknown("cursor: send the next_cursor of the page before, or leave it out.", field="cursor")
    entries: list[Entry] = []
    async with db.begin() as tx:
        if not isinstance(behind, int):
            letters = await DeadLetters(session=tx).list(limit + 1, after=behind, open_only=open_only)
            entries += map(_of_letter, letters)
        if len(entries) <= limit:
            last = behind if isinstance(behind, int) else 0
            entries += map(_of_message, await outbox.parked(tx, limit + 1 - len(entries), after=last))
    return Page(entries[:limit], entries[limit - 1].id if len(entries) > limit else None)


async def show(wanted: str, *, db: Database) -> Case:
    """Return an entry with all that an operator may want to know of it. Raises NotFound, Outage."""
    async with db.begin() as tx:
        entry = await _entry(tx, wanted)
        generation = await Generations(session=tx).lock(entry.generation_id)  # whoever owns it
        runs = await Runs(session=tx).of(entry.generation_id)
    if generation is None:
        raise NotFound(_GONE)
    return Case(dead_letter=entry, generation=generation, runs=runs, next_step=_next_step(entry))


async def redrive(wanted: str, *, key: str, by: Operator, db: Database, terms: Terms) -> Redriven:
    """Set what died going again, once, on behalf of its owner; or let a parked message be sent anew.

    A new generation goes on from the dead one as a resumed one does: it keeps all that was finished, and its owner's
    credits are held again. It takes no unit, burst or cooldown and needs no place: the failure was ours and gave the
    unit back for work that was never delivered (decisions.md 18), and the order it belongs to had been admitted, under
    the plan of then. So its row belongs to the first admission's period, with no units. It counts as running, though.

    The letter names the new generation's id, so two operators at once start one; the second, or another key, is told.
    Raises NotFound, RedrivenAlready, OwnerGone, ResumedAlready, Outdated, OutOfCredits, Outage.
    """
    async with db.begin() as tx:
        entry = await _entry(tx, wanted)
        if entry.kind is EntryKind.MESSAGE:
            await outbox.unpark(tx, [int(entry.id)])
            await _noted(tx, by, entry.id, entry.generation_id)
            _log.info("dead_letter.unparked", outbox_id=entry.id, generation_id=str(entry.generation_id), **_who(by))
            return Redriven(entry=entry.id, generation_id=entry.generation_id)
    letter = DeadLetterId(UUID(entry.id))
    heir = GenerationId(derived("redrive", letter))
    fingerprint = sha256(f"{by.account}\x1f{key}".encode()).digest()
    try:
        async with db.begin() as tx:
            new = await _redriven(tx, letter, heir, key=key, fingerprint=fingerprint, by=by, terms=terms)
    except Outage:
        if not await _was_written(entry, heir, fingerprint, db=db):
            raise
        new = True
    if new:
        names = {"dead_letter": entry.id, "generation_id": str(heir), "resumes": str(entry.generation_id)}
        _log.info("dead_letter.redriven", **names, code=entry.code, **_who(by))
    return Redriven(entry=entry.id, generation_id=heir, repeated=not new)


async def _redriven(
    tx: AsyncConnection,
    letter: DeadLetterId,
    heir: GenerationId,
    *,
    key: str,
    fingerprint: bytes,
    by: Operator,
    terms: Terms,
) -> bool:
    """Write the new generation and answer the letter; False where this very call had done so before."""
    generations, letters = Generations(session=tx), DeadLetters(session=tx)
    dead = await letters.get(letter)
    failed = await generations.lock(dead.generation_id) if dead else None
    dead = await letters.get(letter)  # as it is behind the lock
    if failed is None or dead is None:
        raise NotFound(_GONE)
    if not dead.open and await generations.fingerprint_of(heir) == fingerprint:
        return False
    if not dead.open:
        raise RedrivenAlready(
            f"This was set going again already: look at /v1/generations/{dead.successor}.",
            extra={"generation_id": str(dead.successor)},
        )
    owner = await Accounts(session=tx).get(failed.account_id)
    if owner is None:
        raise OwnerGone("Its owner's account was deleted: there is nobody to make it for.")
    order = _order(failed, heir, key=key, fingerprint=fingerprint, request_id=by.request_id)
    prepared = await prepare(tx, order, owner, failed.admitted_at)
    moment = Moment(at=failed.admitted_at, plan=failed.plan, limits=LIMITS[failed.plan])
    await letters.redriven(letter, by=by.account, successor=heir)
    await _noted(tx, by, letter, heir)
    return await creation.write(tx, order, owner, prepared, terms, moment, resumption.carried_over)


def _order(failed: Generation, heir: GenerationId, *, key: str, fingerprint: bytes, request_id: str | None) -> Order:
    """Return the order for the same again, in its own lane and without units."""
    order = resumption.order_after(
        failed, heir, key=key, fingerprint=fingerprint, request_id=request_id or failed.request_id
    )
    return replace(order, counted=False, lane=failed.lane)


async def _noted(tx: AsyncConnection, by: Operator, entry: object, goes_on: GenerationId) -> None:
    """Note it in the audit; who sits at the machine itself is no account."""
    if by.account is not None:
        await audited(tx, "dead_letter.redriven", by=by.account, target=entry, generation_id=goes_on)


async def _was_written(entry: Entry, heir: GenerationId, fingerprint: bytes, *, db: Database) -> bool:
    """Say whether a redrive whose end we did not see was committed: its transaction holds the dead one's row."""
    async with db.begin() as tx:
        await Generations(session=tx).lock(entry.generation_id)
        return await Generations(session=tx).fingerprint_of(heir) == fingerprint


async def redrive_all(
    *, code: str | None, by: Operator, db: Database, terms: Terms, pace: timedelta = PACE
) -> AsyncGenerator[Redriven | Refused]:
    """Redrive all that is open now (of one code, where given), oldest first, as `redrive_these` does."""
    entries = [entry.id for entry in await every(code=code, db=db)]
    async for told in redrive_these(entries, by=by, db=db, terms=terms, pace=pace):
        yield told


async def redrive_these(
    entries: Sequence[str], *, by: Operator, db: Database, terms: Terms, pace: timedelta = PACE
) -> AsyncGenerator[Redriven | Refused]:
    """Redrive one after the other, at a pace, and tell what became of each. A repeat starts nothing.

    Raises Outage; what was told before stays done.
    """
    for number, entry in enumerate(entries):
        if number:
            await asyncio.sleep(pace.total_seconds())
        try:
            yield await redrive(entry, key=entry, by=by, db=db, terms=terms)
        except Refusal as refusal:
            yield Refused(entry, refusal)


async def every(*, code: str | None, db: Database) -> list[Entry]:
    """Return all that is open (of one code, where given; PARKED are messages), oldest first. Raises Outage."""
    found: list[Entry] = []
    cursor: str | None = None
    while True:
        some = await page(_BATCH, after=cursor, db=db)
        found += [entry for entry in some.entries if code in {None, entry.code}]
        cursor = some.next_cursor
        if cursor is None:
            return sorted(found, key=lambda entry: entry.at)


async def _entry(tx: AsyncConnection, wanted: str) -> Entry:
    name = _named(wanted)
    if isinstance(name, int):
        for message in await outbox.parked(tx, 1, after=name - 1):
            if message.id == name:
                return _of_message(message)
    elif name is not None:
        letter = await DeadLetters(session=tx).get(name)
        if letter is not None:
            return _of_letter(letter)
    raise NotFound(_GONE, code="dead_letter.not_found")


def _of_letter(letter: DeadLetter) -> Entry:
    values: dict[str, Any] = {**asdict(letter), "id": str(letter.id)}
    return Entry(kind=EntryKind.GENERATION, open=letter.open, **values)


def _of_message(message: Parked) -> Entry:
    return Entry(
        id=str(message.id),
        kind=EntryKind.MESSAGE,
        generation_id=message.generation_id,
        run_id=message.run_id,
        reason=message.reason,
        code=PARKED,
        attempts=message.attempts,
        at=message.parked_at,
    )


def _named(written: str) -> DeadLetterId | int | None:
    """Return the letter's id or the message's number that somebody wrote, or None for what is neither."""
    if written.isascii() and written.isdecimal() and len(written) <= _LONGEST_NUMBER:
        return int(written)
    try:
        return DeadLetterId(UUID(written))
    except ValueError:
        return None


def _next_step(entry: Entry) -> str:
    """Say what an operator should do with it."""
    if entry.kind is EntryKind.MESSAGE:
        return "Mend what the queue refused (mostly the worker's public URL), then redrive: the message is sent anew."
    if not entry.open:
        return f"Nothing: generation {entry.successor} goes on from it."
    if entry.code == GateFailed.code:
        return (
            "See which checks failed (the sentence that the owner was told names them; values are in the generation's"
            " `gate`), mend what makes them fail, then redrive: mix, chunks and what they doubt are made anew."
        )
    steps = {
        "bug": "Find the bug by the request id in the logs, deploy, then redrive.",
        "deadline": "See why work was slow (queue age, provider status), then redrive.",
        "refused_by_queue": "Mend the worker's URL or the queue's token, then redrive.",
    }
    waiting = "See that the provider or service behind the code is well again, then redrive."
    return steps.get(entry.reason, waiting)


def _who(by: Operator) -> dict[str, str]:
    return {"by": str(by.account) if by.account else "command line"}
