"""F39, F40, F76, F77: whatever becomes of the answer to an order's end, there is one whole order, or none.

The usual order is one statement and its own transaction; some are written step by step, up to a COMMIT.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
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
from reelwright.journeys import creation
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


@pytest.fixture(params=["at once", "step by step"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How orders are written."""
    if request.param != "at once":
        monkeypatch.setattr(creation, "_USUAL", ())
    return request.param


@pytest.fixture
def opening(way: str) -> str:
    """What opens the transaction of an order."""
    return "single" if way == "at once" else "begin"


@pytest.fixture
def ends_with(way: str) -> bytes:
    """What the request holds that ends an order: its topic, or a COMMIT."""
    return b"Cats" if way == "at once" else b"COMMIT"


def at_the_orders_end(far: Database, proxy: Proxy, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it go wrong where the order is written, not before, where other connections have seen the same words."""
    real = failpoints.reached

    async def reached(name: str) -> None:
        if name == BEFORE:
            await far.engine.dispose()
            proxy.set(fault)
        await real(name)

    monkeypatch.setattr(failpoints, "reached", reached)


async def test_f39_a_commit_that_happened_unheard_is_a_start(
    db: Database,
    far: Database,
    proxy: Proxy,
    gate: Gate,
    account: Account,
    ends_with: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_the_orders_end(far, proxy, Fault(swallow=ends_with), monkeypatch)

    started = await order(account, far, gate, key="unheard")

    assert (proxy.struck, started.admitted is not None) == (1, True)
    exist, units, leases, held = await standing(db, gate, account)
    assert (exist, units, leases, held) == (1, 1, 1, started.price_micro)


async def test_f40_a_commit_that_never_arrived_gives_all_back_and_the_key_starts_it_later(
    db: Database,
    far: Database,
    proxy: Proxy,
    gate: Gate,
    account: Account,
    ends_with: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_the_orders_end(far, proxy, Fault(withhold=ends_with), monkeypatch)

    with pytest.raises(Outage):
        await order(account, far, gate, key="lost")

    assert proxy.struck == 1
    assert await standing(db, gate, account) == (0, 0, 0, 0)
    monkeypatch.undo()
    assert (await order(account, far, gate, key="lost")).admitted is not None
    assert (await standing(db, gate, account))[:3] == (1, 1, 1)


async def test_an_order_that_arrives_after_all_was_given_back_does_not_stand(
    db: Database, far: Database, proxy: Proxy, gate: Gate, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_the_orders_end(far, proxy, Fault(late=b"Cats"), monkeypatch)
    with pytest.raises(Outage):
        await order(account, far, gate, key="late")
    assert (proxy.struck, await standing(db, gate, account)) == (1, (0, 0, 0, 0))

    await asyncio.wait_for(proxy.hand_on(), 10)

    assert await standing(db, gate, account) == (0, 0, 0, 0)
    monkeypatch.undo()
    assert (await order(account, far, gate, key="late")).admitted is not None  # though it knows the account as it was
    assert (await standing(db, gate, account))[:3] == (1, 1, 1)


async def test_an_order_that_goes_on_after_all_was_given_back_does_not_stand(
    db: Database, far: Database, proxy: Proxy, gate: Gate, account: Account
) -> None:
    """It has written rows, and waits for the account's credits, when the connection breaks that nobody listens on."""
    at_it = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INTO drafts%'")

    async def waits() -> object:
        async with db.begin() as tx:
            return await tx.scalar(at_it)

    async with db.begin() as tx:
        await tx.execute(text("SELECT FROM credit_balances WHERE account_id = :id FOR UPDATE"), {"id": account.id})
        ordering = asyncio.create_task(order(account, far, gate, key="waits"))
        await wait_until(waits)
        proxy.cut()
        with pytest.raises(Outage):
            await ordering
        assert await waits()
    await wait_until(lambda: gone(waits))

    assert await standing(db, gate, account) == (0, 0, 0, 0)


async def gone(there: Callable[[], Awaitable[object]]) -> bool:
    return not await there()


async def test_a_commit_that_the_server_is_still_at_is_waited_for(
    db: Database, gate: Gate, account: Account, opening: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To look at once and find nothing would give back what an order that stands has taken."""
    real, usual, left = Database.begin, getattr(Database, opening), asyncio.Event()
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
            async with usual(self) as tx:
                yield tx
            return
        monkeypatch.undo()
        committing.append(asyncio.create_task(serve()))
        yield await opened
        gone.set()
        raise Outage("The database is not answering.", code="database.unavailable")

    async def reached(_name: str) -> None:
        left.set()

    monkeypatch.setattr(Database, opening, begin)
    monkeypatch.setattr(failpoints, "reached", reached)

    started = await order(account, db, gate, key="late")
    await asyncio.gather(*committing)

    assert started.admitted is not None
    exist, units, leases, held = await standing(db, gate, account)
    assert (exist, units, leases, held) == (1, 1, 1, started.price_micro)


@pytest.mark.parametrize("committed", [True, False])
async def test_a_request_that_is_given_up_in_its_commit_leaves_all_or_nothing(
    *, committed: bool, db: Database, gate: Gate, account: Account, opening: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server stops, or the client hangs up: what stands keeps its unit, what doesn't gives it back."""
    real, reached, hanging = Database.begin, failpoints.reached, asyncio.Event()
    usual = getattr(Database, opening)

    @asynccontextmanager
    async def begin(self: Database) -> AsyncGenerator[AsyncConnection]:
        monkeypatch.setattr(Database, opening, usual)
        async with real(self) as tx:
            yield tx
            if not committed:
                hanging.set()
                await asyncio.Event().wait()
        hanging.set()
        await asyncio.Event().wait()

    async def here(name: str) -> None:
        if name == BEFORE:
            monkeypatch.setattr(Database, opening, begin)
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
