"""Every paid call is written down before a byte of it goes out, and as it ended: F56."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import pytest

from reelwright import providers
from reelwright.ground.errors import Outage
from reelwright.providers import Brief, CallState, Craft, Facts, ProviderAway, ProviderRefused, model_of
from reelwright.providers.image import OpenAIPictures
from reelwright.providers.openai_connection import CallBudget, OpenAIConnection
from reelwright.providers.speech import OpenAISpeech
from reelwright.providers.text import OpenAIText
from tests.simulators.openai import (
    Receive,
    Send,
    SimulatedOpenAI,
    chat,
    cuts,
    drips,
    fails,
    give,
    hangs,
    says,
    simulated_openai,
    swallows,
)
from tests.waiting import wait_until

BUDGET = CallBudget(total_s=20, attempt_s=10, first_wait_s=0.01)
BRIEF = Brief(
    topic="Octopus hearts",
    facts=Facts(kind="url", title="Hearts", body="An octopus has three hearts."),
    platform="tiktok",
    tone="curious",
    language="en",
    duration_s=30,
    words=75,
    scenes=5,
)


@dataclass
class Journal:
    """A journal in memory. `down` says when it can't be written."""

    begun: list[dict[str, str]] = field(default_factory=list)
    ended: dict[UUID, tuple[str, str | None]] = field(default_factory=dict)
    ids: list[UUID] = field(default_factory=list)
    down: str = ""

    async def begin(self, **call: str) -> UUID:
        if self.down == "begin":
            raise Outage("no")
        self.begun.append(call)
        self.ids.append(uuid4())
        return self.ids[-1]

    def key(self, call: UUID) -> str:
        return f"key-{self.ids.index(call)}"

    async def end(self, call: UUID, state: str, *, external_id: str | None = None) -> None:
        if self.down == "end":
            raise Outage("no")
        self.ended[call] = (state, external_id)

    @property
    def states(self) -> list[str]:
        return [self.ended[call][0] for call in self.ids]


def line(url: str, *, attempt_s: float = 10) -> OpenAIConnection:
    return OpenAIConnection(api_key="k", base_url=url, budget=replace(BUDGET, attempt_s=attempt_s))


def voice(url: str, *, attempt_s: float = 10) -> OpenAISpeech:
    return OpenAISpeech(line(url, attempt_s=attempt_s), model_of("openai", Craft.SPEECH, "tts-1"))


async def spoken(url: str, journal: Journal, *, attempt_s: float = 10) -> None:
    with providers.journaled(journal):
        await voice(url, attempt_s=attempt_s).speak("The sea is calm.", voice="default", language="en")


async def test_the_intent_stands_before_the_request_does(server: SimulatedOpenAI) -> None:
    journal, seen = Journal(), list[tuple[int, int]]()

    async def look(send: Send, _receive: Receive) -> None:
        seen.append((len(journal.begun), len(journal.ended)))
        await give(send, b"{}", status=400)

    server.faults = [look]
    with pytest.raises(ProviderRefused):
        await spoken(server.base_url, journal)
    assert seen == [(1, 0)]
    assert journal.begun[0].keys() == {"provider", "model", "craft", "request_hash"}
    assert [journal.begun[0][name] for name in ("provider", "model", "craft")] == ["openai", "tts-1", "speech"]


@pytest.mark.parametrize(
    ("faults", "states"),
    [
        ([], ["answered"]),
        ([fails(500), fails(429)], ["failed", "failed", "answered"]),
        ([fails(500)] * 3, ["failed"] * 3),
        ([fails(400)], ["failed"]),
        ([says(b"<html>", content_type="text/html")], ["failed"]),
        ([hangs], ["unknown"]),
        ([drips], ["unknown"]),
        ([swallows], ["unknown"]),
        ([cuts], ["unknown"]),
        ([fails(503), swallows], ["failed", "unknown"]),
    ],
    ids=["good", "2 retries", "500", "400", "html", "hang", "drip", "swallow", "cut", "retry lost"],
)
async def test_each_try_is_written_down_as_it_ended(
    server: SimulatedOpenAI, faults: list[Callable[..., Awaitable[int | None]]], states: list[str]
) -> None:
    journal = Journal()
    server.faults = list(faults)
    if states[-1] == "answered":
        await spoken(server.base_url, journal)
    else:
        with pytest.raises((ProviderAway, ProviderRefused)):
            await spoken(server.base_url, journal, attempt_s=0.5 if faults[0] in {hangs, drips} else 10)
    assert journal.states == states
    assert len(server.asked) == len(states)
    assert len({call["request_hash"] for call in journal.begun}) == 1


