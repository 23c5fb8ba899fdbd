"""Settings are read once, and what would start and then fail is refused by name."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from reelwright.dev import publishing
from reelwright.generations import Stage
from reelwright.settings import SettingRefused, Settings, load, variable
from reelwright.wiring import hands, stage_places, tools

NEEDED = {
    "DATABASE_URL": "postgresql://localhost/reelwright",
    "REDIS_URL": "redis://localhost",
    "REELWRIGHT_STORAGE_URL": "file:///tmp/reelwright",
    "REELWRIGHT_WORKER_URL": "http://127.0.0.1:8001",
    "QSTASH_TOKEN": "token",
    "QSTASH_CURRENT_SIGNING_KEY": "key",
    "REELWRIGHT_SECRET_KEY": "x" * 32,
}


def test_the_needed_ones_are_enough_and_the_rest_has_defaults() -> None:
    settings = load(NEEDED)
    assert (settings.environment, settings.lease, settings.text_provider) == (
        "production",
        timedelta(seconds=45),
        ("offline",),
    )


@pytest.mark.parametrize("missing", NEEDED)
def test_a_missing_one_is_named(missing: str) -> None:
    with pytest.raises(SettingRefused) as refused:
        load(NEEDED | {missing: " "})
    assert refused.value.field == missing
    assert missing in refused.value.sentence


@pytest.mark.parametrize(
    ("text", "length"),
    [("500ms", 0.5), ("45s", 45), ("10m", 600), ("1h", 3600), ("1m30s", 90), ("1.5s", 1.5)],
)
def test_durations_are_read(text: str, length: float) -> None:
    assert load(NEEDED | {"REELWRIGHT_STAGE_DEADLINE": text}).stage_deadline == timedelta(seconds=length)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REELWRIGHT_LEASE", "45"),
        ("REELWRIGHT_LEASE", "soon"),
        ("REELWRIGHT_LEASE", "5s"),
        ("REELWRIGHT_WORKER_CONCURRENCY", "0"),
        ("REELWRIGHT_WORKER_CONCURRENCY", "two"),
        ("REELWRIGHT_ENVIRONMENT", "staging"),
        ("REELWRIGHT_CLIENT_ADDRESS_HEADER", "X-Forwarded-For"),
        ("REELWRIGHT_CLIENT_ADDRESS_HEADER", "Fly-Client-IP: 1"),
        ("REELWRIGHT_SECRET_KEY", "too short"),
        ("REELWRIGHT_TEXT_PROVIDER", "oracle"),
        ("REELWRIGHT_TEXT_PROVIDER", "offline,offline"),
        ("REELWRIGHT_TEXT_PROVIDER", ","),
        ("REELWRIGHT_INGESTION_ALLOWLIST", "127.0.0.1:80"),
        ("REELWRIGHT_YOUTUBE_UPLOAD_URL", "http://127.0.0.1/upload"),
        ("REELWRIGHT_YOUTUBE_TOKEN_URL", "http://127.0.0.1/token"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingRefused) as refused:
        load(NEEDED | {name: value})
    assert refused.value.field == name


def test_a_channels_grant_is_whole_and_is_taken_before_a_token_that_lapses() -> None:
    grant = {f"REELWRIGHT_YOUTUBE_{part}": "given" for part in ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN")}
    for part in grant:
        with pytest.raises(SettingRefused) as refused:
            load(NEEDED | {name: value for name, value in grant.items() if name != part})
        assert refused.value.field == part
    token = NEEDED | {"REELWRIGHT_YOUTUBE_TOKEN": "short"}
    assert publishing._channel(load(token)).grant is None
    assert repr(publishing._channel(load(token | grant)).grant) == "Grant(url='https://oauth2.googleapis.com/token')"
    with pytest.raises(publishing.TokenMissing):
        publishing._channel(load(NEEDED))


def test_openai_needs_its_key_and_a_local_service_does_not() -> None:
    with pytest.raises(SettingRefused) as refused:
        load(NEEDED | {"REELWRIGHT_TEXT_PROVIDER": "openai"})
    assert refused.value.field == "OPENAI_API_KEY"
    local = NEEDED | {"REELWRIGHT_TEXT_PROVIDER": "openai", "OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"}
    assert load(local).text_provider == ("openai",)


def test_providers_come_in_an_order_and_each_needs_its_key() -> None:
    order = NEEDED | {"REELWRIGHT_TEXT_PROVIDER": "openai, anthropic,offline", "OPENAI_API_KEY": "k"}
    with pytest.raises(SettingRefused) as refused:
        load(order)
    assert refused.value.field == "ANTHROPIC_API_KEY"
    settings = load(order | {"ANTHROPIC_API_KEY": "k", "REELWRIGHT_TEXT_MODEL": "gpt-4.1"})
    assert settings.text_provider == ("openai", "anthropic", "offline")
    place = stage_places(settings)[Stage.STORY_WRITING]
    names = [(who.provider, who.model) for who in (place, *place.instead)]
    assert names == [("openai", "gpt-4.1"), ("anthropic", "claude-haiku-4-5"), ("offline", "extract-1")]
    others = hands(settings, tools(settings))
    assert set(others) == set(names[1:])
    kinds = [type(others[name].text).__name__ for name in names[1:]]
    assert (kinds, type(tools(settings).text).__name__) == (["OpenAIText", "OfflineText"], "OpenAIText")


UPSTASH = {"UPSTASH_REDIS_REST_URL": "https://a.upstash.io", "UPSTASH_REDIS_REST_TOKEN": "token"}
WITHOUT_REDIS = {name: value for name, value in NEEDED.items() if name != "REDIS_URL"}


def test_upstash_may_stand_in_for_a_redis_address() -> None:
    settings = load(WITHOUT_REDIS | UPSTASH)
    assert (settings.redis_url, settings.upstash_redis_rest_url) == (None, "https://a.upstash.io")
    assert load(NEEDED | dict.fromkeys(UPSTASH, " ")).redis_url == "redis://localhost"


@pytest.mark.parametrize(
    ("given", "named", "sentence"),
    [
        (NEEDED | UPSTASH, "REDIS_URL", "unset one"),
        (NEEDED | {"UPSTASH_REDIS_REST_TOKEN": "token"}, "REDIS_URL", "unset one"),
        (WITHOUT_REDIS, "REDIS_URL", "or UPSTASH_REDIS_REST_URL with UPSTASH_REDIS_REST_TOKEN"),
        (WITHOUT_REDIS | UPSTASH | {"UPSTASH_REDIS_REST_TOKEN": ""}, "UPSTASH_REDIS_REST_TOKEN", "is not set"),
        (WITHOUT_REDIS | {"UPSTASH_REDIS_REST_TOKEN": "t"}, "UPSTASH_REDIS_REST_URL", "is not set"),
        (WITHOUT_REDIS | UPSTASH | {"UPSTASH_REDIS_REST_URL": "http://a"}, "UPSTASH_REDIS_REST_URL", "https://"),
        (WITHOUT_REDIS | UPSTASH | {"UPSTASH_REDIS_REST_URL": "redis://a"}, "UPSTASH_REDIS_REST_URL", "https://"),
    ],
)
def test_exactly_one_redis_is_given_and_whole(given: dict[str, str], named: str, sentence: str) -> None:
    """Limits that are counted in two places hold in neither."""
    with pytest.raises(SettingRefused) as refused:
        load(given)
    assert refused.value.field == named
    assert sentence in refused.value.sentence


def test_plain_http_is_for_a_simulator_on_a_developers_machine() -> None:
    near = {"UPSTASH_REDIS_REST_URL": "http://127.0.0.1:9", "REELWRIGHT_ENVIRONMENT": "development"}
    assert load(WITHOUT_REDIS | UPSTASH | near).upstash_redis_rest_url == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("craft", "choice", "key"),
    [
        ("TEXT", "anthropic", "ANTHROPIC_API_KEY"),
        ("TEXT", "gemini", "GEMINI_API_KEY"),
        ("VISION", "minimax", "MINIMAX_API_KEY"),
        ("PICTURE", "minimax", "MINIMAX_API_KEY"),
        ("SPEECH", "elevenlabs", "ELEVENLABS_API_KEY"),
    ],
)
def test_each_service_needs_its_own_key(craft: str, choice: str, key: str) -> None:
    chosen = NEEDED | {f"REELWRIGHT_{craft}_PROVIDER": choice, "OPENAI_API_KEY": "another's"}
    with pytest.raises(SettingRefused) as refused:
        load(chosen)
    assert refused.value.field == key
    settings = load(chosen | {key: "k"})
    assert (settings.choices[craft.lower()], settings.access[choice].key) == ((choice,), "k")


def test_a_service_is_chosen_only_for_what_it_does_and_ollama_needs_no_key() -> None:
    with pytest.raises(SettingRefused, match="offline, openai, minimax or elevenlabs"):
        load(NEEDED | {"REELWRIGHT_SPEECH_PROVIDER": "anthropic"})
    assert load(NEEDED | {"REELWRIGHT_TEXT_PROVIDER": "ollama"}).access["ollama"].url is None


def test_the_example_names_every_setting() -> None:
    example = (Path(__file__).parents[1] / ".env.example").read_text()
    assert [field.name for field in msgspec.structs.fields(Settings) if variable(field.name) not in example] == []
