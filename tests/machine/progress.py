"""The machine's generations: between admission and commit, at work, ended; and whoever sweeps up after a crash."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from reelwright.admission import Place
from reelwright.ground.ids import AccountId, DraftId
from tests.machine.machine import ACCOUNTS, DRAFTS, HEARTBEAT, QUEUE, accounts, drafts, picks, places
from tests.machine.orders import Orders
from tests.machine.postgres import PLANS, PRO, Job, instant, millis, periods


class Progress(Orders):
    """What becomes of an admitted order."""

    @initialize(
        plans=st.tuples(*[st.sampled_from(sorted(PLANS)) for _ in ACCOUNTS]),
        place=places,
        draft=drafts,
        told=st.tuples(*[st.booleans() for _ in range(6)]),
    )
    def sign_up(self, plans: tuple[str, ...], place: Place, draft: DraftId, told: tuple[bool, ...]) -> None:
        """Every walk begins with a whole life, each answer that a key can have, and a lane that is filled."""
        for account, plan in zip(ACCOUNTS, plans, strict=True):
            self._change(account, plan, None, told=False)
        self._live_a_life(ACCOUNTS[1], draft, place, *told)
        for _ in range(place.cap + 1):
            order = self._order(ACCOUNTS[0], place=place)
            job = self._admit(order, 0)
            self._admit(order, 0)
            self._admit(replace(order, fingerprint="another digest"), 0)
            if job is not None and self._commit(job, confirm=True):
                self._admit(order, 0)

    @rule(
        account=accounts,
        draft=drafts,
        place=places,
        told=st.tuples(*[st.booleans() for _ in range(6)]),
    )
    def live_a_life(self, account: AccountId, draft: DraftId, place: Place, told: tuple[bool, ...]) -> None:
        self._live_a_life(account, draft, place, *told)

    def _live_a_life(
        self,
        account: AccountId,
        draft: DraftId,
        place: Place,
        dies: bool,  # noqa: FBT001 - six coins, in this order
        hour: bool,  # noqa: FBT001
        withdrawn: bool,  # noqa: FBT001
        lapses: bool,  # noqa: FBT001
        again: bool,  # noqa: FBT001
        first: bool,  # noqa: FBT001
    ) -> None:
        """One order from its admission to its end, in one of the ways that it may take, and a little beyond."""
        job = self._admit(self._order(account, draft=draft, place=place), 0)
        if job is not None and dies:
            job = self._retry(job, hour=hour)
        if job is None:
            return
        if withdrawn:
            self.alive.remove(job)
            self._settle(job)
            return
        if not self._commit(job, confirm=True):
            return
        assert not self.run(self.gate.withdraw(account, job.order.lease))
        if lapses:
            self._wait_until(job.deadline)
        for adopt in (False, True):
            self._heartbeat(job, ttl=HEARTBEAT, adopt=adopt)
        if again:
            self._wait_until(self.oracle.cooldowns.get((account, draft), (self.now, None))[0])
            self._admit(self._order(account, draft=draft), 0)
        job.ended = job.refunded = True
        if first:
            self._refund(job)
        self._end(job)
        if not first:
            self._refund(job)
        self._heartbeat(job, ttl=HEARTBEAT, adopt=True)

    @rule(
        account=accounts,
        draft=drafts,
        whole=st.booleans(),
        times=st.integers(1, 6),
        ended=st.booleans() | st.just(True),
    )
    def work_off(self, account: AccountId, draft: DraftId, times: int, *, whole: bool, ended: bool) -> None:
        """What nearly always happens, a few times in a row: admitted, committed, confirmed, done; and asked again."""
        for _ in range(times):
            job = self._admit(self._order(account, draft=draft if whole else None, full_units=int(whole)), 0)
            if job is not None and self._commit(job, confirm=True) and ended:
                self._end(job)
            if job is not None:
                self._admit(job.order, 0)

    @rule(account=accounts, pick=picks, short=st.booleans())
    def order_at_an_end(self, account: AccountId, pick: int, *, short: bool) -> None:
        """At the very instant, or a millisecond before it, at which a cooldown, boost or lease of theirs ends."""
        boost = self.database.held(account).boost_until
        ends = {None: millis(boost)} if boost is not None else {}
        ends |= {draft: until for (whose, draft), (until, _) in self.oracle.cooldowns.items() if whose == account}
        ends |= {f"lease {lease}": until for lease, until in self.oracle.leases(account, self.now).items()}
        coming = [(name, until) for name, until in ends.items() if until > self.now]
        if coming:
            name, until = coming[pick % len(coming)]
            self._wait_until(until - int(short))
            self._admit(self._order(account, draft=name if name in DRAFTS else None), 0)

    @rule(account=accounts, draft=st.none() | drafts)
    def use_up_the_month(self, account: AccountId, draft: DraftId | None) -> None:
        """Hour after hour, until nothing more is admitted."""
        for _ in range(2 * PRO.generations_month):
            job = self._admit(self._order(account, draft=draft, full_units=int(draft is not None)), 0)
            if job is not None and self._commit(job, confirm=True):
                self._end(job)
            elif job is None and "generations_month" in self.named:
                return
            elif self.named in (("cooldown",), ("generations_hour",), ("cooldown", "generations_hour")):
                at = millis(periods(self.now).hour_end)
                self._wait_until(at if "generations_hour" in self.named else self.now + 30_000)
            elif job is None:
                return

    @precondition(lambda self: self.alive)
    @rule(pick=picks, confirm=st.booleans())
    def commit(self, pick: int, *, confirm: bool) -> None:
        """The order's transaction counts once more; without the confirmation, the process died right after it."""
        self._commit(self.alive[pick % len(self.alive)], confirm=confirm)

    @precondition(lambda self: self.alive)
    @rule(pick=picks)
    def commit_and_confirm(self, pick: int) -> None:
        self._commit(self.alive[pick % len(self.alive)], confirm=True)

    def _commit(self, job: Job, *, confirm: bool) -> bool:
        self.alive.remove(job)
        account, trace = job.account, self.oracle.trace(job)
        late = trace.receipt != "pending"
        over = self.database.last_word(job, self.now)
        if over:
            assert late or not self.sure(account) or account in self.lossy or self._overtaken(job)
            assert self.run(self.gate.withdraw(account, job.order.lease)) == self.oracle.withdrawn(job)
            self.run(self.gate.forget(account, now=instant(job.at)))
            self.oracle.forget(account, job.at)
            return False
        job.committed, job.deadline = True, self.now + QUEUE
        self.database.written.append(job)
        if late:
            self.lossy.add(account)
        if confirm:
            self.run(self.gate.confirm(job.order, instant(job.deadline)))
            self.oracle.confirmed(job, self.now)
        elif late:
            self.oracle.murky.add(account)
        return True

    def _overtaken(self, job: Job) -> bool:
        """Say whether PostgreSQL may know more than Redis did: later admissions, or commits nobody has confirmed."""
        others = [row for row in self.oracle.jobs(job.account) if row is not job and row.committed]
        return any(row.turn > job.turn or self.oracle.trace(row).until < row.deadline for row in others)

    @precondition(lambda self: self.alive)
    @rule(pick=picks)
    def refuse_in_postgresql(self, pick: int) -> None:
        """Out of credits, say: all of it is given back."""
        job = self.alive.pop(pick % len(self.alive))
        assert self.run(self.gate.withdraw(job.account, job.order.lease)) == self.oracle.withdrawn(job)

    @precondition(lambda self: self.alive)
    @rule(pick=picks, hour=st.booleans())
    def retry_what_died(self, pick: int, *, hour: bool) -> None:
        """Once its claim has ended the same request goes on: in the same hour, or in the next."""
        job = self.alive[pick % len(self.alive)]
        self._retry(job, hour=hour)

    def _retry(self, job: Job, *, hour: bool) -> Job | None:
        self._wait_until(max(self.oracle.trace(job).claim_until, millis(periods(self.now).hour_end) if hour else 0))
        return self._admit(replace(job.order, held=self.database.held(job.account)), 0)

    @precondition(lambda self: self.alive)
    @rule(pick=picks)
    def crash_before_commit(self, pick: int) -> None:
        self.alive.pop(pick % len(self.alive))

    @precondition(lambda self: self.database.jobs)
    @rule(pick=picks)
    def withdraw_once_more(self, pick: int) -> None:
        """A second withdrawal gives nothing back, and one that comes after the commit is refused."""
        jobs = [job for job in self.database.jobs.values() if self.oracle.trace(job).receipt != "pending"]
        if jobs:
            job = jobs[pick % len(jobs)]
            if self.oracle.trace(job).receipt is not None or not job.committed:
                assert not self.run(self.gate.withdraw(job.account, job.order.lease))
                self.oracle.withdrawn(job)

    @rule()
    def sweep(self) -> None:
        """Confirm or withdraw what is overdue, as the rows say."""
        found = self.run(self.gate.unconfirmed(100))
        assert set(found) == self.oracle.overdue(self.now)
        for _, lease in found:
            self._settle(self.database.jobs[lease])
        assert not self.run(self.gate.unconfirmed(100))

    def _settle(self, job: Job) -> None:
        ttl = max(job.deadline - self.now, 1_000)
        if job.committed:
            done = self.run(self.gate.renew(job.account, job.order.lease, ttl=timedelta(milliseconds=ttl), adopt=True))
            assert done == self.oracle.renewed(job, ttl=ttl, adopt=True, now=self.now)
        else:
            assert self.run(self.gate.withdraw(job.account, job.order.lease)) == self.oracle.withdrawn(job)

    @precondition(lambda self: self.oracle.murky)
    @rule()
    def settle_what_is_murky(self) -> None:
        """Nothing of the account is under way any more, and its counters are asked of PostgreSQL again."""
        for account in list(self.oracle.murky):
            self.alive = [job for job in self.alive if job.account != account]
            for job in self.oracle.under_way(account):
                self._settle(job)
            self.run(self.gate.forget(account, now=instant(self.now)))
            self.oracle.murky.discard(account)
            self.oracle.forget(account, self.now)
            self.lossy.add(account)

    @rule(account=accounts)
    def reconcile(self, account: AccountId) -> None:
        """Counters are set to the rows' count, but not while an order is between admission and commit."""
        at = periods(self.now)
        seen, facts = self.run(self.gate.counted(account, at)), self.database.facts(account, at)
        repaired = self.run(self.gate.repair(account, at, seen=seen, facts=facts))
        waiting = any(self.oracle.trace(job).confirm_by for job in self.oracle.jobs(account))
        assert repaired != waiting
        if repaired:
            after = self.run(self.gate.counted(account, at))
            assert after.generations_month in {None, facts.generations_month}
            assert after.generations_hour in {None, facts.generations_hour}
            assert after.full_month in {None, facts.full_month}
            assert not self.sure(account) or account in self.lossy or after == seen

    def _working(self, pick: int) -> Job | None:
        live = [job for job in self.database.jobs.values() if job.committed and not job.ended]
        return live[pick % len(live)] if live else None

    @rule(pick=picks, adopt=st.booleans())
    def heartbeat(self, pick: int, *, adopt: bool) -> None:
        if (job := self._working(pick)) is not None:
            self._heartbeat(job, ttl=HEARTBEAT, adopt=adopt)

    def _heartbeat(self, job: Job, *, ttl: int, adopt: bool) -> None:
        length = timedelta(milliseconds=ttl)
        held = self.run(self.gate.renew(job.account, job.order.lease, ttl=length, adopt=adopt))
        assert held == self.oracle.renewed(job, ttl=ttl, adopt=adopt, now=self.now)

    @rule(pick=picks, refund=st.booleans(), first=st.booleans(), lost=st.booleans())
    def end(self, pick: int, *, refund: bool, first: bool, lost: bool) -> None:
        """The row ends; then Redis is told, in either order, or nobody lives to tell it."""
        job = self._working(pick)
        if job is None:
            return
        job.ended, job.refunded = True, refund
        if lost:
            if refund:
                self.oracle.murky.add(job.account)
            return
        if refund and first:
            self._refund(job)
        self._end(job)
        if refund and not first:
            self._refund(job)

    def _end(self, job: Job) -> None:
        job.ended = True
        self.run(self.gate.release(job.account, job.order.lease))
        self.oracle.released(job)

    def _refund(self, job: Job) -> None:
        assert self.run(self.gate.refund(job.account, job.order.lease)) == self.oracle.refunded(job, self.now)
        if self.oracle.trace(job).detailed:
            assert not self.run(self.gate.refund(job.account, job.order.lease))

    @precondition(lambda self: self.database.jobs)
    @rule(pick=picks)
    def confirm_or_release_late(self, pick: int) -> None:
        """A delivery that comes twice, or after the end, changes nothing."""
        ended = [
            job for job in self.database.jobs.values() if job.ended and self.oracle.trace(job).receipt == "released"
        ]
        if ended:
            job = ended[pick % len(ended)]
            assert not self.run(self.gate.release(job.account, job.order.lease))
            assert not self.run(self.gate.renew(job.account, job.order.lease, ttl=timedelta(minutes=1), adopt=True))
            self.run(self.gate.confirm(job.order, instant(self.now + QUEUE)))
            self.oracle.released(job)
            self.oracle.confirmed(job, self.now)
