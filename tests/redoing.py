"""What an edit redoes, with the real stages, voice and ffmpeg: `python -m tests.redoing [--seconds 15]`.

It makes a reel on servers of its own, edits its story, renders it again, and prints for each edit what was made anew
and what that took; 1 where an edit has redone what it hadn't touched, or has charged for what was there.
"""

import argparse
import asyncio
import contextlib
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from sqlalchemy import text

from reelwright.accounts import Account
from reelwright.billing import Plan
from reelwright.dev.postgres import Postgres
from reelwright.dev.valkey import Valkey
from reelwright.generations import Draft, GenerationKind, Stage, Variant, Variants
from reelwright.ground import clock, log, migrations, postgres, storage
from reelwright.ground import redis as ground_redis
from reelwright.ground.ids import DraftId, GenerationId, derived
from reelwright.ground.postgres import Database
from reelwright.journeys import brands, creation, editing, production
from reelwright.journeys.ordering import Order, Terms, order_id
from reelwright.journeys.workroom import Timings, Workroom
from reelwright.library import BrandKit
from reelwright.providers import toolset
from reelwright.settings import Settings
from reelwright.wiring import choices, stage_places
from tests.builders import a_gate, an_account
from tests.conftest import FAST, new_database
from tests.journeys.conftest import waiting
from worker.app import STAGES

Edit = Callable[["Redoing", Variant], Awaitable[object]]
Story = Callable[["Redoing"], Awaitable[None]]
_CORES = 2
_MADE = text(
    "SELECT stage || CASE WHEN chunk IS NULL AND stage = 'VIDEO_ASSEMBLY' THEN ' (join)' ELSE '' END"
    " FROM stage_runs WHERE generation_id = :id AND attempt > 0 ORDER BY stage"
)
_TAKEN = text("SELECT state, captured_micro FROM credit_holds WHERE generation_id = :id")


@dataclass
class Redoing:
    """One story on its own servers, and what went wrong so far."""

    room: Workroom
    account: Account
    seconds: int
    draft: DraftId | None = None
    kit: BrandKit | None = None
    wrong: list[str] = field(default_factory=list)

    async def order(self, kind: GenerationKind) -> GenerationId:
        key = uuid4().hex
        generation = order_id(self.account.id, kind, key)
        new = self.draft or DraftId(derived(generation, "draft"))
        draft = Draft(id=new, account_id=self.account.id, topic="Why do cats purr?", duration_s=self.seconds)
        wanted = Order(
            id=generation, key=key, fingerprint=b"f" * 32, kind=kind, draft=draft, existing=self.draft is not None
        )
        terms, room = Terms(places=dict(self.room.places)), self.room
        await creation.start(
            order=wanted, account=self.account, db=room.db, gate=room.gate, terms=terms, now=clock.now()
        )
        self.draft = new
        busy = asyncio.Semaphore(_CORES)

        async def deliver(message: object) -> None:
            async with busy:
                await production.perform(message, room=room)  # type: ignore[arg-type]

        while messages := await waiting(room.db):
            await asyncio.gather(*map(deliver, messages))
        return generation

    async def variant(self) -> Variant:
        assert self.draft is not None
        async with self.room.db.begin() as tx:
            return (await Variants(session=tx).of_draft(self.draft))[0]

    async def render(self, what: str, edit: Edit | None, redone: dict[Stage, int]) -> None:
        """Edit, render, tell, and compare what was made with what should be; chunks may be some or all."""
        if edit is not None:
            await edit(self, await self.variant())
        began = time.monotonic()
        generation = await self.order(GenerationKind.RENDER)
        took = time.monotonic() - began
        async with self.room.db.begin() as tx:
            made = Counter(await tx.scalars(_MADE, {"id": generation}))
            state = await tx.scalar(text("SELECT state FROM generations WHERE id = :id"), {"id": generation})
            money = (await tx.execute(_TAKEN, {"id": generation})).one_or_none()
            kept = await tx.scalar(
                text("SELECT count(*) FROM stage_runs WHERE generation_id = :id AND attempt = 0"), {"id": generation}
            )
        spent = 0.0 if money is None else money.captured_micro / 1e6
        told = ", ".join(f"{count} {name}" for name, count in sorted(made.items()))
        sys.stdout.write(f"{what:<28} {took:6.1f} s  {spent:8.2f} credits  {kept:3} kept  made: {told}\n")
        chunks = made.pop("VIDEO_ASSEMBLY", 0)
        expected = Counter({stage.value: count for stage, count in redone.items() if stage is not Stage.VIDEO_ASSEMBLY})
        if state != "succeeded" or made != expected + Counter({"VIDEO_ASSEMBLY (join)": 1}):
            self.wrong.append(f"{what}: {state}, made {dict(made)} instead of {dict(expected)} and the join")
        if chunks > redone.get(Stage.VIDEO_ASSEMBLY, 0) or bool(chunks) != bool(redone.get(Stage.VIDEO_ASSEMBLY)):
            self.wrong.append(f"{what}: {chunks} chunks of at most {redone.get(Stage.VIDEO_ASSEMBLY, 0)}")


async def _words(redoing: Redoing, told: Variant) -> None:
    said = told.scenes[1].narration.split()
    said[-1], said[0] = said[-1].rstrip(".") + ".", "Well," if len(said) > 1 else said[0]
    await _change(redoing, told, narration=" ".join(said))


async def _prompt(redoing: Redoing, told: Variant) -> None:
    drawn = re.sub(r"seed: \d+", "seed: 4242", told.scenes[1].image_prompt)  # the same things, laid out otherwise
    await _change(redoing, told, image_prompt=drawn)


