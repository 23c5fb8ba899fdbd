"""The machine's orders: new ones, repeated ones, dry runs and peeks, each answer compared whole with the oracle's."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from reelwright.admission import (
    Admitted,
    InProgress,
    KeyReused,
    NoPlace,
    NotAdmitted,
    Order,
    Place,
    Replayed,
    Standing,
)
from reelwright.ground.ids import AccountId, DraftId, GenerationId
from tests.machine.machine import Machine, accounts, drafts, lags, picks, places
from tests.machine.oracle import Answer, Row
from tests.machine.postgres import Job, instant, millis, periods


class Orders(Machine):
    """What callers ask of the gate."""

    def _order(self, account: AccountId, *, stale: int = 0, **changes) -> Order:
        self.orders += 1
        history = self.database.plans[account]
        return replace(
            Order(
                account=account,
                lease=GenerationId(UUID(int=1_000 + self.orders)),
                scope="POST /v1/create",
                key=f"key-{self.orders}",
                fingerprint="a digest",
                held=history[max(len(history) - 1 - stale, 0)],
            ),
            **changes,
        )

    @rule(account=accounts, place=places, stale=st.integers(0, 1), lag=lags)
    def create(self, account: AccountId, place: Place, stale: int, lag: int) -> None:
        self._admit(self._order(account, place=place, stale=stale), lag)

    @rule(account=accounts, place=places, times=st.integers(1, 4), repeat=st.sampled_from(["same", "other"]))
    def rush(self, account: AccountId, place: Place, times: int, repeat: str) -> None:
        """Several orders at once for one provider, none of them committed yet, and each sent once more."""
        for _ in range(times):
            order = self._order(account, place=place)
            if self._admit(order, 0) is not None:
                self._admit(order if repeat == "same" else replace(order, fingerprint="another digest"), 0)

    @rule(account=accounts, draft=drafts)
    def regenerate_a_part(self, account: AccountId, draft: DraftId) -> None:
        self._admit(self._order(account, draft=draft), 0)

    @rule(account=accounts, draft=drafts, place=st.none() | places)
    def regenerate_all(self, account: AccountId, draft: DraftId, place: Place | None) -> None:
        self._admit(self._order(account, draft=draft, full_units=1, place=place), 0)

    @precondition(lambda self: self.database.jobs)
    @rule(pick=picks, other=st.booleans(), lag=lags)
    def repeat_a_key(self, pick: int, lag: int, *, other: bool) -> None:
        """With the same body, or with another. PostgreSQL answers first, where it can."""
        jobs = list(self.database.jobs.values())
        job = jobs[-1 - pick % len(jobs)]
        if job.committed and self.oracle.trace(job).claim != "done":
            return
        order = replace(job.order, held=self.database.held(job.account))
        self._admit(replace(order, fingerprint="another digest") if other else order, lag)

    def _admit(self, order: Order, lag: int) -> Job | None:
        settled, sure = self.oracle.settled(order, self.now), self.sure(order.account)
        expected = self.oracle.decide(order, self.now, dry=False)
        untouched = sure and expected.kind != "admitted" and (settled or expected.kind in {"busy", "reused", "replay"})
        before = self._everything() if untouched else None
        answer, admitted = self.run(self._ask(order, lag))
        self.named = answer.binding
        if sure:
            type(self).exact.update([expected.kind, *expected.binding])
            assert answer == expected
        if untouched:
            assert self._everything() == before
        if admitted is None:
            return None
        assert (admitted.at, admitted.lease_until) == (instant(self.now), instant(self.now + 30_000))
        self.alive = [job for job in self.alive if job.order.lease != order.lease]
        job = self.oracle.admitted(order, admitted.limits, self.now)
        self.alive.append(job)
        return job

    async def _ask(self, order: Order, lag: int) -> tuple[Answer, Admitted | None]:
        try:
            answer = await self.gate.admit(order, now=instant(self.now + lag))
        except (NotAdmitted, NoPlace, InProgress, KeyReused) as refusal:
            return _refusal(refusal), None
        if isinstance(answer, Replayed):
            assert answer.generation == order.lease
            return Answer("replay"), None
        return Answer("admitted", rows=_rows(answer.standings)), answer

    @rule(account=accounts, draft=st.none() | drafts, place=st.none() | places, lag=lags, ask=st.booleans())
    def try_it_dry(
        self, account: AccountId, draft: DraftId | None, place: Place | None, lag: int, *, ask: bool
    ) -> None:
        """Nothing is taken; nor is anything written, but what PostgreSQL was asked for where Redis didn't know."""
        order = self._order(account, draft=draft, full_units=int(draft is not None), place=place)
        settled = self.oracle.settled(order, self.now)
        before = self._everything() if settled or not ask else None
        answer = self.run(self._ask_dry(order, lag, ask=ask))
        assert before is None or self._everything() == before
        assert (answer is None) == (not settled and not ask)
        if answer is not None:
            expected = self.oracle.decide(order, self.now, dry=True)
            if self.sure(account):
                type(self).exact.update([expected.kind, *expected.binding])
                assert answer == expected

    async def _ask_dry(self, order: Order, lag: int, *, ask: bool) -> Answer | None:
        try:
            answer = await self.gate.would_admit(order, now=instant(self.now + lag), ask=ask)
        except (NotAdmitted, NoPlace) as refusal:
            return _refusal(refusal)
        return answer and Answer("admitted", rows=_rows(answer.standings))

    @rule(account=accounts, lag=lags)
    def peek(self, account: AccountId, lag: int) -> None:
        before, at = self._everything(), periods(self.now)
        seen = self.run(self.gate.peek(account, now=instant(self.now + lag)))
        assert self._everything() == before
        held = self.oracle.plan(account, self.now) or self.database.held(account)
        limits = self.oracle.limits(held, self.now)
        assert (seen.at, seen.entitlement.plan, seen.entitlement.limits) == (instant(self.now), held.plan, limits)
        if self.sure(account) and (account, at.month) in self.oracle.warm:
            used = {row.policy.value: (row.limit, row.used) for row in seen.standings}
            month, hour, full = self.oracle.used(account, at)
            assert used == {
                "generations_month": (limits.generations_month, month),
                "generations_hour": (limits.generations_hour, hour),
                "full_regenerations_month": (limits.full_regenerations_month, full),
                "concurrent": (limits.concurrent, len(self.oracle.leases(account, self.now))),
            }


def _refusal(error: NotAdmitted | NoPlace | InProgress | KeyReused) -> Answer:
    wait = (error.wait or timedelta(0)) // timedelta(milliseconds=1)
    if isinstance(error, InProgress | KeyReused):
        return Answer("busy" if isinstance(error, InProgress) else "reused", wait=wait)
    binding = tuple(row.policy.value for row in error.violations)
    if isinstance(error, NoPlace):
        return Answer("no place", wait=wait, binding=binding)
    return Answer("refused", wait=wait, binding=binding, rows=_rows(error.standings))


def _rows(standings: Sequence[Standing]) -> tuple[Row, ...]:
    return tuple(
        (row.policy.value, row.limit, row.used, None if row.frees_at is None else millis(row.frees_at))
        for row in standings
    )
