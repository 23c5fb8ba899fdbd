"""The machine's provider places: taken at dispatch, in a fair line, between two lanes that rival."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule

from reelwright.admission import Place
from reelwright.ground.ids import AccountId
from tests.machine.machine import HEARTBEAT, accounts, picks, places
from tests.machine.progress import Progress


class Dispatch(Progress):
    """Workers that ask for places."""

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
