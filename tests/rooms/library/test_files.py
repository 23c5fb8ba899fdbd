"""What is in storage: never more than there is room for, never a row without its file, nothing unfindable."""

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from reelwright.accounts import Account
from reelwright.ground import storage as storages
from reelwright.ground.errors import NotFound, Outage
from reelwright.ground.ids import AccountId, fresh
from reelwright.ground.postgres import Database
from reelwright.ground.storage import Storage, Stored
from reelwright.journeys import library, media
from reelwright.journeys.library import Saving
from reelwright.library import Inspected, LooseFiles, Media, MediaKind, NoRoom, StoredFile, Upload, claimed
from tests.builders import an_account

SHA = "0" * 64
NOW = timedelta(0)


@pytest.fixture
async def account(db: Database) -> Account:
    return await an_account(db)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return storages.connect(f"file://{tmp_path}/stored")


def stored_in(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in (tmp_path / "stored").rglob("*") if file.is_file())


async def as_it_is(source: Path, out: Path) -> Inspected:
    """Stands in for the child process, which has tests of its own."""
    await asyncio.to_thread(shutil.copyfile, source, out)
    return Inspected(kind=MediaKind.PICTURE, media_type="image/png", extension="png", width=1, height=1)


def arrived(tmp_path: Path, content: bytes = b"picture") -> media.Arrived:
    folder = tmp_path / fresh().hex
    folder.mkdir()
    (folder / "sent").write_bytes(content)
    return media.Arrived(path=folder / "sent", sha256=content.hex().ljust(64, "0")[:64], name="cat")


async def kept(db: Database, storage: Storage, account: Account, tmp_path: Path, content: bytes = b"picture") -> UUID:
    sent = arrived(tmp_path, content)
    return (await media.keep(account, sent, inspect=as_it_is, db=db, storage=storage)).upload.id


async def loose(db: Database) -> list[str]:
    async with db.begin() as tx:
        return list(await tx.scalars(text("SELECT key FROM loose_files ORDER BY key")))


