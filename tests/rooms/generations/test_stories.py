"""Sources, variants, scenes and files come back as they were kept, to those they belong to."""

from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.generations import (
    ArtefactKind,
    Artefacts,
    Attribution,
    Beat,
    Drafts,
    GenerationKind,
    Generations,
    GenerationState,
    Motion,
    MotionKind,
    Part,
    Rewritten,
    Scene,
    Source,
    Sources,
    Stage,
    StoredArtefact,
    Story,
    Transition,
    TransitionKind,
    Unit,
    Variants,
)
from reelwright.ground.ids import AccountId, DraftId, GenerationId, VariantId
from reelwright.ground.postgres import Database
from tests.builders import Worked, started
from tests.rooms.generations import made
from tests.rooms.generations.made import LEASE

CREDIT = Attribution(title="Octopus", url=None, licence="CC BY-SA 4.0")
SOURCE = Source(kind="encyclopaedia", title="Octopus", body="Three hearts.\n\nBlue blood.", attribution=CREDIT)
STORY = Story(
    title="Three hearts",
    hook="Why three?",
    synopsis="s",
    arc=("hook", "turn"),
    beats=(Beat(narration="n", visual="v", claim="c"), Beat(narration="m", visual="w")),
    caption="c",
    hashtags=("octopus", "ocean"),
    attribution=CREDIT,
)
SCENE = Scene(
    index=0,
    narration="n",
    visual="v",
    image_prompt="p",
    duration_ms=5_000,
    motion=Motion(kind=MotionKind.PAN_UP, amount=0.5),
    transition=Transition(kind=TransitionKind.DIP, frames=9),
    claim="c",
)
FILE = StoredArtefact(
    kind=ArtefactKind.IMAGE,
    key="a/b.png",
    media_type="image/png",
    size_bytes=2**33,
    sha256="0" * 64,
    inputs_hash="f" * 64,
    meta={"take": 0, "prompt": "p"},
)


async def on(tx: AsyncConnection, owner: AccountId, draft: DraftId, kind: GenerationKind) -> GenerationId:
    new = made.new_generation(owner, draft, kind=kind)
    assert await Generations(session=tx).add_once(new)
    return new.id


async def test_a_source_is_the_generations_own_or_the_drafts_last(db: Database) -> None:
    async with db.begin() as tx:
        owner = await made.account(tx)
        draft = (await made.draft(tx, owner)).id
        sources = Sources(session=tx)
        first, second = [await on(tx, owner, draft, GenerationKind.VIDEO) for _ in range(2)]
        render = await on(tx, owner, draft, GenerationKind.RENDER)
        assert await sources.of(render) is None
        await sources.keep(first, draft, replace(SOURCE, title="draft of it"))
        await sources.keep(first, draft, SOURCE)
        assert await sources.of(first) == SOURCE
        assert await sources.of(second) is None
        bare = Source(kind="none", title="t", body="")
        await sources.keep(second, draft, bare)
        assert [await sources.of(which) for which in (first, second, render)] == [SOURCE, bare, bare]


async def test_variants_come_back_with_their_scenes(db: Database) -> None:
    async with db.begin() as tx:
        owner, other = await made.account(tx), await made.account(tx)
        draft = (await made.draft(tx, owner)).id
        generation = await on(tx, owner, draft, GenerationKind.VIDEO)
        variants = Variants(session=tx)
        assert await variants.scene_count(generation) == 0
        written = await variants.write(generation, draft, [STORY, replace(STORY, title="Other", attribution=None)])
        assert await variants.of_generation(generation) == written
        assert await variants.scene_count(generation) == 0
        scenes = (SCENE, replace(SCENE, index=1, claim=None))
        for _ in range(2):
            await variants.plan_scenes(written[0].id, scenes)
        await variants.plan_scenes(written[1].id, [SCENE])
        found = await variants.of_draft(draft)
        assert [v.story for v in found] == [STORY, replace(STORY, title="Other", attribution=None)]
        assert [v.scenes for v in found] == [scenes, (SCENE,)]
        assert await variants.scene_count(generation) == 2
        await Drafts(session=tx).select_variant(draft, written[1].id)
        assert await variants.scene_count(generation) == 1
        assert await variants.get(owner, written[0].id) == found[0]
        assert await variants.get(other, written[0].id) is None
        assert await variants.get(owner, VariantId(uuid4())) is None


async def test_pages_of_a_drafts_variants_leave_none_out_and_tell_none_twice(db: Database) -> None:
    """Three of a writing have one instant, so a page may end between two of them; two writings may share it, too."""
    async with db.begin() as tx:
        owner = await made.account(tx)
        draft, other = [(await made.draft(tx, owner)).id for _ in range(2)]
        variants = Variants(session=tx)
        for which in (draft, draft, draft, other):
            generation = await on(tx, owner, which, GenerationKind.VIDEO)
            await variants.write(generation, which, [replace(STORY, title=str(n)) for n in range(3)])
        every = [one.id for one in await variants.of_draft(draft)]
        assert len(every) == 9
        for limit in (1, 2, 4, 9):
            found: list[VariantId] = []
            while page := await variants.page(draft, limit=limit, after=found[-1] if found else None):
                found += [one.id for one in page]
            assert found == every
        chosen = await variants.page(draft, limit=2, selected=every[-1])
        assert [one.id for one in chosen] == [*every[:2], every[-1]]
        assert await variants.page(other, limit=9, after=every[0]) == []


