"""Attempts of strangers: counted by window, and a refusal says when the next one begins."""

from datetime import UTC, datetime, timedelta

from reelwright.admission import count_attempt
from tests.rooms.admission.desk import Desk

WINDOW = timedelta(minutes=15)
AT = datetime(2026, 12, 15, 10, 7, 30, tzinfo=UTC)


async def test_so_many_pass_in_a_window_and_the_rest_is_told_when_it_ends(desk: Desk) -> None:
    async def tried(who: str = "someone", what: str = "log-in", at: datetime = AT) -> timedelta | None:
        return await count_attempt(desk.gate, what, who, limit=2, window=WINDOW, now=at)

    wait = timedelta(minutes=7, seconds=30)
    assert [await tried() for _ in range(4)] == [None, None, wait, wait]
    assert await tried(who="another") is None
    assert await tried(what="sign-up") is None
    assert await tried(at=AT + timedelta(minutes=7, seconds=29)) == timedelta(seconds=1)
    assert await tried(at=AT + timedelta(minutes=7, seconds=30)) is None


async def test_a_refused_attempt_writes_nothing_and_names_stay_out_of_redis(desk: Desk) -> None:
    who = "someone@example.com"
    await count_attempt(desk.gate, "log-in", who, limit=1, window=WINDOW, now=AT)
    before = await desk.everything()
    assert await count_attempt(desk.gate, "log-in", who, limit=1, window=WINDOW, now=AT) is not None
    assert await desk.everything() == before
    assert before
    assert who not in str(before)