async def _change(redoing: Redoing, told: Variant, **changes: object) -> None:
    await editing.change_scene(
        redoing.account.id, told.id, 1, changes, expected_version=told.version, db=redoing.room.db
    )


async def _turn(redoing: Redoing, told: Variant) -> None:
    order = [*range(1, len(told.scenes)), 0]
    await editing.reorder(redoing.account.id, told.id, order, expected_version=told.version, db=redoing.room.db)


async def _style(redoing: Redoing, _told: Variant) -> None:
    await _wear(redoing, caption_style="karaoke")


async def _kit(redoing: Redoing, _told: Variant) -> None:
    colours = {"text_colour": "#FFFFFF", "highlight_colour": "#7CFFCB", "box_colour": "#123A5A"}
    values = {"name": "House style", "font": "inter", **colours}
    redoing.kit, _ = await brands.add(redoing.account.id, values, request=None, db=redoing.room.db)
    await _wear(redoing, brand_kit_id=redoing.kit.id)


async def _colours(redoing: Redoing, _told: Variant) -> None:
    await _repaint(redoing, highlight_colour="#FFB86B")


async def _intro(redoing: Redoing, _told: Variant) -> None:
    await _repaint(redoing, intro_text="Cats, daily")


async def _repaint(redoing: Redoing, **changes: object) -> None:
    assert redoing.kit is not None
    await brands.change(redoing.account.id, redoing.kit.id, changes, expected_version=None, db=redoing.room.db)


async def _square(redoing: Redoing, _told: Variant) -> None:
    await _wear(redoing, aspect="1:1")


async def _wide(redoing: Redoing, _told: Variant) -> None:
    await _wear(redoing, aspect="16:9")


async def _wear(redoing: Redoing, **changes: object) -> None:
    assert redoing.draft is not None
    account, db = redoing.account.id, redoing.room.db
    await editing.change_draft(account, redoing.draft, changes, expected_version=None, db=db)


async def _edited(redoing: Redoing) -> None:
    await redoing.order(GenerationKind.SCRIPT)
    scenes = len((await redoing.variant()).scenes)
    chunks = max(1, round(redoing.seconds / 5)) + 1
    by_scene = (Stage.VISUAL_GENERATION, Stage.VISUAL_VERIFICATION, Stage.VIDEO_GENERATION, Stage.TTS_GENERATION)
    whole = dict.fromkeys(by_scene, scenes) | {Stage.AUDIO_MIXING: 1, Stage.VIDEO_ASSEMBLY: chunks}
    picture = dict.fromkeys(by_scene[:3], 1) | {Stage.VIDEO_ASSEMBLY: chunks - 1}
    voice = {Stage.TTS_GENERATION: 1, Stage.AUDIO_MIXING: 1, Stage.VIDEO_ASSEMBLY: chunks}
    await redoing.render("the first render", None, whole)
    await redoing.render("nothing edited", None, {})
    await redoing.render("one scene's words", _words, voice)
    await redoing.render("one scene's picture", _prompt, picture)
    await redoing.render("scenes in another order", _turn, {Stage.AUDIO_MIXING: 1, Stage.VIDEO_ASSEMBLY: chunks})
    drawn = {Stage.VIDEO_ASSEMBLY: chunks}
    await redoing.render("another caption style", _style, drawn)
    await redoing.render("a brand kit", _kit, drawn)
    await redoing.render("the kit's colours", _colours, drawn)
    await redoing.render("an intro", _intro, {Stage.AUDIO_MIXING: 1, Stage.VIDEO_ASSEMBLY: chunks + 1})
    again = {Stage.VIDEO_GENERATION: scenes, Stage.VIDEO_ASSEMBLY: chunks + 1}
    await redoing.render("square, from what was upright", _square, again)
    await redoing.render("wide", _wide, whole | {Stage.TTS_GENERATION: 0, Stage.AUDIO_MIXING: 0})


async def _run(folder: Path, database_url: str, redis_url: str, seconds: int, story: Story) -> int:
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
    db: Database = postgres.connect(database_url, name="redoing")
    redis = ground_redis.connect(redis_url, timeout_ms=10_000)
    gate = a_gate(db, redis)
    room = Workroom(
        db=db,
        gate=gate,
        storage=storage.connect(settings.storage_url),
        tools=toolset(choice=choices(settings)),
        stages=STAGES,
        places=stage_places(settings),
        workspace=folder / "work",
        timings=Timings(),
    )
    redoing = Redoing(room=room, account=await an_account(db, Plan.PRO), seconds=seconds)
    try:
        await story(redoing)
    finally:
        await gate.close()
        await redis.aclose()
        await db.close()
    for one in redoing.wrong:
        sys.stdout.write(f"WRONG  {one}\n")
    return 1 if redoing.wrong else 0


def main(story: Story = _edited, *, about: str | None = __doc__) -> int:
    """Run the command; return its exit code."""
    asked = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seconds", type=int, default=15, help="how long the reel is (15)")
    wish = asked.parse_args()
    log.configure(as_json=True, level="CRITICAL")
    with tempfile.TemporaryDirectory(prefix="reelwright-redoing-") as made:
        folder = Path(made)
        database, valkey = Postgres(folder / "postgres", settings=FAST), Valkey(folder / "valkey")
        with contextlib.ExitStack() as servers:
            for server in (database, valkey):
                server.start()
                servers.callback(server.stop)
            url = asyncio.run(new_database(database.url, "redoing"))
            migrations.upgrade(url)
            return asyncio.run(_run(folder, url, valkey.url, wish.seconds, story))


if __name__ == "__main__":
    sys.exit(main())