async def test_a_render_works_on_the_drafts_variants_and_a_writing_on_its_own(db: Database) -> None:
    async with db.begin() as tx:
        owner = await made.account(tx)
        draft = (await made.draft(tx, owner)).id
        script = await on(tx, owner, draft, GenerationKind.SCRIPT)
        variants = Variants(session=tx)
        (old,) = await variants.write(script, draft, [STORY])
        await variants.plan_scenes(old.id, [SCENE])
        video = await on(tx, owner, draft, GenerationKind.VIDEO)
        render = await on(tx, owner, draft, GenerationKind.RENDER)
        assert await variants.of_generation(video) == []
        assert [v.id for v in await variants.of_generation(render)] == [old.id]
        assert [await variants.scene_count(which) for which in (video, render)] == [0, 1]


async def test_the_same_generation_writes_once(db: Database) -> None:
    async with db.begin() as tx:
        owner = await made.account(tx)
        draft = (await made.draft(tx, owner)).id
        generation = await on(tx, owner, draft, GenerationKind.VIDEO)
        await Variants(session=tx).write(generation, draft, [STORY])
    with pytest.raises(IntegrityError, match="variants"):
        async with db.begin() as tx:
            await Variants(session=tx).write(generation, draft, [STORY])


async def test_files_carry_the_place_of_the_run_that_made_them(db: Database) -> None:
    async with db.begin() as tx:
        generation = await made.generation(tx)
        owner = (await Generations(session=tx).lock(generation)).account_id
    for take in (0, 1):
        unit = Unit(stage=Stage.VISUAL_GENERATION, scene=3, round=take)
        async with db.begin() as tx:
            await Worked(session=tx).plan(generation, [unit], max_attempts=3)
            claim = await Worked(session=tx).claim(unit.run_id(generation), LEASE)
            await Artefacts(session=tx).record(claim, [replace(FILE, meta={"take": take})])
            await Artefacts(session=tx).record(claim, [])
    async with db.begin() as tx:
        newest, first = await Artefacts(session=tx).of(generation)
        assert await Artefacts(session=tx).get(owner, generation, ArtefactKind.IMAGE) is None
        await started(tx, generation)
        await Generations(session=tx).finish(generation, GenerationState.SUCCEEDED)
        assert await Artefacts(session=tx).get(owner, generation, ArtefactKind.IMAGE) == newest
        assert await Artefacts(session=tx).get(owner, generation, ArtefactKind.VIDEO) is None
        assert await Artefacts(session=tx).get(await made.account(tx), generation, ArtefactKind.IMAGE) is None
    assert (newest.scene, newest.chunk, newest.round, newest.meta, newest.size_bytes) == (
        3,
        None,
        1,
        {"take": 1},
        2**33,
    )
    assert first.round == 0
    with pytest.raises(IntegrityError, match="artefacts"):
        async with db.begin() as tx:
            await Artefacts(session=tx).record(claim, [FILE])


async def test_a_part_of_a_variant_is_changed_and_nothing_else(db: Database) -> None:
    async with db.begin() as tx:
        owner = await made.account(tx)
        draft = (await made.draft(tx, owner)).id
        variants = Variants(session=tx)
        (told,) = await variants.write(await on(tx, owner, draft, GenerationKind.SCRIPT), draft, [STORY])
        await variants.plan_scenes(told.id, [SCENE, replace(SCENE, index=1, narration="m", claim=None)])
        await variants.rewrite(told.id, Rewritten(part=Part.HOOK, text="Three?", claim="k"))
        await variants.rewrite(told.id, Rewritten(part=Part.HASHTAGS, hashtags=("sea",)))
        await variants.rewrite(told.id, Rewritten(part=Part.SCENE_TEXT, text="other", claim="d"), scene=1)
        await variants.choose_take(told.id, 0, 3)
        found = await variants.get(owner, told.id)
        assert found is not None
        other = Beat(narration="other", visual="w", claim="d")
        assert found.story == replace(STORY, hook="Three?", hashtags=("sea",), beats=(STORY.beats[0], other))
        assert found.scenes == (replace(SCENE, take=3), replace(SCENE, index=1, narration="other", claim="d"))
        assert found.version == 5
        with pytest.raises(LookupError):
            await variants.rewrite(told.id, Rewritten(part=Part.SCENE_TEXT, text="x"), scene=2)
        with pytest.raises(LookupError):
            await variants.rewrite(VariantId(uuid4()), Rewritten(part=Part.HOOK, text="x"))
        for part, scene in ((Part.SCENE_TEXT, None), (Part.SCENE_PICTURE, 0)):
            with pytest.raises(ValueError, match=part):
                await variants.rewrite(told.id, Rewritten(part=part, text="x"), scene=scene)


async def test_a_rewriting_works_from_what_its_variant_was_written_from(db: Database) -> None:
    """The draft was edited and written again since: the old variant's facts are still its own."""
    async with db.begin() as tx:
        owner = await made.account(tx)
        draft = (await made.draft(tx, owner)).id
        first, second = [await on(tx, owner, draft, GenerationKind.SCRIPT) for _ in range(2)]
        (old,) = await Variants(session=tx).write(first, draft, [STORY])
        await Sources(session=tx).keep(first, draft, SOURCE)
        await Sources(session=tx).keep(second, draft, replace(SOURCE, title="Squid"))
        asked = {"kind": GenerationKind.REGENERATE_TARGETED, "part": Part.HOOK, "variant_id": old.id}
        new = made.new_generation(owner, draft, **asked)
        assert await Generations(session=tx).add_once(new)
        assert await Sources(session=tx).of(new.id) == SOURCE
        assert await Variants(session=tx).writings(draft, besides=new.id) == 1
        assert await Variants(session=tx).rewritings(old.id, Part.HOOK, None) == 0
