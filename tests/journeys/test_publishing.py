"""A reel on YouTube: whole, once, marked as made by machines, whatever is cut, lost or refused on the way."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from reelwright.generations import Drafts, Variants
from reelwright.ground.errors import NotFound, Outage
from reelwright.ground.ids import GenerationId, fresh
from reelwright.ground.sealing import Seal
from reelwright.journeys import publishing
from reelwright.journeys.publishing import MayBeThere, NotFinished, Published, UnderWay
from reelwright.journeys.workroom import Workroom
from reelwright.providers import Arrived, Notice, Publications, UploadRefused, YouTube
from tests.builders import a_generation, an_account
from tests.journeys.conftest import a_story, one
from tests.simulators.youtube import TOKEN, SimulatedYouTube, simulated_youtube

KEY = "a secret of tests that is long enough"
PIECE = 256 * 1024
REEL = bytes(range(251)) * 3_000  # three pieces, the last one short


_FILED = """
    INSERT INTO artefacts
           (id, generation_id, run_id, kind, key, media_type, size_bytes, sha256, inputs_hash, round, meta)
    SELECT gen_random_uuid(), :reel, id, 'video', 'reel.mp4', 'video/mp4', :size, :sha256, :sha256, 0, '{}'
      FROM stage_runs WHERE generation_id = :reel LIMIT 1
