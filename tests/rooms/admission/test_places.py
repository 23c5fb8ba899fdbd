"""Places are held up to cap, capacity and floor; whoever has waited longest comes first; a 429 slows a lane down."""

import asyncio
import math
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelwright.admission import Order, Place, Taken
from reelwright.ground.ids import AccountId, GenerationId
from tests.rooms.admission.desk import MS, Desk

TTL = timedelta(seconds=45)
LINE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ALONE = Place(provider="offline", model="drawn:v1", lane="interactive", cap=2)
PEOPLE = Place(provider="openai", model="pictures", lane="interactive", cap=7, capacity=8, rival="batch", rival_floor=1)
BATCH = Place(provider="openai", model="pictures", lane="batch", cap=2, capacity=8, rival="interactive", rival_floor=6)


async def take(desk: Desk, place: Place, holder: str, account: AccountId | None = None, ttl: timedelta = TTL) -> Taken:
    return await desk.gate.places.take(place, holder, account=account or desk.account, ttl=ttl)


async def taken(desk: Desk, place: Place, runs: int, account: AccountId | None = None) -> int:
    """Ask for so many places for an hour, under fresh names, and return how many were given."""
    answers = [await take(desk, place, f"run {uuid4()}", account, ttl=HOUR) for _ in range(runs)]
    return sum(answer.granted for answer in answers)


def somebody() -> AccountId:
    return AccountId(uuid4())


async def test_places_are_given_up_to_the_cap_and_come_back(desk: Desk) -> None:
    for holder in ("one", "two"):
        assert (await take(desk, ALONE, holder)).granted
    refused = await take(desk, ALONE, "three")
    assert (refused.granted, refused.ahead) == (False, 0)
    assert timedelta(0) < refused.wait <= SECOND, "the head of the line asks again soon"
    assert (await take(desk, ALONE, "two")).granted, "a holder asks again after a redelivery"

    assert await desk.gate.places.give_back(ALONE, "one")
    assert not await desk.gate.places.give_back(ALONE, "one")

    assert (await take(desk, ALONE, "three")).granted
    assert not (await take(desk, ALONE, "one")).granted


async def test_a_place_lapses_and_is_not_renewed_afterwards(desk: Desk) -> None:
    places = desk.gate.places
    await take(desk, ALONE, "one")
    desk.now += TTL - MS
    assert await places.renew(ALONE, "one", ttl=TTL)
    assert not await places.renew(ALONE, "two", ttl=TTL)
    desk.now += TTL

    before = await desk.everything()
    assert not await places.renew(ALONE, "one", ttl=TTL)
    assert await desk.everything() == before
    assert await taken(desk, ALONE, 3, somebody()) == 2


async def test_a_renewal_needs_no_turn(desk: Desk) -> None:
    """A worker keeps what it has, whoever waits and however small the cap became."""
    first = somebody()
    await taken(desk, ALONE, 1, first)
    await take(desk, ALONE, "mine")
    assert not (await take(desk, ALONE, "waiting", somebody())).granted

    assert await desk.gate.places.renew(replace(ALONE, cap=1), "mine", ttl=TTL)
    assert (await take(desk, replace(ALONE, cap=1), "mine")).granted


async def test_the_first_stage_takes_over_its_admissions_place(desk: Desk) -> None:
    """The very member that admission wrote, and never a second place."""
    one = replace(ALONE, cap=1)
    order: Order = desk.order(place=one)
    await desk.admit(order)
    await desk.gate.confirm(order, desk.now + HOUR)
    desk.now += TTL
    another = somebody()
    assert not (await take(desk, one, "another run", another)).granted, "it is kept while queued"

    for _ in range(2):
        heir = await desk.gate.places.take(one, "run", account=desk.account, ttl=TTL, inherits=order.lease)
        assert heir.granted
    assert await desk.redis.zcard("app:conc:provider:offline:drawn%3Av1:interactive") == 1

    await desk.gate.places.give_back(one, "run")
    assert (await take(desk, one, "another run", another)).granted


async def test_an_unknown_inheritance_gives_nothing(desk: Desk) -> None:
    one = replace(ALONE, cap=1)
    await take(desk, one, "holder", somebody())
    lost = GenerationId(uuid4())
    assert not (await desk.gate.places.take(one, "run", account=desk.account, ttl=TTL, inherits=lost)).granted


async def test_sixty_four_at_once_never_pass_a_cap(desk: Desk) -> None:
    nine = replace(ALONE, cap=9)
    answers = await asyncio.gather(*(take(desk, nine, f"run {run}", somebody()) for run in range(64)))
    assert sum(answer.granted for answer in answers) == 9


