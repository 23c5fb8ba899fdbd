"""What an edit redoes, with the real stages, voice and ffmpeg: `python -m tests.redoing [--seconds 20] [--keep DIR]`.

It makes a reel on servers of its own, edits its story, renders it again, and prints for each edit how many runs of
each stage were made anew, how many were taken over, and what that took of a whole render. Exit code 1 where an edit has
redone what it hadn't touched, or was charged for what was there. With --keep, each reel and its sheet lie in DIR.
"""

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import msgspec
from sqlalchemy import text

from reelwright import rendering
from reelwright.accounts import Account
from reelwright.billing import Plan
from reelwright.dev.postgres import Postgres
from reelwright.dev.valkey import Valkey
from reelwright.generations import Draft, GenerationKind, Variant, Variants
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
Chunks = Callable[[rendering.Timeline], int]
_CORES = 2
_PICTURE: tuple[str, ...] = ("VISUAL_GENERATION", "VISUAL_VERIFICATION", "VIDEO_GENERATION")
_VOICE, _MIX, _CHUNK, _JOIN = "TTS_GENERATION", "AUDIO_MIXING", "VIDEO_ASSEMBLY", "join"
_NAMES = ("picture", "check", "motion", "voice", "mix", "chunk", "join")
_COLUMNS = dict(zip((*_PICTURE, _VOICE, _MIX, _CHUNK, _JOIN), _NAMES, strict=True))
_RUNS = text(
    "SELECT CASE WHEN chunk IS NULL AND stage = 'VIDEO_ASSEMBLY' THEN 'join' ELSE stage END AS name,"
    " attempt > 0 AS anew, count(*) AS runs FROM stage_runs WHERE generation_id = :id GROUP BY name, anew"
)
_FILES = text("SELECT key FROM artefacts WHERE generation_id = :id AND kind = :kind ORDER BY created_at DESC LIMIT 1")
_TAKEN = text("SELECT state, captured_micro FROM credit_holds WHERE generation_id = :id")


@dataclass(frozen=True)
class Cost:
    """What a render took."""

    cpu_s: float
    wall_s: float


@dataclass
class Redoing:
    """One story on its own servers, and what went wrong so far."""

    room: Workroom
    account: Account
    seconds: int
    draft: DraftId | None = None
    kit: BrandKit | None = None
    wrong: list[str] = field(default_factory=list)
    keep: Path | None = None
    whole: Cost | None = None

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

    async def render(self, what: str, edit: Edit | None, redone: dict[str, int], chunks: Chunks) -> None:
        """Edit, render, tell, and compare what was made with what should be: of chunks, `chunks` at most."""
        if edit is not None:
            await edit(self, await self.variant())
        wall, cpu = time.monotonic(), _cpu_s()
        generation = await self.order(GenerationKind.RENDER)
        cost = Cost(cpu_s=_cpu_s() - cpu, wall_s=time.monotonic() - wall)
        self.whole = self.whole or cost
        async with self.room.db.begin() as tx:
            runs = (await tx.execute(_RUNS, {"id": generation})).all()
            state = await tx.scalar(text("SELECT state FROM generations WHERE id = :id"), {"id": generation})
            money = (await tx.execute(_TAKEN, {"id": generation})).one_or_none()
        made = Counter({run.name: run.runs for run in runs if run.anew})
        kept = sum(run.runs for run in runs if not run.anew)
        credits_spent = 0.0 if money is None else money.captured_micro / 1e6
        _tell(what, made, kept, cost, self.whole, credits_spent)
        most = chunks(await self.timeline(generation))
        expected = Counter(redone) + Counter({_JOIN: 1})
        coded = made.pop(_CHUNK, 0)
        if state != "succeeded" or made != expected:
            self.wrong.append(f"{what}: {state}, made {dict(made)} instead of {dict(expected)}")
        if coded > most or bool(coded) != bool(most):
            self.wrong.append(f"{what}: {coded} chunks of at most {most}")
        if not coded and credits_spent:
            self.wrong.append(f"{what}: {credits_spent} credits for what was there")
        if self.keep:
            await self._save(generation, re.sub(r"\W+", "-", what).strip("-"))

    async def timeline(self, generation: GenerationId) -> rendering.Timeline:
        """Return the plan that a reel was rendered by."""
        return msgspec.json.decode((await self._file(generation, "timeline")).read_bytes(), type=rendering.Timeline)

    async def _file(self, generation: GenerationId, kind: str) -> Path:
        async with self.room.db.begin() as tx:
            key = await tx.scalar(_FILES, {"id": generation, "kind": kind})
        into = self.room.workspace / f"{generation}-{kind}"
        await self.room.storage.fetch(key, into)
        return into

    async def _save(self, generation: GenerationId, name: str) -> None:
        assert self.keep is not None
        for kind, suffix in (("video", ".mp4"), ("inspection", ".png")):
            shutil.copyfile(await self._file(generation, kind), self.keep / f"{name}{suffix}")


