"""A channel by a refresh token: its access tokens are fetched, kept, renewed before they lapse and when taken back."""

from dataclasses import replace

import pytest

from reelwright.ground.errors import Outage
from reelwright.providers import UploadRefused, YouTube
from tests.journeys.test_publishing import PIECE, REEL, Channel, channel, running
from tests.simulators.youtube import GRANT

__all__ = ["channel", "running"]


def granted(channel: Channel, **change: str) -> Channel:
    """Return the channel by a grant of its own."""
    server = channel.server
    made = YouTube.granted(**(GRANT | change), token_url=server.token_url, url=server.url)
    return replace(channel, youtube=replace(made, pause_s=0.001, piece=PIECE))


async def test_one_token_serves_a_whole_upload(channel: Channel, caplog: pytest.LogCaptureFixture) -> None:
    mine = granted(channel)
    assert (await mine.publish()).video == "video-1"
    assert channel.server.videos == {"video-1": REEL}
    assert channel.server.tokens[1:] == ["ya29.renewed-1"]
    told = caplog.text + repr(mine.youtube) + repr(mine.youtube.grant)
    assert not any(secret in told for secret in (*channel.server.tokens, *GRANT.values()) if secret != "client")


async def test_a_token_that_lapses_on_the_way_is_renewed_and_nothing_is_sent_twice(channel: Channel) -> None:
    """It lasts for less than the spare minute, so that each request has its own."""
    channel.server.lasts_s = 59
    assert (await granted(channel).publish()).video == "video-1"
    assert channel.server.videos == {"video-1": REEL}
    assert len(channel.server.tokens) == 1 + 4  # one for the session, three for its pieces


async def test_a_token_that_is_taken_back_is_renewed_once(channel: Channel) -> None:
    mine = granted(channel)
    await mine.publish()
    async with channel.room.db.begin() as tx:
        await tx.exec_driver_sql("DELETE FROM publications")
    channel.server.tokens.append("another")
    assert (await mine.publish()).video == "video-2"
    assert channel.server.tokens[-1] == "ya29.renewed-3"
    channel.server.says = [(401, "authError"), (401, "authError")]
    async with channel.room.db.begin() as tx:
        await tx.exec_driver_sql("DELETE FROM publications")
    with pytest.raises(UploadRefused):
        await mine.publish()
    assert channel.server.says == []


@pytest.mark.parametrize(
    ("said", "setting"),
    [("invalid_grant", "REFRESH_TOKEN"), ("invalid_client", "CLIENT_ID"), ("secret words of theirs", "REFRESH_TOKEN")],
)
async def test_a_grant_that_is_refused_names_the_setting_and_sends_nothing(
    channel: Channel, caplog: pytest.LogCaptureFixture, said: str, setting: str
) -> None:
    channel.server.exchanges = [(400, said)]
    with pytest.raises(UploadRefused) as refused:
        await granted(channel).publish()
    assert refused.value.field == f"REELWRIGHT_YOUTUBE_{setting}"
    assert channel.server.requests == []
    assert "secret words" not in caplog.text + refused.value.sentence


async def test_a_grant_of_another_client_is_refused(channel: Channel) -> None:
    with pytest.raises(UploadRefused):
        await granted(channel, refresh_token="another's").publish()


async def test_while_no_token_is_to_be_had_it_is_asked_for_again_and_in_the_end_left(channel: Channel) -> None:
    channel.server.exchanges = [(503, ""), (200, "no token")]
    assert (await granted(channel).publish()).video == "video-1"
    async with channel.room.db.begin() as tx:
        await tx.exec_driver_sql("DELETE FROM publications")
    channel.server.exchanges = [(500, "")] * 20
    with pytest.raises(Outage):
        await granted(channel).publish()
    assert len(channel.server.exchanges) >= 20 - 7
