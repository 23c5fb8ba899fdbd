"""Drafts belong to one account, are edited version by version, and vanish only in appearance."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from reelwright.generations import Aspect, DraftChanged, Drafts, Platform, Story, Tone, Variants, VariantUnknown
from reelwright.ground.errors import NotFound
from reelwright.ground.ids import DraftId, VariantId
from reelwright.ground.postgres import Database
from tests.rooms.generations import made

STORY = Story(title="t", hook="h", synopsis="s", arc=("a",), beats=(), caption="c", hashtags=("x",))


async def test_a_draft_comes_back_as_it_was_kept(db: Database) -> None:
    async with db.begin() as tx:
        owner = await made.account(tx)
        kept = await made.draft(
            tx, owner, topic=None, source_text="long", tone=Tone.SERIOUS, aspect=Aspect.SQUARE, platform=Platform.SHORTS
        )
        found = await Drafts(session=tx).get(owner, kept.id)
        assert not await Drafts(session=tx).add(kept)
    assert found is not None
    assert (found.topic, found.source_text, found.version) == (None, "long", 1)
    assert (found.tone, found.aspect, found.platform) == (Tone.SERIOUS, Aspect.SQUARE, Platform.SHORTS)
    assert found.created_at is not None
    assert found.created_at == found.updated_at


async def test_another_account_sees_and_changes_nothing(db: Database) -> None:
    async with db.begin() as tx:
        owner, other = await made.account(tx), await made.account(tx)
        kept = await made.draft(tx, owner)
        drafts = Drafts(session=tx)
        assert await drafts.get(other, kept.id) is None
        for whose, which in ((other, kept.id), (owner, DraftId(uuid4()))):
            with pytest.raises(NotFound):
                await drafts.patch(whose, which, {"topic": "mine now"}, expected_version={1})
        assert (await drafts.get(owner, kept.id)).topic == kept.topic


async def test_a_deleted_draft_is_gone_for_its_owner(db: Database) -> None:
    async with db.begin() as tx:
        owner = await made.account(tx)
        kept = await made.draft(tx, owner)
        await tx.execute(text("UPDATE drafts SET deleted_at = now()"))
        assert await Drafts(session=tx).get(owner, kept.id) is None
        with pytest.raises(NotFound):
            await Drafts(session=tx).patch(owner, kept.id, {"topic": "x"})


async def test_an_edit_moves_the_version_on(db: Database) -> None:
    async with db.begin() as tx:
        owner = await made.account(tx)
        kept = await made.draft(tx, owner)
        changes = {"topic": None, "source_url": "https://example.com/a", "tone": Tone.WARM, "duration_s": 45}
        edited = await Drafts(session=tx).patch(owner, kept.id, changes, expected_version={1})
        assert edited == await Drafts(session=tx).get(owner, kept.id)
        assert (await Drafts(session=tx).patch(owner, kept.id, {"music": "none"})).version == 3
    assert (edited.topic, edited.source_url, edited.tone, edited.duration_s, edited.version) == (
        None, "https://example.com/a", Tone.WARM, 45, 2,
    )  # fmt: skip


async def test_of_two_edits_of_one_version_the_second_is_told(db: Database) -> None:
    async with db.begin() as tx:
        owner = await made.account(tx)
        kept = await made.draft(tx, owner)

    async def edit(topic: str) -> str:
        try:
            async with db.begin() as tx:
                await Drafts(session=tx).patch(owner, kept.id, {"topic": topic}, expected_version={1})
        except DraftChanged as changed:
            return f"{changed.kind} {changed.code} {changed.extra}"
        return "edited"

    answers = sorted(await asyncio.gather(*(edit(f"topic {n}") for n in range(5))))
    assert answers == ["edited"] + ["stale draft.changed {'version': 2}"] * 4


async def test_only_a_variant_of_its_own_can_be_selected(db: Database) -> None:
    async with db.begin() as tx:
        owner = await made.account(tx)
        mine, other = await made.draft(tx, owner), await made.draft(tx, owner)
        new = made.new_generation(owner, mine.id)
        assert await made.Generations(session=tx).add_once(new)
        (variant,) = await Variants(session=tx).write(new.id, mine.id, [STORY])
        drafts = Drafts(session=tx)
        for draft, chosen in ((mine, VariantId(uuid4())), (other, variant.id)):
            with pytest.raises(VariantUnknown) as refusal:
                await drafts.patch(owner, draft.id, {"selected_variant": chosen})
            assert refusal.value.field == "selected_variant"
        chosen = await drafts.patch(owner, mine.id, {"selected_variant": variant.id})
        assert chosen.selected_variant == variant.id
        assert (await drafts.patch(owner, mine.id, {"selected_variant": None})).selected_variant is None
        await drafts.select_variant(mine.id, variant.id)
        assert (await drafts.of_generation(new.id)).selected_variant == variant.id
    with pytest.raises(IntegrityError, match="fk_drafts_selected_variant"):
        async with db.begin() as tx:
            await Drafts(session=tx).select_variant(other.id, variant.id)


async def test_fields_that_are_not_the_users_cannot_be_patched(db: Database) -> None:
    async with db.begin() as tx:
        with pytest.raises(ValueError, match="account_id"):
            await Drafts(session=tx).patch(await made.account(tx), DraftId(uuid4()), {"account_id": uuid4()})


async def test_a_draft_has_exactly_one_source(db: Database) -> None:
    for fields in ({"topic": None}, {"source_text": "and a text"}):
        with pytest.raises(IntegrityError, match="one_source"):
            async with db.begin() as tx:
                await made.draft(tx, await made.account(tx), **fields)
