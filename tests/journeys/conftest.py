"""A worker's journeys on real servers, with stages that only pretend: each is told how to behave."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from reelwright import outbox
from reelwright.accounts import Account
from reelwright.admission import Gate, Place
from reelwright.billing import StripeDoor
from reelwright.generations import (
    Animated,
    ArtefactKind,
    Assignment,
    Attribution,
    Beat,
    Bench,
    Draft,
    Drawn,
    Encoded,
    GenerationKind,
    Ingested,
    Judged,
    Made,
    Mixed,
    Motion,
    MotionKind,
    NewArtefact,
    Part,
    Planned,
    Released,
    Rewritten,
    Scene,
    Source,
    Spoken,
    Stage,
    Story,
    Transition,
    TransitionKind,
    Unit,
    Written,
    inputs_hash,
)
from reelwright.ground import clock, storage
from reelwright.ground.ids import DraftId, VariantId, derived
from reelwright.ground.metering import Action, Use
from reelwright.ground.postgres import Database
from reelwright.journeys import creation, production
from reelwright.journeys.creation import Started
from reelwright.journeys.ordering import Order, Terms, order_id
from reelwright.journeys.workroom import Timings, Workroom
from tests.builders import a_gate
from tests.journeys.buying import Customer, a_door
from tests.simulators.stripe import SimulatedStripe, simulated_stripe

SCENES, CHUNKS = 2, 2
FILES = {
    Stage.VISUAL_GENERATION: (ArtefactKind.IMAGE, ".png", "image/png"),
    Stage.VIDEO_GENERATION: (ArtefactKind.CLIP, ".bin", "application/octet-stream"),
    Stage.TTS_GENERATION: (ArtefactKind.NARRATION, ".wav", "audio/wav"),
    Stage.AUDIO_MIXING: (ArtefactKind.MIX, ".wav", "audio/wav"),
}
ACTIONS = {
    Stage.INGESTION: Action.INGESTION,
    Stage.STORY_WRITING: Action.STORY,
    Stage.VISUAL_GENERATION: Action.IMAGE,
    Stage.VISUAL_VERIFICATION: Action.VISION_CHECK,
    Stage.TTS_GENERATION: Action.SPEECH,
}


def a_story() -> Story:
    beats = tuple(Beat(narration=f"Sentence {n}.", visual="a cat", claim="A source sentence.") for n in range(SCENES))
    return Story(
        title="Cats",
        hook="Why?",
        synopsis="Cats purr.",
        arc=("hook", "end"),
        beats=beats,
        caption="Cats purr.",
        hashtags=("cats",),
        attribution=Attribution(title="Cat", url=None, licence="CC BY-SA 4.0"),
    )


def scenes_of(story: Story) -> tuple[Scene, ...]:
    return tuple(
        Scene(
            index=n,
            narration=beat.narration,
            visual=beat.visual,
            image_prompt="hero: cat",
            duration_ms=5000,
            motion=Motion(kind=MotionKind.PUSH_IN),
            transition=Transition(kind=TransitionKind.FADE),
            claim=beat.claim,
        )
        for n, beat in enumerate(story.beats)
    )


def reworded(part: Part, take: int) -> Rewritten:
    if part is Part.HASHTAGS:
        return Rewritten(part=part, hashtags=("purring", f"take{take}"))
    return Rewritten(part=part, text=f"The {part} of take {take}.", claim=f"Claim {take}.")


@dataclass
class Studio:
    """Pretending stages. `behave` may be set to raise, wait or answer differently for a unit; `calls` counts."""

    calls: Counter[Unit] = field(default_factory=Counter)
    behave: Callable[[Assignment], Awaitable[Made | None]] | None = None

    async def perform(self, task: Assignment, _tools: Any, bench: Bench) -> Made:
        self.calls[task.unit] += 1
        if self.behave is not None:
            told = await self.behave(task)
            if told is not None:
                return told
        bench.progress(0.5)
        return self.made(task, bench)

    def made(self, task: Assignment, bench: Bench) -> Made:
        unit = task.unit
        if task.part is not None and task.part is not Part.SCENE_PICTURE:
            use = Use(action=Action.REWRITE, provider="offline", model="test", quantity=1)
            return Made(outcome=reworded(task.part, task.take), uses=(use,))
        outcome: Any = {
            Stage.INGESTION: Ingested(source=Source(kind="text", title="Cats", body="Cats purr.")),
            Stage.STORY_WRITING: Written(stories=(a_story(),)),
            Stage.SCENE_GENERATION: Planned(scenes=tuple(scenes_of(v.story) for v in task.variants)),
            Stage.VISUAL_GENERATION: Drawn(),
            Stage.VISUAL_VERIFICATION: Judged(score=90, scores={"quality": 90}, reasons=()),
            Stage.VIDEO_GENERATION: Animated(),
            Stage.TTS_GENERATION: Spoken(duration_ms=4000),
            Stage.AUDIO_MIXING: Mixed(chunks=CHUNKS, duration_ms=10_000),
            Stage.VIDEO_ASSEMBLY: Encoded(frames=150)
            if unit.chunk is not None
            else Released(duration_ms=10_000, gate={"passed": True, "checks": []}),
        }[unit.stage]
        kinds = [FILES[unit.stage]] if unit.stage in FILES else []
        if unit.stage is Stage.VIDEO_ASSEMBLY:
            kinds = [(ArtefactKind.CHUNK if unit.chunk is not None else ArtefactKind.VIDEO, ".mp4", "video/mp4")]
        action = ACTIONS.get(unit.stage)
        uses = (Use(action=action, provider="offline", model="test", quantity=1),) if action else ()
        return Made(outcome=outcome, artefacts=tuple(self.file(task, bench, *kind) for kind in kinds), uses=uses)

    def file(self, task: Assignment, bench: Bench, kind: ArtefactKind, ending: str, media_type: str) -> NewArtefact:
        path = bench.workspace / f"{kind}{ending}"
        path.write_bytes(f"{task.unit}".encode())
        meta: dict[str, object] = {"duration_ms": 10_000} if kind is ArtefactKind.VIDEO else {}
        if kind is ArtefactKind.IMAGE:
            meta["take"] = task.scene.take + task.unit.round
        return NewArtefact(
            kind=kind,
            path=path,
            media_type=media_type,
            inputs_hash=inputs_hash("test", task.unit.stage, task.unit.scene, task.unit.chunk, task.unit.round),
            meta=meta,
        )


PLACES = {stage: Place(provider="offline", model=stage.lower(), lane="interactive", cap=8) for stage in ACTIONS}
TIMINGS = Timings(
    heartbeat=timedelta(milliseconds=50),
    lease=timedelta(milliseconds=400),
    stage_deadline=timedelta(seconds=5),
    retry_delay=timedelta(milliseconds=1),
    busy_delay=timedelta(milliseconds=1),
    most_attempts=3,
)


@pytest.fixture
def studio() -> Studio:
    return Studio()


@pytest.fixture
async def gate(redis: Any, db: Database) -> AsyncGenerator[Gate]:
    made = a_gate(db, redis)
    yield made
    await made.close()


@pytest.fixture
def room(db: Database, gate: Gate, studio: Studio, tmp_path: Path) -> Workroom:
    tools: Any = None
    return Workroom(
        db=db,
        gate=gate,
        storage=storage.connect(f"file://{tmp_path}/artefacts"),
        tools=tools,
        stages=dict.fromkeys(Stage, studio.perform),
        places=PLACES,
        workspace=tmp_path / "work",
        timings=TIMINGS,
    )


async def order(
    account: Account,
    db: Database,
    gate: Gate,
    *,
    key: str | None = None,
    kind: GenerationKind = GenerationKind.VIDEO,
    draft: DraftId | None = None,
    variant: VariantId | None = None,
    part: Part | None = None,
    scene: int | None = None,
    now: datetime | None = None,
) -> Started:
    chosen = key or uuid4().hex
    generation = order_id(account.id, kind, chosen)
    new = Draft(id=draft or DraftId(derived(generation, "draft")), account_id=account.id, topic="Cats", duration_s=10)
    wanted = Order(
        id=generation,
        key=chosen,
        fingerprint=b"f" * 32,
        kind=kind,
        draft=new,
        existing=draft is not None,
        variant=variant,
        part=part,
        scene=scene,
    )
    terms = Terms(places=dict(PLACES), most_attempts=TIMINGS.most_attempts)
    return await creation.start(order=wanted, account=account, db=db, gate=gate, terms=terms, now=now or clock.now())


async def waiting(db: Database) -> list[outbox.StageDue]:
    """Take every promised message, as a relay would, whatever its time."""
    async with db.begin() as tx:
        rows = await tx.execute(text("DELETE FROM outbox RETURNING id, body"))
        return [outbox.decoded(row.body) for row in sorted(rows, key=lambda row: row.id)]


async def due_now(db: Database) -> None:
    """Let no queued run wait for its back-off."""
    async with db.begin() as tx:
        await tx.execute(text("UPDATE stage_runs SET next_attempt_at = now() WHERE state = 'queued'"))


async def deliver_all(room: Workroom, *, times: int = 1, most: int = 200) -> int:
    """Deliver promised messages, each so many times at once, until none are promised. Returns how many there were."""
    delivered = 0
    while messages := await waiting(room.db):
        await due_now(room.db)
        delivered += len(messages)
        assert delivered < most, "the generation never ends"
        for message in messages:
            await asyncio.gather(*(production.perform(message, room=room) for _ in range(times)))
    return delivered


async def one(db: Database, query: str) -> Any:
    async with db.begin() as tx:
        return (await tx.execute(text(query))).mappings().one()


@pytest.fixture(scope="module")
async def payments() -> AsyncGenerator[tuple[SimulatedStripe, StripeDoor, bytes]]:
    """A simulated Stripe with what it sells, and our door to it: one a file, as both take a while to open."""
    async with simulated_stripe() as made:
        door = a_door(made)
        yield made, door, made.book.dump()
        await door.close()


@pytest.fixture
def sim(payments: tuple[SimulatedStripe, StripeDoor, bytes]) -> SimulatedStripe:
    """A Stripe at which nobody has bought anything."""
    made, _, empty = payments
    made.book.load(empty)
    return made


@pytest.fixture
def door(payments: tuple[SimulatedStripe, StripeDoor, bytes]) -> StripeDoor:
    return payments[1]


@pytest.fixture
async def buyer(db: Database, gate: Gate, sim: SimulatedStripe, door: StripeDoor) -> Customer:
    return await Customer.comes(db, gate, sim, door)