async def test_ten_at_once_never_fill_more_than_the_room(
    db: Database, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reelwright.library.media.MOST_BYTES", 35)

    async def one(number: int) -> bool:
        file = StoredFile(key=f"k{number}", media_type="image/png", size_bytes=10, sha256=SHA)
        upload = Upload(id=fresh(), kind=MediaKind.PICTURE, name="a", file=file)
        try:
            async with db.begin() as tx:
                await Media(tx, account.id).add(upload, source_sha256=f"{number:064x}")
        except NoRoom:
            return False
        return True

    assert sum(await asyncio.gather(*(one(number) for number in range(10)))) == 3


async def test_what_the_library_has_saved_takes_room_when_its_upload_is_deleted(
    db: Database, storage: Storage, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else saving and deleting by turns would fill storage for nothing."""
    monkeypatch.setattr("reelwright.library.media.MOST_BYTES", 10)
    upload = await kept(db, storage, account, tmp_path)
    asset, _ = await library.save(account, Saving(media_id=upload), db=db)
    await media.remove(account.id, upload, db=db)
    with pytest.raises(NoRoom):
        await kept(db, storage, account, tmp_path, b"another")
    await library.remove(account.id, asset.id, db=db)
    assert await kept(db, storage, account, tmp_path, b"another")


async def test_a_saved_upload_stays_in_storage_until_the_last_claim_has_gone(
    db: Database, storage: Storage, account: Account, tmp_path: Path
) -> None:
    upload = await kept(db, storage, account, tmp_path)
    (first, _), (second, _) = [await library.save(account, Saving(media_id=upload), db=db) for _ in range(2)]
    assert first.file
    await media.remove(account.id, upload, db=db)
    await library.remove(account.id, first.id, db=db)
    assert await media.sweep(db=db, storage=storage, older=NOW) == 0
    async with db.begin() as tx:
        assert await claimed(tx, [first.file.key, "other"]) == {first.file.key}
    assert (await media.linked("asset", second.id, db=db)).file == first.file
    with pytest.raises(NotFound):
        await media.linked("asset", first.id, db=db)
    assert stored_in(tmp_path) == [f"{upload}.png"]
    await library.remove(account.id, second.id, db=db)
    assert await media.sweep(db=db, storage=storage, older=NOW) == 1
    assert (stored_in(tmp_path), await loose(db)) == ([], [])


class Dying(Storage):
    """A storage whose process dies right behind the last byte."""

    async def put(self, key: str, path: Path) -> Stored:
        await super().put(key, path)
        raise SystemExit


async def test_a_crash_behind_the_last_byte_leaves_nothing_unfindable(
    db: Database, storage: Storage, account: Account, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit):
        await kept(db, Dying(storage._store), account, tmp_path)
    assert len(stored_in(tmp_path)) == len(await loose(db)) == 1
    assert await media.sweep(db=db, storage=storage) == 0, "an upload that is under way is left alone"
    assert await media.sweep(db=db, storage=storage, older=NOW) == 1
    assert (stored_in(tmp_path), await loose(db)) == ([], [])


class Slow(Storage):
    """A storage so slow that the sweep comes by, and takes the file for one that was left."""

    def __init__(self, real: Storage, db: Database) -> None:
        super().__init__(real._store)
        self._db = db

    async def put(self, key: str, path: Path) -> Stored:
        stored = await super().put(key, path)
        assert await media.sweep(db=self._db, storage=self, older=NOW) == 1
        return stored


async def test_a_file_that_was_swept_away_is_never_recorded(
    db: Database, storage: Storage, account: Account, tmp_path: Path
) -> None:
    with pytest.raises(Outage) as late:
        await kept(db, Slow(storage, db), account, tmp_path)
    assert late.value.code == "media.too_late"
    async with db.begin() as tx:
        assert await Media(tx, account.id).page(None, after=None, limit=10) == []


async def test_a_doomed_file_is_not_recorded_though_its_bytes_may_still_be_there(db: Database) -> None:
    async with db.begin() as tx:
        await LooseFiles(session=tx).add("k")
        assert await LooseFiles(session=tx).doom(["k"]) == ["k"]
    with pytest.raises(Outage):
        async with db.begin() as tx:
            await LooseFiles(session=tx).recorded("k")


async def test_a_sweep_waits_for_whoever_records_and_then_leaves_the_file(db: Database, account: Account) -> None:
    """The two meet on the file's own row: the sweep saw no claim, since it wasn't committed yet."""
    async with db.begin() as tx:
        await LooseFiles(session=tx).add("k")
    async with db.begin() as recording:
        await LooseFiles(session=recording).recorded("k")
        async with db.begin() as sweeping:
            assert await LooseFiles(session=sweeping).unclaimed(["k"]) == ["k"]
            doomed = asyncio.create_task(LooseFiles(session=sweeping).doom(["k"]))
            await asyncio.wait({doomed}, timeout=0.1)
            assert not doomed.done()
            await recording.commit()
            assert await doomed == []


async def test_the_second_of_two_equal_uploads_keeps_no_file(
    db: Database, storage: Storage, account: Account, tmp_path: Path
) -> None:
    """Both looked before either was kept; the loser's copy is loose and goes with the sweep."""
    both = asyncio.Barrier(2)
    met: set[AccountId] = set()

    async def together(source: Path, out: Path) -> Inspected:
        if len(met) < 2:
            met.add(AccountId(fresh()))
            await both.wait()
        return await as_it_is(source, out)

    sent = [arrived(tmp_path), arrived(tmp_path)]
    made = await asyncio.gather(*(media.keep(account, one, inspect=together, db=db, storage=storage) for one in sent))
    assert {one.upload.id for one in made} == {made[0].upload.id}
    assert sorted(one.new for one in made) == [False, True]
    assert await media.sweep(db=db, storage=storage, older=NOW) == 1
    assert stored_in(tmp_path) == [f"{made[0].upload.id}.png"]
