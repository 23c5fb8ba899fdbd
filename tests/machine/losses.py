"""The rest of the machine: everything that Redis can lose, and what must hold after every step whatever happened."""

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from reelwright.admission import Place, keys
from reelwright.ground.ids import AccountId
from tests.machine.dispatch import Dispatch
from tests.machine.machine import ACCOUNTS, PLACES, accounts, picks
from tests.machine.postgres import Job, periods

COUNTERS = "app:usage:", "app:burst:"
Members = list[tuple[bytes, float]]


class LossyMachine(Dispatch):
    """The machine, on a server that can be wiped, restarted, or lose any single key."""

    @rule()
    def lose_everything(self) -> None:
        self.run(self.redis.flushdb())
        self.lossy |= {account for account in ACCOUNTS if self.oracle.under_way(account)}
        self.oracle.lost_everything()

    @rule()
    def lose_the_scripts(self) -> None:
        self.run(self.redis.script_flush())

    @rule(account=accounts, kind=st.sampled_from(["month", "full", "hour", "leases", "plan", "boost"]))
    def lose_of_an_account(self, account: AccountId, kind: str) -> None:
        """One key. A boost that is not known is asked of PostgreSQL, as a counter is, and not taken to be over."""
        at = periods(self.now)
        match kind:
            case "month" | "full":
                self._lose(keys.full(account, at.month) if kind == "full" else keys.month(account, at.month))
                self.oracle.lost_month(account, self.now)
            case "hour":
                self._lose(keys.hour(account, at.hour))
                self.lossy.add(account)
                self.oracle.lost_hour(account, self.now)
            case "leases":
                self._lose(keys.leases(account))
                self.lossy.add(account)
                self.oracle.lost_leases(account)
            case _:
                self._lose(keys.boost(account) if kind == "boost" else keys.plan(account))
                self.oracle.plans.pop(account, None)

    @precondition(lambda self: self.database.jobs)
    @rule(pick=picks, kind=st.sampled_from(["claim", "receipt", "cooldown"]))
    def lose_of_an_order(self, pick: int, kind: str) -> None:
        jobs = list(self.database.jobs.values())
        job = jobs[-1 - pick % len(jobs)]
        match kind:
            case "claim":
                self._lose(keys.claim(job.account, job.order.scope, job.order.key))
                self.oracle.trace(job).claim = None
            case "receipt":
                self._lose(keys.receipt(job.order.lease))
                self.oracle.lost_receipt(job)
            case _ if job.order.draft:
                self._lose(keys.cooldown(job.account, job.order.draft))
                self.oracle.cooldowns.pop((job.account, job.order.draft), None)

    @rule(place=st.sampled_from(PLACES), kind=st.sampled_from(["lane", "line", "pending"]))
    def lose_what_is_shared(self, place: Place, kind: str) -> None:
        of, lane = (place.provider, place.model, place.lane), self.oracle.lane(place)
        match kind:
            case "lane":
                self._lose(keys.place(*of))
                lane.holders = {}
            case "line":
                self._lose(keys.line(*of))
                lane.line, lane.line_until = {}, 0
            case _:
                self._lose(keys.pending())
                self.oracle.lost_pending()

    @invariant()
    def all_is_well(self) -> None:
        """Whatever happened, whatever was lost."""
        type(self).steps += 1
        self._no_limit_was_passed_by_what_was_committed()
        names, values, leases, lanes = self.run(self._read())
        assert all(stay > 0 for _, stay in names), [name for name, stay in names if stay < 0]
        assert all(int(values[name]) >= 0 for name, _ in names if name.startswith(COUNTERS))
        for account, found in zip(ACCOUNTS, leases, strict=True):
            self._check_counters(account, values)
            held = self.oracle.leases(account, self.now)
            assert self._live(found) == {str(lease): until for lease, until in held.items()}
        for place, found in zip(PLACES, lanes, strict=True):
            held = self.oracle.lane(place).live(self.now)
            assert self._live(found) == {f"{account}|{holder}": until for (account, holder), until in held.items()}
        for job in self.database.jobs.values():
            self._check_records(job, values)

    async def _read(self) -> tuple[list[tuple[str, int]], dict[str, str], list[Members], list[Members]]:
        """Return every key with its time left, every string, each account's leases and each lane's holders."""
        names = sorted(await self.redis.keys())
        pipe = self.redis.pipeline(transaction=False)
        for name in names:
            pipe.pttl(name)
        pipe.mget(names)
        for account in ACCOUNTS:
            pipe.zrange(keys.leases(account), 0, -1, withscores=True)
        for place in PLACES:
            pipe.zrange(keys.place(place.provider, place.model, place.lane), 0, -1, withscores=True)
        cells = await pipe.execute()
        strings = dict(zip(names, cells[len(names)], strict=True))
        zsets = cells[len(names) + 1 :]
        return (
            [(name.decode(), stay) for name, stay in zip(names, cells, strict=False)],
            {name.decode(): value.decode() for name, value in strings.items() if value is not None},
            zsets[: len(ACCOUNTS)],
            zsets[len(ACCOUNTS) :],
        )

    def _live(self, members: Members) -> dict[str, int]:
        return {name.decode(): int(until) for name, until in members if until > self.now}

    def _check_counters(self, account: AccountId, values: dict[str, str]) -> None:
        at = periods(self.now)
        if (account, at.month) in self.oracle.warm and self.sure(account):
            names = keys.month(account, at.month), keys.hour(account, at.hour), keys.full(account, at.month)
            assert tuple(int(values.get(name, 0)) for name in names) == self.oracle.used(account, at)

    def _check_records(self, job: Job, values: dict[str, str]) -> None:
        trace = self.oracle.trace(job)
        claim = values.get(keys.claim(job.account, job.order.scope, job.order.key), "")
        assert claim.startswith(f"{trace.claim}|{job.order.fingerprint}|{job.order.lease}|" if trace.claim else "")
        assert bool(claim) == bool(trace.claim)
        assert values.get(keys.receipt(job.order.lease), "").partition("|")[0] == (trace.receipt or "")

    def _no_limit_was_passed_by_what_was_committed(self) -> None:
        """In no period, under the limits that its last order was admitted with: PostgreSQL's word was the last."""
        last: dict[tuple[AccountId, str], Job] = {}
        for job in self.database.written:
            at = periods(job.at)
            last[job.account, at.month] = last[job.account, at.hour] = job
            if job.full_units:
                last[job.account, "full " + at.month] = job
        for (account, period), job in last.items():
            month, hour, full = self.database.used(account, periods(job.at))
            used, most = (month, job.limits.generations_month)
            if period.startswith("full "):
                used, most = full, job.limits.full_regenerations_month
            elif period == periods(job.at).hour:
                used, most = hour, job.limits.generations_hour
            assert most is None or used <= most, period