async def test_e70_a_full_lane_leaves_the_other_one_alone(desk: Desk) -> None:
    """E70."""
    assert await taken(desk, BATCH, 5) == 2
    assert await taken(desk, PEOPLE, 9, somebody()) == 6
    assert await taken(desk, replace(PEOPLE, model="words"), 2) == 2


async def test_e71_a_flood_of_people_leaves_batch_its_floor(desk: Desk) -> None:
    """E71: people borrow what batch leaves idle, down to one."""
    assert await taken(desk, PEOPLE, 9) == 7
    assert await taken(desk, BATCH, 2, somebody()) == 1


async def test_e71_a_flood_of_batch_work_leaves_people_their_floor(desk: Desk) -> None:
    """E71: however wide the batch lane were."""
    assert await taken(desk, replace(BATCH, cap=8), 9) == 2
    assert await taken(desk, PEOPLE, 9, somebody()) == 6


async def test_e71_one_account_cannot_take_a_lane_while_others_wait(desk: Desk) -> None:
    """E71: it may have an idle lane whole; as its places come back, the others come in, up to their halves."""
    lane, many, others = replace(ALONE, cap=4), somebody(), [somebody(), somebody()]
    runs = [f"many {run}" for run in range(4)]
    for run in runs:
        assert (await take(desk, lane, run, many)).granted
    for other in others:
        assert not (await take(desk, lane, f"first {other}", other)).granted
    assert not (await take(desk, lane, "one more", many)).granted

    for run, other in zip(runs, others, strict=False):
        await desk.gate.places.give_back(lane, run)
        assert not (await take(desk, lane, "one more", many)).granted
        assert (await take(desk, lane, f"first {other}", other)).granted
    assert not (await take(desk, lane, f"second {others[0]}", others[0])).granted
    await desk.gate.places.give_back(lane, runs[2])
    assert (await take(desk, lane, "one more", many)).granted, "its wait is older than a second helping"


async def test_an_account_with_its_half_keeps_its_turn_and_blocks_nobody(desk: Desk) -> None:
    """Else the free place would stand idle between one that may not take it and one whose turn it isn't."""
    lane, half, late = replace(ALONE, cap=3), somebody(), somebody()
    third = somebody()
    await taken(desk, lane, 2, half)
    await take(desk, lane, "third", third)
    assert not (await take(desk, lane, "waiting", half)).granted
    assert not (await take(desk, lane, "late", late)).granted
    await desk.gate.places.give_back(lane, "third")

    assert not (await take(desk, lane, "waiting", half)).granted
    assert (await take(desk, lane, "late", late)).granted


async def test_who_waits_longest_comes_first_whoever_asks(desk: Desk) -> None:
    one = replace(ALONE, cap=1)
    waiting = [somebody() for _ in range(4)]
    await take(desk, one, "holder", somebody())
    for at, account in enumerate(waiting):
        refused = await take(desk, one, f"run {at}", account)
        assert (refused.granted, refused.ahead) == (False, at)
    waits = [(await take(desk, one, "again", account)).wait for account in waiting]
    assert waits == sorted(waits), "the further behind, the longer"
    assert waits[0] < waits[-1] <= timedelta(seconds=5)
    await desk.gate.places.give_back(one, "holder")

    for at, account in enumerate(waiting):
        for behind in (somebody(), *waiting[:at], *waiting[at + 1 :]):
            assert not (await take(desk, one, f"push {behind}", behind)).granted
        assert (await take(desk, one, f"run {at}", account)).granted
        await desk.gate.places.give_back(one, f"run {at}")


async def test_a_free_place_beyond_the_line_goes_to_a_newcomer(desk: Desk) -> None:
    """As many places are kept as accounts wait, and not one more."""
    lane = replace(ALONE, cap=3)
    for holder in ("one", "two", "three"):
        await take(desk, lane, holder, somebody())
    assert not (await take(desk, lane, "waiting")).granted
    await desk.gate.places.give_back(lane, "one")
    assert not (await take(desk, lane, "new", somebody())).granted
    await desk.gate.places.give_back(lane, "two")
    await desk.gate.places.give_back(lane, "three")

    assert (await take(desk, lane, "new", somebody())).granted
    assert (await take(desk, lane, "waiting")).granted


async def test_who_stops_asking_loses_its_turn_after_the_lines_time(desk: Desk) -> None:
    one = replace(ALONE, cap=1)
    gone, alive = somebody(), somebody()
    await take(desk, one, "holder", somebody())
    await take(desk, one, "gone", gone)
    await take(desk, one, "alive", alive)
    await desk.gate.places.give_back(one, "holder")
    desk.now += timedelta(seconds=30) - MS
    assert not (await take(desk, one, "alive", alive)).granted

    desk.now += MS

    assert (await take(desk, one, "alive", alive)).granted


