"""Stories and judgements from every service that reads and writes: each in its own protocol."""

import base64
import json
from dataclasses import replace

import pytest

from reelwright.ground.metering import Action
from reelwright.providers import RATE_LIMITED, Brief, Craft, Facts, Picture, ProviderAway, ProviderRefused, model_of
from reelwright.providers.openai_connection import CallBudget, OpenAIConnection
from reelwright.providers.services import SERVICES
from reelwright.providers.text import OpenAIText
from reelwright.providers.vision import OpenAIVision
from tests.simulators.openai import Fault, chat, cuts, drips, encoded_png, fails, floods, hangs, says, stories, swallows
from tests.simulators.services import (
    KEY,
    SimulatedServices,
    anthropic_error,
    message,
    minimax_says_no,
)

READERS = ("anthropic", "gemini", "minimax", "ollama")
BRIEF = Brief(
    topic="Octopus hearts",
    facts=Facts(kind="url", title="Hearts", body="An octopus has three hearts. Its blood is blue."),
    platform="tiktok",
    tone="curious",
    language="en",
    duration_s=30,
    words=75,
    scenes=5,
    variants=2,
)


def line(services: SimulatedServices, name: str, **budget: float) -> OpenAIConnection:
    bounds = {"total_s": 20.0, "attempt_s": 10.0, "first_wait_s": 0.01, **budget}
    return OpenAIConnection(
        api_key=KEY,
        base_url=services.url_of(name),
        budget=CallBudget(**bounds),  # type: ignore[arg-type] - seconds, every one
        service=SERVICES[name],
    )


def writer(services: SimulatedServices, name: str, **budget: float) -> OpenAIText:
    return OpenAIText(line(services, name, **budget), model_of(name, Craft.TEXT))


@pytest.mark.parametrize("name", READERS)
async def test_stories_come_in_the_ordered_shape_with_their_cost(services: SimulatedServices, name: str) -> None:
    model = model_of(name, Craft.TEXT)
    written, (use,) = await writer(services, name).write(BRIEF)
    assert [len(story.beats) for story in written] == [5, 5]
    assert written[0].beats[0].claim == "An octopus has three hearts."
    assert (use.provider, use.model, use.prompt_tokens, use.completion_tokens) == (name, model.name, 1000, 200)
    cached = 300 if model.protocol == "messages" else 0
    asked = (1000 - cached) * model.price.prompt_token + cached * (model.price.cached_token or 0)
    assert use.cost_nano_usd == asked + 200 * model.price.completion_token
    assert (use.cost_nano_usd == 0) == (name == "ollama")
    assert (len(services.asked), services.charged) == (1, 1)


@pytest.mark.parametrize("name", READERS)
async def test_the_answer_is_held_to_its_schema_or_told_it(services: SimulatedServices, name: str) -> None:
    await writer(services, name).write(BRIEF)
    body = services.asked[0].body
    told = "JSON schema:" in json.dumps(body["messages"])
    if name == "anthropic":
        assert body["output_config"]["format"]["schema"]["required"] == ["stories"]
    elif name != "minimax":
        assert body["response_format"]["json_schema"]["strict"] is True
    assert told == (name == "minimax")
    cap = body.get("max_tokens") or body["max_completion_tokens"]
    assert cap == (10_000 if name == "gemini" else 6_000)