async def test_what_never_left_is_not_unknown() -> None:
    async with simulated_openai() as gone:
        pass
    journal = Journal()
    with pytest.raises(ProviderAway):
        await spoken(gone.base_url, journal)
    assert journal.states == ["failed"] * 3


async def test_a_model_that_declines_has_answered_and_an_unusable_answer_failed(server: SimulatedOpenAI) -> None:
    """A story that was declined or no good is asked for anew on purpose: no reply was lost."""
    journal = Journal()
    server.faults = [says(chat(None, refusal="no")), says(chat("nonsense")), says(chat("nonsense"))]
    with providers.journaled(journal):
        writer = OpenAIText(line(server.base_url), model_of("openai", Craft.TEXT))
        with pytest.raises(ProviderRefused):
            await writer.write(BRIEF)
        with pytest.raises(ProviderAway):
            await writer.write(BRIEF)
    assert journal.states == ["answered", "failed", "failed"]


async def test_a_call_given_up_in_flight_may_have_been_charged(server: SimulatedOpenAI) -> None:
    journal = Journal()
    server.faults = [hangs]
    call = asyncio.create_task(spoken(server.base_url, journal))
    await wait_until(lambda: len(server.asked) == 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert journal.states == ["unknown"]


async def test_without_an_intent_nothing_goes_out(server: SimulatedOpenAI) -> None:
    with pytest.raises(Outage):
        await spoken(server.base_url, Journal(down="begin"))
    assert server.asked == []


async def test_an_answer_is_not_thrown_away_because_its_end_cannot_be_written(server: SimulatedOpenAI) -> None:
    journal = Journal(down="end")
    await spoken(server.base_url, journal)
    assert (server.charged, len(journal.begun), journal.ended) == (1, 1, {})


async def test_the_key_and_the_providers_own_id_go_with_the_call(server: SimulatedOpenAI) -> None:
    journal = Journal()
    server.faults = [
        fails(503),
        says(chat("nonsense"), headers={"x-request-id": "req_1"}),
        says(chat("nonsense"), headers={"x-request-id": "x" * 900}),
    ]
    with providers.journaled(journal), pytest.raises(ProviderAway):
        await OpenAIText(line(server.base_url), model_of("openai", Craft.TEXT)).write(BRIEF)
    assert [asked.headers["idempotency-key"] for asked in server.asked] == ["key-0", "key-1", "key-2"]
    assert [journal.ended[call][1] for call in journal.ids] == [None, "req_1", "x" * 200]

    await voice(server.base_url).speak("Calm.", voice="default", language="en")
    assert "idempotency-key" not in server.asked[-1].headers


async def test_an_order_is_known_again_by_its_hash_whatever_its_fence_or_the_failed_answer(
    server: SimulatedOpenAI,
) -> None:
    """The token around the page is new each time, and so is what a model said wrong; the order is the same."""
    journal = Journal()
    writer = OpenAIText(line(server.base_url), model_of("openai", Craft.TEXT))
    with providers.journaled(journal):
        for said in ("nonsense", json.dumps({"stories": []})):
            server.faults = [says(chat(said))]
            await writer.write(BRIEF)
        await writer.write(replace(BRIEF, topic="Squid"))
    first, repair, again, repair_again, another = (call["request_hash"] for call in journal.begun)
    assert (first, repair) == (again, repair_again)
    assert len({first, repair, another}) == 3
    sent = [asked.body["messages"][1]["content"] for asked in server.asked]
    assert sent[0] != sent[2], "the fence has a new token"


async def test_another_take_of_a_picture_is_another_order(server: SimulatedOpenAI) -> None:
    journal = Journal()
    pictures = OpenAIPictures(line(server.base_url), model_of("openai", Craft.PICTURE, "gpt-image-2"))
    with providers.journaled(journal):
        for take in (0, 0, 1):
            await pictures.draw("a calm sea", width=300, height=300, seed=1, take=take)
    hashes = [call["request_hash"] for call in journal.begun]
    assert (hashes[0] == hashes[1], hashes[1] == hashes[2]) == (True, False)


def test_the_states_are_those_of_the_rows() -> None:
    assert [state.value for state in CallState] == ["intended", "answered", "failed", "unknown"]