async def test_a_turn_without_its_end_blocks_nobody_for_good(desk: Desk) -> None:
    """Half of the line was lost: whoever is still there asks again."""
    one = replace(ALONE, cap=1)
    await take(desk, one, "holder", somebody())
    await take(desk, one, "gone", somebody())
    await desk.gate.places.give_back(one, "holder")
    assert await desk.redis.delete("app:conc:provider:offline:drawn%3Av1:interactive:line:asked")

    assert (await take(desk, one, "run")).granted


async def test_accounts_that_wait_from_the_same_instant_have_an_order(desk: Desk) -> None:
    """One that was served and waits again in the same millisecond is behind everybody who was there."""
    one = replace(ALONE, cap=1)
    first, second = somebody(), somebody()
    await take(desk, one, "holder", somebody())
    await take(desk, one, "first", first)
    await take(desk, one, "second", second)
    await desk.gate.places.give_back(one, "holder")
    assert (await take(desk, one, "first", first)).granted
    assert not (await take(desk, one, "first again", first)).granted
    await desk.gate.places.give_back(one, "first")

    assert not (await take(desk, one, "first again", first)).granted
    assert (await take(desk, one, "second", second)).granted


async def test_e72_a_429_closes_the_lane_and_halves_its_cap_and_time_mends_it(desk: Desk) -> None:
    """E72: one more a minute, each without another 429."""
    lane, places = replace(ALONE, cap=8), desk.gate.places
    assert await places.slow_down(lane, wait=10 * SECOND) == 4
    assert await places.slow_down(lane, wait=2 * SECOND) == 4, "another call of the same moment halves nothing"
    refused = await take(desk, lane, "run")
    assert not refused.granted
    assert SECOND < refused.wait <= 10 * SECOND
    assert (await take(desk, replace(lane, lane="batch"), "run")).granted

    desk.now += 10 * SECOND
    assert await taken(desk, lane, 9) == 4
    desk.now += MINUTE - MS
    assert await taken(desk, lane, 9) == 0
    desk.now += MS
    assert await taken(desk, lane, 9) == 1
    assert await places.slow_down(lane, wait=SECOND) == 2
    desk.now += SECOND + 5 * MINUTE
    assert await taken(desk, lane, 9) == 2
    desk.now += 2 * MINUTE
    assert await taken(desk, lane, 9) == 1


async def test_e72_a_lane_never_closes_for_good(desk: Desk) -> None:
    one, places = replace(ALONE, cap=1), desk.gate.places
    for _ in range(3):
        assert await places.slow_down(one, wait=timedelta(0)) == 1
        desk.now += SECOND
    assert (await take(desk, one, "run")).granted


@pytest.mark.parametrize(("lost", "given"), [("", 2), (":line", 0), (":line:asked", 0), (":brake", 0)])
async def test_a_loss_in_redis_forgets_who_held_and_who_waited_and_no_more(desk: Desk, lost: str, given: int) -> None:
    await taken(desk, ALONE, 3)
    await desk.gate.places.slow_down(replace(ALONE, cap=4), wait=SECOND)
    desk.now += SECOND
    assert await desk.redis.delete(f"app:conc:provider:offline:drawn%3Av1:interactive{lost}") == 1

    assert await taken(desk, ALONE, 3) == given