@pytest.mark.parametrize("name", READERS)
async def test_nobody_hears_of_our_account_at_openai(
    services: SimulatedServices, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    await writer(services, name).write(BRIEF)
    assert "secret" not in json.dumps(services.asked[0].headers)


@pytest.mark.parametrize("name", READERS)
async def test_a_picture_is_shown_to_the_judge(services: SimulatedServices, name: str) -> None:
    shown = Picture(data=base64.b64decode(encoded_png(640, 640)), media_type="image/png", width=640, height=640)
    judge = OpenAIVision(line(services, name), model_of(name, Craft.VISION))
    judgement, (use,) = await judge.judge(shown, visual="the sea", narration="n", prompt="p")
    assert (judgement.relevance, use.action, use.provider) == (91, Action.VISION_CHECK, name)
    content = services.asked[0].body["messages"][-1]["content"]
    picture = content[1]["source"] if name == "anthropic" else content[1]["image_url"]
    assert (picture.get("media_type") or picture["url"][5:15]) == "image/jpeg"


def answer(name: str, text: str) -> bytes:
    return message(text) if name == "anthropic" else chat(text)


@pytest.mark.parametrize("name", READERS)
async def test_an_answer_of_the_wrong_shape_is_repaired_once(services: SimulatedServices, name: str) -> None:
    services.faults = [says(answer(name, "Sorry, no JSON.")), says(answer(name, "Nor now."))]
    with pytest.raises(ProviderAway) as useless:
        await writer(services, name).write(BRIEF)
    assert (len(services.asked), [use.quantity for use in useless.value.uses]) == (2, [2, 0])
    services.begin_anew()
    services.faults = [says(answer(name, "Sorry, no JSON."))]
    _, uses = await writer(services, name).write(BRIEF)
    assert [use.quantity for use in uses] == [2, 0]
    assert [each["role"] for each in services.asked[1].body["messages"][-3:]] == ["user", "assistant", "user"]


@pytest.mark.parametrize("name", READERS)
async def test_a_busy_service_is_asked_again_in_its_own_time(services: SimulatedServices, name: str) -> None:
    services.faults = [fails(429, headers={"retry-after": "0"}), fails(529)]
    written, _ = await writer(services, name).write(BRIEF)
    assert (len(written), len(services.asked), services.charged) == (2, 3, 1)
    services.always = fails(429, headers={"retry-after": "40"})
    with pytest.raises(ProviderAway) as limited:
        await writer(services, name).write(BRIEF)
    assert (limited.value.code, limited.value.wait.total_seconds()) == (RATE_LIMITED, 40)


LOST: dict[str, Fault] = {"hangs": hangs, "drips": drips, "lost": swallows, "cut": cuts}


@pytest.mark.parametrize("case", LOST)
@pytest.mark.parametrize("name", ["anthropic", "minimax"])
async def test_a_lost_reply_is_never_asked_for_again(services: SimulatedServices, name: str, case: str) -> None:
    services.faults = [LOST[case]]
    with pytest.raises(ProviderAway):
        await writer(services, name, attempt_s=0.2).write(BRIEF)
    assert len(services.asked) == 1


NONSENSE: dict[str, Fault] = {
    "truncated": says(b'{"choices": [{"message": {"con'),
    "html": says(b"<html>hello</html>", content_type="text/html"),
    "endless": floods,
    "empty": says(b"{}"),
}


@pytest.mark.parametrize("case", NONSENSE)
@pytest.mark.parametrize("name", ["anthropic", "minimax"])
async def test_nonsense_is_an_outage_and_costs_nothing(services: SimulatedServices, name: str, case: str) -> None:
    services.faults = [NONSENSE[case]]
    with pytest.raises(ProviderAway) as nonsense:
        await writer(services, name).write(BRIEF)
    assert (nonsense.value.uses, len(services.asked)) == ((), 1)


async def test_a_refusal_and_a_cut_answer_of_anthropics_are_known(services: SimulatedServices) -> None:
    services.faults = [says(message("", stop="refusal"))]
    with pytest.raises(ProviderRefused) as refused:
        await writer(services, "anthropic").write(BRIEF)
    assert (refused.value.code, len(refused.value.uses)) == ("provider.policy", 1)
    whole = stories(variants=2, scenes=5, words=75)
    services.faults = [says(message(whole, stop="max_tokens")), says(message(whole))]
    _, uses = await writer(services, "anthropic").write(BRIEF)
    assert len(uses) == 2


@pytest.mark.parametrize(
    ("name", "fault", "sentence"),
    [
        ("anthropic", fails(401), "ANTHROPIC_API_KEY"),
        ("gemini", fails(403), "GEMINI_API_KEY"),
        ("minimax", minimax_says_no(1004), "MINIMAX_API_KEY"),
        ("ollama", fails(404), "OLLAMA_BASE_URL"),
    ],
)
async def test_a_refused_key_names_its_variable(
    services: SimulatedServices, name: str, fault: Fault, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    services.faults = [fault]
    with pytest.raises(ProviderRefused, match=sentence):
        await writer(services, name).write(BRIEF)
    assert (len(services.asked), services.charged) == (1, 0)
    assert KEY not in caplog.text
    assert KEY not in repr(line(services, name))


@pytest.mark.parametrize(
    ("code", "error", "public", "wait_s", "asked"),
    [
        (1002, ProviderAway, RATE_LIMITED, 5, 3),
        (1024, ProviderAway, "provider.unavailable", 5, 3),
        (1001, ProviderAway, "provider.unavailable", 5, 1),
        (1008, ProviderAway, "provider.unavailable", 300, 1),
        (1026, ProviderRefused, "provider.policy", None, 1),
        (2013, ProviderRefused, "provider.refused", None, 1),
    ],
)
async def test_minimax_says_no_by_a_code(
    services: SimulatedServices, code: int, error: type[Exception], public: str, wait_s: float | None, asked: int
) -> None:
    services.always = minimax_says_no(code)
    with pytest.raises(error) as failure:
        await writer(services, "minimax").write(BRIEF)
    value = failure.value
    assert isinstance(value, ProviderAway | ProviderRefused)
    assert (value.code, len(services.asked), value.uses) == (public, asked, ())
    if isinstance(value, ProviderAway):
        assert value.wait.total_seconds() == wait_s


@pytest.mark.parametrize(("kind", "status"), [("billing_error", 400), ("api_error", 402)])
async def test_an_empty_account_at_anthropic_waits_for_its_owner(
    services: SimulatedServices, kind: str, status: int
) -> None:
    services.faults = [says(anthropic_error(kind), status=status)]
    with pytest.raises(ProviderAway) as empty:
        await writer(services, "anthropic").write(BRIEF)
    assert (empty.value.wait.total_seconds(), len(services.asked)) == (300, 1)


async def test_an_unlisted_model_is_spoken_to_as_its_neighbours_are(services: SimulatedServices) -> None:
    for name in READERS:
        model = model_of(name, Craft.TEXT, "of-tomorrow")
        usual = model_of(name, Craft.TEXT)
        assert (model.known, model.protocol, model.structured) == (False, usual.protocol, usual.structured)
        _, (use,) = await OpenAIText(line(services, name), model).write(replace(BRIEF, variants=1))
        assert (use.model, use.cost_nano_usd) == ("of-tomorrow", 0)
