"""Makes one reel of the golden set as a worker does, and says what became of it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec

from reelwright import rendering
from reelwright.accounts import Account
from reelwright.billing import Plan
from reelwright.generations import (
    ArtefactKind,
    Aspect,
    Draft,
    GenerationKind,
    GenerationState,
    Platform,
    Profile,
    SourceForm,
    Tone,
    Variant,
)
from reelwright.ground import clock, postgres, storage
from reelwright.ground import redis as ground_redis
from reelwright.ground.ids import DraftId, GenerationId, derived
from reelwright.journeys import creation, production, reading
from reelwright.journeys.ordering import Order, Terms, order_id
from reelwright.journeys.workroom import Timings, Workroom
from reelwright.providers import toolset
from reelwright.settings import Settings
from reelwright.wiring import choices, stage_places
from tests.builders import a_gate, an_account
from tests.golden import judging
from tests.golden.inputs import Golden
from tests.journeys.conftest import due_now, waiting
from worker.app import STAGES

_CORES = 2
_FILES = {
    ArtefactKind.VIDEO: ".mp4",
    ArtefactKind.INSPECTION: ".png",
    ArtefactKind.GATE_REPORT: ".json",
    ArtefactKind.CAPTIONS_SRT: ".srt",
    ArtefactKind.TIMELINE: ".timeline.json",
}


@dataclass(kw_only=True)
class Told:
    """What became of an input. Words are counted spoken.

    `spoken` is the share of the time in which someone speaks.
    """

    name: str
    length_s: float = 0.0
    scenes: int = 0
    gates: str = "-"
    pace: float = 0.0
    spoken: float = 0.0
    said: int = 0
    given: int = 0
    took_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kitchen:
    """Servers of its own, an account, and the folder that everything lands in."""

    room: Workroom
    account: Account
    site: str
    out: Path
    seconds: int
    profile: Profile = Profile.NORMAL

    async def cooked(self, one: Golden) -> Told:
        """Order the reel, do all its work, keep its files, and judge what was told."""
        began = time.monotonic()
        generation = await self._ordered(one)
        shown = await reading.generation(self.account.id, generation, db=self.room.db)
        told = Told(name=one.name, took_s=time.monotonic() - began)
        found, account = shown.generation, self.account
        if found.gate is not None:
            _judged(told, cast("Mapping[str, Any]", found.gate))
        if shown.variants:
            _counted(told, one, shown.variants[0])
            (self.out / f"{one.name}.txt").write_text(_words(shown.variants[0]), encoding="utf-8")
        if found.state is not GenerationState.SUCCEEDED:
            told.wrong.append(f"{found.state}: {found.failure_code}: {found.failure_sentence}")
            return told
        for kind, ending in _FILES.items():
            file = await reading.file(account.id, generation, kind, db=self.room.db)
            await self.room.storage.fetch(file.key, self.out / f"{one.name}{ending}")
            if kind is ArtefactKind.VIDEO:
                told.length_s = cast("int", file.meta["duration_ms"]) / 1000
        told.pace = told.said / told.length_s
        self._judge(told, one, shown.variants[0])
        return told

    def _judge(self, told: Told, one: Golden, variant: Variant) -> None:
        plan = (self.out / f"{one.name}.timeline.json").read_bytes()
        timeline = msgspec.json.decode(plan, type=rendering.Timeline)
        subtitles = (self.out / f"{one.name}.srt").read_text(encoding="utf-8")
        told.spoken = judging.spoken_share(timeline)
        told.wrong += judging.words_wrong(one, _words(variant), subtitles)
        told.wrong += judging.sound_wrong(timeline)
        told.wrong += judging.pictures_wrong(one, variant, one.topic or variant.story.title)
        told.wrong += judging.hashtags_wrong(variant.story.hashtags)

    async def _ordered(self, one: Golden) -> GenerationId:
        key = uuid4().hex
        generation = order_id(self.account.id, GenerationKind.VIDEO, key)
        order = Order(
            id=generation,
            key=key,
            fingerprint=b"g" * 32,
            kind=GenerationKind.VIDEO,
            draft=self._draft(one, generation),
            profile=self.profile,
        )
        terms, room = Terms(places=dict(self.room.places)), self.room
        await creation.start(
            order=order, account=self.account, db=room.db, gate=room.gate, terms=terms, now=clock.now()
        )
        busy = asyncio.Semaphore(_CORES)

        async def deliver(message: object) -> None:
            async with busy:
                await production.perform(message, room=room)  # type: ignore[arg-type]

        while await self._live(generation):
            messages = await waiting(room.db)
            await due_now(room.db)  # a try that failed doesn't wait for its back-off
            await asyncio.gather(*map(deliver, messages))
        return generation

    async def _live(self, generation: GenerationId) -> bool:
        return (await reading.generation(self.account.id, generation, db=self.room.db)).generation.live

    def _draft(self, one: Golden, generation: GenerationId) -> Draft:
        return Draft(
            id=DraftId(derived(generation, "draft")),
            account_id=self.account.id,
            topic=one.topic,
            source_text=one.text,
            source_url=None if one.path is None else self.site + one.path,
            source_form=SourceForm.FEED if one.feed else SourceForm.PAGE,
            language=one.language,
            tone=Tone(one.tone),
            platform=Platform(one.platform),
            aspect=Aspect(one.aspect),
            duration_s=self.seconds,
        )


def _judged(told: Told, gate: Mapping[str, Any]) -> None:
    checks = gate["checks"]
    failed = [check["name"] for check in checks if check["passed"] is False]
    told.gates = f"{sum(check['passed'] is True for check in checks)}/{len(checks)}"
    told.wrong += [f"gate {name}" for name in failed]


def _counted(told: Told, one: Golden, variant: Variant) -> None:
    narrations = " ".join(scene.narration for scene in variant.scenes)
    told.scenes, told.said = len(variant.scenes), _count(narrations)
    told.given = _count(one.text or "")


def _words(variant: Variant) -> str:
    """Return all that people get to read or hear, a line each."""
    story = variant.story
    lines = [story.title, story.hook, *(scene.narration for scene in variant.scenes)]
    return "\n".join([*lines, "", story.caption, " ".join(story.hashtags)])


def _count(text: str) -> int:
    """Return how many words that is; a script without spaces has two letters to a word."""
    dense = sum("\u3040" <= letter <= "\u9fff" for letter in text)
    return len(text.split()) if not dense else dense // 2


@contextlib.asynccontextmanager
async def opened(
    folder: Path, out: Path, urls: tuple[str, str, str], *, seconds: int, profile: Profile = Profile.NORMAL
) -> AsyncGenerator[Kitchen]:
    """Connect to the servers; the local site is the one private address that may be read."""
    database_url, redis_url, site = urls
    settings = Settings(
        environment="test",
        database_url=database_url,
        redis_url=redis_url,
        storage_url=f"file://{folder}/artefacts",
        worker_url="http://127.0.0.1:9",
        qstash_url="http://127.0.0.1:9",
        qstash_token="token",
        qstash_current_signing_key="sig_test_current_key_of_32_chars__",
    )
    db, redis = postgres.connect(database_url, name="golden"), ground_redis.connect(redis_url, timeout_ms=10_000)
    gate = a_gate(db, redis)
    room = Workroom(
        db=db,
        gate=gate,
        storage=storage.connect(settings.storage_url),
        tools=toolset(choice=choices(settings), allowlist=frozenset({urlsplit(site).netloc})),
        stages=STAGES,
        places=stage_places(settings),
        workspace=folder / "work",
        timings=Timings(),
    )
    try:
        account = await an_account(db, Plan.PRO)
        yield Kitchen(room=room, account=account, site=site, out=out, seconds=seconds, profile=profile)
    finally:
        await gate.close()
        await redis.aclose()
        await db.close()