class Hall:
    """Both lanes of one model, and a record of its own: who holds what until when, and who waits since which turn."""

    def __init__(self, desk: Desk, people: int, batch: int, accounts: int, *, wide: bool) -> None:
        floor, all_of_them = min(1, batch), people + batch
        caps = (all_of_them, all_of_them) if wide else (all_of_them - floor, batch)
        names = {"provider": "openai", "model": f"pictures {uuid4()}", "capacity": all_of_them}
        self.desk = desk
        self.lanes = [
            Place(**names, lane="interactive", cap=caps[0], rival="batch", rival_floor=floor),
            Place(**names, lane="batch", cap=caps[1], rival="interactive", rival_floor=people),
        ]
        self.floors = [people, floor]
        self.accounts = [somebody() for _ in range(accounts)]
        self.held: list[list[tuple[AccountId, str, datetime]]] = [[], []]
        self.waiting: list[dict[AccountId, tuple[int, datetime]]] = [{}, {}]
        self.turn = 0
        self.passed: Counter[tuple[int, AccountId]] = Counter()

    def live(self, lane: int) -> list[AccountId]:
        self.held[lane] = [hold for hold in self.held[lane] if hold[2] > self.desk.now]
        return [account for account, _, _ in self.held[lane]]

    def line(self, lane: int) -> list[AccountId]:
        """Who waits and has asked within the line's time, the longest wait first."""
        known = self.waiting[lane]
        gone = [account for account, (_, asked) in known.items() if asked + LINE <= self.desk.now]
        for account in gone:
            del known[account], self.passed[lane, account]
        return sorted(known, key=lambda account: known[account][0])

    def room(self, lane: int) -> int:
        used, rivals = len(self.live(lane)), len(self.live(1 - lane))
        shared = self.lanes[0].capacity - max(rivals, self.floors[1 - lane]) if self.lanes[0].capacity else 0
        return min(self.lanes[lane].cap, shared) - used

    def may_hold_more(self, lane: int, account: AccountId) -> bool:
        return self.live(lane).count(account) < max(1, math.ceil(self.lanes[lane].cap / 2))

    async def ask(self, lane: int, account: AccountId) -> bool:
        """One run asks; whatever is answered must be just."""
        room, line = self.room(lane), [other for other in self.line(lane) if other != account]
        since = self.waiting[lane].get(account, (self.turn + 1,))[0]
        ahead = [other for other in line if self.waiting[lane][other][0] < since and self.may_hold_more(lane, other)]
        more, holder = self.may_hold_more(lane, account), f"run {uuid4()}"
        answer = await self.desk.gate.places.take(self.lanes[lane], holder, account=account, ttl=TTL)
        if answer.granted:
            assert room > 0, "never above cap and capacity, and never into the rival's floor"
            assert room > len(ahead), "a place stays for everybody who has waited longer"
            assert more or not line, "no more than half of a lane while others wait"
            self.held[lane].append((account, holder, self.desk.now + TTL))
            self.waiting[lane].pop(account, None)
            self.passed.update((lane, other) for other in line if not self.live(lane).count(other))
            del self.passed[lane, account]
        else:
            assert room <= len(ahead) or (line and not more), "no place stays free that somebody may take"
            assert answer.ahead == len(ahead)
            self.turn += 1
            self.waiting[lane][account] = (since if account in self.waiting[lane] else self.turn, self.desk.now)
        return answer.granted

    async def finish(self, lane: int, nth: int) -> None:
        if self.live(lane):
            _, holder, _ = self.held[lane].pop(nth % len(self.held[lane]))
            assert await self.desk.gate.places.give_back(self.lanes[lane], holder)

    async def drain(self, random: Random) -> None:
        """Everybody who waits asks again and again, in any order, while runs end: each comes in, and soon."""
        for lane in (0, 1):
            rounds = 0
            while line := self.line(lane):
                room, given = self.room(lane), 0
                for account in random.sample(line, len(line)):
                    given += await self.ask(lane, account)
                assert given or room <= 0, "a free place is given in the round in which it is asked for"
                assert all(count <= len(self.accounts) + 12 for count in self.passed.values()), self.passed
                await self.finish(lane, random.randrange(12))
                rounds += 1
                assert rounds < 100, "somebody starves"


STEPS = st.tuples(
    st.sampled_from(["ask", "ask", "flood", "finish", "finish", "lapse", "all ask"]),
    st.integers(0, 1),
    st.integers(0, 30),
)


@settings(
    max_examples=40,
    deadline=None,  # both cores are busy with other tests
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # a hall has a model and accounts of its own
)
@given(
    people=st.integers(1, 5),
    batch=st.integers(0, 3),
    accounts=st.integers(2, 5),
    wide=st.booleans(),  # caps that leave it to the floors alone
    steps=st.lists(STEPS, min_size=10, max_size=60),
    random=st.randoms(use_true_random=False),
)
async def test_nobody_starves_and_no_place_stays_idle(
    desk: Desk,
    *,
    people: int,
    batch: int,
    accounts: int,
    wide: bool,
    steps: list[tuple[str, int, int]],
    random: Random,
) -> None:
    """Any backlog, any order of asking, holders that die, waiters that leave, and two lanes that lend to each other."""
    hall = Hall(desk, people, batch, accounts, wide=wide)
    for what, lane, n in steps:
        desk.now += n * MS
        match what:
            case "ask":
                await hall.ask(lane, hall.accounts[n % accounts])
            case "finish":
                await hall.finish(lane, n)
            case "flood":
                for _ in range(hall.lanes[lane].cap):
                    await hall.ask(lane, hall.accounts[0])
            case "lapse":
                desk.now += n * SECOND  # some holders have died, some waiters have gone
            case _:
                for account in random.sample(hall.line(lane), len(hall.line(lane))):
                    await hall.ask(lane, account)
        assert len(hall.live(0)) + len(hall.live(1)) <= people + batch
    if batch:
        await hall.drain(random)