def _cpu_s() -> float:
    """Return the CPU seconds of this process and of the media processes that it has waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _heading() -> None:
    names = "".join(f"{name:>8}" for name in _COLUMNS.values())
    sys.stdout.write(
        f"{'what was changed':<24}{names}  | {'kept':>4} | {'CPU s':>6} {'of whole':>8} | {'wall s':>6} | credits\n"
    )


def _tell(what: str, made: Counter[str], kept: int, cost: "Cost", whole: "Cost", credits_spent: float) -> None:
    counts = "".join(f"{made[name] or '.':>8}" for name in _COLUMNS)
    share = f"{cost.cpu_s / whole.cpu_s:8.0%}"
    sys.stdout.write(
        f"{what:<24}{counts}  | {kept:4} | {cost.cpu_s:6.1f} {share} | {cost.wall_s:6.1f} | {credits_spent:7.2f}\n"
    )
    sys.stdout.flush()


def _every(timeline: rendering.Timeline) -> int:
    return len(timeline.chunks())


def _none(_timeline: rendering.Timeline) -> int:
    return 0


def _showing_second(timeline: rendering.Timeline) -> int:
    """Return how many chunks show something of the second scene."""
    return sum(any(shot.scene == 1 for shot in timeline.seen(*chunk)) for chunk in timeline.chunks())


def _from_second(timeline: rendering.Timeline) -> int:
    """Return how many chunks show something of the second scene or of what comes after it."""
    second = timeline.shots[1]
    return sum(last > second.start - second.before for _, last in timeline.chunks())


async def _words(redoing: Redoing, told: Variant) -> None:
    said = told.scenes[1].narration.split()
    said[-1], said[0] = said[-1].rstrip(".") + ".", "Well," if len(said) > 1 else said[0]
    await _change(redoing, told, narration=" ".join(said))


async def _prompt(redoing: Redoing, told: Variant) -> None:
    drawn = re.sub(r"seed: \d+", "seed: 4242", told.scenes[1].image_prompt)  # the same things, laid out otherwise
    await _change(redoing, told, image_prompt=drawn)


async def _change(redoing: Redoing, told: Variant, **changes: object) -> None:
    await editing.change_scene(
        redoing.account.id, told.id, 1, changes, expected_version={told.version}, db=redoing.room.db
    )


async def _turn(redoing: Redoing, told: Variant) -> None:
    order = [*range(1, len(told.scenes)), 0]
    await editing.reorder(redoing.account.id, told.id, order, expected_version={told.version}, db=redoing.room.db)


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


async def _upright(redoing: Redoing, _told: Variant) -> None:
    await _wear(redoing, aspect="9:16")


async def _wear(redoing: Redoing, **changes: object) -> None:
    assert redoing.draft is not None
    account, db = redoing.account.id, redoing.room.db
    await editing.change_draft(account, redoing.draft, changes, expected_version=None, db=db)


async def _edited(redoing: Redoing) -> None:
    await redoing.order(GenerationKind.SCRIPT)
    scenes = len((await redoing.variant()).scenes)
    pictures, picture, mix = dict.fromkeys(_PICTURE, scenes), dict.fromkeys(_PICTURE, 1), {_MIX: 1}
    _heading()
    await redoing.render("all (the first render)", None, pictures | {_VOICE: scenes} | mix, _every)
    await redoing.render("nothing", None, {}, _none)
    await redoing.render("one scene's words", _words, {_VOICE: 1} | mix, _from_second)
    await redoing.render("one scene's picture", _prompt, picture, _showing_second)
    await redoing.render("the scenes' order", _turn, mix, _every)
    await redoing.render("the caption style", _style, {}, _every)
    await redoing.render("a brand kit's look", _kit, {}, _every)
    await redoing.render("the kit's colours", _colours, {}, _every)
    await redoing.render("an intro", _intro, mix, _every)
    moved = {"VIDEO_GENERATION": scenes}  # one set of pictures serves every frame
    await redoing.render("square", _square, moved, _every)
    await redoing.render("wide", _wide, moved, _every)
    await redoing.render("upright again", _upright, {}, _none)


async def _run(folder: Path, database_url: str, redis_url: str, wish: argparse.Namespace, story: Story) -> int:
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
    redoing = Redoing(room=room, account=await an_account(db, Plan.PRO), seconds=wish.seconds, keep=wish.keep)
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
    asked.add_argument("--seconds", type=int, default=20, help="how long the reel is (20)")
    asked.add_argument("--keep", type=Path, help="a folder for each reel and its sheet")
    wish = asked.parse_args()
    if wish.keep:
        wish.keep.mkdir(parents=True, exist_ok=True)
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
            return asyncio.run(_run(folder, url, valkey.url, wish, story))


if __name__ == "__main__":
    sys.exit(main())
