"""Makes one client a craft, by choice; only what is chosen is imported."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from reelwright.ground import telemetry
from reelwright.ground.errors import Kind, Refusal
from reelwright.providers.catalogue import Craft, model_of
from reelwright.providers.fuses import PROCESS
from reelwright.providers.model import Toolset
from reelwright.providers.services import SERVICES, Access, Service, providers_of
from reelwright.providers.web import PageFetcher

_LONGEST: Mapping[Craft, int] = {
    Craft.TEXT: 2_000_000,
    Craft.PICTURE: 48_000_000,  # an uncompressed 1088x1920 picture in base64 is 8 MB
    Craft.VISION: 1_000_000,
    Craft.SPEECH: 32_000_000,  # five minutes of 24 kHz sound, in hex
}
"""How many bytes an answer may have."""

_OFFLINE = {
    Craft.TEXT: ("text", "OfflineText"),
    Craft.PICTURE: ("drawing", "OfflinePictures"),
    Craft.VISION: ("inspection", "OfflineVision"),
    Craft.SPEECH: ("voice", "OfflineVoice"),
    Craft.MUSIC: ("music", "OfflineMusic"),
}
_CLIENTS: Mapping[tuple[str, Craft], tuple[str, str]] = {
    ("minimax", Craft.PICTURE): ("image_minimax", "MiniMaxPictures"),
    ("minimax", Craft.SPEECH): ("speech_minimax", "MiniMaxSpeech"),
    ("elevenlabs", Craft.SPEECH): ("speech_elevenlabs", "ElevenLabsSpeech"),
}
_USUAL: Mapping[Craft, tuple[str, str]] = {
    Craft.TEXT: ("text", "OpenAIText"),
    Craft.PICTURE: ("image", "OpenAIPictures"),
    Craft.VISION: ("vision", "OpenAIVision"),
    Craft.SPEECH: ("speech", "OpenAISpeech"),
}


def toolset(
    *,
    choice: Mapping[str, str] | None = None,
    access: Mapping[str, Access] | None = None,
    openai_api_key: str | None = None,
    openai_base_url: str | None = None,
    models: Mapping[str, str] | None = None,
    allowlist: frozenset[str] = frozenset(),
) -> Toolset:
    """Make one client a craft.

    `choice` and `models` go by craft (text, picture, vision, speech, music): `offline` or a service's name, and a
    model's name; what they leave out is offline, and the provider's default model. `access` goes by service; the two
    `openai_…` are that of openai where it isn't in there. Raises Refusal (`provider.unknown`, `provider.key_missing`,
    `provider.not_installed`).
    """
    known = {"openai": Access(key=openai_api_key, url=openai_base_url), **(access or {})}

    def made(craft: Craft) -> Any:
        name = (choice or {}).get(craft.value, "offline")
        if name not in providers_of(craft):
            raise Refusal(
                f"There is no {craft} provider {name!r}: choose {' or '.join(providers_of(craft))}.",
                field=f"{craft}_provider",
                code="provider.unknown",
            )
        if name == "offline":
            return _offline(craft)
        return _paid(craft, SERVICES[name], known.get(name, Access()), (models or {}).get(craft.value))

    return Toolset(
        text=made(Craft.TEXT),
        picture=made(Craft.PICTURE),
        vision=made(Craft.VISION),
        speech=made(Craft.SPEECH),
        music=made(Craft.MUSIC),
        pages=PageFetcher(allowlist),
    )


def _offline(craft: Craft) -> Any:
    module, name = _OFFLINE[craft]
    try:
        return getattr(import_module(f"reelwright.providers.offline.{module}"), name)()
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("reelwright"):
            raise
        raise Refusal(
            f"The offline {craft} provider isn't installed: run pip install 'reelwright[offline]', or choose openai.",
            field=f"{craft}_provider",
            code="provider.not_installed",
            kind=Kind.CONFLICT,
        ) from missing


def _paid(craft: Craft, service: Service, access: Access, model: str | None) -> Any:
    if not access.suffices(service):
        raise Refusal(
            f"The {craft} provider is {service.name}, so {service.key_variable} must be set.",
            field=service.key_variable,
            code="provider.key_missing",
        )
    from reelwright.providers import openai_connection, openai_failures  # noqa: PLC0415 - stamina, for who chose it

    connection = openai_connection.OpenAIConnection(
        api_key=access.key or "unused",
        base_url=access.url or service.url,
        budget=openai_connection.CallBudget(response_bytes=_LONGEST[craft]),
        fuses=PROCESS,
        service=service,
    )
    module, name = _CLIENTS.get((service.name, craft), _USUAL[craft])
    client = getattr(import_module(f"reelwright.providers.{module}"), name)
    chosen = model_of(service.name, craft, model)
    telemetry.show(telemetry.PROVIDER_CALLS, [chosen.provider], [chosen.name], openai_failures.OUTCOMES)
    telemetry.show(telemetry.PROVIDER_REPEATS, [chosen.provider], [chosen.name])
    return (
        client(connection, chosen, facts_from=_encyclopaedia()) if craft is Craft.TEXT else client(connection, chosen)
    )


def _encyclopaedia() -> Any:
    """Return the bundled encyclopaedia where it is installed: the paid model writes, but facts have a source."""
    try:
        return _offline(Craft.TEXT)
    except Refusal:
        return None
