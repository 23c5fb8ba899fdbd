"""The API in this process, on the real servers; its queue is a closed port, so that nothing starts by itself."""

import asyncio
import functools
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from litestar import Litestar, Request, Response

from reelwright.api import answers, problems
from reelwright.api.operations import Operation
from reelwright.app import create_app
from reelwright.billing import Plan
from reelwright.ground import clock, migrations, postgres
from reelwright.ground.postgres import Database
from reelwright.journeys import onboarding
from reelwright.settings import Settings
from tests.api.snapshot import present
from tests.conftest import new_database


@pytest.fixture(scope="session")
def valkey_url(server_urls: tuple[str, str], worker_number: int) -> str:
    """A Redis database that only the API's tests use."""
    return server_urls[1].rsplit("/", 1)[0] + f"/{8 + worker_number}"


@pytest.fixture(scope="session")
async def database_url(postgres_url: str, worker_number: int) -> str:
    """A database that only the API's tests use: its relay lives on between them, and sends whatever it finds."""
    url = await new_database(postgres_url, f"reelwright_api_{worker_number}")
    migrations.upgrade(url)
    return url


@pytest.fixture(scope="session")
async def pool(database_url: str) -> AsyncGenerator[Database]:
    database = postgres.connect(database_url, name="tests")
    yield database
    await database.close()


@pytest.fixture(scope="session")
def settings(database_url: str, valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        environment="test",
        database_url=database_url,
        redis_url=valkey_url,
        redis_timeout=timedelta(seconds=10),
        storage_url=f"file://{tmp_path_factory.mktemp('api')}/artefacts",
        worker_url="http://127.0.0.1:9",
        qstash_url="http://127.0.0.1:9",
        qstash_token="token",
        qstash_current_signing_key="sig_test_current_key_of_32_chars__",
        ingestion_allowlist=("127.0.0.1:8123",),
        password_memory_kib=8,
    )


@asynccontextmanager
async def living(app: Litestar) -> AsyncGenerator[Litestar]:
    """Run the app's lifespan in a task of its own: its cancel scopes must be left where they were entered."""
    started, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await over.wait()

    life = asyncio.create_task(live())
    await asyncio.wait({life, asyncio.create_task(started.wait())}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield app
    finally:
        over.set()
        await life


@pytest.fixture(scope="session")
async def running_app(settings: Settings) -> AsyncGenerator[Litestar]:
    """One API for all tests of a process: what it keeps, it keeps for accounts, and each test has its own."""
    async with living(create_app(settings)) as made:
        yield made


@pytest.fixture(autouse=True)
def told_refusals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test in which an operation answers with a code, or with facts, that the contract doesn't tell of."""
    untold: set[str] = set()

    def watched(request: Request, *, code: str, **rest: Any) -> Response:
        handler = request.scope.get("route_handler")
        if handler is not None and handler.resolve_include_in_schema():
            one = Operation(request.method, request.scope["path_template"], handler)
            if code not in answers.codes(one):
                untold.add(f"{one.name}: {code}")
        told = document(request, code=code, **rest)
        untold.update(f"{code}: {wrong.message}" for wrong in problem_schema().iter_errors(told.content))
        return told

    document = problems.document
    monkeypatch.setattr(problems, "document", watched)
    yield
    assert not untold, f"say so in src/reelwright/api/answers.py or contract_schemas.py: {sorted(untold)}"


@functools.cache
def problem_schema() -> Draft202012Validator:
    """Return what checks a problem document, which may say nothing that the contract doesn't type."""
    whole = present()
    return Draft202012Validator(
        {**whole["components"]["schemas"]["Problem"], "additionalProperties": False, "components": whole["components"]}
    )


@pytest.fixture
def app(running_app: Litestar, db: Database, redis: object) -> Litestar:
    """The API, with rows and Redis emptied after the test."""
    return running_app


@dataclass(frozen=True)
class Person:
    account_id: str
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}


async def person(db: Database, email: str, plan: Plan = Plan.BASIC) -> Person:
    welcome = await onboarding.create_user(email=email, plan=plan, role="user", live=False, db=db, now=clock.now())
    return Person(str(welcome.account.id), welcome.secret)


@pytest.fixture
async def user(db: Database) -> Person:
    return await person(db, "someone@example.com", Plan.STANDARD)


@pytest.fixture
async def stranger(db: Database) -> Person:
    return await person(db, "other@example.com", Plan.STANDARD)


@pytest.fixture
async def api(app: Litestar, user: Person) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=user.headers) as client:
        yield client
