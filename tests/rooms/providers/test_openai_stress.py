"""A provider under stress, over real sockets: deadlines, the retry budget, the circuit, addresses that move."""

import asyncio
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from prometheus_client import REGISTRY

from reelwright import providers
from reelwright.providers import CIRCUIT_OPEN, Craft, ProviderAway, ProviderRefused, model_of
from reelwright.providers.circuit import State
from reelwright.providers.fuses import Fuses
from reelwright.providers.openai_connection import CallBudget, OpenAIConnection
from reelwright.providers.speech import OpenAISpeech
from tests.simulators.openai import SimulatedOpenAI, charging, drips, fails, hangs, says, simulated_openai, tones
from tests.waiting import wait_until

BUDGET = CallBudget(total_s=10, attempt_s=5, connect_s=1, first_wait_s=0.01)


class Clock:
    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fuses(clock: Clock) -> Fuses:
    return Fuses(clock=clock)


def speaker(url: str, fuses: Fuses, *, model: str = "tts-1", budget: CallBudget = BUDGET) -> Callable[[], object]:
    connection = OpenAIConnection(api_key="k", base_url=url, budget=budget, fuses=fuses)
    voice = OpenAISpeech(connection, model_of("openai", Craft.SPEECH, model))

    async def speak() -> str:
        """Return how the call ended: ok, or the failure's code."""
        try:
            await voice.speak("Calm.", voice="default", language="en")
        except (ProviderAway, ProviderRefused) as error:
            speak.wait_s = error.wait.total_seconds() if error.wait else 0  # type: ignore[attr-defined]
            return error.code
        return "ok"

    return speak


async def closed_port() -> str:
    async with simulated_openai() as gone:
        return gone.base_url


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"provider": "openai", **labels}) or 0.0


@pytest.mark.parametrize("fault", [hangs, drips], ids=["f53 hang", "f54 drip"])
async def test_a_call_ends_with_the_time_its_run_has_left(server: SimulatedOpenAI, fuses: Fuses, fault) -> None:
    """Each byte of a drip comes in time: only a total deadline ends it. The socket is closed, no task stays behind."""
    gone = asyncio.Event()

    async def watched(send, receive) -> None:
        await fault(send, receive)
        gone.set()

    server.faults = [watched]
    before, began = asyncio.all_tasks(), time.monotonic()
    with providers.deadline(0.3):
        assert await speaker(server.base_url, fuses)() == "provider.unavailable"
    assert 0.25 < time.monotonic() - began < 3
    async with asyncio.timeout(5):
        await gone.wait()
    ours = {
        task for task in asyncio.all_tasks() - before if "uvicorn" not in repr(task) and "simulators" not in repr(task)
    }
    assert not ours
    assert len(server.asked) == 1


async def test_nothing_is_asked_when_no_time_is_left(server: SimulatedOpenAI, fuses: Fuses) -> None:
    with providers.deadline(0.01):
        assert await speaker(server.base_url, fuses)() == "provider.unavailable"
    assert server.asked == []


async def test_a_wait_beyond_the_time_left_is_not_waited(server: SimulatedOpenAI, fuses: Fuses) -> None:
    server.faults = [fails(429, headers={"retry-after": "2.5"})]
    began = time.monotonic()
    speak = speaker(server.base_url, fuses)
    with providers.deadline(1.0):
        assert await speak() == "provider.rate_limited"
    assert time.monotonic() - began < 0.9
    assert (len(server.asked), speak.wait_s) == (1, 2.5)  # type: ignore[attr-defined]


async def test_f51_retries_have_a_budget_that_answers_earn(server: SimulatedOpenAI, fuses: Fuses) -> None:
    """However many calls fail, retries add ten, and then a tenth of what is answered: no storm."""
    server.always = fails(409)  # a 4xx isn't counted by the circuit
    speak = speaker(server.base_url, fuses)
    for _ in range(20):
        await speak()
    assert len(server.asked) == 20 + 10
    assert fuses.health()["openai", "tts-1"].retries_left == 0
    server.always = None
    assert [await speak() for _ in range(10)] == ["ok"] * 10
    server.always = fails(409)
    server.book.asked.clear()
    for _ in range(3):
        await speak()
    assert len(server.asked) == 3 + 1


async def test_f52_a_closed_port_opens_the_circuit_and_others_go_on(server: SimulatedOpenAI, fuses: Fuses) -> None:
    speak = speaker(await closed_port(), fuses)
    assert [await speak() for _ in range(3)] == ["provider.unavailable", CIRCUIT_OPEN, CIRCUIT_OPEN]
    assert speak.wait_s == 15  # type: ignore[attr-defined]
    assert fuses.health()["openai", "tts-1"].state is State.OPEN
    assert await speaker(server.base_url, fuses, model="gpt-4o-mini-tts")() == "ok"
    assert await speaker(server.base_url, fuses)() == CIRCUIT_OPEN
    assert len(server.asked) == 1


