"""F39, F40, F76, F77: whatever becomes of the answer to an order's COMMIT, there is one whole order, or none."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from reelwright.accounts import Account
from reelwright.admission import Gate, InProgress
from reelwright.billing import Plan
from reelwright.ground import failpoints, postgres
from reelwright.ground.errors import Outage
from reelwright.ground.postgres import Database
from reelwright.journeys.creation import Started
from tests.builders import a_gate, an_account
from tests.chaos.proxy import Fault, Proxy, proxied
from tests.journeys.conftest import order
from tests.journeys.test_creation import standing
from tests.waiting import wait_until

BEFORE, AFTER = "api.create.before_tx", "api.create.after_tx"


@pytest.fixture
async def account(db: Database) -> Account:
    return await an_account(db, Plan.PRO)


@pytest.fixture
async def proxy(database_url: str) -> AsyncGenerator[Proxy]:
    where = urlsplit(database_url)
    async with proxied(where.hostname or "127.0.0.1", where.port or 5432) as made:
        yield made


@pytest.fixture
async def far(proxy: Proxy, database_url: str) -> AsyncGenerator[Database]:
    """The database as an API process sees it over a network that may fail."""
    where = urlsplit(database_url)
    here = where.netloc.rpartition("@")[0] + f"@127.0.0.1:{proxy.listens_on}"
    made = postgres.connect(urlunsplit(where._replace(netloc=here.removeprefix("@"))), name="far", pool_size=2)
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


def at_the_orders_commit(far: Database, proxy: Proxy, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it go wrong at the COMMIT that writes the order, not at those before, which other connections have seen."""
    real = failpoints.reached

    async def reached(name: str) -> None:
        if name == BEFORE:
            await far.engine.dispose()
            proxy.set(fault)
        await real(name)

    monkeypatch.setattr(failpoints, "reached", reached)


async def test_f39_a_commit_that_happened_unheard_is_a_start(
    db: Database, far: Database, proxy: Proxy, gate: Gate, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_the_orders_commit(far, proxy, Fault(swallow=b"COMMIT"), monkeypatch)

    started = await order(account, far, gate, key="unheard")

    assert (proxy.struck, started.admitted is not None) == (1, True)
    exist, units, leases, held = await standing(db, gate, account)
    assert (exist, units, leases, held) == (1, 1, 1, started.price_micro)


async def test_f40_a_commit_that_never_arrived_gives_all_back_and_the_key_starts_it_later(
    db: Database, far: Database, proxy: Proxy, gate: Gate, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_the_orders_commit(far, proxy, Fault(withhold=b"COMMIT"), monkeypatch)

    with pytest.raises(Outage):
        await order(account, far, gate, key="lost")

    assert proxy.struck == 1
    assert await standing(db, gate, account) == (0, 0, 0, 0)
    monkeypatch.undo()
    assert (await order(account, far, gate, key="lost")).admitted is not None
    assert (await standing(db, gate, account))[:3] == (1, 1, 1)


async def test_a_commit_that_the_server_is_still_at_is_waited_for(
    db: Database, gate: Gate, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To look at once and find nothing would give back what an order that stands has taken."""
    real, left = Database.begin, asyncio.Event()
    committing: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def begin(self: Database) -> AsyncGenerator[AsyncConnection]:
        opened, gone = asyncio.get_running_loop().create_future(), asyncio.Event()

        async def serve() -> None:
            async with real(self) as tx:
                opened.set_result(tx)
                await gone.wait()
                await wait_until(waited_for)

        async def waited_for() -> object:
            query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FROM users%'"
            async with real(db) as tx:
                return await tx.scalar(text(query))

        if not left.is_set():
            async with real(self) as tx:
                yield tx
            return
        monkeypatch.undo()
        committing.append(asyncio.create_task(serve()))
        yield await opened
        gone.set()
        raise Outage("The database is not answering.", code="database.unavailable")

    async def reached(_name: str) -> None:
        left.set()

    monkeypatch.setattr(Database, "begin", begin)
    monkeypatch.setattr(failpoints, "reached", reached)

    started = await order(account, db, gate, key="late")
    await asyncio.gather(*committing)

    assert started.admitted is not None
    exist, units, leases, held = await standing(db, gate, account)
    assert (exist, units, leases, held) == (1, 1, 1, started.price_micro)


@pytest.mark.parametrize("committed", [True, False])
async def test_a_request_that_is_given_up_in_its_commit_leaves_all_or_nothing(
    *, committed: bool, db: Database, gate: Gate, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server stops, or the client hangs up: what stands keeps its unit, what doesn't gives it back."""
    real, reached, hanging = Database.begin, failpoints.reached, asyncio.Event()

    @asynccontextmanager
    async def begin(self: Database) -> AsyncGenerator[AsyncConnection]:
        monkeypatch.setattr(Database, "begin", real)
        async with real(self) as tx:
            yield tx
            if not committed:
                hanging.set()
                await asyncio.Event().wait()
        hanging.set()
        await asyncio.Event().wait()

    async def here(name: str) -> None:
        if name == BEFORE:
            monkeypatch.setattr(Database, "begin", begin)
        await reached(name)

    monkeypatch.setattr(failpoints, "reached", here)
    ordering = asyncio.create_task(order(account, db, gate, key="given up"))
    await hanging.wait()
    ordering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ordering

    assert (await standing(db, gate, account))[:3] == ((1, 1, 1) if committed else (0, 0, 0))


async def test_f76_one_key_at_two_apis_at_once_is_one_order(
    db: Database, far: Database, gate: Gate, redis: Redis, account: Account
) -> None:
    other = a_gate(far, redis)
    asked = [order(account, *at, key="same") for at in ((db, gate), (far, other)) for _ in range(10)]
    told = await asyncio.gather(*asked, return_exceptions=True)
    await other.close()

    assert {type(answer) for answer in told} <= {Started, InProgress}
    started = [answer for answer in told if isinstance(answer, Started)]
    assert len({answer.generation_id for answer in started}) == 1
    assert sum(answer.admitted is not None for answer in started) == 1
    again = await order(account, far, gate, key="same")
    assert (again.generation_id, again.admitted) == (started[0].generation_id, None)
    assert (await standing(db, gate, account))[:3] == (1, 1, 1)


async def test_f77_who_died_after_the_commit_answers_the_same_order_later(
    db: Database, gate: Gate, account: Account
) -> None:
    failpoints.arm(f"{AFTER}=raise:bug@1")
    with pytest.raises(failpoints.FailpointError):
        await order(account, db, gate, key="same")
    standing_then = await standing(db, gate, account)

    again = await order(account, db, gate, key="same")

    assert again.admitted is None
    assert await standing(db, gate, account) == standing_then == (1, 1, 1, again.price_micro)


async def test_who_died_before_the_commit_has_taken_nothing(db: Database, gate: Gate, account: Account) -> None:
    for action in ("raise:outage", "raise:bug"):
        failpoints.arm(f"{BEFORE}={action}@1")
        with pytest.raises((Outage, failpoints.FailpointError)):
            await order(account, db, gate, key="same")
        assert await standing(db, gate, account) == (0, 0, 0, 0)