"""


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[SimulatedYouTube]:
    async with simulated_youtube() as server:
        yield server


@dataclass
class Channel:
    server: SimulatedYouTube
    room: Workroom
    reel: GenerationId
    youtube: YouTube

    async def publish(self, **change: str) -> Published:
        return await publishing.publish(
            self.reel,
            privacy="unlisted",
            youtube=replace(self.youtube, **change),  # type: ignore[arg-type] - texts, every one
            db=self.room.db,
            storage=self.room.storage,
            seal=Seal(KEY),
        )

    async def row(self) -> dict[str, object]:
        return dict(await one(self.room.db, "SELECT state, session, whole, external_id FROM publications"))

    @property
    def sessions(self) -> int:
        return sum(request.startswith("POST") for request in self.server.requests)


@pytest.fixture
async def channel(running: SimulatedYouTube, room: Workroom, tmp_path: Path) -> Channel:
    running.begin_anew()
    account = await an_account(room.db)
    reel = await a_generation(room.db, account=account)
    file = tmp_path / "reel.mp4"
    file.write_bytes(REEL)
    stored = await room.storage.put("reel.mp4", file)
    async with room.db.begin() as tx:
        draft = (await Drafts(session=tx).of_generation(reel)).id
        (told,) = await Variants(session=tx).write(reel, draft, [a_story()])
        values = {"reel": reel, "variant": told.id, "size": stored.size_bytes, "sha256": stored.sha256}
        await tx.execute(text("UPDATE generations SET variant_id = :variant WHERE id = :reel"), values)
        await tx.execute(text("UPDATE generations SET state = 'running', started_at = now() WHERE id = :reel"), values)
        await tx.execute(text("UPDATE generations SET state = 'succeeded', ended_at = now() WHERE id = :reel"), values)
        await tx.execute(text(_FILED), values)
    youtube = YouTube(token=TOKEN, url=running.url, pause_s=0.001, piece=PIECE)
    return Channel(server=running, room=room, reel=reel, youtube=youtube)


async def test_it_is_sent_in_pieces_with_its_words_and_its_mark(
    channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    assert await channel.publish() == Published(video="video-1", again=False)
    assert channel.server.videos == {"video-1": REEL}
    assert [request.partition(" ")[0] for request in channel.server.requests] == ["POST", "PUT", "PUT", "PUT"]
    notice = channel.server.sessions["s1"].notice
    assert notice["status"] == {
        "privacyStatus": "unlisted",
        "containsSyntheticMedia": True,
        "selfDeclaredMadeForKids": False,
    }
    assert notice["snippet"]["title"] == "Cats"
    named = "Source: Cat, CC BY-SA 4.0, shortened"  # which the caption lacks
    assert notice["snippet"]["description"] == f"Cats purr.\n\n{named}\n\n#cats"
    assert await channel.row() == {"state": "published", "session": None, "whole": True, "external_id": "video-1"}
    assert TOKEN not in caplog.text + repr(channel.youtube)


async def test_a_second_time_nothing_is_sent(channel: Channel) -> None:
    await channel.publish()
    asked = len(channel.server.requests)
    assert await channel.publish() == Published(video="video-1", again=True)
    assert len(channel.server.requests) == asked


async def test_after_a_cut_it_goes_on_from_what_has_arrived(channel: Channel) -> None:
    channel.server.cuts = [100_000, 1]
    assert (await channel.publish()).video == "video-1"
    assert channel.server.videos == {"video-1": REEL}
    assert channel.sessions == 1
    assert any(request.startswith("PUT bytes 100000-") for request in channel.server.requests)


async def test_an_answer_that_was_lost_is_asked_for(channel: Channel) -> None:
    channel.server.loses = True
    assert (await channel.publish()).video == "video-1"
    assert (len(channel.server.videos), channel.sessions) == (1, 1)


async def test_a_token_that_lapses_on_the_way_stops_it_and_a_new_one_goes_on(channel: Channel) -> None:
    with pytest.raises(UploadRefused, match="token") as refused:
        await channel.publish(token="lapsed")
    assert refused.value.field == "REELWRIGHT_YOUTUBE_TOKEN"
    await _stopped_midway(channel)
    held = (await channel.row())["session"]
    assert isinstance(held, bytes)
    assert b"upload_id" not in held
    assert (await channel.publish()).video == "video-1"
    assert (channel.server.videos, len(channel.server.sessions)) == ({"video-1": REEL}, 1)


async def _stopped_midway(channel: Channel) -> None:
    """Send the first piece, and have the token refused from then on."""

    class Lapsing(YouTube):
        async def send(self, session: str, path: Path, start: int, end: int, size: int) -> Arrived:
            if start:
                channel.server.says = [(401, "authError")]
            return await YouTube.send(self, session, path, start, end, size)

    with pytest.raises(UploadRefused):
        await publishing.publish(
            channel.reel,
            privacy="unlisted",
            youtube=Lapsing(token=TOKEN, url=channel.server.url, pause_s=0.001, piece=PIECE),
            db=channel.room.db,
            storage=channel.room.storage,
            seal=Seal(KEY),
        )
    assert channel.server.videos == {}


async def test_a_used_up_quota_waits_for_tomorrow_and_costs_nothing(channel: Channel) -> None:
    channel.server.says = [(403, "quotaExceeded")]
    with pytest.raises(Outage) as outage:
        await channel.publish()
    assert (outage.value.code, len(channel.server.requests)) == ("publication.quota", 1)
    channel.server.says = [(400, "uploadLimitExceeded")]
    with pytest.raises(Outage):
        await channel.publish()
    assert (await channel.publish()).video == "video-1"


async def test_a_server_that_is_busy_is_asked_again_and_in_the_end_left(channel: Channel) -> None:
    channel.server.says = [(503, ""), (500, "")]
    assert (await channel.publish()).video == "video-1"
    channel.server.begin_anew()
    await _anew(channel)
    channel.server.says = [(503, "")] * 20
    with pytest.raises(Outage):
        await channel.publish()
    assert len(channel.server.requests) <= 7


async def _anew(channel: Channel) -> None:
    async with channel.room.db.begin() as tx:
        await tx.execute(text("DELETE FROM publications"))


async def test_a_session_that_is_gone_is_begun_anew_while_nothing_can_be_there(channel: Channel) -> None:
    await _stopped_midway(channel)
    channel.server.sessions.clear()
    assert (await channel.publish()).video == "video-1"
    assert channel.server.videos == {"video-1": REEL}


async def test_a_session_that_a_key_of_before_sealed_is_begun_anew(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _stopped_midway(channel)
    monkeypatch.setattr("tests.journeys.test_publishing.KEY", "another secret, and the one before is gone")
    assert (await channel.publish()).video == "video-1"
    assert channel.server.videos == {"video-1": REEL}


async def test_one_that_a_key_of_before_sealed_may_be_there_too(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _stopped_midway(channel)
    async with channel.room.db.begin() as tx:
        await tx.execute(text("UPDATE publications SET whole = true"))
    monkeypatch.setattr("tests.journeys.test_publishing.KEY", "another secret, and the one before is gone")
    with pytest.raises(MayBeThere):
        await channel.publish()
    assert (await channel.row())["state"] == "unknown"


async def test_one_that_may_be_there_is_left_to_a_person(channel: Channel) -> None:
    """Sent whole, the answer lost, the session over: a second upload might be a second video."""
    channel.server.loses = True

    class Forgetful(YouTube):
        async def ask(self, session: str, size: int) -> Arrived:
            channel.server.sessions.clear()
            return await YouTube.ask(self, session, size)

    forgetful = Forgetful(token=TOKEN, url=channel.server.url, pause_s=0.001, piece=PIECE)
    with pytest.raises(MayBeThere):
        await replace(channel, youtube=forgetful).publish()
    asked = len(channel.server.requests)
    with pytest.raises(MayBeThere):
        await channel.publish()
    assert len(channel.server.requests) == asked
    await publishing.forget(channel.reel, db=channel.room.db)
    assert (await channel.publish()).again is False
    with pytest.raises(NotFound):
        await publishing.forget(channel.reel, db=channel.room.db)


async def test_of_two_at_once_one_uploads(channel: Channel) -> None:
    async with channel.room.db.begin() as tx:
        assert await Publications(tx, channel.reel, publishing.PLATFORM).hold(timedelta(minutes=1))
    with pytest.raises(UnderWay):
        await channel.publish()
    assert channel.server.requests == []
    await _anew(channel)
    made = await asyncio.gather(*(channel.publish() for _ in range(4)), return_exceptions=True)
    assert len(channel.server.videos) == 1
    assert all(isinstance(each, Published | UnderWay) for each in made)


async def test_only_a_finished_reel_is_published(channel: Channel) -> None:
    unfinished = await a_generation(channel.room.db, account=await an_account(channel.room.db))
    with pytest.raises(NotFinished):
        await replace(channel, reel=unfinished).publish()
    with pytest.raises(NotFound):
        await replace(channel, reel=GenerationId(fresh())).publish()
    assert channel.server.requests == []


def test_words_are_cut_to_what_is_taken() -> None:
    long = Notice(
        title="<b>" + "t" * 200, description="é" * 4_000, tags=tuple(f"tag{n:03}" for n in range(200)), language="fr",
        privacy="private",
    )  # fmt: skip
    snippet = long.resource()["snippet"]
    assert (len(snippet["title"]), "<" in snippet["title"]) == (100, False)
    assert len(snippet["description"].encode()) <= 5_000
    assert sum(len(tag) + 3 for tag in snippet["tags"]) <= 500