@pytest.mark.parametrize("case", ["dns", "tls"])
async def test_f52_no_name_and_no_tls_are_tried_again(
    server: SimulatedOpenAI, fuses: Fuses, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    url = server.base_url.replace("http:", "https:") if case == "tls" else "http://provider.invalid/v1"
    looked_up: list[str] = []

    def nothing(host, *args, **kwargs):
        looked_up.append(str(host))
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    if case == "dns":
        monkeypatch.setattr(socket, "getaddrinfo", nothing)
    assert await speaker(url, fuses)() == "provider.unavailable"
    assert fuses.health()["openai", "tts-1"].failed == 3
    assert len(looked_up) == (3 if case == "dns" else 0)
    assert server.asked == []


async def test_half_of_ten_failing_opens_it_and_after_the_rest_two_answers_close_it(
    server: SimulatedOpenAI, fuses: Fuses, clock: Clock
) -> None:
    budget = CallBudget(retries=0)
    speak = speaker(server.base_url, fuses, budget=budget)
    server.faults = [fails(500), *[says(b"", status=404)] * 3] * 5  # 4xx don't count
    for _ in range(20):
        await speak()
    assert [await speak() for _ in range(5)] == ["ok"] * 5
    assert await speak() == CIRCUIT_OPEN
    assert metric("reelwright_circuit_open", model="tts-1") == 1
    asked = len(server.asked)

    clock.at += 15
    server.faults = [fails(500)]
    assert [await speak() for _ in range(3)] == ["provider.unavailable", CIRCUIT_OPEN, CIRCUIT_OPEN]
    clock.at += 29
    assert await speak() == CIRCUIT_OPEN
    assert len(server.asked) == asked + 1
    clock.at += 1
    assert [await speak() for _ in range(3)] == ["ok"] * 3
    assert (fuses.health()["openai", "tts-1"].state, metric("reelwright_circuit_open", model="tts-1")) == (
        State.CLOSED,
        0,
    )


async def test_f57_of_forty_that_race_after_the_rest_two_reach_the_provider(
    server: SimulatedOpenAI, fuses: Fuses, clock: Clock
) -> None:
    speak = speaker(await closed_port(), fuses)
    await speak()
    await speak()
    clock.at += 15
    slow = asyncio.Event()

    @charging
    async def waits(send, _receive) -> None:
        await slow.wait()
        await server.answer(server.asked[0], send)

    server.always = waits
    well = speaker(server.base_url, fuses)
    racing = [asyncio.create_task(well()) for _ in range(40)]
    await wait_until(lambda: sum(task.done() for task in racing) == 38 and len(server.asked) == 2)
    slow.set()
    ended = await asyncio.gather(*racing)
    assert (ended.count("ok"), ended.count(CIRCUIT_OPEN), server.charged) == (2, 38, 2)
    assert await well() == "ok"


async def test_f50_a_limit_alone_never_opens_the_circuit(server: SimulatedOpenAI, fuses: Fuses) -> None:
    server.always = fails(429, headers={"retry-after": "7"})
    speak = speaker(server.base_url, fuses)
    assert [await speak() for _ in range(30)] == ["provider.rate_limited"] * 30
    assert (len(server.asked), fuses.health()["openai", "tts-1"].state) == (30, State.CLOSED)


async def test_a_call_that_we_give_up_is_no_failure_of_the_provider(server: SimulatedOpenAI, fuses: Fuses) -> None:
    server.always = hangs
    speak = speaker(server.base_url, fuses)
    for n in range(12):
        call = asyncio.create_task(speak())  # type: ignore[arg-type]
        await wait_until(lambda n=n: len(server.asked) == n + 1)
        call.cancel()
        await asyncio.wait([call])
    assert (fuses.health()["openai", "tts-1"].calls, fuses.health()["openai", "tts-1"].state) == (0, State.CLOSED)


async def test_f78_a_provider_that_moves_is_found_by_the_next_call(
    server: SimulatedOpenAI, fuses: Fuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No connection outlives its call, so no address does."""
    port = urlsplit(server.base_url).port or 0
    home, lookup = "127.0.0.1", socket.getaddrinfo

    def resolved(host, *args, **kwargs):
        return lookup(home if host in {"provider.test", b"provider.test"} else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    speak = speaker(f"http://provider.test:{port}/v1", fuses)
    async with simulated_openai(host="127.0.0.2", port=port) as moved:
        assert await speak() == "ok"
        home = "127.0.0.2"
        assert await speak() == "ok"
        assert (len(server.asked), len(moved.asked)) == (1, 1)


async def test_every_end_has_its_metric(server: SimulatedOpenAI, fuses: Fuses) -> None:
    model = "tts-metrics"
    speak = speaker(server.base_url, fuses, model=model)
    names = ("answered", "rate_limited", "away", "refused", "broken", "circuit_open")
    server.faults = [
        fails(429),
        fails(503),
        says(tones("Calm.")),
        fails(401),
        says(b"<html>"),
    ]
    for _ in range(3):
        await speak()
    dead = speaker(await closed_port(), fuses, model=model)
    for _ in range(3):
        await dead()
    counted = {name: metric("reelwright_provider_calls_total", model=model, outcome=name) for name in names}
    assert counted == {
        "answered": 1,
        "rate_limited": 1,
        "away": 6,
        "refused": 1,
        "broken": 1,
        "circuit_open": 2,
    }
    assert metric("reelwright_provider_seconds_count", model=model) == 10
    assert metric("reelwright_retry_budget", model=model) == pytest.approx(10.1 - 5)


async def test_one_process_shares_its_fuses_and_says_how_models_do(server: SimulatedOpenAI) -> None:
    """Two toolsets of one process learn from each other."""
    choice = {"speech": "openai"}
    for _ in range(2):
        tools = providers.toolset(
            choice=choice, openai_api_key="k", openai_base_url=server.base_url, models={"speech": "tts-shared"}
        )
        await tools.speech.speak("Calm.", voice="default", language="en")
    health = providers.health()["openai", "tts-shared"]
    assert (health.state, health.calls, health.failed, health.retries_left) == ("closed", 2, 0, 10)
    assert health.wait.total_seconds() == 0
