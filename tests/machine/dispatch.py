"""The machine's provider places: taken at dispatch, in a fair line, between two lanes that rival."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule

from reelwright.admission import Place
from reelwright.ground.ids import AccountId
from tests.machine.machine import ACCOUNTS, HEARTBEAT, accounts, picks, places
from tests.machine.progress import Progress


class Dispatch(Progress):
    """Workers that ask for places."""

    @rule(place=places, gone=st.booleans(), late=st.booleans())
    def queue_for_a_place(self, place: Place, *, gone: bool, late: bool) -> None:
        """A lane fills, somebody waits in its line, a place is free again: and then a new order wants it."""
        first, second = ACCOUNTS
        for number in range(place.cap):
            self._take(place, first, f"queue-{number}")
        self._take(place, second, "waiting")
        if gone:
            self._give_back(place, first, "queue-0")
        if late:
            self._wait_until(self.now + 30_000)
        self._admit(self._order(first, place=place), 0)
        self._take(place, first, "overtaking")
        self._take(place, second, "waiting")
        for number in range(place.cap):
            self._give_back(place, first, f"queue-{number}")

    def _take(self, place: Place, account: AccountId, name: str) -> None:
        taken = self.run(self.gate.places.take(place, name, account=account, ttl=timedelta(minutes=2)))
        assert taken.granted == self.oracle.take_place(place, account, name, "", ttl=120_000, now=self.now)

    def _give_back(self, place: Place, account: AccountId, name: str) -> None:
        self.run(self.gate.places.give_back(place, name))
        self.oracle.lane(place).holders.pop((account, name), None)

    @rule(account=accounts, place=places, holder=st.integers(1, 6), pick=picks, ttl=st.sampled_from([20_000, 90_000]))
    def take_place(self, account: AccountId, place: Place, holder: int, pick: int, ttl: int) -> None:
        name, heirs = f"run-{account.int}-{holder}", [None, *self.database.jobs.values()]
        heir = heirs[pick % len(heirs)]
        if heir is not None and heir.account != account:
            heir = None
        taken = self.run(
            self.gate.places.take(
                place, name, account=account, ttl=timedelta(milliseconds=ttl), inherits=heir and heir.order.lease
            )
        )
        heir_of = str(heir.order.lease) if heir else ""
        assert taken.granted == self.oracle.take_place(place, account, name, heir_of, ttl=ttl, now=self.now)

    @rule(account=accounts, place=places, holder=st.integers(1, 6), keep=st.booleans())
    def keep_or_give_back(self, account: AccountId, place: Place, holder: int, *, keep: bool) -> None:
        name, lane = f"run-{account.int}-{holder}", self.oracle.lane(place)
        held = (account, name) in lane.live(self.now)
        if keep:
            assert self.run(self.gate.places.renew(place, name, ttl=timedelta(milliseconds=HEARTBEAT))) == held
            if held:
                lane.holders[account, name] = self.now + HEARTBEAT
        else:
            assert self.run(self.gate.places.give_back(place, name)) or not held
            lane.holders.pop((account, name), None)
