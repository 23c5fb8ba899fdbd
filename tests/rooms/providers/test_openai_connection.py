"""The official SDK against a server that misbehaves: what is tried again, what ends at once, and what never leaks."""

import base64
import gzip
import json
import logging
import time
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest
import structlog

from reelwright.ground import clock
from reelwright.ground.metering import Action
from reelwright.providers.catalogue import Craft, model_of
from reelwright.providers.model import ProviderAway, ProviderRefused
from reelwright.providers.openai_chat import Reply, complete
from reelwright.providers.openai_connection import CallBudget, OpenAIConnection
from reelwright.providers.openai_prompts import JUDGEMENT_FORMAT
from tests.simulators.openai import (
    SimulatedOpenAI,
    chat,
    cuts,
    drips,
    fails,
    floods,
    hangs,
    says,
    simulated_openai,
    swallows,
)

QUICK = CallBudget(total_s=15, attempt_s=10, first_wait_s=0.01, longest_wait_s=0.5, response_bytes=100_000)
SECRET_PROMPT = "canary-prompt-9f31"
SECRET_KEY = "sk-canary-77ab"


async def ask(server: SimulatedOpenAI, *, model: str = "gpt-5.4-mini", budget: CallBudget = QUICK) -> Reply:
    connection = OpenAIConnection(api_key=SECRET_KEY, base_url=server.base_url, budget=budget)
    messages = [{"role": "user", "content": SECRET_PROMPT}]
    chosen = model_of("openai", Craft.TEXT, model)
    _, _, reply = await complete(
        connection,
        chosen,
        lambda said: (said, []),
        action=Action.STORY,
        quantity=1,
        messages=messages,
        answer_format=JUDGEMENT_FORMAT,
        most_tokens=900,
    )
    return reply


async def test_a_good_answer_comes_with_its_tokens(server: SimulatedOpenAI) -> None:
    reply = await ask(server)
    assert (reply.finished, reply.use.prompt_tokens, reply.use.completion_tokens) == (True, 1000, 200)
    asked = server.asked[0]
    assert asked.headers["authorization"] == f"Bearer {SECRET_KEY}"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.body["max_completion_tokens"] == 900
    assert asked.body["response_format"]["json_schema"]["strict"] is True


async def test_an_unlisted_model_gets_the_older_length_field(server: SimulatedOpenAI) -> None:
    await ask(server, model="llama-local")
    assert server.asked[0].body["max_tokens"] == 900
    assert "max_completion_tokens" not in server.asked[0].body


async def test_a_server_that_counts_nothing_is_estimated(server: SimulatedOpenAI) -> None:
    server.faults = [says(chat("x" * 400, usage=False))]
    reply = await ask(server)
    assert reply.use.completion_tokens == 100
    assert reply.use.prompt_tokens > 0


@pytest.mark.parametrize(
    ("details", "cost"),
    [
        ({"cached_tokens": 600}, 400 * 750 + 600 * 75 + 200 * 4_500),
        ({"cached_tokens": 9_999}, 1_000 * 75 + 200 * 4_500),
        ({"cached_tokens": None}, 1_000 * 750 + 200 * 4_500),
        ({"audio_tokens": 0}, 1_000 * 750 + 200 * 4_500),
        (None, 1_000 * 750 + 200 * 4_500),
    ],
)
async def test_u14_what_the_provider_remembered_costs_its_smaller_price(
    server: SimulatedOpenAI, details: dict[str, int | None] | None, cost: int
) -> None:
    """Of 1,000 prompt tokens; the tokens themselves are counted whole, and never more are remembered than sent."""
    answer = json.loads(chat("fine"))
    answer["usage"]["prompt_tokens_details"] = details
    server.faults = [says(json.dumps(answer).encode())]
    reply = await ask(server)
    assert (reply.use.prompt_tokens, reply.use.cost_nano_usd) == (1000, cost)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
async def test_f51_a_passing_failure_is_tried_again_twice(server: SimulatedOpenAI, status: int) -> None:
    server.faults = [fails(status)] * 2
    assert (await ask(server)).finished
    assert (len(server.asked), server.charged) == (3, 1)


async def test_f51_the_third_failure_is_the_last(server: SimulatedOpenAI) -> None:
    server.faults = [fails(500)] * 4
    with pytest.raises(ProviderAway):
        await ask(server)
    assert (len(server.asked), server.charged) == (3, 0)


@pytest.mark.parametrize("fault", [hangs, drips, swallows, cuts], ids=["hang", "drip", "swallow", "cut"])
async def test_f56_a_lost_reply_is_not_paid_for_again_at_once(server: SimulatedOpenAI, fault) -> None:
    """Whether it was charged is not known here; the stage's next attempt is the one that may pay, and counts it."""
    server.faults = [fault]
    with pytest.raises(ProviderAway):
        await ask(server, budget=replace(QUICK, attempt_s=0.5 if fault in {hangs, drips} else 10))
    assert len(server.asked) == 1


async def test_a_short_retry_after_is_obeyed(server: SimulatedOpenAI) -> None:
    server.faults = [fails(429, headers={"retry-after": "0.3"})]
    began = time.monotonic()
    assert (await ask(server)).finished
    assert time.monotonic() - began >= 0.3


