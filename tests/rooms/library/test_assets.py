"""Assets: found by every fact and word they have, in their account alone, and edited one version after the other."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from reelwright.ground.ids import AccountId, fresh
from reelwright.ground.postgres import Database
from reelwright.library import (
    Asset,
    AssetChanged,
    AssetFilter,
    AssetKind,
    Assets,
    AssetStatus,
    AssetUnknown,
    Words,
    assets,
)
from reelwright.library.terms import terms_wanted
from tests.builders import an_account


async def saved(db: Database, account: AccountId, title: str, **more) -> UUID:
    asset = Asset(id=fresh(), kind=AssetKind.TEXT, title=title, **more)
    async with db.begin() as tx:
        return (await Assets(tx, account).add(asset)).id


async def found(db: Database, account: AccountId, **wanted) -> list[str]:
    async with db.begin() as tx:
        page = await Assets(tx, account).page(AssetFilter(**wanted), after=None, limit=10)
    return [one.title for one in page]


@pytest.fixture
async def account(db: Database) -> AccountId:
    return (await an_account(db)).id


async def test_an_asset_is_found_by_words_and_their_beginnings_whatever_case_and_accents(
    db: Database, account: AccountId
) -> None:
    words = Words(text="Über die Straße: der Café-Besitzer lacht", caption="Purring engines", hashtags=("feline",))
    await saved(db, account, "Why Cats Purr", words=words, tags=("Late Night",))
    await saved(db, account, "猫はなぜ喉を鳴らすのか")
    for q in (
        "cats",
        "CATS purr",
        "ca",
        "pur",
        "uber",
        "strasse",
        "café",
        "CAFE lacht",
        "feline",
        "engines why",
        "night",
    ):
        assert await found(db, account, q=q) == ["Why Cats Purr"], q
    for q in ("ats", "dogs", "cats dogs", "engi", "straßen", "a"):
        assert await found(db, account, q=q) == [], q
    assert await found(db, account, q="なぜ喉") == ["猫はなぜ喉を鳴らすのか"]


async def test_all_that_is_wanted_must_be_there(db: Database, account: AccountId) -> None:
    await saved(db, account, "One", tags=("a", "B"), platform="tiktok")
    await saved(db, account, "Two", tags=("a",), platform="reels", status=AssetStatus.PUBLISHED)
    assert await found(db, account) == ["Two", "One"]
    assert await found(db, account, tags=("A",)) == ["Two", "One"]
    assert await found(db, account, tags=("a", "b")) == ["One"]
    assert await found(db, account, platform="reels", status=AssetStatus.PUBLISHED) == ["Two"]
    assert await found(db, account, platform="tiktok", status=AssetStatus.PUBLISHED) == []
    assert await found(db, account, kind=AssetKind.VIDEO) == []
    assert await found(db, account, kind=AssetKind.TEXT, q="two") == ["Two"]


async def test_what_was_edited_is_found_by_what_it_is_now(db: Database, account: AccountId) -> None:
    asset = await saved(db, account, "Before", tags=("old",))
    async with db.begin() as tx:
        changed = await Assets(tx, account).change(asset, {"title": "After", "tags": ("new",)}, expected_version={1})
    assert (changed.title, changed.tags, changed.version) == ("After", ("new",), 2)
    assert await found(db, account, q="before") == await found(db, account, tags=("old",)) == []
    assert await found(db, account, q="after", tags=("new",)) == ["After"]
    with pytest.raises(AssetChanged) as late:
        async with db.begin() as tx:
            await Assets(tx, account).change(asset, {"title": "Late"}, expected_version={1})
    assert late.value.extra == {"version": 2}


async def test_nobody_elses_is_found_read_changed_or_removed(db: Database, account: AccountId) -> None:
    asset, other = await saved(db, account, "Mine"), (await an_account(db)).id
    mine, theirs = [set(terms_wanted(who, AssetFilter(q="mine again"))) for who in (account, other)]
    assert (len(mine), len(theirs), mine & theirs) == (2, 2, set()), "a search would read the others' postings, too"
    assert await found(db, other, q="mine") == await found(db, other) == []
    for touch in (
        lambda room: room.get(asset),
        lambda room: room.change(asset, {"title": "Theirs"}, expected_version=None),
        lambda room: room.remove(asset),
        lambda room: room.get(uuid4()),
    ):
        with pytest.raises(AssetUnknown):
            async with db.begin() as tx:
                await touch(Assets(tx, other))
    assert await found(db, account) == ["Mine"]


FILLED = text(
    """
    INSERT INTO assets (id, account_id, kind, title, terms, created_at)
    SELECT gen_random_uuid(), :account, 'text', 'asset ' || n,
           ARRAY[1] || CASE WHEN n % 5000 = 7 THEN ARRAY[2]::bigint[] ELSE '{}' END,
           timestamptz '2026-01-01 00:00Z' + n * interval '1 second'
      FROM generate_series(1, 10000) AS n
    """
)


async def test_each_way_to_a_page_has_its_index(db: Database, account: AccountId) -> None:
    """The plan is the generic one, as the pool asks for: it may not depend on which words are looked for."""
    async with db.begin() as tx:
        await tx.execute(FILLED, {"account": account})
        await tx.execute(text("ANALYZE assets"))
    values = {"account": account, "at": assets._LAST[0], "last": assets._LAST[1], "limit": 26}
    for statement, terms, index in (
        (assets._PAGE, {}, "ix_assets_account_id"),
        (assets._AMONG_THE_NEWEST, {"terms": [1], "window": 1000}, "ix_assets_account_id"),
        (assets._BY_INDEX, {"terms": [2]}, "ix_assets_terms"),
    ):
        async with db.begin() as tx:
            plan = "\n".join(await tx.scalars(text(f"EXPLAIN {statement.text}"), values | terms))
        assert f"using {index}" in plan or f"on {index}" in plan, plan
        assert "Seq Scan" not in plan, plan
        assert "Sort" not in plan or index == "ix_assets_terms", plan


async def test_rare_words_are_found_behind_ten_thousand_newer_assets(db: Database, account: AccountId) -> None:
    asset = await saved(db, account, "A needle", tags=("haystack",))
    async with db.begin() as tx:
        await tx.execute(text("UPDATE assets SET created_at = '2025-01-01' WHERE id = :id"), {"id": asset})
        await tx.execute(FILLED, {"account": account})
    assert await found(db, account, q="needle", tags=("haystack",)) == ["A needle"]


async def test_pages_follow_each_other_without_gap_or_repeat(db: Database, account: AccountId) -> None:
    """All of them were saved at one instant, and two of three have the tag."""
    async with db.begin() as tx:
        room = Assets(tx, account)
        for n in range(9):
            tags = ("odd",) if n % 3 else ()
            await room.add(Asset(id=fresh(), kind=AssetKind.TEXT, title=str(n), tags=tags))
    for wanted in (AssetFilter(), AssetFilter(tags=("odd",))):
        async with db.begin() as tx:
            every = await Assets(tx, account).page(wanted, after=None, limit=100)
            pages, after = [], None
            while page := await Assets(tx, account).page(wanted, after=after, limit=2):
                pages += page
                after = page[-1].created_at, page[-1].id
        assert [one.id for one in pages] == [one.id for one in every]
    assert len(every) == 6
