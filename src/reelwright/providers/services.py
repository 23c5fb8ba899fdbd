"""The services that do paid work, as data: where each is, how it knows us, and what it is asked to do.

Read from their documentation in November 2026: platform.openai.com, platform.claude.com (Messages API; its
OpenAI-compatible layer doesn't hold an answer to a schema), ai.google.dev (OpenAI compatibility), platform.minimax.io,
docs.ollama.com (OpenAI compatibility), elevenlabs.io.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reelwright.providers.catalogue import Craft


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service. `key_header` is empty where the key goes as a Bearer token."""

    name: str
    url: str
    crafts: frozenset[Craft]
    needs_key: bool = True
    key_header: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def key_variable(self) -> str:
        """Return the environment variable that holds our key."""
        return f"{self.name.upper()}_API_KEY"

    @property
    def url_variable(self) -> str:
        """Return the environment variable that holds another address."""
        return f"{self.name.upper()}_BASE_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What an operator set for a service; its own address where `url` is None."""

    key: str | None = None
    url: str | None = None

    def __repr__(self) -> str:
        return f"Access(url={self.url!r})"

    def suffices(self, service: Service) -> bool:
        """Say whether the service can be asked; another address may need no key."""
        return bool(self.key) or not service.needs_key or self.url not in {None, service.url}


_READ_AND_SEE = frozenset({Craft.TEXT, Craft.VISION})

OPENAI = Service(
    name="openai",
    url="https://api.openai.com/v1",
    crafts=_READ_AND_SEE | {Craft.PICTURE, Craft.SPEECH},
)

SERVICES: Mapping[str, Service] = {
    service.name: service
    for service in (
        OPENAI,
        Service(
            name="anthropic",
            url="https://api.anthropic.com/v1",
            crafts=_READ_AND_SEE,
            key_header="x-api-key",
            headers={"anthropic-version": "2023-06-01"},
        ),
        Service(
            name="gemini",
            url="https://generativelanguage.googleapis.com/v1beta/openai",
            crafts=_READ_AND_SEE,
        ),
        Service(
            name="minimax",
            url="https://api.minimax.io/v1",
            crafts=_READ_AND_SEE | {Craft.PICTURE, Craft.SPEECH},
        ),
        Service(name="ollama", url="http://127.0.0.1:11434/v1", crafts=_READ_AND_SEE, needs_key=False),
        Service(
            name="elevenlabs",
            url="https://api.elevenlabs.io/v1",
            crafts=frozenset({Craft.SPEECH}),
            key_header="xi-api-key",
        ),
    )
}


def providers_of(craft: Craft) -> tuple[str, ...]:
    """Return the names that may be chosen for a craft."""
    return ("offline", *(service.name for service in SERVICES.values() if craft in service.crafts))
