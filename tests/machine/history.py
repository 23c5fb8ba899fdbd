"""What each event does to an account's standing: admissions, confirmations, ends, refunds, and every kind of loss."""

from reelwright.admission import Limits, Order
from reelwright.ground.ids import AccountId
from tests.machine.oracle import CLAIM, PLAN_KNOWN, UNCONFIRMED, Oracle, Trace
from tests.machine.postgres import Job, periods


class History(Oracle):
    """The oracle, told of everything that happens."""

    turn = 0

    # An order's life

    def admitted(self, order: Order, limits: Limits, now: int) -> Job:
        """Take units, lease, place, cooldown and claim; what a dead first try took is not taken again."""
        self.turn += 1
        at, trace = periods(now), self.traces.setdefault(order.lease, Trace())
        again = trace.receipt == "pending" and trace.month == at.month
        if not again:
            trace.month, trace.in_month = at.month, True
        if not again or trace.hour != at.hour:
            trace.hour, trace.in_hour = at.hour, True
        self.hourless.discard(order.account)
        if order.draft and limits.cooldown_ms and not again:
            _, by = self.cooldowns.get((order.account, order.draft), (0, None))
            if by != order.lease:
                self.cooldowns[order.account, order.draft] = now + limits.cooldown_ms, order.lease
        trace.receipt, trace.detailed, trace.refunded = "pending", True, False
        trace.claim, trace.claim_until = "pending", now + CLAIM
        trace.until, trace.confirm_by = now + UNCONFIRMED, now + CLAIM
        if order.place is not None:
            self.lane(order.place).holders[order.account, str(order.lease)] = now + UNCONFIRMED
        job = Job(order=order, at=now, limits=limits, turn=self.turn)
        self.database.jobs[order.lease] = job
        return job

    def withdrawn(self, job: Job) -> bool:
        """Give everything back, if it was never confirmed and somebody still knows what it was."""
        trace = self.trace(job)
        if trace.receipt in {"confirmed", "released"}:
            return False
        trace.until, trace.confirm_by = 0, None
        if trace.receipt is None:
            return False
        trace.receipt, trace.detailed, trace.claim = None, False, None
        trace.in_month = trace.in_hour = False
        self._leave_place(job)
        self._end_cooldown(job)
        return True

    def confirmed(self, job: Job, now: int) -> None:
        """Hold lease and place until the deadline; count again what had been given back or lost."""
        trace, was = self.trace(job), self.trace(job).receipt
        trace.claim, trace.confirm_by = "done", None
        if was == "released":
            return
        trace.receipt, trace.until = "confirmed", max(trace.until, job.deadline)
        place, who = job.order.place, (job.account, str(job.order.lease))
        if was == "pending" and place is not None and who in self.lane(place).live(now):
            self.lane(place).holders[who] = max(self.lane(place).holders[who], job.deadline)
        if was is None:
            self.forget(job.account, now)

    def renewed(self, job: Job, *, ttl: int, adopt: bool, now: int) -> bool:
        trace = self.trace(job)
        if trace.receipt == "released" or (trace.until <= now and not adopt):
            return False
        trace.until, trace.confirm_by, trace.receipt = max(trace.until, now + ttl), None, "confirmed"
        return True

    def released(self, job: Job) -> None:
        trace = self.trace(job)
        if trace.detailed:
            self._leave_place(job)
        trace.until, trace.confirm_by, trace.receipt = 0, None, "released"

    def refunded(self, job: Job, now: int) -> bool:
        """Give the month's units back once, and end its own cooldown; the hour stays used."""
        trace = self.trace(job)
        if not trace.detailed:
            self.forget(job.account, now)
            return False
        if trace.refunded:
            return False
        trace.refunded, trace.in_month = True, False
        self._end_cooldown(job)
        return True

    def remembered(self, account: AccountId, now: int) -> None:
        self.plans[account] = self.database.held(account), now + PLAN_KNOWN

    # Losses

    def lost_everything(self) -> None:
        """All that Redis held is gone. PostgreSQL knows it, but for what was not committed: that counts nowhere."""
        self.traces.clear()
        self.cooldowns.clear()
        self.lanes.clear()
        self.plans.clear()
        self.warm.clear()
        self.murky.clear()
        self.hourless = set(self.database.plans)

    def lost_month(self, account: AccountId, now: int) -> None:
        self.warm.discard((account, periods(now).month))
        self.in_doubt(account)

    def lost_hour(self, account: AccountId, now: int) -> None:
        self.hourless.add(account)
        for job in self.jobs(account):
            self.trace(job).in_hour &= self.trace(job).hour != periods(now).hour
        self.in_doubt(account)

    def lost_leases(self, account: AccountId) -> None:
        for job in self.jobs(account):
            self.trace(job).until = 0

    def lost_receipt(self, job: Job) -> None:
        self.in_doubt(job.account)
        self.trace(job).receipt, self.trace(job).detailed = None, False

    def lost_pending(self) -> None:
        for account in self.database.plans:
            self.in_doubt(account)
        for trace in self.traces.values():
            trace.confirm_by = None

    def in_doubt(self, account: AccountId) -> None:
        """A loss while an order is between admission and commit: neither server knows it alone."""
        if any(not job.committed for job in self.under_way(account)):
            self.murky.add(account)

    def _leave_place(self, job: Job) -> None:
        if job.order.place is not None:
            self.lane(job.order.place).holders.pop((job.account, str(job.order.lease)), None)

    def _end_cooldown(self, job: Job) -> None:
        """End the draft's cooldown, if this order began it."""
        spot = (job.account, job.order.draft)
        if job.order.draft and spot in self.cooldowns and self.cooldowns[spot][1] == job.order.lease:
            del self.cooldowns[spot]