async def test_f50_a_long_retry_after_is_handed_on(server: SimulatedOpenAI) -> None:
    """A worker's place is worth more than seconds of sleep: the stage comes back when the provider is ready."""
    waits: list[float] = []
    for said in ("7", format_datetime(clock.now() + timedelta(seconds=90), usegmt=True), "86400"):
        server.faults = [fails(429, headers={"retry-after": said})]
        with pytest.raises(ProviderAway) as outage:
            await ask(server)
        assert outage.value.code == "provider.rate_limited", "the lane slows down"
        waits.append(outage.value.wait.total_seconds())
    assert waits == [7, pytest.approx(89, abs=2), 3600], "a day is cut to what any reel may take"
    assert (len(server.asked), server.charged) == (3, 0)


async def test_f50_without_a_retry_after_two_quick_tries_follow(server: SimulatedOpenAI) -> None:
    server.faults = [fails(429)] * 5
    with pytest.raises(ProviderAway) as outage:
        await ask(server)
    assert (outage.value.code, outage.value.wait.total_seconds(), len(server.asked)) == ("provider.rate_limited", 5, 3)


@pytest.mark.parametrize(("status", "code"), [(429, "provider.rate_limited"), (503, "provider.unavailable")])
async def test_e72_a_provider_that_wants_fewer_calls_is_told_from_one_that_is_down(
    server: SimulatedOpenAI, status: int, code: str
) -> None:
    server.faults = [fails(status)] * 3
    with pytest.raises(ProviderAway) as outage:
        await ask(server)
    assert outage.value.code == code


async def test_an_empty_account_is_not_hammered(server: SimulatedOpenAI) -> None:
    server.faults = [fails(429, code="insufficient_quota")]
    with pytest.raises(ProviderAway) as outage:
        await ask(server)
    assert (outage.value.wait.total_seconds(), len(server.asked)) == (300, 1)


@pytest.mark.parametrize(
    ("fault", "code", "word"),
    [
        (fails(400, code="content_policy_violation"), "provider.policy", "wording"),
        (fails(400, code="moderation_blocked"), "provider.policy", "wording"),
        (says(chat(None, refusal="I can't")), "provider.policy", "topic"),
        (says(chat("", finish="content_filter")), "provider.policy", "topic"),
        (fails(401, code="invalid_api_key"), "provider.refused", "OPENAI_API_KEY"),
        (fails(404, code="model_not_found"), "provider.refused", "OPENAI_BASE_URL"),
        (fails(422), "provider.refused", "model"),
    ],
)
async def test_a_lasting_refusal_is_asked_once(server: SimulatedOpenAI, fault, code: str, word: str) -> None:
    server.faults = [fault]
    with pytest.raises(ProviderRefused) as refusal:
        await ask(server)
    assert (refusal.value.code, len(server.asked)) == (code, 1)
    assert word in str(refusal.value)


@pytest.mark.parametrize(
    "fault",
    [
        says(b"<html>Welcome to the proxy</html>", content_type="text/html"),
        says(b"{'not': json"),
        says(b'{"choices": "wrong"}'),
        says(b'{"choices": []}'),
        says(b"[" * 5000),
        says(b"\xff\xfe"),
        says(b""),
        says(b"x" * 50_000_000),
        says(chat("{}")[:90]),
        floods,
        says(gzip.compress(chat("{}")), headers={"content-encoding": "gzip"}),
    ],
    ids=[
        "html",
        "garbage",
        "wrong shape",
        "no choice",
        "deep",
        "bytes",
        "empty",
        "50 MB",
        "truncated",
        "flood",
        "packed",
    ],
)
async def test_nonsense_is_an_outage_and_is_not_paid_for_twice(server: SimulatedOpenAI, fault) -> None:
    server.faults = [fault]
    with pytest.raises(ProviderAway):
        await ask(server)
    assert len(server.asked) == 1


async def test_the_content_type_is_not_believed_but_the_content(server: SimulatedOpenAI) -> None:
    server.faults = [says(chat("{}"), content_type="text/html")]
    assert (await ask(server)).text == "{}"


async def test_a_redirect_takes_the_key_nowhere(server: SimulatedOpenAI) -> None:
    async with simulated_openai() as elsewhere:
        server.faults = [says(b"", status=307, headers={"location": f"{elsewhere.base_url}/chat/completions"})]
        with pytest.raises(ProviderRefused):
            await ask(server)
        assert elsewhere.asked == []


async def test_neither_prompt_nor_key_reaches_a_log(
    server: SimulatedOpenAI, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    server.faults = [
        fails(500, message=SECRET_PROMPT),
        fails(429, message=SECRET_PROMPT),
        fails(400, code="content_policy_violation", message=SECRET_PROMPT),
    ]
    with structlog.testing.capture_logs() as logs, pytest.raises(ProviderRefused) as refusal:
        await ask(server)
    written = f"{logs} {caplog.text} {capsys.readouterr()} {refusal.value!r} {refusal.value.extra}"
    assert logs
    assert not [secret for secret in (SECRET_PROMPT, SECRET_KEY) if secret in written]
    assert base64.b64encode(SECRET_PROMPT.encode()).decode() not in written
    assert SECRET_KEY not in repr(OpenAIConnection(api_key=SECRET_KEY, base_url=server.base_url))
