"""A short hammering in every run: real processes on both sides, Redis wiped and killed. `tests.load.hammer` is long."""

from tests.load import scenarios
from tests.load.hammer import field
from tests.load.siege import Outcome

_SEED = 3


async def test_every_limit_holds_exactly_under_fire_from_many_processes() -> None:
    async with field(seed=_SEED, say=print) as on:
        outcomes: list[Outcome] = [
            await scenarios.concurrency(on, 80),
            await scenarios.one_key(on, 80),
            await scenarios.wiped(on, 100, small=True),
            await scenarios.killed_redis(on, 200, small=True),  # so that enough is left to ask once it is dead,
        ]
    assert {outcome.name: outcome.faults for outcome in outcomes if outcome.faults} == {}
    assert sum(outcome.attempts for outcome in outcomes) > 300
    assert [outcome.admitted for outcome in outcomes[:2]] == [16, 1]
